# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The environment that drizzle-kit runs in: where it goes, and the settings of its sessions, which have to reach the server."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from ._pg_url import with_settings


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
    options = with_settings(own, settings)
    return {**dict.fromkeys([*addressed_by, "PG_URL"], urlunsplit(parts._replace(query=kept))), "PGAPPNAME": name, "PGOPTIONS": options}
