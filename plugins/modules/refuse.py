# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: refuse
short_description: Fail for a reason that the stack's audit log remembers
version_added: 0.1.0
description:
  - Fails as M(ansible.builtin.fail) does, and records the refusal in C(audit.jsonl) in the stack's directory on the target.
  - It is what a role says where an operator has not given the consent that a step wants. C(when) says whether it does.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._audit
attributes:
  check_mode:
    support: full
    description: Fails as well, and records nothing.
  diff_mode:
    support: none
    description: There is nothing to compare.
  idempotent:
    support: none
    description: Each refusal is a line of its own.
options:
  msg:
    description:
      - "What is refused, in the one shape of every failure: C([slug] What happened. State: What is true now. Next: What to type.)"
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Have every name confirmed
  amanat.dbops.refuse:
    stack: production/nickapp
    msg: >-
      [confirm-missing] This removes {{ names | join(', ') }} for good, and dbops_confirm does not say the same.
      State: Nothing was changed. Next: Type each name twice, in dbops_names and in dbops_confirm.
  when: names | symmetric_difference(confirmed) | length > 0
"""

RETURN = r"""
slug:
  description: The stable name of the refusal.
  returned: always
  type: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError, take_apart
from ansible_collections.amanat.dbops.plugins.module_utils._module import AUDIT_OPTIONS, TARGET_OPTIONS, main_of, refusals_recorded


def body(module: AnsibleModule) -> dict[str, Any]:
    told = take_apart(module.params["msg"])
    with refusals_recorded(module):
        raise OperationError(told["slug"], told["message"], told["state"], told["next"])


def main() -> None:
    module = AnsibleModule(
        argument_spec={**TARGET_OPTIONS, **AUDIT_OPTIONS, "msg": {"type": "str", "required": True}},
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
