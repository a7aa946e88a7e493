# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_door
short_description: Keep everybody out of a database while a maintenance window works in it, and let them in again
version_added: 0.1.0
description:
  - Puts rules at the top of the server's C(pg_hba.conf) that refuse every connection to the database, by TCP and by the server's
    socket, loads them, and ends the sessions that are open. They hold for superusers too.
  - One role is let in, made for the window. It works as the application's role, so that what it makes belongs to that one.
  - The file is changed where the server has it, inside its container or on the target. Only this stack's own lines are touched.
  - The operator works from the database C(postgres), which stays open.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._postgres
attributes:
  check_mode:
    support: full
    description: Refuses where the door could not be shut, and says whether it would move.
  diff_mode:
    support: full
    description: Shows whether the door is shut, before and after.
  idempotent:
    support: full
    description: A second run changes nothing. The role gets the given password each time.
options:
  state:
    description:
      - V(shut) keeps everybody out and fails unless nobody is left.
      - V(open) takes the rules and the role away, whoever shut the door, and does nothing where it is open. A database that
        M(amanat.dbops.rollback_point) was killed in the middle of takes sessions again.
    type: str
    choices: [shut, open]
    required: true
  password:
    description:
      - Password of the window's role. Required with O(state=shut), and made for one window.
      - The server is given its SCRAM verifier only.
    type: str
"""

EXAMPLES = r"""
- name: Shut the door
  amanat.dbops.postgres_door:
    stack: production/nickapp
    postgres_container: amanat-postgres
    pg_url: "{{ dbops_pg_url }}"
    state: shut
    password: "{{ lookup('ansible.builtin.password', '/dev/null', length=32, chars=['ascii_letters', 'digits']) }}"

- name: Open it
  amanat.dbops.postgres_door:
    stack: production/nickapp
    postgres_container: amanat-postgres
    pg_url: "{{ dbops_pg_url }}"
    state: open
"""

RETURN = r"""
role:
  description: The role by which the window works in the database. It needs no quoting in a URL.
  returned: success
  type: str
ended:
  description: Number of sessions that were ended.
  returned: when O(state=shut), except in check mode
  type: int
seconds:
  description: How long it took.
  returned: when O(state=shut), except in check mode
  type: float
workers:
  description: Kinds of background workers in the database, as extensions start them. No rule keeps them out.
  returned: when O(state=shut), in check mode
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils._door_run import Door
from ansible_collections.amanat.dbops.plugins.module_utils._module import (
    POSTGRES_OPTIONS,
    TARGET_OPTIONS,
    main_of,
    marks_opening,
    server_of,
    stack_of,
    url_of,
)


def _predict(door: Door, wanted: str) -> dict[str, Any]:
    if wanted == "shut":
        door.require_possible()
        return {"changed": not door.is_shut(), "role": door.role, "workers": door.workers()}
    return {"changed": not door.is_open(), "role": door.role}


def body(module: AnsibleModule) -> dict[str, Any]:
    wanted = module.params["state"]
    door = Door.of(stack_of(module), server_of(module), url_of(module).user)
    if module.check_mode:
        result = _predict(door, wanted)
    elif wanted == "shut":
        result = door.shut(module.params["password"])
    else:
        result = door.open(marks_opening(module))
    moved = {"shut": "open", "open": "shut"}[wanted] if result["changed"] else wanted
    return {**result, "diff": {"before": f"{moved}\n", "after": f"{wanted}\n"}}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            **POSTGRES_OPTIONS,
            "state": {"type": "str", "required": True, "choices": ["shut", "open"]},
            "password": {"type": "str", "no_log": True},
        },
        required_if=[("state", "shut", ("password",))],
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
