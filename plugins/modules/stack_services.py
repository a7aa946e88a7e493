# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_services
short_description: Stop and start the application's services for a maintenance window
version_added: 0.1.0
description:
  - Stops or starts the services of a stack in one task, one by one. A Compose project as a whole is never touched.
  - A restart policy that would bring a stopped container back is set aside by the stop and put back by the start.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._services
attributes:
  check_mode:
    support: full
    description: Says which services would be stopped or started.
  diff_mode:
    support: none
    description: The services are returned instead.
options:
  state:
    description:
      - V(stopped) stops those that run.
      - V(started) starts those that ran before, and those that O(before) calls C(wanted), each with its C(image) where one is named.
      - V(kept) starts none, and puts back the restart policies that a stop has set aside. What cannot be is a warning.
    type: str
    choices: [stopped, started, kept]
    required: true
  before:
    description:
      - What M(amanat.dbops.stack_services_info) said before the stop. Required to start them again; O(state=kept) needs C(name) and
        C(restart_policy) alone.
    type: list
    elements: dict
    default: []
  images:
    description:
      - The identity of each image that services of kind V(compose) and V(container) name, as it was looked up beforehand.
        That one is started, even where the tag has moved since.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Stop what writes
  amanat.dbops.stack_services:
    stack: production/nickapp
    services: "{{ dbops_services }}"
    state: stopped

- name: Start the new release
  amanat.dbops.stack_services:
    stack: production/nickapp
    services: "{{ dbops_services }}"
    state: started
    before: "{{ looked.services }}"
"""

RETURN = r"""
touched:
  description: Names of the services that were stopped or started, in that order; with O(state=kept) those whose policy was put back.
  returned: success
  type: list
  elements: str
services:
  description: What stands there afterwards, as M(amanat.dbops.stack_services_info) tells it.
  returned: success, except with O(state=kept)
  type: list
  elements: dict
missed:
  description: Whose restart policy could not be put back, or which service that was down before could not be started, and why, in words.
  returned: success
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils._module import TARGET_OPTIONS, main_of, note_stopping
from ansible_collections.amanat.dbops.plugins.module_utils._services_module import SERVICES_OPTIONS, services_from
from ansible_collections.amanat.dbops.plugins.module_utils._services_run import bring_up, keep, stop


def body(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    services = services_from(module)
    if params["state"] == "kept":
        kept, missed = keep(services, params["before"], check_mode=module.check_mode)
        return {"changed": bool(kept), "touched": kept, "missed": missed}
    if params["state"] == "started":
        return bring_up(services, params["before"], params["images"], check_mode=module.check_mode)
    note_stopping(module)
    touched = stop(services, check_mode=module.check_mode)
    return {"changed": bool(touched), "touched": touched, "services": [service.look() for service in services], "missed": []}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            **SERVICES_OPTIONS,
            "state": {"type": "str", "required": True, "choices": ["stopped", "started", "kept"]},
            "before": {"type": "list", "elements": "dict", "default": []},
            "images": {"type": "dict", "default": {}},
        },
        required_if=[("state", state, ("before",)) for state in ("started", "kept")],
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
