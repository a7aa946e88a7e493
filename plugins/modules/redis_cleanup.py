# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_cleanup
short_description: List what restores left beside the data of a Redis, and remove what is named
version_added: 0.1.0
description:
  - Such a directory holds what the server had before a restore, what it had before a return, or what was copied and never used. It carries
    what it is, and when it was made, in its name.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._redis
  - amanat.dbops._audit
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
"""

EXAMPLES = r"""
- name: Look what is left over
  amanat.dbops.redis_cleanup:
    stack: production/nickapp
    redis_container: nickapp-redis
    redis_password: "{{ dbops_redis_password }}"
"""

RETURN = r"""
leftovers:
  description: What can be named, before anything was removed.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the directory.
      type: str
    kind:
      description: V(old), what a restore replaced, V(failed), what was returned from, or V(new), what was never used.
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
from ansible_collections.amanat.dbops.plugins.module_utils import _leftovers
from ansible_collections.amanat.dbops.plugins.module_utils._module import AUDIT_OPTIONS, TARGET_OPTIONS, main_of, removal_recorded, stack_of
from ansible_collections.amanat.dbops.plugins.module_utils._named_by_windows import named_by_windows
from ansible_collections.amanat.dbops.plugins.module_utils._redis_files import beside_server, layout_of, require_reach
from ansible_collections.amanat.dbops.plugins.module_utils._redis_info import info
from ansible_collections.amanat.dbops.plugins.module_utils._redis_module import REDIS_OPTIONS, redis_of, require_whole_redis
from ansible_collections.amanat.dbops.plugins.module_utils._redis_swap import PARTIAL, STAMP, Leftover, Swap


def _busy(leftover: Leftover, named: dict[str, str]) -> str:
    """Why it cannot be removed now. A window names the time of all that it makes before it makes any of it."""
    if leftover.name.endswith(PARTIAL) and leftover.kind != "new":
        return "a step that moves the data was cut off, and they may be nowhere else; end that restore first"
    return named.get(leftover.moment.strftime(STAMP), "")


def _told(swap: Swap, named: dict[str, str]) -> list[dict[str, Any]]:
    now = datetime.now(timezone.utc)
    return [
        {
            "name": leftover.name,
            "kind": leftover.kind,
            "time": f"{leftover.moment.isoformat()[:19]}Z",
            "age": int((now - leftover.moment).total_seconds()),
            "bytes": leftover.bytes,
            "busy": _busy(leftover, named),
        }
        for leftover in swap.leftovers()
    ]


def body(module: AnsibleModule) -> dict[str, Any]:
    params, redis = module.params, redis_of(module)
    with redis.session() as session:
        require_whole_redis(module, redis, session, "cleanup", names=params["names"])
        layout = layout_of(session)
        require_reach(redis, layout, info(session, "server"))
    labels = {"stack": str(stack_of(module)), "run": "cleanup"}
    with beside_server(redis, "", labels, writable=True) as client:
        swap = Swap(client, layout, "")
        leftovers = _told(swap, named_by_windows(params["state_dir"]))
        chosen = _leftovers.chosen(leftovers, params["names"], params["confirm"])
        if chosen and not module.check_mode:
            _remove(module, swap, [leftover["name"] for leftover in chosen])
    return {"changed": bool(chosen), "leftovers": leftovers, **_leftovers.outcome(chosen, layout.directory)}


def _remove(module: AnsibleModule, swap: Swap, names: list[str]) -> None:
    with removal_recorded(module, "cleaned-up", service="redis", names=names) as facts:
        for number, name in enumerate(names, 1):
            swap.remove(name)
            facts["removed"] = number


def main() -> None:
    module = AnsibleModule(
        argument_spec={**TARGET_OPTIONS, **REDIS_OPTIONS, **AUDIT_OPTIONS, **_leftovers.OPTIONS},
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
