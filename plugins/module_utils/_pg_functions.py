# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Which functions of a server change nothing, whoever calls them: its own, and those of extensions."""

from __future__ import annotations

import re

from ._psql import Server, quote_literal

# Volatile, since they answer otherwise each time; what they change is at most a sequence's next number or a lock of the session's.
# https://www.postgresql.org/docs/18/xfunc-volatility.html
_HARMLESS = (
    *("array_sample", "array_shuffle", "clock_timestamp", "gen_random_uuid", "random", "random_normal", "timeofday", "uuidv4", "uuidv7"),
    *("currval", "lastval", "nextval", "pg_advisory_xact_lock", "pg_try_advisory_xact_lock", "pg_notify", "pg_sleep", "pg_sleep_for"),
    *("pg_database_size", "pg_indexes_size", "pg_is_in_recovery", "pg_relation_size", "pg_table_size", "pg_total_relation_size"),
    # Of uuid-ossp and pgcrypto.
    *("gen_random_bytes", "gen_salt", "pgp_sym_encrypt", "uuid_generate_v1", "uuid_generate_v1mc", "uuid_generate_v4"),
)

# A function that is not volatile may not change anything; the server holds its own to that. Whoever wrote one for an application may
# have called a volatile one from it, and one of an extension may run text that it is given.
_QUERY = f"""
SELECT p.proname AS name FROM pg_proc p
LEFT JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
GROUP BY p.proname
HAVING bool_and(p.proname IN ({", ".join(map(quote_literal, _HARMLESS))}) AND (p.oid < 16384 OR d.objid IS NOT NULL)
                OR p.oid < 16384 AND p.provolatile <> 'v' OR d.objid IS NOT NULL AND p.provolatile = 'i')
"""


def harmless(server: Server, texts: list[str]) -> list[str]:
    """Those that the texts may call; a name that also something else has is none of them."""
    words = {word for text in texts for word in re.findall(r"\w+", text.lower())}
    return sorted(words & {row["name"] for row in server.rows(_QUERY)}) if words else []
