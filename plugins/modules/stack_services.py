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
      - V(started) starts those that ran before, each with its C(image) where one is named.
      - V(restored) starts those that ran before, each with exactly the image that it ran.
    type: str
    choices: [stopped, started, restored]
    required: true
  before:
    description:
      - What M(amanat.dbops.stack_services_info) said before the stop. Required to start them again.
    type: list
    elements: dict
    default: []
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
  description: Names of the services that were stopped or started, in that order.
  returned: success
  type: list
  elements: str
services:
  description: What stands there afterwards, as M(amanat.dbops.stack_services_info) tells it.
  returned: success
  type: list
  elements: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._module import (
    TARGET_OPTIONS,
    engine_of,
    main_of,
    stack_of,
)
from ansible_collections.amanat.dbops.plugins.module_utils._place import Engine
from ansible_collections.amanat.dbops.plugins.module_utils._services import (
    SERVICES_OPTIONS,
    Context,
    Service,
    service_of,
)


def _stop(services: list[Service], check_mode: bool) -> list[str]:
    running = [service for service in services if service.look()["running"]]
    for service in running:
        if check_mode:
            continue
        service.stop()
        if service.look()["running"]:
            raise OperationError(
                "service-failed",
                f"Service {service.name!r} was told to stop, did not complain, and runs.",
                "It may still write.",
                "Look at what starts it, or correct its stop command.",
            )
    return [service.name for service in running]


def _old_release(engine: Engine, facts: dict[str, Any]) -> str:
    """The reference that was asked for while it still names the same image, else the image's id."""
    if facts["kind"] not in ("compose", "container"):
        return str(facts["release"])
    image = engine.inspect("image", facts["release"])
    return str(facts["release"] if image and image["Id"] == facts["image_id"] else facts["image_id"])


def _start(services: list[Service], module: AnsibleModule) -> list[str]:
    before = {facts["name"]: facts for facts in module.params["before"]}
    touched = []
    for service in reversed(services):
        facts = before.get(service.name, {"running": False})
        if not facts["running"]:
            continue
        release = service.spec["image"]
        if module.params["state"] == "restored":
            release = _old_release(engine_of(module), facts)
        now = service.look()
        if now["running"] and now["image_id"] == facts["image_id"] and (not release or release == now["release"]):
            if not module.check_mode:
                service.keep(facts["restart_policy"])
            continue
        if not module.check_mode:
            if now["running"]:
                service.stop()  # another release than the one that is wanted
            service.start(release, facts["restart_policy"])
        touched.append(service.name)
    return touched


def body(module: AnsibleModule) -> dict[str, Any]:
    context = Context(engine_of(module), stack_of(module).directory)
    services = [service_of(spec, context) for spec in module.params["services"]]
    touched = _stop(services, module.check_mode) if module.params["state"] == "stopped" else _start(services, module)
    return {
        "changed": bool(touched),
        "touched": touched,
        "services": [service.look() for service in services],
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            **SERVICES_OPTIONS,
            "state": {"type": "str", "required": True, "choices": ["stopped", "started", "restored"]},
            "before": {"type": "list", "elements": "dict", "default": []},
        },
        required_if=[("state", "started", ("before",)), ("state", "restored", ("before",))],
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
