# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_persistence
short_description: Switch the append-only files of a Redis that serves on or off, without losing a key
version_added: 0.1.0
description:
  - Switched on by its configuration and a restart, Redis finds no append-only files, starts empty, and overwrites its snapshot with the
    next save. So they are switched on in the server that runs, waited for until they hold everything, and only then written to its file.
  - Switched off, it first writes a snapshot that holds everything.
  - A sample of the keys is compared before and afterwards.
  - A run that was killed is simply made again, and comes to the same end.
  - A server that was started the wrong way, empty beside its snapshot, is refused; so is a container whose own command says something
    else than O(appendonly), because that goes before any file.
  - The work is a job on the target. It outlives a lost connection.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._redis
  - amanat.dbops._audit
  - amanat.dbops._job
attributes:
  check_mode:
    support: full
    description: Tells the steps that would be taken, and refuses what would be refused.
  diff_mode:
    support: full
    description: Shows how it is in the server and in its file, and how it would be.
  idempotent:
    support: full
    description: A second run changes nothing.
options:
  appendonly:
    description: Whether append-only files are wished for.
    type: bool
    required: true
  path:
    description:
      - The configuration file on the target, as O(amanat.dbops.redis_config#module:path) has it. Empty for the server's own.
    type: path
    default: ''
  uid:
    description: Numeric id of the file's owner. The caller where it is left out.
    type: int
  keep:
    description:
      - Whether it has to survive a restart. V(false) switches a server without a file of its own, too. Append-only files that were
        switched off hold what is old, so such a server must not be started with them later.
    type: bool
    default: true
  restart:
    description:
      - Whether the server's container is restarted after a switch, with its writers held, so that it is known what it starts with.
    type: bool
    default: false
  rewrite_timeout:
    description: Seconds that the server may take to write its append-only files.
    type: float
    default: 3600.0
  start_timeout:
    description: Seconds that the server may take to load its keys.
    type: float
    default: 300.0
"""

EXAMPLES = r"""
- name: Lose a second of writes at most
  amanat.dbops.redis_persistence:
    stack: production/nickapp
    redis_container: nickapp-redis
    redis_password: "{{ dbops_redis_password }}"
    path: /var/lib/dbops/production/nickapp/redis/config/redis.conf
    appendonly: true
"""

RETURN = r"""
steps:
  description:
    - What was done, in this order, or would be. V(switch) in the server, V(rewrite) waited for, V(save) as a snapshot, V(keep) in the file,
      V(restart).
  returned: success
  type: list
  elements: str
keys:
  description:
    - Numbers of keys V(before) and V(after), V(sampled), and of those V(changed), V(expired) and V(gone). Clients go on meanwhile.
    - Empty where nothing was done.
  returned: success
  type: dict
"""

from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils._job import Progress
from ansible_collections.amanat.dbops.plugins.module_utils._module import (
    AUDIT_OPTIONS,
    JOB_OPTIONS,
    TARGET_OPTIONS,
    main_of,
    run_as_job,
    stack_of,
)
from ansible_collections.amanat.dbops.plugins.module_utils._redis_config import ManagedFile, OwnFile, require_read
from ansible_collections.amanat.dbops.plugins.module_utils._redis_info import configuration
from ansible_collections.amanat.dbops.plugins.module_utils._redis_module import REDIS_OPTIONS, redis_of, require_whole_redis
from ansible_collections.amanat.dbops.plugins.module_utils._redis_persistence import Standing, Switch


def _switch(module: AnsibleModule) -> Switch:
    params, redis = module.params, redis_of(module)
    path, uid = params["path"], params["uid"]
    return Switch(
        redis,
        ManagedFile(path, -1 if uid is None else uid) if path else OwnFile(redis.place, params["keep"]),
        params["appendonly"],
        restart=params["restart"],
        rewrite=params["rewrite_timeout"],
        start=params["start_timeout"],
    )


def _word(on: bool) -> str:
    return "yes" if on else "no"


def _diff(switch: Switch, standing: Standing) -> dict[str, str]:
    in_file = switch.wish if standing.kept else not switch.wish
    return {
        "before": f"appendonly {_word(standing.server)} in the server\nappendonly {_word(in_file)} in its file\n",
        "after": f"appendonly {_word(switch.wish)} in the server\nappendonly {_word(switch.wish)} in its file\n",
    }


def body(module: AnsibleModule) -> dict[str, Any]:
    stack, params = stack_of(module), module.params

    def look() -> tuple[Switch, dict[str, Any]]:
        """Everything that can be found wrong beforehand, and what is to be done."""
        switch = _switch(module)
        with switch.redis.session(switch.start) as session:
            require_whole_redis(module, switch.redis, session, "persistence")
            if params["path"]:
                require_read(switch.redis.place, session, params["path"])
            steps = switch.check(session)
            result = {"changed": bool(steps), "steps": steps, "keys": {}, "diff": _diff(switch, switch.standing(session))}
            if not switch.wish and not configuration(session, "save")["save"]:
                result["warnings"] = [f"Redis of {stack} saves nothing by itself: a crash loses every key."]
        return switch, result

    def prepare() -> Callable[[Progress], dict[str, Any]]:
        switch, result = look()
        return lambda progress: {**result, **switch.run(progress)}

    return look()[1] if module.check_mode else run_as_job(module, prepare)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            **REDIS_OPTIONS,
            **AUDIT_OPTIONS,
            **JOB_OPTIONS,
            "appendonly": {"type": "bool", "required": True},
            "path": {"type": "path", "default": ""},
            "uid": {"type": "int"},
            "keep": {"type": "bool", "default": True},
            "restart": {"type": "bool", "default": False},
            "rewrite_timeout": {"type": "float", "default": 3600.0},
            "start_timeout": {"type": "float", "default": 300.0},
        },
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
