# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""One exported snapshot of a database, held open for as long as a backup needs it."""

from __future__ import annotations

from ._errors import OperationError
from ._pg_digest import SETTINGS, TABLES, name_of
from ._session import Session

LOCK_TIMEOUT = "10s"


class Snapshot(Session):
    """A session with an open transaction. It gives everything back when this object is closed.

    TRUNCATE and DROP do not respect a snapshot, so every table is locked against them before it is taken:
    LOCK TABLE takes no snapshot itself, and ACCESS SHARE holds up nothing but DDL.
    """

    def open(self) -> None:
        """Lock the tables, then export the snapshot."""
        self.execute(SETTINGS)
        # Listed outside: the first query of the transaction would take its snapshot before anything is locked.
        self.tables = self.rows(TABLES)
        self.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;")
        self.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}';")
        if self.tables:
            self.execute(f"LOCK TABLE ONLY {', ONLY '.join(map(name_of, self.tables))} IN ACCESS SHARE MODE;")
        try:
            self.identity = self.rows("SELECT pg_export_snapshot() AS id")[0]["id"]
        except OperationError as error:
            if "lock timeout" not in error.what:
                raise
            raise OperationError(
                "backup-ddl",
                f"A table is locked by somebody who did not give it back within {LOCK_TIMEOUT}: {error.what}",
                "No backup was made.",
                "Look for the session that holds it (pg_locks), or run it again later.",
            ) from None
        if self.rows(TABLES) != self.tables:
            raise OperationError(
                "backup-ddl",
                "Tables were created, changed or dropped while the snapshot was taken.",
                "No backup was made.",
                "Run it again when the schema is at rest.",
            )
