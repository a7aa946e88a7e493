# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_config
short_description: Bring settings of Redis into force, in the server and in its file
version_added: 0.1.0
description:
  - Compares each setting with the file and with the server. What can be had while it serves is set there, all of it or nothing,
    and written to the file; what needs a restart waits, and stays out of the file, which an unattended restart would read.
  - C(appendonly) is neither set nor written here, because switched on by a restart it has Redis start empty.
    M(amanat.dbops.redis_persistence) switches it. Where the file wishes for what the server does not have, that is taken back.
  - Settings are those of the whole server, of which no database may carry another stack's stamp.
  - Without O(path) the server rewrites its own file, as CONFIG REWRITE does it.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._redis
  - amanat.dbops._audit
attributes:
  check_mode:
    support: full
    description: Says what would be set, written and waited for.
  diff_mode:
    support: full
    description: Shows the file, and of the server's settings those that differ, before and after. Secrets are left out.
  idempotent:
    support: full
    description: A second run changes nothing.
options:
  settings:
    description:
      - Settings by name, as in redis.conf. A list is written as several lines, true and false as C(yes) and C(no).
      - With O(path), a setting of the file that is not among them is to go.
      - Secrets are refused here (C(requirepass), C(masterauth), C(primaryauth), C(tls-key-file-pass), C(tls-client-key-file-pass),
        C(user)), because settings are shown.
    type: dict
    required: true
  only:
    description: Names of the settings that are meant. The others, and their lines in the file, stay as they are.
    type: list
    elements: str
    default: []
  path:
    description: The configuration file on the target, which belongs to whoever calls this. Empty for the server's own.
    type: path
    default: ''
  uid:
    description: Numeric id of the file's owner. The caller where it is left out.
    type: int
  serves:
    description: Whether a server runs. Without one the file at O(path) gets all settings.
    type: bool
    default: true
  force:
    description:
      - Whether the file gets the settings that need a restart, too, because the caller restarts the server next.
    type: bool
    default: false
  keep:
    description:
      - Whether the settings have to survive a restart. V(false) sets them in a server without a file of its own, too.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Have the settings
  amanat.dbops.redis_config:
    stack: production/nickapp
    redis_container: nickapp-redis
    redis_password: "{{ dbops_redis_password }}"
    path: /var/lib/dbops/production/nickapp/redis/config/redis.conf
    settings:
      maxmemory: 256mb
      maxmemory-policy: volatile-lru
"""

RETURN = r"""
settings:
  description: The settings that differed from what is wished.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the setting.
      type: str
    file:
      description: What the file said; null where it said nothing.
      type: str
    server:
      description: What the server used; null where there is no such setting, or no server.
      type: str
    wish:
      description: What is wished; null where nobody wishes for it.
      type: str
    applies:
      description: V(live), V(restart), or V(persistence) for what M(amanat.dbops.redis_persistence) switches.
      type: str
set:
  description: Names of the settings that were changed in the server.
  returned: success
  type: list
  elements: str
written:
  description: Whether the file was changed.
  returned: success
  type: bool
waiting:
  description: Names of the settings that come into force by a restart.
  returned: success
  type: list
  elements: str
switching:
  description: Names of the settings that M(amanat.dbops.redis_persistence) switches.
  returned: success
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._module import AUDIT_OPTIONS, TARGET_OPTIONS, main_of, stack_of
from ansible_collections.amanat.dbops.plugins.module_utils._redis_config import ManagedFile, OwnFile, configure, require_read
from ansible_collections.amanat.dbops.plugins.module_utils._redis_module import REDIS_OPTIONS, redis_of, require_whole_redis
from ansible_collections.amanat.dbops.plugins.module_utils._redis_settings import SECRET, wishes


def _refuse_secrets(module: AnsibleModule) -> None:
    """What is asked for is shown, and logged before anything here can look at it."""
    secrets = {name: lines for name, lines in wishes(module.params["settings"]).items() if name in SECRET}
    if secrets:
        # Those that have come so far stay out of the result.
        module.no_log_values.update(line for lines in secrets.values() for line in lines)
        raise OperationError(
            "setting-reserved",
            f"Settings are shown, and {', '.join(sorted(secrets))} is a secret.",
            "Nothing was changed.",
            "Have it in a file of its own, which the configuration includes.",
        )


def body(module: AnsibleModule) -> dict[str, Any]:
    params, stack = module.params, stack_of(module)
    _refuse_secrets(module)
    redis = redis_of(module) if params["serves"] else None
    if params["path"]:
        file: Any = ManagedFile(params["path"], -1 if params["uid"] is None else params["uid"])
    elif redis:
        file = OwnFile(redis.place, params["keep"])
    else:
        raise OperationError(
            "path-missing", "Without a server there is only the file, and no path names it.", "Nothing was changed.", "Set path."
        )
    session = redis.session() if redis else None
    try:
        if redis and session:
            require_whole_redis(module, redis, session, "settings")
        if redis and session and params["path"]:
            require_read(redis.place, session, params["path"])
        done = configure(session, file, params["settings"], only=frozenset(params["only"]), force=params["force"], check=module.check_mode)
    finally:
        if session:
            session.close()
    warnings = [f"Redis of {stack} has no file that keeps {', '.join(done.set)}: the next start ends it."] if done.unkept else []
    return {
        "changed": bool(done.set or done.written),
        "settings": [setting.shown() for setting in done.differing],
        "set": done.set,
        "written": done.written,
        "waiting": done.waiting,
        "switching": done.switching,
        "diff": done.diff,
        "warnings": warnings,
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            **REDIS_OPTIONS,
            **AUDIT_OPTIONS,
            "settings": {"type": "dict", "required": True},
            "only": {"type": "list", "elements": "str", "default": []},
            "path": {"type": "path", "default": ""},
            "uid": {"type": "int"},
            "serves": {"type": "bool", "default": True},
            "force": {"type": "bool", "default": False},
            "keep": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
