# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The environment that drizzle-kit runs in: where it goes, and the settings of its sessions, which have to reach the server."""

from __future__ import annotations

import json
from collections.abc import Iterable
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from ._errors import OperationError
from ._pg_login import log_in
from ._pg_url import PgUrl
from ._place import Place
from ._psql import quote_literal


def timeouts(lock: float, statement: float) -> dict[str, str]:
    """Settings of a session, of seconds; in milliseconds, as the server counts them."""
    return {"lock_timeout": f"{round(lock * 1000)}ms", "statement_timeout": f"{round(statement * 1000)}ms"}


def environment(url: str, name: str, settings: dict[str, str], addressed_by: Iterable[str]) -> dict[str, str]:
    """Variables for a migrator: its sessions get the name, and the settings on top of those that the URL asks for.

    Drivers prefer what stands in the URL, so that it keeps neither there. addressed_by: whatever else may hold an address.
    """
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    own = " ".join(value for key, value in query if key == "options")
    kept = urlencode([(key, value) for key, value in query if key not in ("options", "application_name")], quote_via=quote)
    options = " ".join([own, *(f"-c {key}={value}" for key, value in sorted(settings.items()))]).strip()
    return {**dict.fromkeys([*addressed_by, "PG_URL"], urlunsplit(parts._replace(query=kept))), "PGAPPNAME": name, "PGOPTIONS": options}


def require_direct(place: Place, env: dict[str, str], settings: dict[str, str]) -> None:
    """Log in as the migrator will, since drizzle-kit says nothing of a login that is refused, and see that its settings hold.

    A pooler either refuses them or drops them without a word: its sessions with the server are not those of its clients.
    """
    names = ", ".join(quote_literal(name) for name in settings)
    query = f"SELECT json_object_agg(name, setting || unit) FROM pg_catalog.pg_settings WHERE name IN ({names});"
    try:
        held = json.loads(log_in(place, PgUrl.parse(env["PG_URL"]), query, PGOPTIONS=env["PGOPTIONS"], PGAPPNAME=env["PGAPPNAME"]))
    except OperationError as error:
        if "unsupported startup parameter" not in error.what:
            raise
        held = {}
    if held != settings:
        raise OperationError(
            "pg-url-pooler",
            "PG_URL leads to a connection pooler: the time-outs that guard the run do not reach the server.",
            "Nothing was changed.",
            "Migrate over the server itself: dbops_pg_url with its own host and port. The application may go on using the pooler.",
        )
