# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_hold
short_description: Hold back everybody who would write to a Redis, and let them go
version_added: 0.1.0
description:
  - Reads are answered and snapshots are written meanwhile; whoever writes waits, and nothing expires or is evicted.
  - The server lets everybody go by itself after O(seconds), and when it is restarted, whatever has become of who asked for it.
  - A hold concerns every client, that of the operator, too, and every database, of which none may carry another stack's stamp.
  - It is in the server's memory, so where O(state=released) finds none that serves, nobody is held.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._redis
  - amanat.dbops._audit
attributes:
  check_mode:
    support: full
    description: Logs in, and changes nothing.
  diff_mode:
    support: none
    description: Nothing is replaced.
  idempotent:
    support: none
    details: A hold that is asked for again lasts from then on; a server does not say whether it holds.
    description: A second run changes nothing.
options:
  state:
    description: V(held) or V(released).
    type: str
    choices: [held, released]
    required: true
  seconds:
    description:
      - How long at most, up to a day. With O(save), from the end of the save on, and somewhat longer.
      - Where it is left out, until ten minutes after the deadline in a step of a window, and an hour elsewhere.
    type: int
  down_ok:
    description:
      - Whether a server that does not serve counts as held, since nobody writes to it.
      - Without it such a server fails O(state=held).
    type: bool
    default: false
  save:
    description:
      - Whether a snapshot is written while they are held, so that a server that is stopped next starts with all that it held. Where it
        cannot be written they are let go, and this fails.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Hold back who would write
  amanat.dbops.redis_hold:
    stack: production/nickapp
    redis_container: nickapp-redis
    redis_password: "{{ dbops_redis_password }}"
    state: held
"""

RETURN = r"""
state:
  description: What is true now.
  returned: success
  type: str
serves:
  description: Whether the server answered.
  returned: success
  type: bool
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils import _clock, _journal
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._job import Unheard
from ansible_collections.amanat.dbops.plugins.module_utils._module import AUDIT_OPTIONS, TARGET_OPTIONS, main_of, stack_of, window_of
from ansible_collections.amanat.dbops.plugins.module_utils._redis_hold import (
    DOWN,
    LONGEST,
    hold,
    hold_saved,
    in_window,
    release,
    too_long,
)
from ansible_collections.amanat.dbops.plugins.module_utils._redis_module import REDIS_OPTIONS, redis_of, require_whole_redis
from ansible_collections.amanat.dbops.plugins.module_utils._redis_session import LOADING


def _seconds(module: AnsibleModule) -> int:
    seconds, window = module.params["seconds"], window_of(module)
    if seconds is None and window:
        return in_window(_journal.held(stack_of(module), window), _clock.read())
    seconds = 3600 if seconds is None else int(seconds)
    if not 1 <= seconds <= LONGEST:
        raise too_long(seconds)
    return seconds


def body(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    known = {"state": params["state"], "serves": True}
    seconds = _seconds(module)
    down_ok = params["down_ok"] or params["state"] == "released"
    redis = redis_of(module, runs=not down_ok)
    try:
        with redis.session(loading=0.0 if down_ok else LOADING) as session:
            if params["state"] == "held":
                require_whole_redis(module, redis, session, "held")
            if module.check_mode:
                pass
            elif params["state"] == "held" and params["save"]:
                hold_saved(redis, session, Unheard(), seconds)
            elif params["state"] == "held":
                hold(session, seconds)
            else:
                release(session)
    except OperationError as error:
        if not down_ok or error.slug not in DOWN:
            raise
        return {"changed": False, **known, "serves": False}
    return {"changed": True, **known}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            **REDIS_OPTIONS,
            **AUDIT_OPTIONS,
            "state": {"type": "str", "required": True, "choices": ["held", "released"]},
            "seconds": {"type": "int"},
            "down_ok": {"type": "bool", "default": False},
            "save": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
