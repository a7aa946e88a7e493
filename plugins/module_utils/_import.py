# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""A dump that somebody else made becomes a backup: copied, read through, restored in a throw-away server, described."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from . import _manifest, _pg_digest, _read_through, _stamp
from ._backup_dir import alone, free, read_manifest, remove
from ._client import Client
from ._command import run
from ._errors import OperationError, refused
from ._files import make_private_directory, sync_directory, write_json
from ._globals import plain_roles
from ._job import Progress
from ._new_backup import require_space, require_writable
from ._pg_backup import EXTENSIONS, described
from ._pg_dump import compare_counts
from ._pg_load import Target, load_failed
from ._place import Engine, Place
from ._psql import quote_identifier
from ._stack import Stack
from ._throwaway import USER, Limits, Throwaway, is_of_image, unfit
from ._toc import Header, header_of
from ._window import stamp

# Whatever database the dump is of, this one is not it: databases are made from another one.
_ELSEWHERE = "template1"

_MISSING = re.compile(r'(role|tablespace) "(.*)" does not exist$', re.MULTILINE)


@dataclass(frozen=True)
class Plan:
    """What one import needs to know. moment: when the dump was made, None for what it says itself."""

    stack: Stack
    engine: Engine
    image: str
    source: str
    directory: str
    series: str
    moment: datetime | None
    limits: Limits
    jobs: int
    run: str

    @property
    def labels(self) -> dict[str, str]:
        return {"stack": str(self.stack), "run": self.run}


def _size(source: str) -> int:
    """Bytes of a dump, which is a plain file or a directory of plain files."""
    try:
        paths = [os.path.join(source, name) for name in os.listdir(source)] if os.path.isdir(source) else [source]
    except FileNotFoundError:
        paths = [source]
    odd = [path for path in paths if not os.path.isfile(path) or os.path.islink(path)]
    if odd or not paths:
        raise refused("import-source", f"{odd[0] if odd else source} is no dump.", "Name the file, or the directory, that pg_dump wrote.")
    return sum(os.path.getsize(path) for path in paths)


class Import:
    """The making of it. Whatever fails, the source is as it was, and nothing is left that looks like a backup."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.bytes = 0
        self.header: Any = None
        self.name = ""

    def prepare(self) -> None:
        """Everything that can be found wrong before the dump is copied."""
        plan = self.plan
        self.bytes = _size(plan.source)
        self.header = self._header()
        self.name = _manifest.backup_name(plan.series, self._moment(), EXTENSIONS[self.header.format])
        require_writable(plan.directory)
        require_space(plan.directory, {"expected": self.bytes, "free": free(plan.directory)})

    def _header(self) -> Header:
        """What the dump says of itself."""
        plan = self.plan
        folder, name = os.path.split(plan.source)
        with Client(Place(plan.engine), folder, image=plan.image, labels=plan.labels, read_only=True) as client:
            answer = run(client.command(["pg_restore", "--list", client.path(name)], {"TZ": "UTC", "LC_ALL": "C"}), tied=True)
            version = run(client.command(["pg_restore", "--version"], {}), tied=True).out
        header = header_of(answer.out) if answer.ok else None
        if header is None or header.format not in EXTENSIONS:
            why = answer.reason if not answer.ok else f"its format is {header.format}" if header else "it does not say what it is"
            raise refused(
                "import-unreadable",
                f"{plan.source} cannot be imported: {why}.",
                "A dump in custom or directory format can: pg_dump --format=custom; one of a newer PostgreSQL needs an image of that.",
            )
        there, here = _pg_digest.major(header.server_version), _pg_digest.major(version.rpartition(") ")[2])
        if there > here:
            raise refused(
                "backup-newer-major",
                f"{plan.source} is of PostgreSQL {there}, and the image holds PostgreSQL {here}.",
                "Name an image of the newer one: postgres_throwaway_image.",
            )
        return header

    def _moment(self) -> datetime:
        moment = self.plan.moment or self.header.created
        if moment > datetime.now(timezone.utc):
            raise refused(
                "import-time",
                f"{self.plan.source} would be from the future, {stamp(moment)}.",
                "Say when it was made, UTC: -e dbops_time=2026-06-06T030000Z",
            )
        return moment

    def make(self, progress: Progress) -> dict[str, Any]:
        plan = self.plan
        clock = time.monotonic()
        make_private_directory(plan.directory)
        progress.say("waiting for another backup or rotation in this directory", now=True)
        with alone(plan.directory):
            taken = [part for part in _manifest.parts_of(self.name) if os.path.lexists(os.path.join(plan.directory, part))]
            if taken:
                return {**self.result(), **_figures(self._same(taken[0]))}
            partial = os.path.join(plan.directory, _manifest.partial_name(self.name))
            try:
                progress.say("copying the dump", now=True, mib=self.bytes >> 20)
                _copy(plan.source, partial)
                manifest = self._examine(progress, partial)
                self._publish(partial, manifest)
            except BaseException:
                remove(partial)
                raise
        return {**self.result(), **_figures(manifest), "changed": True, "seconds": round(time.monotonic() - clock, 3)}

    def _same(self, taken: str) -> dict[str, Any]:
        """The manifest of what has the name already, where that is this very dump, imported before."""
        try:
            manifest = read_manifest(self.plan.directory, self.name)
        except _manifest.Unusable:
            manifest = {}
        if manifest.get("sha256") != _manifest.digest_of(_read_through.hash_files(self.plan.source)):
            raise refused(
                "import-name-taken",
                f"There is already another {taken} in {self.plan.directory}.",
                "Say when the dump was made, UTC: -e dbops_time=2026-06-06T030000Z, or give it another series.",
            )
        return manifest

    def _examine(self, progress: Progress, partial: str) -> dict[str, Any]:
        """Read every row, restore all of them, and describe what came out."""
        plan, header = self.plan, self.header
        name = os.path.basename(partial)
        with Throwaway(plan.engine, plan.image, plan.directory, plan.limits, plan.labels) as throwaway:
            target = Target(throwaway.server.to(_ELSEWHERE), throwaway, plan.jobs, run=plan.run)
            progress.say("reading the dump through", now=True)
            files, rows = _read_through.read_through(throwaway, plan.directory, name, flush=True)
            if isinstance(rows, _read_through.Unreadable):
                raise self._unusable(str(rows))
            clock = time.monotonic()
            progress.say("restoring it in a throw-away server", now=True)
            self._restore(target, throwaway.path(name))
            facts = self._facts(target)
            seconds = round(time.monotonic() - clock, 3)
            environment = _stamp.read(target.server.to(header.database)) or str(plan.stack)
        wrong = compare_counts(_pg_digest.written_rows(facts), rows)
        if wrong:
            raise self._unusable("; ".join(wrong[:5]))
        now = stamp(datetime.now(timezone.utc))
        made = stamp(self._moment())
        return _manifest.sealed(
            {
                **facts,
                "version": _manifest.MANIFEST_VERSION,
                "complete": True,
                "name": self.name,
                "series": plan.series,
                "kind": "postgresql",
                "format": header.format,
                "environment": environment.partition("/")[0],
                "stack": environment,
                "database": header.database,
                "image_id": plan.image,
                "image_digest": "",
                "tools": {"pg_dump": header.tool_version},
                "started": made,
                "ended": made,
                "imported": {"from": os.path.basename(plan.source), "at": now, "server_version": header.server_version},
                "bytes": sum(file["bytes"] for file in files),
                "sha256": _manifest.digest_of(files),
                "files": files,
                "globals": None,
                "checks": [
                    {"check": _manifest.COMPLETE, "passed": now},
                    {"check": _manifest.VERIFIED, "passed": now, "rows": _manifest.contents_of(facts)["rows"]},
                    {"check": _manifest.DRILLED, "passed": now, "rto": seconds, "image": plan.image},
                ],
            }
        )

    def _unusable(self, why: str) -> OperationError:
        return OperationError(
            "import-failed",
            f"{self.plan.source} is no usable dump: {why}.",
            "The copy of it was removed; the dump itself is as it was, and no backup was made of it.",
            "Import another dump, or take a backup: playbooks/backup.yml",
        )

    def _restore(self, target: Target, path: str) -> None:
        """The database under its own name, with its properties, and whatever roles and tablespaces it asks for."""
        options = ["pg_restore", "--no-password", "--create", "--clean", "--if-exists", "--no-subscriptions", f"--dbname={_ELSEWHERE}"]
        environ = target.environ(_ELSEWHERE)
        known: set[tuple[str, str]] = set()
        while True:
            answer = run(target.programs.command([*options, "--schema-only", path], environ), tied=True)
            missing = set(_MISSING.findall(answer.err)) - known
            if answer.ok or not missing:
                break
            _furnish(target, missing)
            known |= missing
        answer = run(target.programs.command([*options, "--exit-on-error", f"--jobs={target.jobs}", path], environ), tied=True)
        if not answer.ok:
            error = load_failed(answer.reason)
            if is_of_image(error):
                raise unfit(self.plan.source, error.what.rstrip("."), "The dump itself is as it was, and no backup was made of it.")
            raise self._unusable(error.what.rstrip("."))

    def _facts(self, target: Target) -> dict[str, Any]:
        database = self.header.database
        answer = run(target.programs.command(_pg_digest.SCHEMA, target.environ(database)), tied=True)
        if not answer.ok:
            raise self._unusable(load_failed(answer.reason, "pg_dump").what.rstrip("."))
        with target.session(database) as session:
            session.execute(_pg_digest.SETTINGS)
            facts = described(session)
            # Roles of settings and owners are those that had to be made; the throw-away server's own is none of them.
            facts["roles"] = [role for role in facts["roles"] if role != USER]
            facts["tables"] = _pg_digest.table_facts(session, session.rows(_pg_digest.TABLES), digest=lambda _table: True)
            facts["large_objects"] = _pg_digest.large_objects(session)
        for sequence in facts["sequences"]:
            sequence["last_value_after"] = sequence["last_value"]
        return {**facts, "system_identifier": "", "schema_sha256": _pg_digest.schema_digest(answer.out)}

    def _publish(self, partial: str, manifest: dict[str, Any]) -> None:
        path = os.path.join(self.plan.directory, self.name)
        os.rename(partial, path)
        try:
            sync_directory(self.plan.directory)
            write_json(path + _manifest.SUFFIX, manifest)
        except BaseException:
            os.rename(path, partial)
            raise

    def result(self) -> dict[str, Any]:
        """What is known before anything was done."""
        return {
            "changed": False,
            "name": self.name,
            "path": os.path.join(self.plan.directory, self.name),
            "series": self.plan.series,
            "bytes": self.bytes,
            "database": self.header.database,
            "taken": stamp(self._moment()),
            "sha256": "",
            "tables": 0,
            "rows": 0,
            "stack": "",
            "seconds": 0.0,
        }


def _figures(manifest: dict[str, Any]) -> dict[str, Any]:
    return {
        "bytes": manifest["bytes"],
        "sha256": manifest["sha256"],
        **_manifest.contents_of(manifest),
        "stack": manifest["stack"],
    }


def _furnish(target: Target, missing: Collection[tuple[str, str]]) -> None:
    """Make what the dump asks for. Of a foreign dump nobody knows more of a role than its name."""
    roles = plain_roles({name for kind, name in missing if kind == "role"})
    spaces = [f"CREATE TABLESPACE {quote_identifier(name)} LOCATION '';" for kind, name in sorted(missing) if kind == "tablespace"]
    target.server.execute("\n".join(["SET allow_in_place_tablespaces = on;", *roles, *spaces]))


def _copy(source: str, destination: str) -> None:
    if not os.path.isdir(source):
        shutil.copyfile(source, destination)
        return
    os.mkdir(destination, 0o700)
    for name in os.listdir(source):
        shutil.copyfile(os.path.join(source, name), os.path.join(destination, name))
