# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Who is connected to a database, and how they are sent away."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

from ._errors import OperationError
from ._psql import Server, quote_literal

PATIENCE = 10.0  # seconds that sessions are given to end once they were told to
_POLL = 0.02


def _of(databases: Collection[str], also: str = "false") -> str:
    """Other sessions of the databases. The server itself ends autovacuum where somebody wants the whole database."""
    names = ", ".join(quote_literal(name) for name in databases)
    theirs = f"datname IN ({names}) AND backend_type <> 'autovacuum worker'"
    return f"FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND ({theirs} OR {also})"


def ending(databases: Collection[str], also: str = "false") -> str:
    """What a query selects to end every other session of the databases: their number, and from where."""
    return f"count(pg_terminate_backend(pid)) AS ended {_of(databases, also)}"


def sessions(server: Server, databases: Collection[str]) -> list[dict[str, Any]]:
    return server.rows(
        "SELECT pid, datname AS database, usename AS role, application_name AS application, backend_type AS kind,"
        f" coalesce(host(client_addr), 'socket') AS address, coalesce(state, '') AS state {_of(databases)} ORDER BY pid"
    )


def in_words(found: list[dict[str, Any]]) -> str:
    who = [
        f"{session['role'] or session['kind']} from {session['address']}"
        f" ({', '.join(filter(None, [session['application'], session['state'], 'pid ' + str(session['pid'])]))})"
        for session in found[:5]
    ]
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    return "; ".join(who) + more


def in_use(databases: Collection[str], found: list[dict[str, Any]]) -> OperationError:
    return OperationError(
        "database-in-use",
        f"{' and '.join(repr(name) for name in databases)} cannot be had alone: {in_words(found)}.",
        "No database was renamed or copied.",
        "End these sessions, then run it again.",
    )


def busy(server: Server, databases: Collection[str]) -> OperationError | None:
    """The failure of whatever needs the databases to itself, where somebody is in one; None where nobody is."""
    found = sessions(server, databases)
    return in_use(databases, found) if found else None


def terminate(server: Server, databases: Collection[str], also: str = "false") -> int:
    """End every other session of the databases and wait until they are gone. Returns how many there were.

    also: a condition on pg_stat_activity for others that are ended with them.
    """
    until = time.monotonic() + PATIENCE
    ended = 0
    while True:
        ended = max(ended, server.value(f"SELECT {ending(databases, also)}"))
        left = sessions(server, databases)
        if not left:
            return ended
        if time.monotonic() >= until:
            raise in_use(databases, left)
        time.sleep(_POLL)


def end_sessions(server: Server, condition: str) -> int:
    """End the sessions of a program that is gone; how many there are left after some seconds, as there should be none."""
    theirs = f"FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND {condition}"
    server.value(f"SELECT count(pg_terminate_backend(pid)) AS ended {theirs}")
    until = time.monotonic() + 2 * PATIENCE
    while True:
        left = int(server.value(f"SELECT count(*) AS left {theirs}"))
        if not left or time.monotonic() > until:
            return left
        time.sleep(_POLL)
