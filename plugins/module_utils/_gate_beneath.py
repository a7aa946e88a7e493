# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What the application stands on, as the health gate sees it: PostgreSQL, Redis, tables, and what the services log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Callable, NamedTuple
from urllib.parse import unquote

from . import _log_kinds
from ._errors import OperationError
from ._psql import Server, quote_literal
from ._redis_cli import Redis
from ._redis_info import parse_info
from ._services import Service


class Flaw(NamedTuple):
    """A demand of the gate that is not met. name: by which it can be waived; what: in words; lasting: waiting does not mend it."""

    name: str
    what: str
    lasting: bool = False


@dataclass(frozen=True)
class Beneath:
    """Each server is reached when it is its turn, so that one that cannot be is a flaw like any other. None: there is none.

    secrets: what is logged in with, which no log has to repeat; the same before the window and after it, see `secrets_of`.
    """

    postgres: Callable[[], Server] | None = None
    redis: Callable[[], Redis] | None = None
    services: Sequence[Service] = ()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


def secrets_of(known: Mapping[str, Any]) -> dict[str, str]:
    """Of the options of a module, or of what the target was left for the window."""
    names = ("pg_url", "login_password", "redis_url", "redis_password")
    secrets = {name: str(known[name]) for name in names if known.get(name)}
    # A gate calls it `url_login`, what the target was left `health_login`; a login without a colon is a token.
    login = str(known.get("url_login") or known.get("health_login") or "").rpartition(":")[2]
    return {**secrets, "health_password": unquote(login), "health_password_encoded": login} if login else secrets


def flaws(beneath: Beneath, tables: Sequence[str], timeout: float) -> Iterator[Flaw]:
    """timeout: seconds for one question."""
    if beneath.postgres:
        try:
            yield from _of_postgres(replace(beneath.postgres(), timeout=timeout), tables)
        except OperationError as error:
            yield Flaw("postgres", error.what)
    if beneath.redis:
        try:
            yield from _of_redis(beneath.redis(), timeout)
        except OperationError as error:
            yield Flaw("redis", error.what)


# Both a plain name, which means the schema public, and one with its schema.
_MISSING = """
    SELECT name FROM unnest(ARRAY[{}]::text[]) AS expected (name) WHERE NOT EXISTS (
        SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm')
        AND name IN (n.nspname || '.' || c.relname, CASE n.nspname WHEN 'public' THEN c.relname END))"""


def _of_postgres(server: Server, tables: Sequence[str]) -> Iterator[Flaw]:
    missing = _MISSING.format(", ".join(map(quote_literal, tables)))
    facts = server.rows(
        "SELECT pg_is_in_recovery() AS follows, current_setting('default_transaction_read_only')::bool AS read_only,"
        f" ARRAY({missing}) AS missing"
    )[0]
    if facts["follows"]:
        yield Flaw("postgres", "PostgreSQL follows another server, and takes no writes")
    elif facts["read_only"]:
        yield Flaw("postgres", "PostgreSQL takes no writes: default_transaction_read_only is on")
    for table in facts["missing"]:
        yield Flaw(f"table {table}", f"there is no table {table}")


def _of_redis(redis: Redis, timeout: float) -> Iterator[Flaw]:
    with redis.session(loading=timeout) as session:
        told = parse_info(session.ask("INFO", timeout=timeout))
    if told["role"] != "master":
        yield Flaw("redis", "Redis follows another server, and takes no writes")
    # With its usual settings it refuses every write until it can.
    if told["rdb_last_bgsave_status"] != "ok" or told.get("aof_last_write_status", "ok") != "ok":
        yield Flaw("redis", "Redis could not save what it holds")


def kinds_of(beneath: Beneath, timeout: float) -> dict[str, list[str]]:
    """The kinds of errors that each service has logged since it was started. Whose log cannot be read has none."""
    return {service.name: _log_kinds.kinds(log_of(service, timeout), beneath.secrets) for service in beneath.services}


def log_of(service: Service, timeout: float) -> str:
    """Of its log what is read, see `Service.log`; "" where that cannot be."""
    try:
        return service.log(timeout)
    except OperationError:
        return ""  # it is not there: whoever looks after the services says so


def new_kinds(log: Mapping[str, list[str]], known: Mapping[str, Sequence[str]], ignored: Sequence[str]) -> Iterator[Flaw]:
    for service, kinds in log.items():
        for kind in _log_kinds.new(known.get(service, []), kinds, ignored):
            yield Flaw(f"log {service}", f"the log of {service} has a new kind of error, {kind}", lasting=True)
