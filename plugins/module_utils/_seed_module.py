# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What the modules of seeds do the same way."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ._module import engine_of, server_of, stack_of, url_of
from ._redis_module import REDIS_OPTIONS, redis_of, require_redis_stamp
from ._seed import ALLOWED, find
from ._seed_guard import Verdict
from ._seed_program import Program, program_of
from ._seed_reach import redis_url_of, require_database, require_led, require_redis
from ._seed_run import verdict_on
from ._services_module import SERVICES_OPTIONS, context_of

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
    **REDIS_OPTIONS,
    "image": {"type": "str", "default": ""},
    "redis_image": {"type": "str", "default": ""},
}


def program_from(module: AnsibleModule) -> Program:
    params = module.params
    seed = find(params["seed"], params["seeds"])
    return program_of(seed, params["services"], context_of(module))


def verdict_from(module: AnsibleModule, program: Program) -> tuple[Verdict, dict[str, Any] | None]:
    """Whether it may run now, and its record."""
    params, server = module.params, server_of(module)
    names = {"allowed": params["seeds_allowed"], "never": params["seeds_never"]}
    return verdict_on(program, server, stack_of(module), params["allowed_servers"], **names)


def redis_image_of(module: AnsibleModule) -> str:
    """The image of Redis: the one that is named, else that of its container; "" where there is none."""
    params = module.params
    if params["redis_image"] or not params["redis_container"]:
        return str(params["redis_image"])
    container = engine_of(module).inspect("container", params["redis_container"])
    return str(container["Image"]) if container else ""


def reach_from(module: AnsibleModule, program: Program) -> str:
    """See that it meets the servers that are checked and no others. Returns the URL of Redis that it gets, "" for none."""
    params, image = module.params, redis_image_of(module)
    is_named = bool(params["redis_container"] or params["redis_url"])
    url = redis_url_of(program.env, params["redis_url"]) if is_named and image else ""
    require_led(program, params["pg_url"], url)
    require_database(program, url_of(module), server_of(module), params["image"])
    if url:
        redis = redis_of(module)
        with redis.session() as session:
            require_redis_stamp(module, redis, session)
            require_redis(program, url, redis, session, image)
    return url
