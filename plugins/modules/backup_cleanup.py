# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_cleanup
short_description: List what is left over in a directory of backups, and remove what is named
version_added: 0.1.0
description:
  - Left over are backups that were not finished and that nobody works on, manifests of backups that are gone, and invalid backups.
  - Foreign files are listed and never removed.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._leftovers
attributes:
  check_mode:
    support: full
    description: Tells what would be removed.
  diff_mode:
    support: full
    description: Shows the names of what is removed.
  idempotent:
    support: none
    details: A name that is gone is an error, for it may be a mistyped one.
    description: A second run changes nothing.
options:
  path:
    description: The directory. One that is not there is an error.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Look what is left over
  amanat.dbops.backup_cleanup:
    path: /var/backups/dbops/production/nickapp
  register: leftovers

- name: Remove what a killed backup left
  amanat.dbops.backup_cleanup:
    path: /var/backups/dbops/production/nickapp
    names: [.amanat_pg_2026-11-22T120000Z.pgdir.partial]
    confirm: [.amanat_pg_2026-11-22T120000Z.pgdir.partial]
"""

RETURN = r"""
leftovers:
  description: What can be named, before anything was removed.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the file or directory.
      type: str
    kind:
      description: V(partial), V(orphan) (a manifest, or globals, without the backup) or V(invalid).
      type: str
    reason:
      description: What is wrong with it.
      type: str
    time:
      description: The time of its name, UTC.
      type: str
    age:
      description: Seconds since then.
      type: int
    bytes:
      description: Its size in bytes.
      type: int
    busy:
      description: Why it cannot be removed now; empty where it can.
      type: str
foreign:
  description: What is no backup by its name or its kind. It is not removed here.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
    reason:
      description: Why it is no backup.
      type: str
    bytes:
      description: Its size in bytes.
      type: int
removed:
  description: Names of what was removed, in check mode of what would be.
  returned: success
  type: list
  elements: str
freed:
  description: Bytes of what was removed.
  returned: success
  type: int
"""

from datetime import datetime, timezone
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils import _catalogue, _leftovers
from ansible_collections.amanat.dbops.plugins.module_utils._backup_dir import alone
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._module import backup_dir_of, main_of
from ansible_collections.amanat.dbops.plugins.module_utils._named_by_windows import named_by_windows
from ansible_collections.amanat.dbops.plugins.module_utils._removal import Obstacle, obstacle, remove, remove_leftover


def _at_work(directory: str) -> bool:
    """Whether somebody makes a backup here now, which looks like one that was not finished."""
    try:
        with alone(directory, wait=False):
            return False
    except OperationError:
        return True


def _leftovers_of(
    directory: str, descriptor: int, found: _catalogue.Catalogue, named: dict[str, str], at_work: str
) -> list[dict[str, Any]]:
    listed = [
        *((name, moment, "partial", "it was not finished", at_work) for name, moment in found.partial.items()),
        *((name, moment, "orphan", "its backup is gone", "") for name, moment in found.orphans.items()),
    ]
    for backup in found.backups:
        fact = _catalogue.facts(directory, descriptor, backup)
        if fact.reason:
            listed.append((fact.name, fact.moment, fact.state, fact.reason, obstacle(descriptor, backup, found.beside)))
    now = datetime.now(timezone.utc)
    return [
        {
            "name": name,
            "kind": kind,
            "reason": reason,
            "time": f"{moment.isoformat()[:19]}Z",
            "age": int((now - moment).total_seconds()),
            "bytes": _catalogue.size(descriptor, name),
            "busy": named.get(_catalogue.owner_of(name), busy),
        }
        for name, moment, kind, reason, busy in sorted(listed)
    ]


def _remove(descriptor: int, leftover: dict[str, Any], found: _catalogue.Catalogue) -> None:
    backup = next((backup for backup in found.backups if backup.name == leftover["name"]), None)
    if backup is None:
        remove_leftover(descriptor, leftover["name"])
        return
    try:
        remove(descriptor, backup, found.beside)
    except Obstacle as why:
        raise OperationError(
            "leftover-in-use",
            f"{backup.name} was not removed: {why}.",
            "What was named before it is removed.",
            "Look what is left: ansible-playbook playbooks/cleanup.yml",
        ) from None


def body(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    directory = backup_dir_of(module, "path")
    removing = bool(params["names"]) and not module.check_mode
    with _catalogue.opened(directory, lock=removing) as descriptor:
        at_work = "a backup is at work in this directory, perhaps on this one" if not removing and _at_work(directory) else ""
        named = named_by_windows(params["state_dir"])
        found = _catalogue.scan(descriptor)
        leftovers = _leftovers_of(directory, descriptor, found, named, at_work)
        chosen = _leftovers.chosen(leftovers, params["names"], params["confirm"])
        if removing:
            for leftover in chosen:
                _remove(descriptor, dict(leftover), found)
        foreign = _catalogue.foreign(descriptor, found)
    return {
        "changed": bool(chosen),
        "leftovers": leftovers,
        "foreign": foreign,
        **_leftovers.outcome(chosen, directory),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={"path": {"type": "path", "required": True}, **_leftovers.OPTIONS},
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
