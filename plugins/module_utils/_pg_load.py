# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""One backup loaded into one new database and compared with its manifest: what restore, drill and import share."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from . import _manifest, _pg_digest, _pg_properties, _read_through
from ._command import Answer, Command, run
from ._errors import OperationError
from ._job import Progress
from ._pg_dump import codec_of
from ._pg_verify import other_contents
from ._psql import PSQL, Server, failure, quote_identifier, quote_literal
from ._session import Session
from ._toc import some_tables

WATCH = 2.0  # seconds between two looks at how much is loaded

# What the sessions of a load are told. A commit that waits for the disk is of no use while whatever fails drops the database;
# the last statement, which gives it its name, waits. A session whose client is gone ends within a second. Several sessions make
# indexes at the same time, so that none has to share its work out.
_SETTINGS = {"client_connection_check_interval": "1s", "synchronous_commit": "off"}
_OF_SEVERAL = {"max_parallel_maintenance_workers": "0"}


class Programs(Protocol):
    """PostgreSQL's programs beside the backup directory."""

    def command(self, argv: list[str], env: dict[str, str]) -> Command: ...

    def path(self, name: str) -> str: ...


@dataclass(frozen=True)
class Target:
    """Where a backup is loaded.

    server: as short commands reach it, in a database that stays; host: where the programs find it, "" for its socket.
    """

    server: Server = field(repr=False)
    programs: Programs
    jobs: int
    host: str = ""
    run: str = "restore"

    def environ(self, database: str) -> dict[str, str]:
        options = {**self.server.options, **_SETTINGS, **(_OF_SEVERAL if self.jobs > 1 else {})}
        server = replace(self.server.to(database), options=options)
        env = {**server.environ(), "PGAPPNAME": f"amanat.dbops {self.run}"}
        if self.host:
            env["PGHOST"] = self.host
        return env

    def session(self, database: str) -> Session:
        return Session(self.programs.command(PSQL, self.environ(database)), database)


def conninfo(database: str) -> str:
    """A database's name where a program would also take a connection string, and a name might look like one."""
    escaped = database.replace("\\", "\\\\").replace("'", "\\'")
    return f"dbname='{escaped}'"


def damage(directory: str, manifest: dict[str, Any]) -> str:
    """How the content of the files differs from the manifest; "" where it does not. Reads all of them."""
    return "; ".join(other_contents(manifest, _read_through.hash_files(os.path.join(directory, manifest["name"])))[:5])


def globals_text(directory: str, manifest: dict[str, Any]) -> str:
    """Roles and tablespaces of the server that was dumped; "" where the backup has none."""
    about = manifest["globals"]
    if about is None:
        return ""
    path = os.path.join(directory, manifest["name"] + _manifest.GLOBALS)
    try:
        found = _read_through.hash_files(path)[0]
    except FileNotFoundError:
        raise globals_damaged(manifest["name"], "it is missing") from None
    except ValueError:
        raise globals_damaged(manifest["name"], "it is no plain file") from None
    if found["sha256"] != about["sha256"]:
        raise globals_damaged(manifest["name"], "it has another content than when it was written")
    with open(path, encoding="utf-8") as stream:
        return stream.read()


def globals_damaged(name: str, why: str) -> OperationError:
    return OperationError(
        "globals-damaged",
        f"{name}{_manifest.GLOBALS}, which holds the roles, cannot be used: {why}.",
        "Nothing was changed; the data of the backup are another file.",
        "Create the roles yourself and restore without create_roles, or use another backup.",
    )


class Copy:
    """The new database. It is the caller's to drop."""

    def __init__(self, target: Target, manifest: dict[str, Any], name: str, progress: Progress) -> None:
        self.target = target
        self.manifest = manifest
        self.name = name
        self.progress = progress

    # -- making it -----------------------------------------------------------------------------------------------

    def create(self) -> None:
        answer = self.target.server.ask(_pg_properties.create(self.name, self.manifest["properties"]))
        if not answer.ok:
            raise load_failed(answer.reason, "CREATE DATABASE")
        # What every new database has, and this one had not: a dump says nothing of it.
        surplus = [] if self.manifest["has_public"] else ["DROP SCHEMA public;"]
        if "plpgsql" not in (extension["name"] for extension in self.manifest["properties"]["extensions"]):
            surplus.append("DROP EXTENSION plpgsql;")
        if surplus:
            self.target.server.to(self.name).execute("\n".join(surplus))

    def drop(self) -> None:
        self.target.server.execute(f"DROP DATABASE IF EXISTS {quote_identifier(self.name)} WITH (FORCE);")

    def load(self, data: str, tables: Collection[tuple[str, str]] = ()) -> None:
        """Load the dump `data`; with tables, its whole schema, but the rows of these alone and no foreign keys."""
        path = self.target.programs.path(data)
        with self._watched():
            if not tables:
                self._restore([path])
                return
            self._restore(["--section=pre-data", path])
            listing = self._pg_restore(["--list", path], encoding=codec_of(self.manifest["properties"]["encoding"])).out
            chosen = some_tables(listing, self.with_partitions(tables))
            self._restore(["--section=data", "--section=post-data", "--use-list=/dev/stdin", path], stdin=chosen)

    def _restore(self, arguments: list[str], stdin: str = "") -> None:
        options = [
            "--exit-on-error",
            "--no-password",
            "--no-subscriptions",
            f"--jobs={self.target.jobs}",
            f"--dbname={conninfo(self.name)}",
        ]
        self._pg_restore([*options, *arguments], stdin=stdin)

    def _pg_restore(self, arguments: list[str], stdin: str = "", encoding: str = "utf-8") -> Answer:
        command = self.target.programs.command(["pg_restore", *arguments], self.target.environ(self.name))
        answer = run(command, stdin=stdin, encoding=encoding, tied=True)
        if not answer.ok:
            raise load_failed(answer.reason)
        return answer

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        """Say every now and then how large the database has become."""
        ended = threading.Event()
        size = f"SELECT pg_database_size({quote_literal(self.name)}) AS bytes"
        expected = int(self.manifest["database_bytes"]) >> 20

        def watch() -> None:
            while not ended.wait(WATCH):
                with contextlib.suppress(OperationError):
                    self.progress.say("loading", mib=int(self.target.server.value(size)) >> 20, of_about_mib=expected)

        self.progress.say("loading", now=True, of_about_mib=expected)
        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()

    def with_partitions(self, tables: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """The tables, and for one that is partitioned the partitions that hold its rows."""
        wanted = ", ".join(f"({quote_literal(schema)}, {quote_literal(table)})" for schema, table in tables)
        rows = self.target.server.to(self.name).rows(
            "SELECT n.nspname AS schema, c.relname AS table FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind = 'r' AND EXISTS (SELECT FROM pg_class w JOIN pg_namespace wn ON wn.oid = w.relnamespace"
            f" WHERE (wn.nspname, w.relname) IN ({wanted})"
            " AND (w.oid = c.oid OR w.oid IN (SELECT a.relid FROM pg_partition_ancestors(c.oid) a)))"
        )
        return {(row["schema"], row["table"]) for row in rows}

    def analyze(self) -> None:
        """Statistics, without which the first queries would take bad plans: a dump carries none."""
        self.progress.say("collecting statistics", now=True)
        argv = ["vacuumdb", "--analyze-only", "--quiet", "--no-password", f"--jobs={self.target.jobs}", f"--dbname={conninfo(self.name)}"]
        answer = run(self.target.programs.command(argv, self.target.environ(self.name)), tied=True)
        if not answer.ok:
            raise load_failed(answer.reason, "vacuumdb")

    # -- what it holds -------------------------------------------------------------------------------------------

    def facts(self) -> dict[str, Any]:
        """Its figures, taken as those of the backup were."""
        self.progress.say("comparing every row with the manifest", now=True)
        answer = run(self.target.programs.command(_pg_digest.SCHEMA, self.target.environ(self.name)), tied=True)
        if not answer.ok:
            raise load_failed(answer.reason, "pg_dump")
        with self.target.session(self.name) as session:
            return _pg_digest.facts_of(session, self.manifest, answer.out)

    def differences(self, facts: dict[str, Any], tables: Collection[tuple[str, str]] = ()) -> list[str]:
        """In what it is not the database that was dumped; with tables, in what these are not."""
        if not tables:
            return _pg_digest.differences(self.manifest, facts)
        some = self.with_partitions(tables)
        return _pg_digest.table_differences(*({**whole, "tables": _only(whole["tables"], some)} for whole in (self.manifest, facts)))

    # -- finishing it --------------------------------------------------------------------------------------------

    def publish(self, name: str) -> list[str]:
        """Give it the properties of the database that was dumped, and its own name; returns which of them it does not have."""
        properties = _pg_properties.statements(self.name, self.manifest["properties"])
        rename = [f"ALTER DATABASE {quote_identifier(self.name)} RENAME TO {quote_identifier(name)};"] if name != self.name else []
        self.target.server.execute("\n".join(["BEGIN;", *properties, *rename, "COMMIT;"]))
        self.name = name
        return _pg_properties.differences(self.manifest["properties"], _pg_properties.read_from(self.target.server, name))


def _only(tables: list[dict[str, Any]], wanted: Collection[tuple[str, str]]) -> list[dict[str, Any]]:
    return [table for table in tables if (table["schema"], table["table"]) in wanted]


def load_failed(reason: str, program: str = "pg_restore") -> OperationError:
    full = "no space left" in reason.lower()
    return OperationError(
        "restore-no-space" if full else "restore-failed",
        f"{program} failed: {reason}.",
        "The database that was being made is dropped; no other was touched.",
        "Free space where the server's files are, then run it again." if full else "Correct what it says, or restore another backup.",
    )


def differs(name: str, wrong: list[str]) -> OperationError:
    """The copy is not what was dumped."""
    more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
    return OperationError(
        "restore-differs",
        f"What was loaded from {name} is not what was backed up: {'; '.join(wrong[:5])}{more}.",
        "The database that was being made is dropped; no other was touched.",
        "Restore another backup: playbooks/backup_info.yml lists them.",
    )


def run_sql(target: Target, database: str, sql: str) -> None:
    """One text of the user's, in one transaction."""
    users = replace(target, server=replace(target.server, search_path=""))
    command = target.programs.command([*PSQL, "--single-transaction"], users.environ(database))
    answer = run(command, stdin=sql, tied=True)
    if not answer.ok:
        raise failure(answer, database)
