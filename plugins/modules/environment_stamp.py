# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: environment_stamp
short_description: Read, check and set the environment stamp of a database
version_added: 0.1.0
description:
  - A database carries a stamp that says where it belongs, in the table C(dbops.environment). It travels with dumps.
  - Nothing destructive happens unless inventory, stamp and confirmation agree; a stamp that is missing, unreadable or
    unknown means no.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._postgres
attributes:
  check_mode:
    support: full
    description: Says what the stamp would become.
  diff_mode:
    support: full
    description: Shows the old and the new stamp.
options:
  state:
    description:
      - V(read) only reads it.
      - V(checked) fails unless the stamp is that of O(stack) and O(confirm) says so too.
      - V(present) stamps the database. One that is not empty needs O(confirm), and so does another stamp.
    type: str
    choices: [read, checked, present]
    required: true
  confirm:
    description: What the operator typed, V(<environment>/<name>).
    type: str
    default: ''
  confirm_in:
    description:
      - The environments in which V(checked) asks for O(confirm). Elsewhere the stamp alone decides.
    type: list
    elements: str
    default: [production]
"""

EXAMPLES = r"""
- name: Refuse what is not meant
  amanat.dbops.environment_stamp:
    stack: production/nickapp
    postgres_container: amanat-postgres
    pg_url: "{{ dbops_pg_url }}"
    state: checked
    confirm: "{{ dbops_confirm }}"
"""

RETURN = r"""
stamp:
  description: The stamp that the database carries afterwards, empty where it carries none.
  returned: success
  type: str
empty:
  description: Whether the database holds no table at all.
  returned: when O(state=read)
  type: bool
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils import _stamp
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._module import (
    POSTGRES_OPTIONS,
    TARGET_OPTIONS,
    main_of,
    server_of,
    stack_of,
)


def _set(module: AnsibleModule, stamp: str, empty: bool) -> dict[str, Any]:
    stack = stack_of(module)
    if stamp == str(stack):
        return {"changed": False, "stamp": stamp}
    if (stamp or not empty) and module.params["confirm"] != str(stack):
        raise OperationError(
            "confirm-missing" if not module.params["confirm"] else "confirm-mismatch",
            f"The database {f'is stamped {stamp}' if stamp else 'holds data and no stamp'}; {stack} would be written.",
            "Nothing was changed.",
            f"If that is meant: -e dbops_confirm={stack}",
        )
    if not module.check_mode:
        _stamp.write(server_of(module), stack)
    return {"changed": True, "stamp": str(stack), "diff": {"before": f"{stamp}\n", "after": f"{stack}\n"}}


def body(module: AnsibleModule) -> dict[str, Any]:
    server = server_of(module)
    stamp = _stamp.read(server)
    if module.params["state"] == "present":
        return _set(module, stamp, _stamp.is_empty(server))
    if module.params["state"] == "checked":
        stack = stack_of(module)
        needed = stack.environment in module.params["confirm_in"]
        _stamp.check(stack, stamp, module.params["confirm"], needs_confirmation=needed)
        return {"changed": False, "stamp": stamp}
    return {"changed": False, "stamp": stamp, "empty": _stamp.is_empty(server)}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            **POSTGRES_OPTIONS,
            "state": {"type": "str", "required": True, "choices": ["read", "checked", "present"]},
            "confirm": {"type": "str", "default": ""},
            "confirm_in": {"type": "list", "elements": "str", "default": ["production"]},
        },
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
