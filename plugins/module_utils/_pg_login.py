# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Logging in as the application does: by its URL, from its network."""

from __future__ import annotations

import json
from typing import Any

from ._command import run
from ._errors import OperationError
from ._pg_url import PgUrl
from ._psql import CONNECT_TIMEOUT, PSQL, Server, failure, quote_literal
from ._seat import Seat

# One server since its start, and one of its databases.
_IDENTITY = """
SELECT system_identifier || ' ' || extract(epoch FROM pg_postmaster_start_time()) || ' ' || d.oid AS identity
FROM pg_control_system(), pg_database d WHERE d.datname = current_database()
"""


def log_in(seat: Seat, url: PgUrl, sql: str, **settings: str) -> str:
    """What the server answers whoever has the URL. settings: further variables of libpq."""
    env = {**url.environ(), "PGCONNECT_TIMEOUT": str(CONNECT_TIMEOUT), **settings}
    answer = run(seat.command(PSQL, env), stdin=sql, timeout=60)
    if not answer.ok:
        raise failure(answer, url.database)
    return answer.out


def require_same(seat: Seat, url: PgUrl, server: Server, session: dict[str, str] | None = None, **variables: str) -> None:
    """Whoever logs in there meets the very database that is operated here, and no pooler before it.

    session: settings of its sessions, which `variables` of libpq ask for. A pooler either refuses them or drops them without a word:
    its sessions with the server are not those of its clients.
    """
    names = ", ".join(quote_literal(name) for name in session or {})
    query = f"""
    SELECT json_build_object('identity', ({_IDENTITY}), 'session', (SELECT coalesce(json_object_agg(name, setting || unit), '{{}}')
      FROM pg_catalog.pg_settings WHERE name = ANY (ARRAY[{names}]::text[])));
    """
    try:
        found: dict[str, Any] = json.loads(log_in(seat, url, query, **variables))
    except OperationError as error:
        if "unsupported startup parameter" not in error.what:
            raise
        raise _pooler() from None
    if found["identity"] != server.value(_IDENTITY):
        # Else one server would be asked for its stamp and backed up, and another one written to.
        here = f"the container {server.place.container!r}" if server.place.container else "it does on the target"
        raise OperationError(
            "pg-url-elsewhere",
            f"{seat.where}PG_URL leads to another server or database than {here}: its host is {url.host!r}.",
            "Nothing was changed.",
            "Correct dbops_pg_url or dbops_postgres_container: both have to mean the same server, wherever they are asked.",
        )
    if found["session"] != (session or {}):
        raise _pooler()


def _pooler() -> OperationError:
    return OperationError(
        "pg-url-pooler",
        "PG_URL leads to a connection pooler: the settings that guard the run do not reach the server.",
        "Nothing was changed.",
        "Name the server itself in dbops_pg_url, by its own host and port. The application may go on using the pooler.",
    )
