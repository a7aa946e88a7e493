# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What pending migrations do to the newest data: seconds, locks, rewrites and sizes, found out in a throw-away server."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from . import _drizzle
from ._drizzle_config import addressed_by
from ._drizzle_env import environment
from ._drizzle_look import compare, look
from ._drizzle_run import REHEARSAL_VERSION, Cause, cause, outcome, rehearsal_path
from ._errors import OperationError
from ._files import make_private_directory, write_json
from ._job import Progress
from ._migration_lock import SESSIONS
from ._pg_log import ServerLog
from ._psql import Server, quote_literal
from ._release import Release
from ._session import Session
from ._stage import Plan, Stage
from ._window import stamp

_POLL = 0.02  # seconds between two looks at what the run waits for and holds

# Modes that keep others from reading or writing a table, and whom; the strongest first.
# https://www.postgresql.org/docs/18/explicit-locking.html#LOCKING-TABLES
_BLOCKS = {
    "AccessExclusiveLock": "reads and writes",
    "ExclusiveLock": "writes",
    "ShareRowExclusiveLock": "writes",
    "ShareLock": "writes",
}

# Tables with their indexes and TOAST, as they are before and after.
_SIZES = """
SELECT c.oid::bigint AS oid, format('%I.%I', n.nspname, c.relname) AS name, c.relkind AS kind, pg_relation_filenode(c.oid)::bigint AS file,
       pg_relation_size(c.oid) AS bytes
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm', 'i') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'drizzle')
"""


@dataclass
class _Watch:
    """What the run's session does and which locks it holds, looked at again and again."""

    server: Server
    name: str
    statements: dict[str, dict[str, Any]] = field(default_factory=dict)
    locks: dict[tuple[int, str], list[float]] = field(default_factory=dict)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        over = threading.Event()
        thread = threading.Thread(target=self._watch, args=(over,))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _watch(self, over: threading.Event) -> None:
        mine = f"application_name = {quote_literal(self.name)}"
        modes = ", ".join(quote_literal(mode) for mode in _BLOCKS)
        query = (
            "SELECT pid, query, query_start::text AS began, extract(epoch FROM clock_timestamp() - query_start)::float8 AS seconds,"
            " (SELECT jsonb_agg(jsonb_build_array(l.relation::bigint, l.mode)) FROM pg_locks l WHERE l.pid = a.pid AND l.granted"
            f" AND l.relation IS NOT NULL AND l.mode IN ({modes})) AS locks FROM pg_stat_activity a WHERE {mine} AND state = 'active'"
        )
        with contextlib.suppress(OperationError), Session(self.server.command(), self.server.database) as session:
            while not over.is_set():
                for row in session.rows(query):
                    self.statements[row["began"]] = {"sql": row["query"], "seconds": row["seconds"]}
                    for relation, mode in row["locks"] or []:
                        seen = self.locks.setdefault((relation, mode), [time.monotonic(), 0.0])
                        seen[1] = time.monotonic()
                over.wait(_POLL)


@dataclass(frozen=True)
class Rehearsal:
    """One rehearsal of a release, which has to be an image: in a directory of the target nothing would keep it from the live server."""

    plan: Plan
    release: Release
    path: str
    live: Server
    command: list[str]
    timeout: float
    settings: dict[str, str]

    def predict(self) -> dict[str, Any]:
        if self.release.is_directory:
            raise OperationError(
                "rehearsal-no-image",
                f"The release {self.release.name!r} is a directory, and only an image can be shut off from everything else.",
                "Nothing was changed.",
                "Name the release's image.",
            )
        verdict = look(self.release, self.path, self.live)[1]
        _drizzle.refuse(verdict)
        addressed_by(self.release, self.command, self.path)
        image = self.release.image()["id"]
        return {"changed": True, "backup": self.plan.manifest["name"], "image": image, "migrated": verdict["pending"]}

    def make(self, progress: Progress) -> dict[str, Any]:
        foreseen = self.predict()
        # Waiting for a disk is part of what a migration costs.
        settings = (*self.plan.limits.settings, ("fsync", "on"), ("synchronous_commit", "on"), ("full_page_writes", "on"))
        plan = replace(self.plan, limits=replace(self.plan.limits, settings=settings))
        began = datetime.now(timezone.utc)
        with Stage(plan, progress) as stage:
            progress.say("migrating the copy", now=True, pending=len(foreseen["migrated"]))
            result, why = self._migrate(stage)
        record = {
            "version": REHEARSAL_VERSION,
            "stack": str(plan.stack),
            "at": stamp(began),
            "release": self.release.name,
            **foreseen,
            **result,
        }
        for path in (rehearsal_path(plan.stack, foreseen["image"]), os.path.join(plan.stack.reports, self._report(began))):
            make_private_directory(os.path.dirname(path))
            write_json(path, record)
        if not record["passed"]:
            raise OperationError(
                "rehearsal-failed",
                f"On a copy of {foreseen['backup']} the migrations of {self.release.name} fail. {record['reason']}",
                f"The copy is gone; the live database was not touched. The report is {path}.",
                why.cure,
            )
        return {**record, "report": path}

    def _report(self, began: datetime) -> str:
        return f"rehearsal_migrations_{began.strftime('%Y-%m-%dT%H%M%SZ')}.json"

    def _migrate(self, stage: Stage) -> tuple[dict[str, Any], Cause]:
        """What was found out, and why it failed if it did."""
        name = f"{SESSIONS}{secrets.token_hex(6)}"
        folder, verdict = look(self.release, self.path, stage.server)
        pending = [migration for migration in folder.migrations if migration.name in verdict["pending"]]
        before, watch, log = self._sizes(stage.server), _Watch(stage.server, name), ServerLog(stage.server)
        image = self.release.image()
        env = environment(stage.url, name, self.settings, addressed_by(self.release, self.command, self.path))
        clock = time.monotonic()
        with watch.watching():
            answer = stage.run(image["id"], self.command, env, self.timeout)
        seconds = round(time.monotonic() - clock, 3)
        after, done = self._sizes(stage.server), compare(folder, stage.server)
        came = outcome(answer, verdict, done, stage.url)
        why = Cause("") if came.ok else cause(log, name, pending, stage.url)
        result = {
            "migrated": verdict["pending"],
            "passed": came.ok,
            "reason": f"{came.said} {why.words}".strip(),
            "seconds": seconds,
            "statements": _statements(watch, pending),
            "locks": _locks(watch, before),
            "rewrites": _rewrites(before, after),
            "bytes_before": sum(row["bytes"] for row in before.values()),
            "bytes_after": sum(row["bytes"] for row in after.values()),
        }
        return result, why

    def _sizes(self, server: Server) -> dict[int, dict[str, Any]]:
        return {row["oid"]: row for row in server.rows(_SIZES)}


def _statements(watch: _Watch, pending: list[_drizzle.Migration]) -> list[dict[str, Any]]:
    """Statements that took long enough to be seen, the longest first, by file and line."""
    seen = [(entry, _drizzle.where(entry["sql"], pending)) for entry in watch.statements.values()]
    ours = [{"where": where, "seconds": round(entry["seconds"], 3)} for entry, where in seen if where]
    return sorted(ours, key=lambda entry: -float(entry["seconds"]))


def _locks(watch: _Watch, before: dict[int, dict[str, Any]]) -> list[dict[str, Any]]:
    """The strongest lock on each table that was there before: nobody waits for a new one."""
    found: dict[str, dict[str, Any]] = {}
    for mode in reversed(_BLOCKS):
        for (relation, held), (since, until) in watch.locks.items():
            if held == mode and relation in before and before[relation]["kind"] != "i":
                table = before[relation]["name"]
                found[table] = {"table": table, "mode": mode, "blocks": _BLOCKS[mode], "seconds": round(until - since, 3)}
    return [found[table] for table in sorted(found)]


def _rewrites(before: dict[int, dict[str, Any]], after: dict[int, dict[str, Any]]) -> list[dict[str, Any]]:
    """Tables and indexes that were written anew: their files are others."""
    found = [
        {"name": row["name"], "kind": "index" if row["kind"] == "i" else "table", "bytes": after[oid]["bytes"]}
        for oid, row in before.items()
        if oid in after and after[oid]["file"] != row["file"]
    ]
    return sorted(found, key=lambda rewrite: (rewrite["kind"] == "index", rewrite["name"]))
