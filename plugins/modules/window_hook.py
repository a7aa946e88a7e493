# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: window_hook
short_description: Run the command that holds clients off, or lets them in
version_added: 0.1.0
description:
  - Runs a command of the user's on the target, as the dead man's switch of a window does when there is no controller.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
attributes:
  check_mode:
    support: full
    description: Sees that there is such a program, and does not run it.
  diff_mode:
    support: none
    description: What a command changes is not known.
options:
  command:
    description: The command and its arguments. No shell is involved.
    type: list
    elements: str
    required: true
  timeout:
    description: Seconds after which it is ended, and has failed.
    type: float
    default: 30.0
"""

EXAMPLES = r"""
- name: Show a maintenance page
  amanat.dbops.window_hook:
    stack: production/nickapp
    command: [touch, /var/www/maintenance/on]
"""

RETURN = r"""
seconds:
  description: How long it took.
  returned: success, and not in check mode
  type: float
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils import _hook
from ansible_collections.amanat.dbops.plugins.module_utils._module import TARGET_OPTIONS, main_of


def body(module: AnsibleModule) -> dict[str, Any]:
    command = module.params["command"]
    _hook.require(command)
    if module.check_mode:
        return {"changed": True}
    began = time.monotonic()
    _hook.call(command, module.params["timeout"])
    return {"changed": True, "seconds": round(time.monotonic() - began, 3)}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            "command": {"type": "list", "elements": "str", "required": True},
            "timeout": {"type": "float", "default": 30.0},
        },
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
