# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What every module of Redis does the same way."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from . import _redis_stamp, _stamp
from ._module import engine_of, refusals_recorded, require_series, server_of, stack_of
from ._place import Place
from ._redis_cli import Redis
from ._redis_login import in_force
from ._redis_session import Session

# Options of the doc fragment `_redis`.
REDIS_OPTIONS: dict[str, Any] = {
    "redis_container": {"type": "str", "default": ""},
    "redis_bin_dir": {"type": "str", "default": ""},
    "redis_url": {"type": "str", "default": "", "no_log": True},
    "redis_user": {"type": "str", "default": ""},
    "redis_password": {"type": "str", "default": "", "no_log": True},
}


def redis_place_of(module: AnsibleModule) -> Place:
    return Place(engine_of(module), module.params["redis_container"], module.params["redis_bin_dir"])


def redis_of(module: AnsibleModule, *, runs: bool = True) -> Redis:
    """The server as the operator reaches it: inside its container, which has to run unless `runs` is False, else by its URL's host."""
    params, place, known = module.params, redis_place_of(module), None
    if place.container:
        container = place.engine.container(place.container) if runs else place.engine.inspect("container", place.container)
        known = in_force(stack_of(module), container or {})
    user, password = known or (params["redis_user"], params["redis_password"])
    if password:
        module.no_log_values.add(password)
    return Redis.of(place, params["redis_url"], password, user)


def require_redis_stamp(module: AnsibleModule, redis: Redis, session: Session) -> str:
    """Redis is the stack's own, by its stamp or, where it has none, by that of the database. Returns its stamp, "" for none."""
    return _redis_stamp.check(session, stack_of(module), redis.database, lambda: _stamp.read(server_of(module)))


def require_whole_redis(module: AnsibleModule, redis: Redis, session: Session, state: str, **facts: Any) -> None:
    """No database of the server is another stack's; a refusal is recorded as one of `state`. facts: to be remembered with it."""
    with refusals_recorded(module, service="redis", state=state, **facts):
        _redis_stamp.require_whole(session, stack_of(module), redis.database)


def redis_series_of(module: AnsibleModule) -> str:
    """The series that is meant: by default that of the stack, since a Redis has no name of its own."""
    return require_series(module.params["series"] or f"{stack_of(module).name}_redis")
