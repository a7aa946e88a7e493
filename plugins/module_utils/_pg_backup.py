# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Making one backup of one PostgreSQL database: snapshot, dump, read-through, manifest."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from . import _manifest, _pg_dump
from ._command import Answer, Command, run
from ._errors import OperationError
from ._files import make_private_directory, read_json, require_absolute, write_json
from ._job import Progress
from ._psql import PSQL, Server
from ._snapshot import PROPERTIES, SEQUENCES, Snapshot
from ._stack import Stack
from ._window import stamp

MOUNT = "/backup"  # where the backup directory stands inside the client container

# Without an earlier backup to go by: half of the database's size. A compressed dump leaves out the indexes and is
# smaller still, so the estimate errs on the safe side.
ESTIMATE_OF_DATABASE = 0.5
ESTIMATE_OF_LAST = 1.2

EXTENSIONS = {"directory": ".pgdir", "custom": ".dump"}


@dataclass(frozen=True)
class Plan:
    """What one backup needs to know."""

    stack: Stack
    server: Server
    image: str
    image_digest: str
    container: str
    directory: str
    series: str
    format: str
    jobs: int
    run: str

    def __post_init__(self) -> None:
        require_absolute(self.directory, "dbops_backup_dir")

    def environ(self) -> dict[str, str]:
        """From a client container the server is on the loopback of the network namespace they share."""
        env = self.server.environ()
        if self.container:
            env["PGHOST"] = "127.0.0.1"
        env["PGAPPNAME"] = f"amanat.dbops {self.run}"
        return env


def estimate(directory: str, series: str, database_bytes: int) -> dict[str, int]:
    """Bytes that the next backup is expected to take, and bytes that are free."""
    last = 0
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        names = []
    for name in _manifest.manifests_of(series, names)[-1:]:
        with contextlib.suppress(ValueError, TypeError, KeyError):  # an unreadable manifest is no base for an estimate
            last = int(read_json(os.path.join(directory, name))["bytes"])
    expected = int(last * ESTIMATE_OF_LAST) if last else int(database_bytes * ESTIMATE_OF_DATABASE)
    present = directory
    while not os.path.isdir(present):
        present = os.path.dirname(present)
    space = os.statvfs(present)
    return {"expected": expected, "free": space.f_bavail * space.f_frsize}


def require_writable(directory: str) -> None:
    """The directory, or the one in which it would be made, takes files of this user."""
    present = directory
    while not os.path.lexists(present):
        present = os.path.dirname(present)
    if not os.path.isdir(present) or not os.access(present, os.W_OK | os.X_OK):
        raise OperationError(
            "target-file",
            f"{present} is no directory that this user may write to, and the backup belongs in {directory}.",
            "Nothing was changed.",
            "Correct its owner or dbops_backup_dir, or run with become.",
        )


def require_space(directory: str, figures: dict[str, int]) -> None:
    if figures["expected"] > figures["free"]:
        raise OperationError(
            "backup-no-space",
            f"{directory} has {figures['free'] >> 20} MiB free, the backup needs about {figures['expected'] >> 20} MiB.",
            "No backup was begun.",
            "Free space there, or set dbops_backup_dir to another file system.",
        )


class Backup:
    """The making of it. Whatever fails, nothing is left that looks like a backup."""

    def __init__(self, plan: Plan, progress: Progress) -> None:
        self.plan = plan
        self.progress = progress
        self.client = f"dbops-backup-{secrets.token_hex(6)}"
        self.name = ""

    def make(self) -> dict[str, Any]:
        plan = self.plan
        make_private_directory(plan.directory)
        with self._alone():
            return self._make()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One backup at a time in a directory, or two of one second would share a name. The lock ends with the process."""
        directory = os.open(self.plan.directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.progress.say("waiting for another backup in this directory", now=True)
            fcntl.flock(directory, fcntl.LOCK_EX)
            self._sweep()
            yield
        finally:
            os.close(directory)

    def _sweep(self) -> None:
        """Remove what killed backups left behind; the lock is ours, so nobody works on it."""
        for name in os.listdir(self.plan.directory):
            if name.startswith(f".{self.plan.series}_") and name.endswith(_manifest.PARTIAL):
                _remove(os.path.join(self.plan.directory, name))

    def _free_name(self) -> tuple[str, datetime]:
        """A name that no earlier backup of the same second has."""
        plan = self.plan
        while True:
            now = datetime.now(timezone.utc)
            name = _manifest.backup_name(plan.series, now, EXTENSIONS[plan.format])
            if not os.path.lexists(os.path.join(plan.directory, name)):
                return name, now
            time.sleep(0.1)

    def _make(self) -> dict[str, Any]:
        plan = self.plan
        clock = time.monotonic()
        self.name, started = self._free_name()
        partial = os.path.join(plan.directory, _manifest.partial_name(self.name))
        try:
            with Snapshot(self._exporter(), plan.server.database) as snapshot:
                snapshot.open()
                facts = self._facts(snapshot)
                self._dump(snapshot.identity, facts["database_bytes"])
                self.progress.say("counting the rows of the snapshot", now=True)
                counts = snapshot.count()
                checks = [self._read_through(_pg_dump.as_written(counts, snapshot.loaded_by_root()))]
            files = self._files(partial)
            manifest = self._manifest(started, facts, counts, checks, files)
            self._publish(partial, manifest)
        except BaseException:
            self._discard(partial)
            raise
        return {
            "changed": True,
            "name": self.name,
            "path": os.path.join(plan.directory, self.name),
            "series": plan.series,
            "sha256": manifest["sha256"],
            "bytes": manifest["bytes"],
            "seconds": round(time.monotonic() - clock, 3),
            "tables": len(counts),
            "rows": sum(counts.values()),
        }

    # -- where the programs run ------------------------------------------------------------------------------

    def _exporter(self) -> Command:
        """The psql that holds the snapshot is the main process of the client container: they end together."""
        plan = self.plan
        if not plan.container:
            return plan.server.place.here(PSQL, plan.environ())
        return plan.server.place.client(
            self.client,
            PSQL,
            plan.environ(),
            image=plan.image,
            network=f"container:{plan.container}",
            mounts={plan.directory: MOUNT},
            labels={"stack": str(plan.stack), "run": plan.run},
        )

    def _beside(self, argv: list[str]) -> Command:
        if not self.plan.container:
            return self.plan.server.place.here(argv, self.plan.environ())
        return self.plan.server.place.inside(self.client, argv, self.plan.environ())

    def _path(self, name: str) -> str:
        return os.path.join(MOUNT if self.plan.container else self.plan.directory, name)

    # -- the steps ---------------------------------------------------------------------------------------------

    def _facts(self, snapshot: Snapshot) -> dict[str, Any]:
        about = (
            "SELECT current_setting('server_version') AS server_version,"
            " (SELECT system_identifier::text FROM pg_control_system()) AS system_identifier,"
            " pg_database_size(current_database()) AS database_bytes,"
            " to_regclass('drizzle.__drizzle_migrations') IS NOT NULL AS has_migrations"
        )
        facts = snapshot.rows(about)[0]
        facts["properties"] = snapshot.rows(PROPERTIES)[0]
        facts["sequences"] = snapshot.rows(SEQUENCES)
        migrations: dict[str, Any] = {}
        if facts.pop("has_migrations"):
            migrations = snapshot.rows("SELECT count(*) AS applied, max(created_at) AS newest FROM drizzle.__drizzle_migrations")[0]
        facts["migrations"] = migrations
        return facts

    def _dump(self, snapshot: str, database_bytes: int) -> None:
        plan = self.plan
        target = self._path(_manifest.partial_name(self.name))
        argv = ["pg_dump", f"--format={plan.format}", f"--snapshot={snapshot}", "--no-password", f"--file={target}"]
        argv.append("--compress=zstd:1")
        if plan.format == "directory":
            argv.append(f"--jobs={plan.jobs}")
        command = self._beside(argv)
        on_target = os.path.join(plan.directory, _manifest.partial_name(self.name))
        if plan.format == "custom":  # pg_dump makes a directory for its owner alone, and a file for everybody
            os.close(os.open(on_target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
            process = subprocess.Popen(command.argv, env=command.environ(), stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)
            while True:
                try:
                    code = process.wait(timeout=0.1)
                    break
                except subprocess.TimeoutExpired:
                    self.progress.say("dumping", mib=_size(on_target) >> 20, database_mib=database_bytes >> 20)
            errors.seek(0)
            answer = Answer(code, "", errors.read())
        if not answer.ok:
            full = "no space left" in answer.err.lower()
            raise OperationError(
                "backup-no-space" if full else "backup-failed",
                f"pg_dump failed: {answer.reason}.",
                "The unfinished backup was removed; earlier backups are untouched.",
                "Free space in the backup directory." if full else "Read the server's log, then run it again.",
            )

    def _read_through(self, counts: dict[tuple[str, str], int]) -> dict[str, Any]:
        """Read every row back out of the written files and compare with the snapshot's counts."""
        self.progress.say("reading the dump through", now=True)
        path = self._path(_manifest.partial_name(self.name))
        answer = run(self._beside(["bash", "-c", _pg_dump.COUNT_ROWS, "count-rows", path]))
        wrong = []
        if answer.code == _pg_dump.UNTERMINATED:
            wrong = ["the data of a table end in the middle"]
        elif not answer.ok:
            wrong = [f"pg_restore cannot read it: {answer.reason}"]
        else:
            wrong = _pg_dump.compare_counts(counts, _pg_dump.counted(answer.out))
        if wrong:
            raise OperationError(
                "backup-not-verified",
                f"The dump does not hold what its snapshot held: {'; '.join(wrong[:5])}.",
                "The unfinished backup was removed; earlier backups are untouched.",
                "Look at the file system and the memory of the target, then run it again.",
            )
        return {"check": "rows", "passed": stamp(datetime.now(timezone.utc)), "rows": sum(counts.values())}

    def _files(self, partial: str) -> list[dict[str, Any]]:
        """Every file with its size and digest, flushed to disk before the backup gets its name."""
        self.progress.say("computing digests", now=True)
        paths = [partial]
        if os.path.isdir(partial):
            os.chmod(partial, 0o700)
            paths = sorted(os.path.join(partial, name) for name in os.listdir(partial))
        files = []
        for path in paths:
            os.chmod(path, 0o600)
            digest = hashlib.sha256()
            with open(path, "rb") as stream:
                for block in iter(lambda: stream.read(1 << 20), b""):
                    digest.update(block)
                os.fsync(stream.fileno())
                size = stream.tell()
            name = os.path.relpath(path, partial) if path != partial else ""
            files.append({"path": name, "bytes": size, "sha256": digest.hexdigest()})
        return files

    def _manifest(
        self,
        started: datetime,
        facts: dict[str, Any],
        counts: dict[tuple[str, str], int],
        checks: list[dict[str, Any]],
        files: list[dict[str, Any]],
    ) -> dict[str, Any]:
        plan = self.plan
        ended = stamp(datetime.now(timezone.utc))
        tool = run(self._tool_version()).out.strip()
        return {
            "version": _manifest.MANIFEST_VERSION,
            "complete": True,
            "name": self.name,
            "series": plan.series,
            "kind": "postgresql",
            "format": plan.format,
            "environment": plan.stack.environment,
            "stack": str(plan.stack),
            "database": plan.server.database,
            "server_version": facts["server_version"],
            "system_identifier": facts["system_identifier"],
            "image_id": plan.image,
            "image_digest": plan.image_digest,
            "tools": {"pg_dump": tool},
            "started": stamp(started),
            "ended": ended,
            "bytes": sum(file["bytes"] for file in files),
            "sha256": _manifest.digest_of(files),
            "files": files,
            "tables": [{"schema": schema, "table": table, "rows": rows} for (schema, table), rows in sorted(counts.items())],
            "sequences": facts["sequences"],
            "properties": facts["properties"],
            "migrations": facts["migrations"],
            "checks": [{"check": "complete", "passed": ended}, *checks],
        }

    def _publish(self, partial: str, manifest: dict[str, Any]) -> None:
        """Give it its name and its manifest, or neither."""
        path = os.path.join(self.plan.directory, self.name)
        os.rename(partial, path)
        try:
            write_json(path + _manifest.SUFFIX, manifest)
        except BaseException:
            os.rename(path, partial)
            raise

    def _tool_version(self) -> Command:
        # The client container is gone by now; the server's own container has the same programs.
        return self.plan.server.place.short(["pg_dump", "--version"], {})

    def _discard(self, partial: str) -> None:
        if self.plan.container:
            self.plan.server.place.engine.run("rm", "--force", self.client)
        _remove(partial)


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def _size(path: str) -> int:
    """Bytes written so far; files come and go while it looks."""
    if not os.path.isdir(path):
        return os.path.getsize(path) if os.path.exists(path) else 0
    total = 0
    with os.scandir(path) as entries:
        for entry in entries:
            try:
                total += entry.stat().st_size
            except FileNotFoundError:
                continue
    return total
