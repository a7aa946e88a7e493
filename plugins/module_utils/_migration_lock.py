# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""One run of migrations at a time: an advisory lock, since drizzle takes none.

It is held in the database `postgres`: a session in the migrated one would keep that from being copied or renamed.
https://www.postgresql.org/docs/18/explicit-locking.html#ADVISORY-LOCKS
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from ._errors import OperationError
from ._pg_sessions import in_words
from ._psql import Server, quote_literal
from ._session import Session

SPACE = 0x64626F70  # "dbop": the upper half of the lock's number; the lower one is the database's

SESSIONS = "dbops-migrate-"  # how the names of sessions begin that migrate

PATIENCE = 5000  # milliseconds for a session to end


def ending(condition: str) -> str:
    """A statement that ends sessions and waits for them, so that whatever they were about to commit is seen afterwards."""
    return f"SELECT pg_terminate_backend(pid, {PATIENCE}) FROM pg_stat_activity WHERE {condition};"


@dataclass(frozen=True)
class MigrationLock:
    """For whatever changes all of a database. seeds: it is a seed that asks for it, and no migration."""

    server: Server
    stack: str
    seeds: bool = False

    @property
    def _oid(self) -> str:
        """Of the migrated database, in words of SQL for a session in another one."""
        return f"(SELECT oid::bigint FROM pg_database WHERE datname = {quote_literal(self.server.database)})"

    @property
    def _outside(self) -> Server:
        outside = self.server.to("postgres")
        return replace(outside, env={**outside.env, "PGAPPNAME": f"dbops {'seed' if self.seeds else 'lock'} {self.stack}"[:63]})

    def require_free(self) -> None:
        """Refuse where a run holds the lock, and name it."""
        held = self._outside.rows(
            "SELECT a.pid, a.usename AS role, a.application_name AS application, a.backend_type AS kind,"
            " coalesce(host(a.client_addr), 'socket') AS address, 'since ' || to_char(a.backend_start AT TIME ZONE 'UTC',"
            ' \'YYYY-MM-DD"T"HH24:MI:SS"Z"\') AS state'
            " FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1"
            f" AND l.classid::bigint = {SPACE} AND l.objid::bigint = {self._oid}"
        )
        if held:
            raise self._busy(
                f"Another run migrates or seeds {self.server.database!r} right now: {in_words(held)}.", "Wait until it has ended."
            )

    def _busy(self, what: str, cure: str) -> OperationError:
        look = "" if self.seeds else " Then look: ansible-playbook playbooks/migrate.yml --check"
        return OperationError("seed-running" if self.seeds else "migrations-running", what, "This run changed nothing.", cure + look)

    @contextmanager
    def held(self) -> Iterator[None]:
        """The lock, for as long as this process lives; whoever outlived an earlier run is ended first."""
        with Session(self._outside.patient().command(), "postgres") as session:
            if not session.rows(f"SELECT pg_try_advisory_lock(({SPACE}::bigint << 32) | {self._oid}) AS held")[0]["held"]:
                self.require_free()
                raise self._busy(f"Another run migrated or seeded {self.server.database!r} until a moment ago.", "Run it again.")
            # A run that was killed may have left a statement behind, which goes on until it wants to answer.
            self.server.ask(ending(f"datname = current_database() AND application_name LIKE '{SESSIONS}%'"))
            yield
