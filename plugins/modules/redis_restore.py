# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_restore
short_description: Put a backup in the place of a Redis' data, and return from it
version_added: 0.1.0
description:
  - A window copies the backup beside the server's files while it still serves, and swaps the two while nobody writes. The server is stopped
    for that, and what it would start from, be it a snapshot or append-only files, is kept in C(dbops__old_<time>) beside.
  - Afterwards the server has loaded the backup, its keys are compared by prefix with the manifest, and it carries the stamp of O(stack).
  - A snapshot also becomes the beginning of append-only files where the server starts from those, so that it never starts empty.
  - Every step can be asked for again, whatever has ended it the first time. A server that does not start any more is restored as well.
  - The work is a job on the target. It outlives a lost connection.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._redis
  - amanat.dbops._job
  - amanat.dbops._audit
  - amanat.dbops._backups
attributes:
  check_mode:
    support: full
    description: Refuses what would be refused without reading the files, and tells how many keys there are now.
  diff_mode:
    support: none
    description: The names of what lies beside are returned instead.
  idempotent:
    support: partial
    details: A return is done once. Every restore is another one.
    description: A second run changes nothing.
options:
  series:
    description: Backups that rotate together. Defaults to C(<name>_redis), after the name of the stack.
    type: str
  state:
    description:
      - V(staged) finds every reason to refuse and copies the backup beside the data, while the server runs.
      - V(swapped) makes the backup the server's data. Nobody may write meanwhile.
      - V(returned) gives the server back what it had. What it had in between is kept as C(dbops__failed_<time>).
    type: str
    choices: [staged, swapped, returned]
    required: true
  moment:
    description:
      - The time that the directories beside the data are named after, UTC as in V(20261122T170102Z). All steps of one window have the same.
    type: str
    required: true
  backup:
    description: Name of the backup. V(newest) and V(oldest) are those of the series that can be used. Without effect for a return.
    type: str
    default: newest
  old_stamp:
    description: The other stack of the same environment, V(<environment>/<name>), whose data O(stack) is to have, typed by whoever runs it.
    type: str
    default: ''
  returning:
    description:
      - Whether the backup is the snapshot of a window that has failed, to which the server returns with O(state=swapped). What it has then
        is saved and kept where that can be done, and else given up, as on a disk that is full; RV(notes) says so.
    type: bool
    default: false
  room:
    description: In check mode, how many bytes have to be free beside the data, for a backup that is yet to be made.
    type: int
    default: 0
  service:
    description:
      - What stops and starts the server, where it runs without a container.
      - With O(redis_container) it is the container.
    type: dict
    suboptions:
      kind:
        description: V(systemd) is a unit, V(command) three commands.
        type: str
        choices: [systemd, command]
        required: true
      unit:
        description: The unit.
        type: str
      start:
        description: Command that starts it.
        type: list
        elements: str
      stop:
        description: Command that stops it.
        type: list
        elements: str
      status:
        description: Command that exits with 0 while it runs and with 3 while it does not.
        type: list
        elements: str
"""

EXAMPLES = r"""
- name: Make the newest backup the data of the server
  amanat.dbops.redis_restore:
    stack: production/nickapp
    redis_container: nickapp-redis
    redis_password: "{{ dbops_redis_password }}"
    backup_dir: /var/backups/dbops/production/nickapp
    state: swapped
    moment: 20261122T170102Z
"""

RETURN = r"""
backup:
  description: Name of the backup; empty for a return.
  returned: success
  type: str
taken:
  description: When the backup was begun, UTC. What was written later is not in it.
  returned: success
  type: str
bytes:
  description: Its size in bytes.
  returned: success
  type: int
keys:
  description: Number of keys in it; V(null) where they were not counted.
  returned: success
  type: int
keys_now:
  description: Number of keys of the server now; V(null) where it does not answer.
  returned: in check mode
  type: int
old_directory:
  description: Name under which what the server had is kept, in the directory of its data; empty where there was no room to keep it.
  returned: success
  type: str
compared:
  description:
    - How it is known that the server holds what it should. V(loaded) is by the number of keys that it has read from its snapshot when it
      started, V(counted) by its keys, prefix by prefix. V(nothing) where nobody knows what to compare with, as after a start from
      append-only files whose keys were not counted, where RV(notes) says so, too, and where no server was started.
  returned: success
  type: str
notes:
  description: What was not as it should be, and did not keep it from being done.
  returned: success
  type: list
  elements: str
failed_directory:
  description: Name under which what was returned from is kept; empty where there was nothing to return from.
  returned: when O(state=returned)
  type: str
seconds:
  description: How long it took; 0 in check mode.
  returned: success
  type: float
"""

import re
from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils._choice import choose
from ansible_collections.amanat.dbops.plugins.module_utils._job import Progress
from ansible_collections.amanat.dbops.plugins.module_utils._manifest import REDIS
from ansible_collections.amanat.dbops.plugins.module_utils._module import (
    AUDIT_OPTIONS,
    BACKUPS_OPTIONS,
    JOB_OPTIONS,
    TARGET_OPTIONS,
    backup_dir_of,
    main_of,
    refusals_recorded,
    run_as_job,
    stack_of,
)
from ansible_collections.amanat.dbops.plugins.module_utils._redis_image import product_of, require_major
from ansible_collections.amanat.dbops.plugins.module_utils._redis_info import keys, product
from ansible_collections.amanat.dbops.plugins.module_utils._redis_module import REDIS_OPTIONS, redis_of, redis_series_of
from ansible_collections.amanat.dbops.plugins.module_utils._redis_restore import Plan, Restore, known_of, require_form, require_own
from ansible_collections.amanat.dbops.plugins.module_utils._redis_target import service_for


def _plan(module: AnsibleModule) -> tuple[Plan, dict[str, Any]]:
    params, stack, directory, redis = module.params, stack_of(module), backup_dir_of(module), redis_of(module, runs=False)
    if not re.fullmatch(r"[0-9]{8}T[0-9]{6}Z", params["moment"]):
        module.fail_json(msg=f"moment: {params['moment']!r} is no time as in 20261122T170102Z")
    service = service_for(stack, redis, params["service"])
    replaced = module.check_mode or params["state"] != "returned"
    layout, policy, told = known_of(stack, redis, service, params["moment"], replaced=replaced)
    manifest: dict[str, Any] = {}
    if params["state"] != "returned":
        manifest = choose(directory, redis_series_of(module), params["backup"], stack, REDIS)
        require_own(manifest, stack, params["old_stamp"])
        require_form(manifest, layout)
        server = product(told) if told else product_of(redis) if redis.place.container else None
        if server:
            require_major(manifest, *server)
    plan = Plan(
        stack=stack,
        redis=redis,
        layout=layout,
        service=service,
        restart_policy=policy,
        directory=directory,
        moment=params["moment"],
        run=params["job"] or "restore",
        manifest=manifest,
        by=params["by"],
        returning=params["returning"],
    )
    return plan, {"keys_now": keys(told) if told else None}


def _planned(module: AnsibleModule) -> tuple[Restore, dict[str, Any]]:
    """What is to be done, and what the server holds now; a refusal is recorded as one of Redis."""
    with refusals_recorded(module, service="redis", state=module.params["state"]):
        plan, now = _plan(module)
        return Restore(plan), now


def body(module: AnsibleModule) -> dict[str, Any]:
    if module.check_mode:
        restore, now = _planned(module)
        if module.params["room"]:
            restore.require_room(module.params["room"])
        return {**restore.result(), **now, "failed_directory": ""}

    def prepare() -> Callable[[Progress], dict[str, Any]]:
        restore, _now = _planned(module)
        return {"staged": restore.stage, "swapped": restore.swap, "returned": restore.put_back}[module.params["state"]]

    return run_as_job(module, prepare)


def main() -> None:
    service = {
        "kind": {"type": "str", "choices": ["systemd", "command"], "required": True},
        "unit": {"type": "str"},
        **{name: {"type": "list", "elements": "str"} for name in ("start", "stop", "status")},
    }
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            **REDIS_OPTIONS,
            **JOB_OPTIONS,
            **BACKUPS_OPTIONS,
            **AUDIT_OPTIONS,
            "state": {"type": "str", "required": True, "choices": ["staged", "swapped", "returned"]},
            "moment": {"type": "str", "required": True},
            "backup": {"type": "str", "default": "newest"},
            "old_stamp": {"type": "str", "default": ""},
            "returning": {"type": "bool", "default": False},
            "room": {"type": "int", "default": 0},
            "service": {"type": "dict", "options": service},
        },
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
