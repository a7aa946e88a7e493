# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_rotate
short_description: Remove the backups of a directory that a policy does not keep
version_added: 0.1.0
description:
  - Plans, per series, which backups stay, and removes the others, the oldest first, each with its manifest.
  - The rules mean what they mean to restic's C(forget), and a backup stays when any of them keeps it. Only valid backups take a
    rule's places.
  - Whatever the policy says, the newest valid backup and the newest drilled one of a series stay, and so does every backup that an
    unfinished window's journal names. Invalid backups, those of the future and all other files are reported and left alone.
  - A backup's time is that of its name. The times of files mean nothing here.
author:
  - amanat.dbops contributors (@amanat)
attributes:
  check_mode:
    support: full
    description: Tells what would be removed, by the same steps.
  diff_mode:
    support: full
    description: Shows the names of the removed backups.
  idempotent:
    support: full
    description: A second run changes nothing.
options:
  path:
    description: The directory. One that is not there is an error.
    type: path
    required: true
  series:
    description: The series to rotate. All that the directory holds where none is named.
    type: list
    elements: str
  keep_last:
    description: Number of backups to keep, the newest first, or V(-1) for all.
    type: int
  keep_hourly:
    description:
      - Number of hours that hold a backup, of each of which the newest is kept, the newest hours first; V(-1) for all.
      - Where fewer hours than that hold one, the oldest backup is kept as well. So it is with all the rules that count.
    type: int
  keep_daily:
    description: The same for days.
    type: int
  keep_weekly:
    description: The same for ISO weeks.
    type: int
  keep_monthly:
    description: The same for months.
    type: int
  keep_yearly:
    description: The same for years.
    type: int
  keep_within:
    description:
      - Duration such as V(2y5m7d3h), in years, months, days and hours. Backups stay that are younger than the newest valid one by
        less than it.
    type: str
  keep_within_hourly:
    description: Duration as in O(keep_within), within which the newest backup of each hour stays.
    type: str
  keep_within_daily:
    description: The same for days.
    type: str
  keep_within_weekly:
    description: The same for ISO weeks.
    type: str
  keep_within_monthly:
    description: The same for months.
    type: str
  keep_within_yearly:
    description: The same for years.
    type: str
  timezone:
    description: Name of the IANA time zone in which hours, days, weeks, months and years are counted.
    type: str
    default: UTC
  min_keep:
    description: Number of valid backups, at least 1, that stay in each series whatever the rules say, the newest first.
    type: int
    default: 1
  valid_when:
    description:
      - What a backup has to be for a rule to count it. V(complete) has a manifest that says so, with which the sizes of the files
        agree, and failed no check since.
      - V(verified) was also read through or restored.
      - V(nonempty) is any plain file of at least one byte, for directories without manifests, which are then not read. A backup whose
        manifest says that a check failed counts, too.
    type: str
    choices: [verified, complete, nonempty]
    default: complete
  newest_max_age:
    description:
      - Duration as in O(keep_within). Where the newest valid backup of a series is older, backups have stopped. Nothing is removed
        then, and the module fails.
    type: str
  max_delete:
    description: Most backups that one run may remove, at least 1. Where the policy would remove more, none is, and the module fails.
    type: int
  max_delete_percent:
    description: The same as a percentage, 1 to 100, of the valid backups of all the series that are rotated.
    type: int
  protect:
    description: Shell patterns. Backups whose names match one are not removed.
    type: list
    elements: str
    default: []
  extensions:
    description:
      - Extensions of backups' names. Those of the collection where none is named, V(.pgdir), V(.dump), V(.rdb) and V(.aof.tar).
      - A C(.pgdir) is a directory; all others are plain files.
    type: list
    elements: str
  state_dir:
    description: Directory on the target with the journals of windows. One that is not there holds none.
    type: path
    default: /var/lib/dbops
"""

EXAMPLES = r"""
- name: Keep a week of days, five weeks and a year of months
  amanat.dbops.backup_rotate:
    path: /var/backups/dbops/production/nickapp
    keep_daily: 7
    keep_weekly: 5
    keep_monthly: 12
    timezone: Europe/Zurich
    newest_max_age: 26h

- name: Keep 14 files of a directory that something else fills
  amanat.dbops.backup_rotate:
    path: /srv/legacy
    extensions: [.sql.gz]
    valid_when: nonempty
    keep_last: 14
"""

RETURN = r"""
kept:
  description: The valid backups that stay, the newest of each series first.
  returned: success
  type: list
  elements: dict
  contains: &entry
    name:
      description: Name of the file or directory.
      type: str
    series:
      description: Its series; empty where the name is no backup's.
      type: str
    time:
      description: The time of its name, UTC; empty where the name is no backup's.
      type: str
    reasons:
      description: Why it is in this list.
      type: list
      elements: str
removed:
  description: The backups that were removed, the oldest first. In check mode those that would be.
  returned: success
  type: list
  elements: dict
  contains: *entry
ignored:
  description: What is no backup by its name or its kind.
  returned: success
  type: list
  elements: dict
  contains: *entry
invalid:
  description: Backups that O(valid_when) does not count. They stay until somebody removes them.
  returned: success
  type: list
  elements: dict
  contains: *entry
protected:
  description: Backups that no rule keeps, and that stay because they match O(protect), are being read, or may not be deleted.
  returned: success
  type: list
  elements: dict
  contains: *entry
future:
  description: Backups whose stamp lies in the future. They count for nothing and stay.
  returned: success
  type: list
  elements: dict
  contains: *entry
summary:
  description: What was done, in one sentence.
  returned: success
  type: str
"""

import gc
import os
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils import _catalogue, _retention
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._module import backup_dir_of, main_of
from ansible_collections.amanat.dbops.plugins.module_utils._named_by_windows import named_by_windows
from ansible_collections.amanat.dbops.plugins.module_utils._removal import Obstacle, obstacle, remove
from ansible_collections.amanat.dbops.plugins.module_utils._retention import Backup, Plan, Verdict

NOT_KEPT = ["no rule keeps it"]


def _entry(backup: Backup, reasons: list[str]) -> dict[str, Any]:
    return {"name": backup.name, "series": backup.series, "time": f"{backup.moment.isoformat()[:19]}Z", "reasons": reasons}


def _entries(verdicts: Iterable[Verdict]) -> list[dict[str, Any]]:
    return [_entry(verdict.backup, verdict.reasons) for verdict in verdicts]


def _without_obstacles(descriptor: int, plan: Plan, beside: set[str]) -> Plan:
    """The plan in which what cannot be removed is protected."""
    free, protected = [], list(plan.protected)
    for backup in plan.removed:
        why = obstacle(descriptor, backup, beside)
        if why:
            protected.append(Verdict(backup, [why]))
        else:
            free.append(backup)
    return plan._replace(removed=free, protected=protected)


def _remove(descriptor: int, plan: Plan, beside: set[str]) -> Plan:
    """Remove, the oldest first. What somebody began to read in the meantime is protected."""
    removed, protected = [], list(plan.protected)
    for backup in plan.removed:
        try:
            remove(descriptor, backup, beside)
            removed.append(backup)
        except Obstacle as why:
            protected.append(Verdict(backup, [str(why)]))
    return plan._replace(removed=removed, protected=protected)


def _summary(plan: Plan, *, would: bool) -> str:
    counted = [
        f"{len(plan.kept)} kept",
        f"{len(plan.removed)} {'would be removed' if would else 'removed'}",
        *(f"{len(part)} {word}" for part, word in ((plan.protected, "protected"), (plan.invalid, "invalid")) if part),
        *([f"{len(plan.future)} with a stamp in the future"] if plan.future else []),
    ]
    return ", ".join(counted)


def body(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    policy = _retention.policy_of(params)
    extensions = _catalogue.extensions_of(params["extensions"])
    directory = backup_dir_of(module, "path")
    now = datetime.now(timezone.utc)
    gc.disable()  # what a run makes lives until it ends; looking for garbage takes half of the time of a large directory
    with _catalogue.opened(directory, lock=not module.check_mode) as descriptor:
        pinned = named_by_windows(params["state_dir"])
        found = _catalogue.scan(descriptor, extensions)
        backups = _catalogue.of_series(found.backups, params["series"] or ())
        judged = _catalogue.judge(directory, backups, params["valid_when"])
        plan = _retention.plan(backups, policy, now, pinned=pinned, **judged._asdict())
        _retention.require_recent(plan, params["series"] or {backup.series for backup in backups}, policy, now)
        if plan.removed and not os.access(".", os.W_OK | os.X_OK, dir_fd=descriptor):
            raise OperationError(
                "target-file",
                f"{directory} is not writable for this user, so nothing can be removed from it.",
                "Nothing was changed.",
                "Correct its owner, or run with become.",
            )
        plan = _without_obstacles(descriptor, plan, found.beside)
        _retention.require_within_limits(plan, policy)
        if not module.check_mode:
            plan = _remove(descriptor, plan, found.beside)
    result: dict[str, Any] = {
        "changed": bool(plan.removed),
        "kept": _entries(plan.kept),
        "removed": [_entry(backup, NOT_KEPT) for backup in plan.removed],
        "ignored": _ignored(found),
        "invalid": _entries(plan.invalid),
        "protected": _entries(plan.protected),
        "future": _entries(plan.future),
        "summary": _summary(plan, would=module.check_mode),
    }
    if module._diff:
        names = "".join(f"{backup.name}\n" for backup in plan.removed)
        result["diff"] = {"before": names, "after": "", "before_header": f"{directory} (removed)", "after_header": directory}
    return result


def _ignored(found: _catalogue.Catalogue) -> list[dict[str, Any]]:
    why = {
        **found.foreign,
        **dict.fromkeys(found.partial, "it was not finished, or is being made"),
        **dict.fromkeys(found.orphans, "its backup is gone"),
    }
    return [{"name": _catalogue.readable(name), "series": "", "time": "", "reasons": [why[name]]} for name in sorted(why)]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "series": {"type": "list", "elements": "str"},
            **{option: {"type": "int"} for option in _retention.COUNTS},
            **{option: {"type": "str"} for option in _retention.DURATIONS},
            "timezone": {"type": "str", "default": "UTC"},
            "min_keep": {"type": "int", "default": 1},
            "valid_when": {"type": "str", "choices": list(_catalogue.VALID_WHEN), "default": "complete"},
            "newest_max_age": {"type": "str"},
            "max_delete": {"type": "int"},
            "max_delete_percent": {"type": "int"},
            "protect": {"type": "list", "elements": "str", "default": []},
            "extensions": {"type": "list", "elements": "str"},
            "state_dir": {"type": "path", "default": "/var/lib/dbops"},
        },
        supports_check_mode=True,
    )
    main_of(module, body, secrets_in_options=False)


if __name__ == "__main__":
    main()
