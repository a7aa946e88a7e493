# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_health_info
short_description: Ask a Redis or Valkey server how it is, and judge the answers
version_added: 0.1.0
description:
  - Asks for memory, persistence, clients, replication, slow commands, latency, settings and the environment stamp, and compares what
    it finds with thresholds.
  - Rates are counted between two samples. The first one is that of the last report where there is one of the same run of the server,
    else both are this module's own.
  - A server that does not answer is a finding, not a failure. What the user may not ask is said in RV(notes).
  - Of slow commands it keeps the name and the prefix of the key, and no value.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._redis
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
    description: Seconds between two samples of the counters, where the last report is no sample.
    type: float
    default: 2.0
"""

EXAMPLES = r"""
- name: Ask how Redis is
  amanat.dbops.redis_health_info:
    stack: production/nickapp
    redis_container: nickapp-redis
    redis_password: "{{ dbops_redis_password }}"
    thresholds:
      redis_hits: {warning: 0.8}
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
  description: V(redis).
  returned: success
  type: str
title:
  description: Server and version in words.
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
  description: What reached a threshold, the worst first, with the keys of those of M(amanat.dbops.postgres_health_info).
  returned: success
  type: list
  elements: dict
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
measured:
  description:
    - What the server answered, by probe. RV(ignore:info), RV(ignore:config), RV(ignore:slowlog), RV(ignore:latency), RV(ignore:stamp).
    - RV(ignore:answers) holds milliseconds of C(PING), RV(ignore:rates) what was counted between two samples, and over how many seconds.
  returned: success
  type: dict
trend:
  description: Time and memory in bytes at each of the last reports, the oldest first.
  returned: success
  type: list
  elements: dict
"""

from datetime import datetime, timezone
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils import _health_files
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._findings import judge, with_thresholds, worst_of
from ansible_collections.amanat.dbops.plugins.module_utils._module import TARGET_OPTIONS, main_of, stack_of
from ansible_collections.amanat.dbops.plugins.module_utils._redis_health import UNREACHABLE, ask, notes
from ansible_collections.amanat.dbops.plugins.module_utils._redis_health_readings import Measured
from ansible_collections.amanat.dbops.plugins.module_utils._redis_health_rules import RULES
from ansible_collections.amanat.dbops.plugins.module_utils._redis_info import product
from ansible_collections.amanat.dbops.plugins.module_utils._redis_module import REDIS_OPTIONS, redis_of

TREND = 60  # earlier reports whose memory is drawn


def _title(info: dict[str, Any]) -> str:
    if not info:
        return "Redis"
    name, version = product(info)
    return f"{name.capitalize()} {'.'.join(map(str, version))}{' (replica)' if info['role'] == 'slave' else ''}"


def body(module: AnsibleModule) -> dict[str, Any]:
    params, stack = module.params, stack_of(module)
    rules = with_thresholds(RULES, params["thresholds"])
    now = datetime.now(timezone.utc)
    earlier = [
        (time, told["measured"]["info"])
        for time, told in _health_files.earlier(stack.reports, "redis", now, TREND)
        if (told.get("measured") or {}).get("info")
    ]
    time_before, before = earlier[0] if earlier else (now, {})
    told: dict[str, Any] = {}
    missing: dict[str, str] = {}
    unreachable = None
    try:
        with redis_of(module).session(loading=0) as session:
            told, missing = ask(session, params["interval"], before, (now - time_before).total_seconds())
    except OperationError as error:
        if error.slug not in UNREACHABLE:
            raise
        unreachable = (error.what, error.next_step)
    findings, checks = judge(rules, Measured(str(stack), told, missing, unreachable))
    sizes = [(time, info["used_memory"]) for time, info in reversed(earlier)]
    sizes += [(now, told["info"]["used_memory"])] if told else []
    return {
        "changed": False,
        "version": _health_files.VERSION,
        "name": "redis",
        "title": _title(told.get("info", {})),
        "time": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "reachable": unreachable is None,
        "worst": worst_of(finding["severity"] for finding in findings),
        "findings": findings,
        "checks": checks,
        "notes": notes(missing),
        "measured": told,
        "trend": [{"time": f"{time:%Y-%m-%dT%H:%M:%SZ}", "bytes": size} for time, size in sizes],
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            **REDIS_OPTIONS,
            "thresholds": {"type": "dict", "default": {}},
            "interval": {"type": "float", "default": 2.0},
        },
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
