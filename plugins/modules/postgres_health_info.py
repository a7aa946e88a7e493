# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_health_info
short_description: Ask a PostgreSQL server how it is, and judge the answers
version_added: 0.1.0
description:
  - Asks for rows, sizes, sessions, locks, upkeep, replication, settings and slow queries, looks at the backups, and compares what
    it finds with thresholds.
  - Every query is a read-only transaction of its own with its own time-outs. One that fails is a note; the others stand.
  - A server that does not answer is a finding, not a failure. The backups are judged all the same.
  - Membership in C(pg_monitor) is enough. What a role may not see is said in RV(notes).
  - Texts of queries come with a question mark in the place of every literal.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._postgres
  - amanat.dbops._backups
attributes:
  check_mode:
    support: full
    description: It only reads, in either mode.
  diff_mode:
    support: none
    description: There is nothing to compare.
options:
  thresholds:
    description:
      - Thresholds in the place of the module's own, by the name of the check, each with V(warning) and V(critical) or one of them.
      - Null takes a threshold away. The checks are listed in the operator's guide, and returned in RV(checks).
    type: dict
    default: {}
  interval:
    description: Duration such as V(26h) within which the next backup is expected. Longer gaps that ended in the last three days are found.
    type: str
    default: 26h
  statement_timeout:
    description: Seconds that one query may take.
    type: float
    default: 5.0
  lock_timeout:
    description: Seconds that one query may wait for a lock.
    type: float
    default: 0.5
"""

EXAMPLES = r"""
- name: Ask how the database is
  amanat.dbops.postgres_health_info:
    stack: production/nickapp
    postgres_container: amanat-postgres
    pg_url: "{{ dbops_pg_url }}"
    backup_dir: /var/backups/dbops/production/nickapp
    login_user: monitor
    login_password: "{{ monitor_password }}"
    thresholds:
      connections: {warning: 0.7}
      slow_queries: {warning: 250, critical: 5000}
  register: health

- name: Fail on what is critical
  ansible.builtin.assert:
    that: health.worst != 'critical'
    fail_msg: "{{ health.findings }}"
"""

RETURN = r"""
version:
  description: Version of this structure.
  returned: success
  type: int
name:
  description: V(postgresql).
  returned: success
  type: str
title:
  description: Server and database in words.
  returned: success
  type: str
time:
  description: When it was asked, UTC.
  returned: success
  type: str
reachable:
  description: Whether the server answered.
  returned: success
  type: bool
worst:
  description: V(ok), V(warning) or V(critical).
  returned: success
  type: str
findings:
  description: What reached a threshold, the worst first.
  returned: success
  type: list
  elements: dict
  contains:
    check:
      description: Name of the check.
      type: str
    title:
      description: The check in words.
      type: str
    severity:
      description: V(warning) or V(critical).
      type: str
    object:
      description: What it is about, a table, a session or a slot for example; empty for the whole.
      type: str
    value:
      description: The value, in RV(findings[].unit).
      type: float
    threshold:
      description: The threshold that it reached.
      type: float
    unit:
      description: Unit of both; V(ratio) lies between 0 and 1.
      type: str
    shown:
      description: The value as people read it.
      type: str
    limit:
      description: The threshold as people read it.
      type: str
    detail:
      description: What else there is to say.
      type: str
    meaning:
      description: Why it matters.
      type: str
    next:
      description: The command or the statement to type next.
      type: str
checks:
  description: Every check with V(state), one of V(ok), V(unknown), V(warning) and V(critical), and its worst value, thresholds and source.
  returned: success
  type: list
  elements: dict
notes:
  description: What is not known, why, and what to do about it.
  returned: success
  type: list
  elements: dict
  contains:
    about:
      description: What is not known.
      type: str
    reason:
      description: Why.
      type: str
    next:
      description: What to do about it; empty where there is nothing.
      type: str
measured:
  description: What the server answered, by query; RV(backups) beside it.
  returned: success
  type: dict
backups:
  description:
    - Directory, series, and what M(amanat.dbops.backup_info) returns of it, gaps of the last three days only.
    - RV(ignore:reason) in its place where there is none.
  returned: success
  type: dict
space:
  description: Bytes free and in total where the data lie; null where that is not known.
  returned: success
  type: dict
growth:
  description: Since when, and by how many bytes the database and each table grew; empty without an earlier report.
  returned: success
  type: dict
trend:
  description: Time and size in bytes of the database at each of the last reports, the oldest first.
  returned: success
  type: list
  elements: dict
seconds:
  description: Seconds that the queries took in the server, together.
  returned: success
  type: float
"""

from datetime import datetime, timedelta, timezone
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils import _catalogue, _health_files
from ansible_collections.amanat.dbops.plugins.module_utils._calendar import duration_of
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._findings import judge, with_thresholds, worst_of
from ansible_collections.amanat.dbops.plugins.module_utils._history import describe
from ansible_collections.amanat.dbops.plugins.module_utils._module import (
    BACKUPS_OPTIONS,
    POSTGRES_OPTIONS,
    TARGET_OPTIONS,
    backup_dir_of,
    main_of,
    series_of,
    server_of,
    stack_of,
    url_of,
)
from ansible_collections.amanat.dbops.plugins.module_utils._pg_health import UNREACHABLE, ask, free_space, growth, notes
from ansible_collections.amanat.dbops.plugins.module_utils._pg_health_probes import Answers
from ansible_collections.amanat.dbops.plugins.module_utils._pg_health_readings import Measured
from ansible_collections.amanat.dbops.plugins.module_utils._pg_health_rules import RULES
from ansible_collections.amanat.dbops.plugins.module_utils._report_values import moment

TREND = 60  # earlier reports whose size is drawn
RECENT = timedelta(days=3)  # before that, rotation thins backups out: gaps are what is wanted


def _backups(module: AnsibleModule, now: datetime) -> dict[str, Any]:
    """What the catalogue says of the database's own series."""
    directory, series = backup_dir_of(module), series_of(module)
    about: dict[str, Any] = {"directory": directory, "name": series}
    interval = duration_of("interval", module.params["interval"])
    try:
        with _catalogue.opened(directory, lock=False) as descriptor:
            entries = _catalogue.of_series(_catalogue.scan(descriptor).backups, [series])
            facts = [_catalogue.facts(directory, descriptor, backup) for backup in entries]
    except OperationError as error:
        return {**about, "reason": error.what}
    except OSError as error:
        return {**about, "reason": f"{directory}: {error.strerror}"}
    [told] = describe(facts, [series], interval, now)
    told["gaps"] = [gap for gap in told["gaps"] if (moment(gap["to"]) or now) > now - RECENT]
    if told["drill"]:
        ended = moment(told["drill"]["time"])
        told["drill"]["age"] = (now - ended).total_seconds() if ended else 0.0
    return {**about, "series": told}


def _title(answers: Answers, database: str) -> str:
    server = (answers.rows.get("server") or [{}])[0]
    version = f" {str(server['version']).split()[0]}" if server else ""
    return f"PostgreSQL{version}, database {database}{' (standby)' if server.get('standby') else ''}"


def body(module: AnsibleModule) -> dict[str, Any]:
    params, stack, url = module.params, stack_of(module), url_of(module)
    rules = with_thresholds(RULES, params["thresholds"])
    now = datetime.now(timezone.utc)
    backups = _backups(module, now)
    answers, missing = Answers({}, {}, {}), {}
    unreachable, space = None, None
    try:
        server = server_of(module)
        answers, missing = ask(server, params["statement_timeout"], params["lock_timeout"])
        space = free_space(server, answers, missing)
    except OperationError as error:
        if error.slug not in UNREACHABLE:
            raise
        unreachable = (error.what, error.next_step)
    identity = [row["system_identifier"] for row in answers.rows.get("server", [])]
    earlier = [
        (time, told)
        for time, told in _health_files.earlier(stack.reports, "postgresql", now, TREND)
        if told.get("database") == url.database
        and (told.get("measured") or {}).get("database")
        # Another server under the same name has another history; one that does not answer has the one that is known.
        and identity in ([], [row["system_identifier"] for row in told["measured"].get("server", [])])
    ]
    time_before, before = earlier[0] if earlier else (now, {})
    since = (now - time_before).total_seconds()
    measured = Measured(
        stack=str(stack),
        rows=answers.rows,
        missing=missing,
        backups=backups,
        space=space,
        previous=before.get("measured", {}),
        since=since,
        unreachable=unreachable,
    )
    findings, checks = judge(rules, measured)
    sizes = [(time, told["measured"]["database"][0]["bytes"]) for time, told in reversed(earlier)]
    sizes += [(now, row["bytes"]) for row in answers.rows.get("database", [])]
    return {
        "changed": False,
        "version": _health_files.VERSION,
        "name": "postgresql",
        "title": _title(answers, url.database),
        "database": url.database,
        "time": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "reachable": unreachable is None,
        "worst": worst_of(finding["severity"] for finding in findings),
        "findings": findings,
        "checks": checks,
        "notes": [] if unreachable else notes(answers, missing),
        "measured": answers.rows,
        "backups": backups,
        "space": space,
        "growth": growth(answers.rows, before.get("measured", {}), f"{time_before:%Y-%m-%dT%H:%M:%SZ}", since),
        "trend": [{"time": f"{time:%Y-%m-%dT%H:%M:%SZ}", "bytes": size} for time, size in sizes],
        "seconds": round(sum(answers.seconds.values()), 3),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            **POSTGRES_OPTIONS,
            **BACKUPS_OPTIONS,
            "thresholds": {"type": "dict", "default": {}},
            "interval": {"type": "str", "default": "26h"},
            "statement_timeout": {"type": "float", "default": 5.0},
            "lock_timeout": {"type": "float", "default": 0.5},
        },
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
