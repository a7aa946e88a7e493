# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Making one backup of one PostgreSQL database: snapshot, dump, read-through, manifest."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import signal
import subprocess
import tempfile
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from . import _manifest, _pg_digest, _pg_dump, _pg_properties, _read_through
from ._backup_dir import remove
from ._client import Client
from ._command import Answer, Command, run, start_tied
from ._errors import OperationError
from ._identity import IDENTIFIER
from ._job import Progress
from ._new_backup import REMOVED, estimate, free_name, publish, require_space, turn
from ._psql import PSQL, Server
from ._session import Session
from ._snapshot import LOCK_TIMEOUT, Snapshot
from ._stack import Stack
from ._window import stamp

# Without an earlier backup to go by: half of the database's size. A compressed dump leaves out the indexes and is
# smaller still, so the estimate errs on the safe side.
ESTIMATE_OF_DATABASE = 0.5

EXTENSIONS = {"directory": ".pgdir", "custom": ".dump"}


# What pg_dump says when somebody wants a table for himself: that request waits for our lock, and pg_dump's for it.
_DDL = ("could not obtain lock on relation", "canceling statement due to statement timeout", "canceling statement due to lock timeout")


@dataclass(frozen=True)
class Plan:
    """What one backup needs to know. `digest_max_bytes` is None where every table gets a content digest."""

    stack: Stack
    server: Server
    image: str
    container: str
    directory: str
    series: str
    format: str
    jobs: int
    run: str
    verify: bool = True
    digest_max_bytes: int | None = None
    password_hashes: bool = False
    wait_for_others: bool = True

    def environ(self) -> dict[str, str]:
        """From a client container the server is on the loopback of the network namespace they share.

        A session whose client is gone ends within a second, whatever it is doing.
        """
        env = self.server.patient(client_connection_check_interval="1s").environ()
        if self.container:
            env["PGHOST"] = "127.0.0.1"
        env["PGAPPNAME"] = f"amanat.dbops {self.run}"
        return env


def foreseen(plan: Plan, database_bytes: int) -> dict[str, int]:
    """Bytes that the backup is expected to take, and bytes that are free."""
    return estimate(plan.directory, plan.series, int(database_bytes * ESTIMATE_OF_DATABASE))


def described(session: Session) -> dict[str, Any]:
    """What a manifest says of a database, all but the content of its tables, its large objects and its schema."""
    about = (
        "SELECT current_setting('server_version') AS server_version,"
        f" ({IDENTIFIER}) AS system_identifier,"
        " pg_database_size(current_database()) AS database_bytes,"
        f" ({_pg_digest.UNCHECKED}) AS unchecked_foreign_keys, to_regnamespace('public') IS NOT NULL AS has_public,"
        " to_regclass('drizzle.__drizzle_migrations') IS NOT NULL AS has_migrations"
    )
    facts = {**session.rows(about)[0], **_pg_digest.needs(session)}
    facts["properties"] = session.rows(_pg_properties.QUERY)[0]
    facts["roles"] = sorted({*facts["roles"], *_pg_properties.roles_of(facts["properties"])})
    facts["sequences"] = session.rows(_pg_digest.SEQUENCES)
    migrations: dict[str, Any] = {}
    if facts.pop("has_migrations"):
        migrations = session.rows("SELECT count(*) AS applied, max(created_at) AS newest FROM drizzle.__drizzle_migrations")[0]
    facts["migrations"] = migrations
    return facts


class Backup:
    """The making of it. Whatever fails, nothing is left that looks like a backup."""

    def __init__(self, plan: Plan, progress: Progress) -> None:
        self.plan = plan
        self.progress = progress
        self.name = ""

    def make(self) -> dict[str, Any]:
        plan = self.plan
        with turn(plan.directory, plan.series, self.progress, wait=plan.wait_for_others):
            return self._make()

    def _make(self) -> dict[str, Any]:
        plan = self.plan
        clock = time.monotonic()
        self.name, started, warnings = free_name(plan.directory, plan.series, EXTENSIONS[plan.format])
        partial = _manifest.partial_name(self.name)
        try:
            with self._client() as client, ThreadPoolExecutor(max_workers=1) as pool:
                facts = self._snapshot(client)
                self.progress.say("reading the dump through" if plan.verify else "computing digests", now=True)
                hashing = pool.submit(self._hash, partial)
                if plan.verify:
                    self._require_equal(facts, self._count(client, partial))
                client.end()
                globals_text = facts.pop("globals_text")
                manifest = self._manifest(started, facts, hashing.result(), globals_text)
                publish(plan.directory, manifest, globals_text)
        except BaseException:
            remove(os.path.join(plan.directory, partial))
            raise
        return {
            "changed": True,
            "name": self.name,
            "path": os.path.join(plan.directory, self.name),
            "series": plan.series,
            "sha256": manifest["sha256"],
            "bytes": manifest["bytes"],
            "seconds": round(time.monotonic() - clock, 3),
            **_manifest.contents_of(manifest),
            "verified": plan.verify,
            "warnings": warnings,
        }

    def _client(self) -> Client:
        """Where all of it runs: in a container of the server's own image, or beside the server on the target."""
        plan = self.plan
        return Client(
            plan.server.place,
            plan.directory,
            image=plan.image if plan.container else "",
            network=f"container:{plan.container}",
            labels={"stack": str(plan.stack), "run": plan.run},
        )

    # -- the snapshot ------------------------------------------------------------------------------------------

    def _snapshot(self, client: Client) -> dict[str, Any]:
        """Dump and describe one snapshot; all of it at the same time."""
        plan = self.plan
        with Snapshot(client.command(PSQL, plan.environ()), plan.server.database) as snapshot:
            self.progress.say("taking a snapshot", now=True)
            snapshot.open()
            facts = described(snapshot)
            require_space(plan.directory, foreseen(plan, facts["database_bytes"]))
            with ThreadPoolExecutor(max_workers=2) as pool:
                beside = [pool.submit(self._content, snapshot), pool.submit(self._surroundings, client, snapshot.identity)]
                try:
                    self._dump(client, snapshot.identity, facts, len(snapshot.tables), beside)
                    self.progress.say("counting the rows of the snapshot", now=True)
                    for future in beside:
                        facts.update(future.result())
                except BaseException:
                    snapshot.end()
                    raise
            # Sequences know no snapshot: this is what they are now that the dump is written.
            after = {(row["schema"], row["sequence"]): row["last_value"] for row in snapshot.rows(_pg_digest.SEQUENCES)}
            for sequence in facts["sequences"]:
                sequence["last_value_after"] = after.get((sequence["schema"], sequence["sequence"]))
        return facts

    def _content(self, snapshot: Snapshot) -> dict[str, Any]:
        """Rows and digests of the tables, and the large objects."""
        limit = self.plan.digest_max_bytes
        large = set() if limit is None else _pg_digest.larger_than(snapshot, limit)
        tables = _pg_digest.table_facts(
            snapshot, snapshot.tables, digest=lambda table: limit != 0 and (table["schema"], table["table"]) not in large
        )
        return {"tables": tables, "large_objects": _pg_digest.large_objects(snapshot)}

    def _surroundings(self, client: Client, snapshot: str) -> dict[str, Any]:
        """The schema's digest, the roles and tablespaces of the server, which pg_dump this is, and of what image."""
        env = self.plan.environ()
        schema = self._said(client.command([*_pg_digest.SCHEMA, f"--snapshot={snapshot}", f"--lock-wait-timeout={LOCK_TIMEOUT}"], env))
        dumpall = ["pg_dumpall", "--globals-only", "--no-password"]
        if not self.plan.password_hashes:
            dumpall.append("--no-role-passwords")
        return {
            "schema_sha256": _pg_digest.schema_digest(schema),
            "globals_text": self._said(client.command(dumpall, env)),
            "tools": {"pg_dump": _pg_dump.version_of(schema)},
            "image_digest": self.plan.server.place.engine.digest(self.plan.image),
        }

    def _said(self, command: Command) -> str:
        answer = run(command, tied=True)
        if not answer.ok:
            raise _failed(answer)
        return answer.out

    def _dump(self, client: Client, snapshot: str, facts: dict[str, Any], tables: int, beside: list[Future[dict[str, Any]]]) -> None:
        """Run pg_dump to its end; what fails beside it ends it."""
        plan = self.plan
        partial = _manifest.partial_name(self.name)
        argv = ["pg_dump", f"--format={plan.format}", f"--snapshot={snapshot}", "--no-password", f"--file={client.path(partial)}"]
        # Its own encoding, or rows would be converted; what is written is flushed when it is read again.
        argv += [f"--encoding={facts['properties']['encoding']}", "--compress=zstd:1", f"--lock-wait-timeout={LOCK_TIMEOUT}", "--no-sync"]
        if plan.format == "directory":
            argv.append(f"--jobs={plan.jobs}")
        command = client.command(argv, plan.environ())
        on_target = os.path.join(plan.directory, partial)
        if plan.format == "custom":  # pg_dump makes a directory for its owner alone, and a file for everybody
            os.close(os.open(on_target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        expected = foreseen(plan, facts["database_bytes"])["expected"]
        started = time.monotonic()
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
            process = start_tied(command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, start_new_session=True)
            try:
                while process.poll() is None:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(timeout=0.1)
                    for future in beside:
                        if future.done():
                            future.result()
                    written, files = _size(on_target)
                    self.progress.say("dumping", **_figures(written, expected, time.monotonic() - started, files, tables))
            finally:  # its parallel workers, too
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            errors.seek(0)
            answer = Answer(process.returncode, "", errors.read())
        if not answer.ok:
            raise _failed(answer)

    # -- the read-through ----------------------------------------------------------------------------------------

    def _hash(self, partial: str) -> _read_through.Files:
        """Every file with its size and digest, flushed to disk."""
        data = os.path.join(self.plan.directory, partial)
        if os.path.isdir(data):
            os.chmod(data, 0o700)
        return _read_through.hash_files(data, flush=True)

    def _count(self, client: Client, partial: str) -> _read_through.Rows:
        """The rows that are in the files; what one of the two reads, the other finds in memory."""
        try:
            return _read_through.count_rows(client, partial)
        except _read_through.Unreadable as why:
            if why.cut_off:
                raise OperationError("backup-failed", f"The reading of the dump was cut off: {why}.", REMOVED, "Run it again.") from None
            raise _not_verified([str(why)]) from None

    def _require_equal(self, facts: dict[str, Any], counts: dict[tuple[str, str], int]) -> None:
        wrong = _pg_dump.compare_counts(_pg_digest.written_rows(facts), counts)
        if wrong:
            raise _not_verified(wrong)

    # -- the manifest --------------------------------------------------------------------------------------------

    def _manifest(self, started: datetime, facts: dict[str, Any], files: list[dict[str, Any]], globals_text: str) -> dict[str, Any]:
        plan = self.plan
        ended = stamp(datetime.now(timezone.utc))
        checks: list[dict[str, Any]] = [{"check": _manifest.COMPLETE, "passed": ended}]
        if plan.verify:
            checks.append({"check": _manifest.VERIFIED, "passed": ended, "rows": _manifest.contents_of(facts)["rows"]})
        text = globals_text.encode()
        return _manifest.sealed(
            {
                "version": _manifest.MANIFEST_VERSION,
                "complete": True,
                "name": self.name,
                "series": plan.series,
                "kind": "postgresql",
                "format": plan.format,
                "environment": plan.stack.environment,
                "stack": str(plan.stack),
                "database": plan.server.database,
                "image_id": plan.image,
                "started": stamp(started),
                "ended": ended,
                "bytes": sum(file["bytes"] for file in files),
                "sha256": _manifest.digest_of(files),
                "files": files,
                "globals": {
                    "file": self.name + _manifest.GLOBALS,
                    "bytes": len(text),
                    "sha256": hashlib.sha256(text).hexdigest(),
                    "password_hashes": plan.password_hashes,
                },
                "checks": checks,
                **facts,
            }
        )


def _figures(written: int, expected: int, seconds: float, files: int, tables: int) -> dict[str, Any]:
    """How far a dump is, in words of few letters; the estimate is no better than that of its size."""
    figures: dict[str, Any] = {"mib": written >> 20, "of_about_mib": expected >> 20}
    if files:
        figures["tables"] = f"{min(files, tables)}/{tables}"
    if 0 < written < expected and seconds > 1:
        figures["seconds_left"] = math.ceil(seconds * (expected - written) / written)
    return figures


def _failed(answer: Answer) -> OperationError:
    """A program of PostgreSQL's that failed; the unfinished backup goes."""
    what, text = f"pg_dump failed: {answer.reason}.", answer.err.lower()
    if "no space left" in text:
        return OperationError("backup-no-space", what, REMOVED, "Free space in the backup directory.")
    if any(sign in text for sign in _DDL):
        return OperationError("backup-ddl", what, REMOVED, "Run it again when nobody changes the schema.")
    return OperationError("backup-failed", what, REMOVED, "Read the server's log, then run it again.")


def _not_verified(wrong: list[str]) -> OperationError:
    return OperationError(
        "backup-not-verified",
        f"The dump does not hold what its snapshot held: {'; '.join(wrong[:5])}.",
        REMOVED,
        "Look at the file system and the memory of the target, then run it again.",
    )


def _size(path: str) -> tuple[int, int]:
    """Bytes written so far, and files of table data; files come and go while it looks."""
    if not os.path.isdir(path):
        return (os.path.getsize(path) if os.path.exists(path) else 0), 0
    total = files = 0
    with os.scandir(path) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                total += entry.stat().st_size
                files += ".dat" in entry.name and entry.name != "toc.dat"
    return total, files
