# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_info
short_description: Tell what backups a directory holds, and how far each is proven
version_added: 0.1.0
description:
  - Reads names, sizes and manifests. Contents are not read; that is what verifying and drilling are for.
author:
  - amanat.dbops contributors (@amanat)
attributes:
  check_mode:
    support: full
    description: Changes nothing in either mode.
  diff_mode:
    support: none
    description: There is nothing to compare.
options:
  path:
    description: The directory. One that is not there is an error.
    type: path
    required: true
  series:
    description: The series to tell of. All that the directory holds where none is named.
    type: list
    elements: str
  interval:
    description:
      - Duration such as V(26h) or V(1d2h), in years, months, days and hours, within which the next valid backup is expected.
      - Where it took longer there is a gap. Without it none is looked for.
    type: str
"""

EXAMPLES = r"""
- name: Look for nights without a backup
  amanat.dbops.backup_info:
    path: /var/backups/dbops/production/nickapp
    interval: 26h
  register: backups
"""

RETURN = r"""
series:
  description: What there is of each series, by its name.
  returned: success
  type: list
  elements: dict
  contains:
    series:
      description: Its name.
      type: str
    backups:
      description: Its backups, the newest first.
      type: list
      elements: dict
      contains:
        name:
          description: Name of the backup.
          type: str
        time:
          description: The time of its name, UTC.
          type: str
        age:
          description: Seconds since then; negative where its stamp lies in the future.
          type: int
        state:
          description: V(complete), V(verified), V(drilled) or V(invalid).
          type: str
        reason:
          description: Why it is invalid; empty otherwise.
          type: str
        bytes:
          description: Its size in bytes.
          type: int
        database:
          description: Name of the database; empty where its manifest does not say.
          type: str
        sha256:
          description: One digest over the digests of all its files; empty where its manifest does not say.
          type: str
    bytes:
      description: Bytes of all of them.
      type: int
    newest:
      description: Name of the newest valid one that is not of the future; empty where there is none.
      type: str
    rpo:
      description: Seconds since that one, which is what would be lost now; null where there is none.
      type: int
    gaps:
      description: Times in which no valid backup began for longer than O(interval), the last one until now.
      type: list
      elements: dict
      contains:
        from:
          description: Time of the backup before it, UTC.
          type: str
        to:
          description: Time of the backup after it, or now, UTC.
          type: str
        seconds:
          description: Its length.
          type: int
    drill:
      description: The newest drill of any of them; empty where there was none.
      type: dict
      contains:
        name:
          description: Name of the backup.
          type: str
        time:
          description: When it ended, UTC.
          type: str
        passed:
          description: Whether it passed.
          type: bool
        rto:
          description: Seconds that the restore took; null where it did not come so far.
          type: float
partial:
  description: Backups that were not finished, or are being made.
  returned: success
  type: list
  elements: str
orphans:
  description: Manifests and globals of backups that are gone.
  returned: success
  type: list
  elements: str
foreign:
  description: What is no backup by its name or its kind.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
    bytes:
      description: Its size in bytes.
      type: int
    reason:
      description: Why it is none.
      type: str
"""

from datetime import datetime, timezone
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils import _catalogue
from ansible_collections.amanat.dbops.plugins.module_utils._calendar import duration_of
from ansible_collections.amanat.dbops.plugins.module_utils._history import describe
from ansible_collections.amanat.dbops.plugins.module_utils._module import backup_dir_of, main_of


def body(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    interval = duration_of("interval", params["interval"])
    directory, named = backup_dir_of(module, "path"), params["series"] or []
    now = datetime.now(timezone.utc)
    with _catalogue.opened(directory, lock=False) as descriptor:
        found = _catalogue.scan(descriptor)
        facts = [_catalogue.facts(directory, descriptor, backup) for backup in _catalogue.of_series(found.backups, named)]
        return {
            "changed": False,
            "series": describe(facts, named, interval, now),
            "partial": sorted(map(_catalogue.readable, found.partial)),
            "orphans": sorted(map(_catalogue.readable, found.orphans)),
            "foreign": _catalogue.foreign(descriptor, found),
        }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "series": {"type": "list", "elements": "str"},
            "interval": {"type": "str"},
        },
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
