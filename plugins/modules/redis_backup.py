# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_backup
short_description: Back up a Redis, read the backup through, count its keys and describe it in a manifest
version_added: 0.1.0
description:
  - Has the server write a snapshot, or takes its append-only files as they are, and copies them. The copy is read through by the server's
    own C(redis-check-rdb) or C(redis-check-aof), loaded into a throw-away server and counted there. Only then the backup gets its name
    and its manifest.
  - The manifest says how many keys there are by prefix, C(<service>:<entity>:), and how many of them expire. A drill and a restore are
    compared with it.
  - A snapshot that the server writes already is waited for and another one is made. While append-only files are copied the server does
    not rewrite them by itself; that setting is put back however the backup ends.
  - Works for Redis 7 and Valkey 8, and newer ones. A server in a container is not touched but for the snapshot; its files are read by a
    short-lived container of its own image.
  - The work is a job on the target. It outlives a lost connection.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._redis
  - amanat.dbops._audit
  - amanat.dbops._job
  - amanat.dbops._backups
attributes:
  check_mode:
    support: full
    description: Tells the name, the expected size and the free space, and refuses where the space or the memory will not do.
  diff_mode:
    support: none
    description: A backup replaces nothing.
  idempotent:
    support: none
    details: Every run makes another backup.
    description: A second run changes nothing.
options:
  series:
    description: Backups that rotate together. Defaults to C(<name>_redis), after the name of the stack.
    type: str
  format:
    description:
      - V(rdb) is a snapshot, V(aof) the append-only files, of which the server must have some.
      - Defaults to that which the server itself would start from.
    type: str
    choices: [rdb, aof]
  verify:
    description:
      - Whether the copy is loaded into a throw-away server and its keys are counted, which takes about as much memory as the server does.
      - A backup that was not counts as complete, not as verified, and nobody knows its keys.
    type: bool
    default: true
  lets_go:
    description: Whether those who wait to write since M(amanat.dbops.redis_hold) are let go once the backup is made.
    type: bool
    default: false
  busy:
    description: What to do while another backup or a rotation is at work in the directory, V(wait) or V(refuse).
    type: str
    choices: [wait, refuse]
    default: wait
"""

EXAMPLES = r"""
- name: Back up
  amanat.dbops.redis_backup:
    stack: production/nickapp
    redis_container: nickapp-redis
    redis_password: "{{ dbops_redis_password }}"
    backup_dir: /var/backups/dbops/production/nickapp
"""

RETURN = r"""
name:
  description: Name of the backup. In check mode the name that it would have now.
  returned: success
  type: str
path:
  description: Path of the backup on the target.
  returned: success
  type: str
series:
  description: Its series.
  returned: success
  type: str
format:
  description: V(rdb) or V(aof).
  returned: success
  type: str
sha256:
  description: One digest over the digests of all its files; empty in check mode.
  returned: success
  type: str
bytes:
  description: Its size in bytes. In check mode the expected one.
  returned: success
  type: int
free:
  description: Bytes free where it goes.
  returned: in check mode
  type: int
seconds:
  description: How long it took; 0 in check mode.
  returned: success
  type: float
keys:
  description: Number of keys in it; V(null) without O(verify), in check mode those of the server.
  returned: success
  type: int
verified:
  description: Whether it was loaded and counted; V(false) in check mode.
  returned: success
  type: bool
"""

import os
from datetime import datetime, timezone
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils import _manifest, _redis_stamp
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._job import Progress
from ansible_collections.amanat.dbops.plugins.module_utils._module import (
    AUDIT_OPTIONS,
    BACKUPS_OPTIONS,
    JOB_OPTIONS,
    TARGET_OPTIONS,
    backup_dir_of,
    main_of,
    planned_job,
    refusals_recorded,
    stack_of,
)
from ansible_collections.amanat.dbops.plugins.module_utils._new_backup import estimate, require_space, require_writable
from ansible_collections.amanat.dbops.plugins.module_utils._redis_backup import Backup, Plan, require_memory
from ansible_collections.amanat.dbops.plugins.module_utils._redis_files import layout_of, require_reach
from ansible_collections.amanat.dbops.plugins.module_utils._redis_hold import release
from ansible_collections.amanat.dbops.plugins.module_utils._redis_info import info, keys
from ansible_collections.amanat.dbops.plugins.module_utils._redis_module import REDIS_OPTIONS, redis_of, redis_series_of


def _prepare(module: AnsibleModule) -> tuple[Plan, dict[str, int]]:
    """Everything that can be found wrong before anything is written."""
    redis, params = redis_of(module), module.params
    image = redis.place.running().get("Image", "")
    with redis.session() as session:
        with refusals_recorded(module, service="redis", state="backup"):
            _redis_stamp.require_own(session, stack_of(module))
        layout = layout_of(session)
        told = info(session, "server", "memory", "keyspace")
    if params["format"] == "aof" and not layout.appending:
        raise OperationError(
            "backup-no-aof",
            "There are no append-only files to back up: the server has appendonly no.",
            "Nothing was changed.",
            "Back up its snapshot, or switch them on first: playbooks/persistence.yml",
        )
    plan = Plan(
        stack=stack_of(module),
        redis=redis,
        image=image,
        directory=backup_dir_of(module),
        series=redis_series_of(module),
        format=params["format"] or ("aof" if layout.appending else "rdb"),
        run=params["job"] or "backup",
        verify=params["verify"],
        wait_for_others=params["busy"] == "wait",
    )
    require_reach(redis, layout, told)
    require_writable(plan.directory)
    figures = estimate(plan.directory, plan.series, told["used_memory"])  # a snapshot is smaller than what it is taken of
    require_space(plan.directory, figures)
    if plan.verify:
        require_memory(told["used_memory"])
    return plan, {**figures, "keys": keys(told)}


def _predict(plan: Plan, figures: dict[str, int]) -> dict[str, Any]:
    name = _manifest.backup_name(plan.series, datetime.now(timezone.utc), plan.extension)
    return {
        "changed": True,
        "name": name,
        "path": os.path.join(plan.directory, name),
        "series": plan.series,
        "format": plan.format,
        "sha256": "",
        "bytes": figures["expected"],
        "free": figures["free"],
        "seconds": 0.0,
        "keys": figures["keys"],
        "verified": False,
    }


def _make(module: AnsibleModule, plan: Plan, progress: Progress) -> dict[str, Any]:
    result = Backup(plan, progress).make()
    if module.params["lets_go"]:
        with plan.redis.session() as session:
            release(session)
    return result


def body(module: AnsibleModule) -> dict[str, Any]:
    return planned_job(module, _prepare, lambda made: _predict(*made), lambda made, progress: _make(module, made[0], progress))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            **REDIS_OPTIONS,
            **AUDIT_OPTIONS,
            **JOB_OPTIONS,
            **BACKUPS_OPTIONS,
            "format": {"type": "str", "choices": ["rdb", "aof"]},
            "verify": {"type": "bool", "default": True},
            "lets_go": {"type": "bool", "default": False},
            "busy": {"type": "str", "choices": ["wait", "refuse"], "default": "wait"},
        },
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
