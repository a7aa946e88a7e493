# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: window_quiesce
short_description: Stop the services of a stack, shut the door of its database and take a rollback point
version_added: 0.1.0
description:
  - What a window does between its last look at a running application and its operation, in one task. Each task takes half a second
    before it does anything, and clients wait for all of them.
  - It does what M(amanat.dbops.stack_services), M(amanat.dbops.postgres_door) and M(amanat.dbops.rollback_point) do, in this order.
    Whatever can be done before the stop is.
  - The copy is made by a job on the target, which outlives a lost connection. A step that was cut off is simply asked for again.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._postgres
  - amanat.dbops._services
  - amanat.dbops._job
  - amanat.dbops._audit
attributes:
  check_mode:
    support: full
    description: Says which services would be stopped, and refuses what would be refused but for the door, which may still be open.
  diff_mode:
    support: none
    description: What was done is returned instead.
  idempotent:
    support: full
    description: A second run changes nothing.
options:
  password:
    description:
      - The password that the window's own role gets, see M(amanat.dbops.postgres_door). The server stores it as SCRAM-SHA-256.
      - Without it the door is left as it is.
    type: str
  moment:
    description:
      - The time that the rollback point is named after, UTC as in V(20261122T170102Z).
      - Without it none is taken. It needs O(password), since the door has to be shut.
    type: str
"""

EXAMPLES = r"""
- name: Stop what writes, and keep what the database is
  amanat.dbops.window_quiesce:
    stack: production/nickapp
    services: "{{ dbops_services }}"
    postgres_container: amanat-postgres
    pg_url: "{{ dbops_pg_url }}"
    password: "{{ password_of_the_window }}"
    moment: 20261122T170102Z
"""

RETURN = r"""
touched:
  description: Names of the services that were stopped, in that order.
  returned: success
  type: list
  elements: str
door:
  description: What M(amanat.dbops.postgres_door) returns of a door that it has shut.
  returned: when O(password) is given, except in check mode
  type: dict
rollback_point:
  description: What M(amanat.dbops.rollback_point) returns of a point that it has taken.
  returned: when O(moment) is given, except in check mode
  type: dict
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils._door_run import Door, await_door
from ansible_collections.amanat.dbops.plugins.module_utils._files import make_private_directory
from ansible_collections.amanat.dbops.plugins.module_utils._job import Progress
from ansible_collections.amanat.dbops.plugins.module_utils._kept import Kept
from ansible_collections.amanat.dbops.plugins.module_utils._module import (
    AUDIT_OPTIONS,
    JOB_OPTIONS,
    POSTGRES_OPTIONS,
    TARGET_OPTIONS,
    main_of,
    moment_of,
    note_stopping,
    run_as_job,
    server_of,
    stack_of,
    url_of,
)
from ansible_collections.amanat.dbops.plugins.module_utils._psql import Server
from ansible_collections.amanat.dbops.plugins.module_utils._rollback import Point, kept
from ansible_collections.amanat.dbops.plugins.module_utils._services_module import SERVICES_OPTIONS, services_from
from ansible_collections.amanat.dbops.plugins.module_utils._services_run import stop


def _door(module: AnsibleModule, server: Server) -> Door:
    return Door.of(stack_of(module), server, url_of(module).user)


def _point(module: AnsibleModule, server: Server) -> Point:
    """The point where it can be taken, but for the door."""
    point = Point.of(stack_of(module), server, moment_of(module), end_others=not module.check_mode)
    if not point.is_taken:
        point.require_possible()
    return point


def _require_space(point: Point) -> None:
    if not point.is_taken:
        point.require_space("", may_drop=False)


def _stop(module: AnsibleModule) -> list[str]:
    note_stopping(module)
    return stop(services_from(module))


def _quiesce(module: AnsibleModule) -> tuple[dict[str, Any], Point | None]:
    """All but the copy, and the point that it is to become."""
    takes_point = bool(module.params["moment"])
    with Kept() as sessions:
        server = replace(server_of(module), kept=sessions)
        await_door(server)
        door = _door(module, server)
        if takes_point:
            _require_space(_point(module, server))
        door.make_role(module.params["password"])
        touched = _stop(module)
        shut = door.keep_out()
        point = _point(module, server) if takes_point else None
    if point and not point.is_taken:
        point.require_shut()
    return {"changed": bool(touched) or shut["changed"], "touched": touched, "door": shut}, point


def _copy(done: dict[str, Any], point: Point, progress: Progress) -> dict[str, Any]:
    taken = replace(point, server=replace(point.server, kept=Kept())).take(progress)  # which ends with the job's process
    return {**done, "changed": done["changed"] or taken["changed"], "rollback_point": taken}


def _predict(module: AnsibleModule) -> dict[str, Any]:
    touched = stop(services_from(module), check_mode=True)
    changed = bool(touched)
    if module.params["password"]:
        door = _door(module, server_of(module))
        door.require_possible()
        changed = changed or not door.is_shut()
    if module.params["moment"]:
        point = _point(module, server_of(module))
        _require_space(point)
        changed = changed or not point.is_taken
    return {"changed": changed, "touched": touched}


def body(module: AnsibleModule) -> dict[str, Any]:
    if module.check_mode:
        return _predict(module)
    with _one_at_a_time(module):
        return _work(module)


@contextlib.contextmanager
def _one_at_a_time(module: AnsibleModule) -> Iterator[None]:
    """Whoever asks again, as his connection was lost, waits for the first call, which may be at work: it must not shut a door later on."""
    jobs = stack_of(module).jobs
    make_private_directory(jobs)
    descriptor = os.open(jobs, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _work(module: AnsibleModule) -> dict[str, Any]:
    if not module.params["password"]:
        touched = _stop(module)
        return {"changed": bool(touched), "touched": touched}
    if not module.params["moment"]:
        return _quiesce(module)[0]

    def prepare() -> Any:
        done, point = _quiesce(module)
        return lambda progress: _copy(done, point, progress)

    return run_as_job(module, prepare)


def _learnt(result: dict[str, Any]) -> dict[str, Any]:
    """What the journal says when an operation begins with this step's end."""
    record: dict[str, Any] = {}
    if "door" in result:
        record["door"] = {"state": "shut", "sessions_ended": result["door"]["ended"], "seconds": result["door"]["seconds"]}
    if "rollback_point" in result:
        record["rollback_point"] = kept(result["rollback_point"])
    return record


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            **POSTGRES_OPTIONS,
            **SERVICES_OPTIONS,
            **AUDIT_OPTIONS,
            **JOB_OPTIONS,
            "password": {"type": "str", "no_log": True},
            "moment": {"type": "str"},
        },
        required_by={"moment": ("password",)},
        supports_check_mode=True,
    )
    main_of(module, body, learnt=_learnt)


if __name__ == "__main__":
    main()
