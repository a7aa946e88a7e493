# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""A seed run on the live database, and the rows that are other ones afterwards."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from . import _manifest, _seed_guard, _seed_record, _stamp
from ._command import Answer
from ._errors import OperationError
from ._files import make_private_directory, write_json
from ._guest import Guest, holder
from ._job import Progress
from ._journal import require_closed
from ._migration_lock import MigrationLock
from ._pg_digest import SETTINGS, TABLES, by_root, table_facts
from ._pg_sessions import end_sessions
from ._place import Place
from ._psql import Server, quote_literal
from ._seed_changes import OwnRows
from ._seed_env import led_to
from ._seed_program import Program
from ._seed_rehearsal import complaint_in, told
from ._session import Session
from ._stack import Stack
from ._window import stamp

# Rows of a partition are its parent's: which one of them has them says nothing.
_PARTITIONS = """
SELECT n.nspname AS schema, c.relname AS table, rn.nspname AS root_schema, r.relname AS root_table
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class r ON r.oid = pg_partition_root(c.oid) JOIN pg_namespace rn ON rn.oid = r.relnamespace
WHERE c.relispartition AND c.relkind = 'r'
"""

Facts = dict[tuple[str, str], dict[str, Any]]  # rows and digest by schema and table


def verdict_on(
    program: Program, server: Server, stack: Stack, servers: list[str], *, allowed: list[str], never: list[str]
) -> tuple[_seed_guard.Verdict, dict[str, Any] | None]:
    """Whether the seed may run now on that database, and its record. servers: those that the inventory allows."""
    record = _seed_record.read(stack, program)
    try:
        found = _stamp.agree(stack, server, servers)
    except OperationError as error:
        if not error.slug.startswith(("stamp-", "server-")):
            raise
        return _seed_guard.refused_by(error), record
    return _seed_guard.decide(program.seed, stack=str(stack), stamp=found.stamp, record=record, allowed=allowed, never=never), record


@dataclass(frozen=True)
class Running:
    """What one run needs to know.

    url, redis_url: the application's, whatever its container was given, "" for no Redis; timeout: seconds;
    backup: the one that was made before; destroys: it is known to, and may.
    """

    stack: Stack
    place: Place
    server: Server = field(repr=False)
    url: str = field(repr=False)
    redis_url: str = field(repr=False)
    program: Program = field(repr=False)
    timeout: float
    run: str
    backup: str
    destroys: bool

    @property
    def lock(self) -> MigrationLock:
        return MigrationLock(self.server, str(self.stack), seeds=True)


class Run:
    def __init__(self, plan: Running) -> None:
        self.plan = plan
        self.notes: list[str] = []

    def make(self, progress: Progress) -> dict[str, Any]:
        with self.plan.lock.held():
            # A rehearsal and a backup ago there was none.
            require_closed(self.plan.stack, "No seed runs")
            return self._make(progress)

    def _make(self, progress: Progress) -> dict[str, Any]:
        plan, program = self.plan, self.plan.program
        began, clock = datetime.now(timezone.utc), time.monotonic()
        progress.say("counting every row", now=True)
        with self._session() as session:
            # One that is known to destroy may take whatever it likes.
            own_rows = OwnRows(session, () if plan.destroys else program.seed.tables)
            before = self._facts()
            progress.say("running the seed", now=True)
            answer = self._program()
            progress.say("comparing every row", now=True)
            after, changes = self._facts(), own_rows.changes()
        tables = compare(before, after, program.seed.tables)
        own = [entry for entry in tables if entry["own"] or not program.seed.tables]
        if len(own) < len(tables):
            names = ", ".join(entry["table"] for entry in tables if not entry["own"])
            self.notes.append(f"{names} changed meanwhile as well: what the services wrote cannot be told from what the seed did")
        missing = [] if plan.destroys else lost(tables, changes)
        complaint = complaint_in(answer.err, program.env)
        if answer.ok and complaint:
            self.notes.append(f"it ended with 0 and yet said: {complaint}")
        ended = datetime.now(timezone.utc)
        name = f"seeded_{_manifest.safe_series(program.seed.name)}_{ended.strftime(_manifest.STAMP)}.json"
        report = {
            "stack": str(plan.stack),
            "seed": program.seed.name,
            "argv": program.argv,
            "sha256": program.sha256,
            "image": program.image,
            "started": stamp(began),
            "ended": stamp(ended),
            "seconds": round(time.monotonic() - clock, 3),
            "code": answer.code,
            "said": told(answer, program.env),
            "tables": tables,
            "changes": changes,
            "notes": self.notes,
        }
        make_private_directory(plan.stack.reports)
        path = os.path.join(plan.stack.reports, name)
        write_json(path, report)
        if not answer.ok:
            raise self._failed(answer, tables, path)
        if missing:
            raise self._unexpected(missing, path)
        keys = ("seed", "sha256", "image", "tables", "notes", "seconds")
        return {"changed": bool(own), "report": path, **{key: report[key] for key in keys}}

    def _session(self) -> Session:
        server = self.plan.server.patient()
        return Session(server.command(), server.database)

    def _facts(self) -> Facts:
        """Rows and digest of every table, as they are at one moment."""
        with self._session() as session:
            session.execute(f"{SETTINGS} BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;")
            facts = table_facts(session, session.rows(TABLES), digest=lambda _table: True)
            roots = {(row["schema"], row["table"]): (row["root_schema"], row["root_table"]) for row in session.rows(_PARTITIONS)}
            return by_root(facts, roots)

    def _program(self) -> Answer:
        """In a container of its own, of exactly the image that was rehearsed: whatever was done to the service's own is not in it."""
        plan, program = self.plan, self.plan.program
        labels = {"stack": str(plan.stack), "run": plan.run}
        with holder(plan.place, program.image, labels) as host:
            guest = Guest(plan.place, host, program.networks, labels)
            env = program.given(led_to(program.env, plan.url, plan.redis_url))
            return guest.run(program.argv, env, program.image, plan.timeout, workdir=program.workdir, user=program.user, overran=self._end)

    def _end(self, name: str) -> None:
        """Its container is ended with SIGKILL, and whatever the server still does for it by us. Told apart by its address."""
        engine = self.plan.place.engine
        facts = engine.inspect("container", name) or {"NetworkSettings": {"Networks": {}}}
        networks = facts["NetworkSettings"]["Networks"].values()
        addresses = [address for network in networks for address in (network["IPAddress"], network.get("GlobalIPv6Address")) if address]
        engine.run("kill", name)
        if not addresses:
            self.notes.append("it shared the address of its service: what the server still does for it ends by itself")
            return
        theirs = ", ".join(quote_literal(address) for address in addresses)
        left = end_sessions(self.plan.server, f"host(client_addr) IN ({theirs})")
        if left:
            self.notes.append(f"{left} of its sessions are still ending in the server")

    def _failed(self, answer: Answer, tables: list[dict[str, Any]], report: str) -> OperationError:
        changed = "; ".join(f"{entry['table']}: {entry['before']} rows before, {entry['after']} after" for entry in tables)
        overran = answer.code == 124
        how = f"did not end within {self.plan.timeout:g} s and was ended" if overran else f"ended with {answer.code}: {answer.reason}"
        return OperationError(
            "seed-timeout" if overran else "seed-failed",
            f"{self.plan.program.seed.name} {told(Answer(0, how, ''), self.plan.program.env)}.",
            f"{f'Rows that changed meanwhile: {changed}' if changed else 'No row changed'}; the report is {report}.",
            f"Read what it said; {self._backup}." if changed else "Read what it said, mend it, then run it again.",
        )

    def _unexpected(self, missing: list[str], report: str) -> OperationError:
        return OperationError(
            "seed-unexpected",
            f"While {self.plan.program.seed.name} ran, which deletes nothing by its rehearsal, rows were lost: {'; '.join(missing)}.",
            f"It ended well, and what it did stays; the report is {report}.",
            f"Find out whether it deleted them or a service did; {self._backup}.",
        )

    @property
    def _backup(self) -> str:
        name = self.plan.backup
        return f"the backup that was made before is {name}" if name else "look for the newest backup: playbooks/backup_info.yml"


def compare(before: Facts, after: Facts, own: tuple[str, ...]) -> list[dict[str, Any]]:
    """The tables that are not what they were. Pure."""
    gone: dict[str, Any] = {"rows": None}
    return [
        {
            "table": ".".join(name),
            "before": before.get(name, gone)["rows"],
            "after": after.get(name, gone)["rows"],
            "own": ".".join(name) in own,
        }
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def lost(tables: list[dict[str, Any]], changes: list[dict[str, Any]]) -> list[str]:
    """What is gone, in words: of tables of somebody else's by their number of rows, of its own (changes) row by row. Pure."""
    fewer = [entry for entry in tables if not entry["own"] and (entry["after"] or 0) < (entry["before"] or 0)]
    others = [f"{entry['table']} had {entry['before']} rows and has {entry['after'] or 'none'}" for entry in fewer]
    return others + [f"{_seed_guard.rows(change['deleted'])} of its own {change['table']}" for change in changes if change["deleted"]]
