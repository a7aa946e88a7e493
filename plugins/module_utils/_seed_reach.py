# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""That a seed reaches, from where it runs, the very servers that are asked for their stamp, backed up and compared."""

from __future__ import annotations

from urllib.parse import urlsplit

from ._errors import OperationError
from ._pg_login import require_same
from ._pg_url import PgUrl, with_settings
from ._place import Place
from ._psql import Server
from ._redis_cli import Redis
from ._redis_info import info
from ._redis_session import Session
from ._seat import Seat
from ._seed_env import elsewhere, redis_addresses, redis_hosts
from ._seed_program import GUARDING, Program
from ._throwaway import image_here


def require_database(program: Program, url: PgUrl, server: Server, image: str) -> None:
    """PG_URL, from the networks of the program, means the database of `server`. image: of PostgreSQL, where no container has one."""
    seat = Seat(server.place, image_here(server.place, "" if server.place.container else image), program.networks)
    require_same(seat, url, server, GUARDING, PGOPTIONS=with_settings(url.environ().get("PGOPTIONS", ""), GUARDING))


def require_led(program: Program, pg_url: str, redis_url: str) -> None:
    """Nothing in its environment leads past the addresses that are exchanged for these."""
    names = elsewhere(program.env, pg_url, redis_url)
    if names:
        raise OperationError(
            "seed-elsewhere",
            f"{program.seed.name} may work on another server or database than the one that is checked: in the environment of its service "
            f"{', '.join(names)}.",
            "Nothing was changed.",
            "Give the service there what stands in dbops_pg_url (dbops_redis_url for Redis), or take it out of its environment.",
        )


def redis_url_of(env: dict[str, str], given: str) -> str:
    """The Redis that a program with this environment gets, by its URL; "" for none. given: the inventory's URL, "" for none. Pure."""
    found = redis_addresses(env)
    if not found and not redis_hosts(env):
        return ""
    # Without one of the inventory it is the service's own that has to prove itself.
    return given or (env[found[0]] if found else "")


def require_redis(program: Program, url: str, redis: Redis, session: Session, image: str) -> None:
    """The URL, from the networks of the program, means the server of this session of `redis`. image: of Redis."""
    seat = Seat(redis.place, image, program.networks)
    there = Redis.of(Place(redis.place.engine), url, redis.password, redis.user)
    with Session(there.command_at(seat)) as asked:
        found = info(asked, "server")["run_id"]
    if found != info(session, "server")["run_id"]:
        here = f"the container {redis.place.container!r}" if redis.place.container else "dbops_redis_url does on the target"
        raise OperationError(
            "redis-url-elsewhere",
            f"{seat.where}the service's address of Redis leads to another server than {here}: its host is {urlsplit(url).hostname!r}.",
            "Nothing was changed.",
            "Correct dbops_redis_url, dbops_redis_container or the service: all have to mean the same server.",
        )
