# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rollback_point
short_description: Keep what a database is behind its shut door, and return to it
version_added: 0.1.0
description:
  - A window takes it before its operation and returns to it when the operation fails. Nobody can write in between, so
    that returning loses nothing.
  - The copy is made by the server, file by file; where the file system can share blocks, without copying them.
  - Swapping and returning rename both databases in one transaction. What failed is kept as C(<database>__failed_<time>).
  - While they are copied or renamed, the databases take no sessions at all, and those that are open are ended.
  - The work is a job on the target. It outlives a lost connection, and a step that was cut off is simply asked for again. What a
    killed one still has the server do for this rollback point is ended first.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._postgres
  - amanat.dbops._job
  - amanat.dbops._audit
attributes:
  check_mode:
    support: full
    description: Refuses what would be refused but for the door, which may still be open, and says what would change.
  diff_mode:
    support: none
    description: The names of the databases are returned instead.
  idempotent:
    support: full
    description: A second run changes nothing.
options:
  state:
    description:
      - V(prepared) finds every reason to refuse and writes a checkpoint, while the application still runs.
      - V(taken) makes the copy. The door has to be shut.
      - V(swapped) makes C(<database>__new_<time>), which M(amanat.dbops.postgres_restore) has made, the database; what it replaces
        is the rollback point. The door has to be shut, unless there is no database to replace.
      - V(returned) makes the rollback point the database again. The door has to be shut. Where what was restored never took the
        database's place, there is nothing to return from, and nothing is changed.
      - V(dropped) removes the rollback point.
    type: str
    choices: [prepared, taken, swapped, returned, dropped]
    required: true
  moment:
    description:
      - The time that the databases are named after, UTC as in V(20261122T170102Z). All steps of one window have the same.
    type: str
    required: true
  drop_failed:
    description:
      - Name of a database that an earlier rollback kept. V(prepared) drops it where there is no room for a second copy otherwise.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Take a rollback point
  amanat.dbops.rollback_point:
    stack: production/nickapp
    postgres_container: amanat-postgres
    pg_url: "{{ dbops_pg_url }}"
    state: taken
    moment: 20261122T170102Z

- name: Return to it
  amanat.dbops.rollback_point:
    stack: production/nickapp
    postgres_container: amanat-postgres
    pg_url: "{{ dbops_pg_url }}"
    state: returned
    moment: 20261122T170102Z
"""

RETURN = r"""
name:
  description: Name of the rollback point, the copy or the replaced database.
  returned: success
  type: str
failed_database:
  description: Name under which the database is kept that was returned from; empty where there was nothing to return from.
  returned: when O(state=returned)
  type: str
bytes:
  description: Size of the database in bytes.
  returned: when O(state=prepared) or O(state=taken)
  type: int
free:
  description: Bytes free where the database's files are, before the copy.
  returned: when O(state=prepared), in check mode also when O(state=taken)
  type: int
path:
  description: Where the database's files are, as the server sees it.
  returned: when O(state=prepared), in check mode also when O(state=taken)
  type: str
lost:
  description: Whether there is no database at all that would be replaced.
  returned: in check mode, when O(state=swapped)
  type: bool
dropped:
  description: Name of the failed database that made room, or would; empty where none did.
  returned: when O(state=prepared)
  type: str
seconds:
  description: How long it took; 0 in check mode.
  returned: success
  type: float
"""

from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils._job import Progress
from ansible_collections.amanat.dbops.plugins.module_utils._module import (
    AUDIT_OPTIONS,
    JOB_OPTIONS,
    POSTGRES_OPTIONS,
    TARGET_OPTIONS,
    main_of,
    moment_of,
    run_as_job,
    server_of,
    stack_of,
)
from ansible_collections.amanat.dbops.plugins.module_utils._rollback import Point, kept


def _point(module: AnsibleModule) -> Point:
    return Point.of(stack_of(module), server_of(module), moment_of(module), end_others=not module.check_mode)


def _works_behind_the_door(point: Point, state: str) -> bool:
    """Whether the step is still to be done, and would lose what others write meanwhile."""
    return (
        (state == "taken" and not point.is_taken)
        or (state == "swapped" and not point.is_swapped and not point.is_lost)
        or (state == "returned" and not point.is_returned and not point.is_untouched)
    )


def _check(module: AnsibleModule) -> Point:
    """The point, when nothing stands against the wanted state."""
    point = _point(module)
    state = module.params["state"]
    if state == "prepared" or (state == "taken" and not point.is_taken):
        point.require_possible()
        point.require_space(module.params["drop_failed"], may_drop=False)
    if state == "swapped" and not point.is_lost and not point.is_swapped:
        point.require_possible()
    if not module.check_mode and _works_behind_the_door(point, state):
        point.require_shut()
    return point


def _predict(module: AnsibleModule) -> dict[str, Any]:
    point = _check(module)
    state = module.params["state"]
    result: dict[str, Any] = {"name": point.clone, "seconds": 0.0}
    if state in ("prepared", "taken"):
        space = point.require_space(module.params["drop_failed"], may_drop=False)
        changed = bool(space["dropped"]) if state == "prepared" else not point.is_taken
        return {**result, **space, "changed": changed}
    if state == "swapped":
        return {**result, "changed": not point.is_swapped, "lost": point.is_lost}
    if state == "returned":
        return {
            **result,
            "changed": not (point.is_returned or point.is_untouched),
            "failed_database": "" if point.is_untouched else point.failed,
        }
    return {**result, "changed": point.is_taken}


def _prepare(module: AnsibleModule) -> Callable[[Progress], dict[str, Any]]:
    point = _check(module)
    steps: dict[str, Callable[[Progress], dict[str, Any]]] = {
        "prepared": lambda progress: point.prepare(module.params["drop_failed"], progress),
        "taken": point.take,
        "swapped": point.swap,
        "returned": point.go_back,
        "dropped": point.drop,
    }
    return steps[module.params["state"]]


def _learnt(module: AnsibleModule, result: dict[str, Any]) -> dict[str, Any]:
    """What the journal says of a point by which an operation begins."""
    if module.params["state"] != "taken":
        return {}
    return {"rollback_point": kept(result)}


def body(module: AnsibleModule) -> dict[str, Any]:
    if module.check_mode:
        return _predict(module)
    return run_as_job(module, lambda: _prepare(module))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            **POSTGRES_OPTIONS,
            **AUDIT_OPTIONS,
            **JOB_OPTIONS,
            "state": {"type": "str", "required": True, "choices": ["prepared", "taken", "swapped", "returned", "dropped"]},
            "moment": {"type": "str", "required": True},
            "drop_failed": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    main_of(module, body, learnt=lambda result: _learnt(module, result))


if __name__ == "__main__":
    main()
