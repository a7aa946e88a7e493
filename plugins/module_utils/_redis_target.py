# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The server that a restore works on: whether it runs, where its files are, and what stops and starts it."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Any

from . import _redis_stamp
from ._errors import OperationError
from ._place import LABEL
from ._redis_cli import Redis
from ._redis_files import Layout, layout_of, require_kept, require_reach, usual_layout
from ._redis_info import info
from ._services import Context, Service, service_of
from ._stack import Stack

# Seconds in which a server listens that was started.
_LISTENS = 10


def is_down(redis: Redis, error: OperationError) -> bool:
    """Whether a server that could not be asked is one that ended, or cannot load what it has, and no one that serves others."""
    if error.slug == "redis-loading":
        return True
    if not redis.place.container:
        return error.slug == "redis-unreachable"
    facts = redis.place.engine.inspect("container", redis.place.container)
    if facts is None or error.slug not in ("redis-unreachable", "redis-no-answer", "redis-connection-lost"):
        return False
    return has_ended(facts, time.time(), listens=error.slug != "redis-unreachable")


def has_ended(facts: dict[str, Any], now: float, *, listens: bool) -> bool:
    """The same, by what an engine knows of the container. listens: whether something did; it may be one that ends time and again. Pure.

    Where the container has run for long and nothing listens, the server does elsewhere: at another port, or by TLS alone.
    """
    state = facts["State"]
    if not state["Running"] or state.get("Restarting"):
        return True
    begun = datetime.strptime(state["StartedAt"][:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc).timestamp()
    return now - begun < _LISTENS and (not listens or facts.get("RestartCount", 0) > 0)


def require_not_of_others(redis: Redis, stack: Stack) -> None:
    """A server that cannot be asked for its stamp has that of its container, if any."""
    facts = redis.place.engine.inspect("container", redis.place.container) or {}
    of = facts.get("Config", {}).get("Labels", {}).get(f"{LABEL}.stack", "")
    if of not in ("", str(stack)):
        raise OperationError(
            "container-foreign",
            f"The inventory says {stack}, and {redis.place.container} was deployed for {of}.",
            "Nothing was changed.",
            "Correct dbops_redis_container, or the inventory.",
        )


def service_for(stack: Stack, redis: Redis, service: dict[str, Any] | None) -> Service:
    """What stops and starts the server: its container, else `service` as dbops_redis_service says it."""
    context = Context(redis.place.engine, stack.directory)
    if redis.place.container:
        return service_of({"name": "redis", "kind": "container", "container": redis.place.container}, context)
    if not service:
        raise OperationError(
            "restore-no-service",
            "Redis runs without a container, and nobody knows what stops and starts it.",
            "Nothing was changed.",
            "Say it in dbops_redis_service: {kind: systemd, unit: redis-server}",
        )
    return service_of({"name": "redis", **service}, context)


def look(stack: Stack, redis: Redis, *, replaced: bool = False) -> tuple[Layout, dict[str, Any]]:
    """Where the files are, and what the server says of itself, {} where it says nothing.

    replaced: whether its data are to be, all of them, and by what it starts with.
    """
    try:
        with redis.session() as session:
            layout, told = layout_of(session), info(session, "server", "keyspace")
            if replaced:
                _redis_stamp.require_whole(session, stack, redis.database)
    except OperationError as error:
        if not redis.place.container or not is_down(redis, error):
            raise
        require_not_of_others(redis, stack)
        return usual_layout(redis), {}
    require_reach(redis, layout, told)
    if replaced:
        require_kept(redis, layout, told)
    return layout, told
