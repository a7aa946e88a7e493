# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_services_info
short_description: Tell what the application's services run, and whether they do
version_added: 0.1.0
description:
  - Looks at each service of a stack without touching it. A service that cannot be found is an error.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._services
attributes:
  check_mode:
    support: full
    description: It only reads.
  diff_mode:
    support: none
    description: It only reads.
"""

EXAMPLES = r"""
- name: Look at the backend
  amanat.dbops.stack_services_info:
    stack: production/nickapp
    services:
      - name: backend
        kind: compose
        project_src: /srv/nickapp
"""

RETURN = r"""
services:
  description: What stands there, one entry a service, in the order given.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The service's name.
      type: str
    kind:
      description: What runs it.
      type: str
    running:
      description: Whether it runs.
      type: bool
    release:
      description: The release as it was asked for, for example the image's reference.
      type: str
    image_id:
      description: The identity of what runs.
      type: str
    restart_policy:
      description: The restart policy of a container, as the engine's client takes it, V(on-failure:3) for example.
      type: str
    containers:
      description: Identities of its containers.
      type: list
      elements: str
    environment_names:
      description: Names, and only the names, of a container's environment variables.
      type: list
      elements: str
specs:
  description: What O(services) says of each, with the defaults of what it does not say.
  returned: success
  type: list
  elements: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils._module import TARGET_OPTIONS, main_of
from ansible_collections.amanat.dbops.plugins.module_utils._services_module import SERVICES_OPTIONS, services_from


def body(module: AnsibleModule) -> dict[str, Any]:
    services = services_from(module)
    return {"changed": False, "services": [service.look() for service in services], "specs": [service.spec for service in services]}


def main() -> None:
    main_of(AnsibleModule(argument_spec={**TARGET_OPTIONS, **SERVICES_OPTIONS}, supports_check_mode=True), body)


if __name__ == "__main__":
    main()
