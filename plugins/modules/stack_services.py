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
  images:
    description:
      - The identity of each image that services of kind V(compose) and V(container) name, as it was looked up beforehand.
        With O(state=started) that one is started, even where the tag has moved since.
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
from ansible_collections.amanat.dbops.plugins.module_utils._services import (
    SERVICES_OPTIONS,
    ContainerService,
    Context,
    Facts,
    Service,
    services_of,
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


def _wanted(service: Service, facts: Facts, params: dict[str, Any]) -> tuple[str, str]:
    """What to start, empty for what stands there, and the image_id that runs then."""
    if params["state"] == "restored":
        return service.reference(facts["release"], facts["image_id"]), facts["image_id"]
    release = service.spec["image"]
    if not release:
        return "", facts["image_id"]
    if release in params["images"]:
        release = service.reference(release, params["images"][release])
    return release, service.identity(release)


def _start(services: list[Service], params: dict[str, Any], check_mode: bool) -> dict[str, str]:
    """The services that were started, and the image_id that each of them is to run."""
    before = {facts["name"]: facts for facts in params["before"]}
    started = {}
    for service in reversed(services):
        facts = before.get(service.name, {"running": False})
        if not facts["running"]:
            continue
        release, identity = _wanted(service, facts, params)
        now = service.look()
        if now["running"] and now["image_id"] == identity:
            if not check_mode:
                service.keep(facts["restart_policy"])
            continue
        if not check_mode:
            if now["running"]:
                service.stop()  # another release than the one that is wanted
            service.start(release, facts["restart_policy"])
        started[service.name] = identity
    return started


def _see_images(services: list[Service], looked: list[Facts], started: dict[str, str]) -> None:
    """A tag that moved just now, or a project that builds or pulls, gave a service another image than the one prepared."""
    for service, facts in zip(services, looked):
        wanted = started.get(service.name, facts["image_id"])
        if isinstance(service, ContainerService) and facts["image_id"] != wanted:
            raise OperationError(
                "service-failed",
                f"Service {service.name!r} was to run image {wanted}, and runs {facts['image_id']}.",
                "It was started with another image than the one that was prepared.",
                "Look at what moves its tag, or at build and pull_policy of its Compose project.",
            )


def body(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    services = services_of(params["services"], Context(engine_of(module), stack_of(module).directory))
    started: dict[str, str] = {}
    if params["state"] == "stopped":
        touched = _stop(services, module.check_mode)
    else:
        started = _start(services, params, module.check_mode)
        touched = list(started)
    looked = [service.look() for service in services]
    if not module.check_mode:
        _see_images(services, looked, started)
    # One that had to be started by its identity is still known by the name that was asked for.
    names = {identity: name for name, identity in params["images"].items()}
    return {
        "changed": bool(touched),
        "touched": touched,
        "services": [{**facts, "release": names.get(facts["release"], facts["release"])} for facts in looked],
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            **SERVICES_OPTIONS,
            "state": {"type": "str", "required": True, "choices": ["stopped", "started", "restored"]},
            "before": {"type": "list", "elements": "dict", "default": []},
            "images": {"type": "dict", "default": {}},
        },
        required_if=[("state", "started", ("before",)), ("state", "restored", ("before",))],
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
