# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The rollback point of a window: what the database was behind the shut door, and the way back to it.

An operation that changes the database has a copy of it; one that replaces the database has the replaced one itself.

Every step may be asked for again, and goes on where a killed one ended: the names of both databases follow from the
window, and a database that is there is whole.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from . import _door, _pg_clone, _pg_properties
from ._errors import OperationError
from ._job import Progress
from ._pg_space import free, in_bytes
from ._psql import Server, as_json, quote_identifier, quote_literal
from ._stack import Stack

# What bars a copy or a rename, or would stay behind with the database that is renamed. A replica or an archive that
# streams the whole cluster is none of it: both steps are in its WAL.
OBSTACLES = """
SELECT 'the prepared transaction ' || gid || ' is neither committed nor rolled back' AS obstacle
  FROM pg_prepared_xacts WHERE database = {database}
UNION ALL SELECT 'the replication slot ' || slot_name || ' belongs to this very database'
  FROM pg_replication_slots WHERE database = {database}
UNION ALL SELECT 'the walsender ' || application_name || ' (pid ' || pid || ') streams from this database'
  FROM pg_stat_activity WHERE backend_type = 'walsender' AND datname = {database}
UNION ALL SELECT 'a base backup is running (pid ' || pid || '), which a copy would spoil' FROM pg_stat_progress_basebackup
UNION ALL SELECT 'the subscription ' || subname || ' belongs to this very database'
  FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = {database})
"""

# A statement goes on when whoever sent it was killed. What is true is known only when none of this point does any more.
END_OTHERS = """
SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity
  WHERE application_name = current_setting('application_name') AND pid <> pg_backend_pid() \\gset
"""

# Everything that is asked before a step, at once: an application waits for it.
# Where a database's files are: https://www.postgresql.org/docs/18/storage-file-layout.html
FACTS = """
SELECT {shut} AS shut, ARRAY(SELECT datname::text FROM pg_database WHERE datname IN ({clone}, {failed}, {restored})) AS present,
  (SELECT pg_database_size(oid) FROM pg_database WHERE datname = {database}) AS bytes,
  (SELECT coalesce(nullif(pg_tablespace_location(dattablespace), ''), current_setting('data_directory'))
     FROM pg_database WHERE datname = {database}) AS path,
  ARRAY({obstacles}) AS obstacles
"""


def session_name(database: str, moment: datetime) -> str:
    """What the sessions of one point's steps are called: by this name what works for the same point is found again."""
    clone = _pg_clone.beside(database, _pg_clone.OLD, moment)
    return f"amanat.dbops point {hashlib.sha256(clone.encode()).hexdigest()[:16]}"


@dataclass(frozen=True)
class Point:
    """One window's rollback point, and what the server says before a step. server: see `_pg_clone.maintenance`.

    clone: where a return finds the database; failed: where it leaves what failed; restored: what a restore has made.
    """

    server: Server = field(repr=False)
    database: str
    clone: str
    failed: str
    restored: str
    facts: dict[str, Any]

    @classmethod
    def of(cls, stack: Stack, server: Server, moment: datetime, *, end_others: bool = True) -> Point:
        kinds = (_pg_clone.OLD, _pg_clone.FAILED, _pg_clone.NEW)
        clone, failed, restored = (_pg_clone.beside(server.database, kind, moment) for kind in kinds)
        elsewhere = _pg_clone.maintenance(server)
        elsewhere = replace(elsewhere, env={**elsewhere.env, "PGAPPNAME": session_name(server.database, moment)})
        database = quote_literal(server.database)
        query = FACTS.format(
            shut=_door.has_lines(stack),
            clone=quote_literal(clone),
            failed=quote_literal(failed),
            restored=quote_literal(restored),
            database=database,
            obstacles=OBSTACLES.format(database=database),
        )
        facts = json.loads(elsewhere.execute((END_OTHERS if end_others else "") + as_json(query)))[0]
        return cls(elsewhere, server.database, clone, failed, restored, facts)

    @property
    def is_taken(self) -> bool:
        return self.clone in self.facts["present"]

    @property
    def is_returned(self) -> bool:
        return self.failed in self.facts["present"] and not self.is_taken

    @property
    def is_swapped(self) -> bool:
        return self.is_taken and self.restored not in self.facts["present"]

    @property
    def is_untouched(self) -> bool:
        """A restore has made its database, which never took the other one's place: there is nothing to return from."""
        return not self.is_lost and self.facts["present"] == [self.restored]

    @property
    def is_lost(self) -> bool:
        """There is no database at all: nothing to keep anybody out of, and nothing to return to."""
        return self.facts["bytes"] is None

    # -- what has to be true before ------------------------------------------------------------------------------

    def require_possible(self) -> None:
        if self.is_lost:
            raise OperationError(
                "database-missing",
                f"There is no database {self.database!r} to take a rollback point of.",
                "Nothing was changed.",
                "Correct the database in dbops_pg_url, or deploy it.",
            )
        if self.facts["obstacles"]:
            raise OperationError(
                "rollback-impossible",
                f"{self.database!r} can be neither copied nor renamed: {'; '.join(self.facts['obstacles'])}.",
                "Nothing was changed.",
                "End what is named, then run it again.",
            )

    def require_shut(self) -> None:
        if not self.facts["shut"]:
            raise OperationError(
                "door-open",
                f"The door of {self.database!r} is open: what its clients write meanwhile would be lost.",
                "No database was copied or renamed.",
                "Shut it first, with postgres_door.",
            )

    def require_space(self, drop_failed: str, *, may_drop: bool) -> dict[str, Any]:
        """There is room for a second copy; where there is not, the failed database that was named makes it."""
        path = self.facts["path"]
        space = {"bytes": int(self.facts["bytes"]), "free": free(self.server, path), "path": path}
        if space["bytes"] <= space["free"]:
            return {**space, "dropped": ""}
        kept = self.server.rows("SELECT datname AS name, pg_database_size(oid) AS bytes FROM pg_database ORDER BY 1")
        failed = {row["name"]: int(row["bytes"]) for row in kept if self._is_failed(row["name"])}
        room = space["free"] + failed.get(drop_failed, 0)
        if drop_failed not in failed or space["bytes"] > room:
            raise OperationError(
                "rollback-no-space",
                f"A rollback point of {self.database!r} needs {in_bytes(space['bytes'])}, and {in_bytes(room)} are free in {space['path']}"
                f"{f' without {drop_failed}' if drop_failed in failed else ''}.",
                "Nothing was changed.",
                _advice(failed) if drop_failed not in failed else "Free space there.",
            )
        if may_drop:
            _pg_clone.drop(self.server, drop_failed)
        return {**space, "free": room, "dropped": drop_failed}

    def _is_failed(self, name: str) -> bool:
        parsed = _pg_clone.parse_beside(name)
        return parsed is not None and parsed.kind == _pg_clone.FAILED and _pg_clone.is_beside(name, self.database)

    # -- the steps -------------------------------------------------------------------------------------------------

    def prepare(self, drop_failed: str, progress: Progress) -> dict[str, Any]:
        """Whatever can be done while the application still runs, so that it has not to wait for it."""
        clock = time.monotonic()
        space = self.require_space(drop_failed, may_drop=True)
        progress.say("writing a checkpoint", now=True)
        self.server.execute("CHECKPOINT;")
        return self._result(bool(space["dropped"]), clock, **space)

    def take(self, progress: Progress) -> dict[str, Any]:
        clock = time.monotonic()
        size = int(self.facts["bytes"])
        progress.say("copying the database", now=True, mib=size >> 20)
        taken = self.is_taken
        properties = _pg_properties.read_from(self.server, self.database)
        if not taken:
            _pg_clone.copy(self.server, self.database, self.clone, properties["collation_version"])
        # Even where the copy is there: whoever made it may have been killed before it had them.
        statements = [*_pg_properties.statements(self.clone, properties), _pg_clone.allow(self.database)]
        self.server.execute("\n".join(["BEGIN;", *statements, "COMMIT;"]))
        return self._result(not taken, clock, bytes=size)

    def swap(self, progress: Progress) -> dict[str, Any]:
        """The restored database is the database; what it replaces is kept, as it was, for a return."""
        clock = time.monotonic()
        progress.say("swapping the databases", now=True)
        changed = not self.is_swapped
        if changed:
            self._rename(self.restored, self.clone, [])
        return self._result(changed, clock)

    def _rename(self, incoming: str, aside: str, also: list[str]) -> None:
        try:
            _pg_clone.swap(self.server, self.database, incoming, aside, also)
        except OperationError:
            if not self.is_lost:
                self.require_possible()  # says more where something was left behind that bars it
            raise

    def go_back(self, progress: Progress) -> dict[str, Any]:
        """The copy is the database again; what was the database is kept for whoever wants to know what went wrong."""
        clock = time.monotonic()
        progress.say("returning to the rollback point", now=True)
        changed = not (self.is_returned or self.is_untouched)
        if changed:
            # For the application's role it is closed; a superuser can look at it.
            self._rename(self.clone, self.failed, [f"ALTER DATABASE {quote_identifier(self.failed)} CONNECTION LIMIT 0;"])
        return self._result(changed, clock, failed_database="" if self.is_untouched else self.failed)

    def drop(self, progress: Progress) -> dict[str, Any]:
        clock = time.monotonic()
        progress.say("dropping the rollback point", now=True)
        return self._result(_pg_clone.drop(self.server, self.clone), clock)

    def _result(self, changed: bool, clock: float, **more: Any) -> dict[str, Any]:
        return {"changed": changed, "name": self.clone, "seconds": round(time.monotonic() - clock, 3), **more}


def kept(taken: dict[str, Any]) -> dict[str, Any]:
    """What a journal says of a point that was just taken."""
    return {**{key: taken[key] for key in ("name", "bytes", "seconds")}, "state": "kept"}


def _advice(failed: dict[str, int]) -> str:
    if not failed:
        return "Free space there."
    kept = ", ".join(f"{name} ({in_bytes(size)})" for name, size in failed.items())
    return f"Free space there, or name a failed database that may be dropped, dbops_drop_failed: {kept}"
