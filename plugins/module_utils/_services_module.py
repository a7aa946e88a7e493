# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What every module of services does the same way."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ._module import engine_of, stack_of
from ._services import KINDS, Context, Service, services_of

# Options of the doc fragment `_services`.
SERVICES_OPTIONS: dict[str, Any] = {
    "services": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "kind": {"type": "str", "required": True, "choices": list(KINDS)},
            "image": {"type": "str", "default": ""},
            "container": {"type": "str"},
            "unit": {"type": "str"},
            "project_src": {"type": "path"},
            "project_name": {"type": "str"},
            "files": {"type": "list", "elements": "str"},
            "env_files": {"type": "list", "elements": "str"},
            "profiles": {"type": "list", "elements": "str"},
            "service": {"type": "str"},
            "start": {"type": "list", "elements": "str"},
            "stop": {"type": "list", "elements": "str"},
            "status": {"type": "list", "elements": "str"},
            "log": {"type": "list", "elements": "str"},
        },
        "required_if": [("kind", "compose", ("project_src",)), ("kind", "command", ("start", "stop", "status"))],
    },
}


def context_of(module: AnsibleModule) -> Context:
    return Context(engine_of(module), stack_of(module).directory)


def services_from(module: AnsibleModule) -> list[Service]:
    return services_of(module.params["services"], context_of(module))
