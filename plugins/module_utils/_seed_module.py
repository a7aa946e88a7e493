# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What the modules of seeds do the same way."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ._module import engine_of, server_of, stack_of, url_of
from ._seed import ALLOWED, find
from ._seed_guard import Verdict
from ._seed_program import Program, program_of
from ._seed_reach import require_database
from ._seed_run import verdict_on
from ._services import SERVICES_OPTIONS, Context

# Options of the doc fragment `_seed`, and the services, in one of which the seed runs.
SEED_OPTIONS: dict[str, Any] = {
    **SERVICES_OPTIONS,
    "seed": {"type": "str", "required": True},
    "seeds": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "argv": {"type": "list", "elements": "str"},
            "files": {"type": "list", "elements": "str"},
            "tables": {"type": "list", "elements": "str"},
            "service": {"type": "str"},
        },
    },
    "seeds_allowed": {"type": "list", "elements": "str", "default": ALLOWED},
    "seeds_never": {"type": "list", "elements": "str", "default": []},
}

# Options of the doc fragment `_seed_reach`: what the modules need to know that let a seed near the live database.
REACH_OPTIONS: dict[str, Any] = {
    "image": {"type": "str", "default": ""},
}


def program_from(module: AnsibleModule) -> Program:
    params = module.params
    seed = find(params["seed"], params["seeds"])
    return program_of(seed, params["services"], Context(engine_of(module), stack_of(module).directory))


def verdict_from(module: AnsibleModule, program: Program) -> tuple[Verdict, dict[str, Any] | None]:
    """Whether it may run now, and its record."""
    params, server = module.params, server_of(module)
    require_database(program, url_of(module), server, params["image"])
    names = {"allowed": params["seeds_allowed"], "never": params["seeds_never"]}
    return verdict_on(program, server, stack_of(module), params["allowed_servers"], **names)
