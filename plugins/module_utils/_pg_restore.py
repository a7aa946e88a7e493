# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Restoring a backup beside what is there: a new database, compared with the manifest before it gets its name."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shlex
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from . import _audit, _pg_clone, _pg_digest, _pg_space, _stamp
from ._backup_dir import in_use
from ._choice import passed_over
from ._client import Client
from ._door import verifier
from ._errors import OperationError, refused
from ._files import make_private_directory
from ._globals import create_roles, plain_roles, roles_in
from ._job import Progress
from ._pg_load import Copy, Target, damage, differs, globals_text, run_sql
from ._pg_sessions import sessions
from ._psql import Server, quote_identifier, quote_literal
from ._session import Session
from ._stack import Stack

_SERVER = """
SELECT current_setting('server_version') AS server_version, current_setting('data_directory') AS data_directory,
       current_setting('is_superuser') = 'on' AS is_superuser, (SELECT json_agg(rolname) FROM pg_roles) AS roles,
       (SELECT json_object_agg(spcname, pg_tablespace_location(oid)) FROM pg_tablespace) AS tablespaces,
       (SELECT json_agg(name) FROM pg_available_extensions) AS extensions
"""


@dataclass(frozen=True)
class Plan:
    """What one restore needs to know.

    server: in a database that stays, see `_pg_clone.maintenance`; database: the one that is restored beside.
    tables: schema and name of the tables whose rows alone are wanted, none for all; transform: name and text of SQL files.
    """

    stack: Stack
    server: Server = field(repr=False)
    database: str
    directory: str
    manifest: dict[str, Any]
    moment: datetime
    image: str
    container: str
    jobs: int
    run: str
    tables: tuple[tuple[str, str], ...] = ()
    transform: tuple[tuple[str, str], ...] = ()
    old_stamp: str = ""
    create_roles: bool = False
    passwords: dict[str, str] = field(default_factory=dict, repr=False)
    by: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return _pg_clone.beside(self.database, _pg_clone.TABLES if self.tables else _pg_clone.NEW, self.moment)

    @property
    def loading(self) -> str:
        """Its name until it is compared, so that whoever finds the other one finds a whole database."""
        return _pg_clone.beside(self.database, _pg_clone.LOADING, self.moment)


# -- before a byte is loaded -----------------------------------------------------------------------------------


def require_own(stack: Stack, origin: str, name: str, *, transform: Collection[object], old_stamp: str) -> None:
    """Data of one environment enter another one only through a transformation, those of another stack by its name.

    origin: where the data belong, <environment>/<name>.
    """
    if origin == str(stack) or transform:
        return
    state = "No other database was touched; nothing else was changed."
    if origin.partition("/")[0] == stack.environment:
        if old_stamp == origin:
            return
        what, cure = f"{name} holds data of {origin}, and this is {stack}.", f"If {stack} is to have them: -e dbops_old_stamp={origin}"
        raise OperationError("restore-stack", what, state, cure)
    raise OperationError(
        "restore-environment",
        f"{name} holds data of {origin}, and this is {stack}.",
        state,
        "Give the SQL that makes them fit for it (anonymisation): dbops_transform, a list of files.",
    )


def require_fit(manifest: dict[str, Any], server: dict[str, Any], roles: Collection[str]) -> None:
    """The server can hold what is in the backup. roles: those that are there, or will be made."""
    name = manifest["name"]
    needed, found = _pg_digest.major(manifest["server_version"]), _pg_digest.major(server["server_version"])
    if found < needed:
        raise refused(
            "backup-newer-major",
            f"{name} was made with PostgreSQL {needed}, and the server is PostgreSQL {found}.",
            f"Restore it on a server of PostgreSQL {needed} or newer.",
        )
    extensions = sorted({extension["name"] for extension in manifest["properties"]["extensions"]} - set(server["extensions"]))
    if extensions:
        raise refused(
            "extensions-missing",
            f"{name} needs extensions that the server cannot install: {', '.join(extensions)}.",
            "Install their packages where the server is, or use an image that holds them.",
        )
    tablespaces = sorted(set(manifest["tablespaces"]) - set(server["tablespaces"]))
    if tablespaces:
        raise refused(
            "tablespaces-missing",
            f"{name} needs tablespaces that the server does not have: {', '.join(tablespaces)}.",
            f"Create them: CREATE TABLESPACE {quote_identifier(tablespaces[0])} LOCATION '<directory>';",
        )
    missing = sorted(set(manifest["roles"]) - set(roles))
    if missing:
        raise refused(
            "roles-missing",
            f"{name} needs roles that the server does not have: {', '.join(missing)}.",
            "Create them (playbooks/deploy.yml), or have them made as they were: -e postgres_restore_create_roles=true",
        )


_NAME = r'(?:"((?:[^"]|"")+)"|([^".]+))'
_TABLE = re.compile(rf"{_NAME}\.{_NAME}")


def table_named(text: str) -> tuple[str, str]:
    """Schema and name of `schema.table`; a part that holds a dot or a quote stands in double quotes."""
    match = _TABLE.fullmatch(text)
    if not match:
        raise refused(
            "tables-unknown",
            f"{text!r} is no table as <schema>.<table>.",
            "Name it as in public.users; a part that holds a dot or a quote stands in double quotes.",
        )
    schema, table = (quoted.replace('""', '"') if quoted else plain for quoted, plain in (match.group(1, 2), match.group(3, 4)))
    return schema, table


def require_tables(manifest: dict[str, Any], tables: Collection[tuple[str, str]]) -> None:
    """A name that no table has is found now; whether it is a partitioned one only its schema knows."""
    schemas = {table["schema"] for table in manifest["tables"]}
    unknown = sorted(f"{schema}.{table}" for schema, table in tables if schema not in schemas)
    if unknown:
        raise _unknown_tables(manifest, unknown)


def _unknown_tables(manifest: dict[str, Any], unknown: list[str]) -> OperationError:
    return refused(
        "tables-unknown",
        f"{manifest['name']} has no table {', '.join(unknown)}.",
        "Name them as <schema>.<table>, for example public.users.",
    )


def since(plan: Plan) -> dict[str, list[Any]]:
    """Rows of each table in the backup, and now; nothing where there is no such database.

    One that cannot be counted may be the very reason for the restore: that is a note, no failure.
    """
    if not _pg_clone.existing(plan.server, [plan.database]):
        return {"since": []}
    live = plan.server.to(plan.database)
    try:
        with Session(live.command(), plan.database) as session:
            session.execute(_pg_digest.SETTINGS)
            facts = _pg_digest.table_facts(session, session.rows(_pg_digest.TABLES), digest=lambda _table: False)
    except OperationError as error:
        return {"since": [], "notes": [f"What was written since the backup cannot be counted: {error.what}"]}
    now = {(table["schema"], table["table"]): table["rows"] for table in facts}
    then = {(table["schema"], table["table"]): table["rows"] for table in plan.manifest["tables"]}
    tables = [
        {"schema": schema, "table": table, "then": then.get((schema, table)), "now": now.get((schema, table))}
        for schema, table in sorted(then.keys() | now.keys())
    ]
    return {"since": tables}


# -- the restore -------------------------------------------------------------------------------------------------


class Restore:
    """The making of it. Whatever fails, the database that was being made is dropped, and so are the roles."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.about: dict[str, Any] = {}
        self.globals = ""
        self.missing: list[str] = []
        self.created: list[str] = []
        self.notes: list[str] = []

    def prepare(self) -> None:
        """Everything that can be found wrong without reading the files."""
        plan, manifest = self.plan, self.plan.manifest
        self._require_own(manifest["stack"])
        self.notes = [f"Newer, but of no use: {why}." for why in passed_over(plan.directory, manifest)]
        self.about = plan.server.rows(_SERVER)[0]
        present = set(self.about["roles"])
        self.globals = globals_text(plan.directory, manifest) if plan.create_roles else ""
        # The owner of the stamp's table is ours to make: without it a new server would refuse every stamped backup.
        self.missing = sorted(set(manifest["roles"]) & (roles_in(self.globals) | {_stamp.OWNER}) - present)
        require_fit(manifest, self.about, present | set(self.missing))
        require_tables(manifest, plan.tables)
        taken = _pg_clone.existing(plan.server, [plan.name, plan.loading])
        if taken:
            what = f"There is already a database {taken.pop()!r}."
            raise refused("restore-name-taken", what, "Run it again: the name holds the time.")
        # Where the tablespace of the database is; one without a place of its own is in the server's directory.
        where = os.path.join(self.about["data_directory"], self.about["tablespaces"][manifest["properties"]["tablespace"]])
        needed, free = int(manifest["database_bytes"]), _pg_space.free(plan.server, where)
        if needed > free:
            raise refused(
                "restore-no-space",
                f"{manifest['name']} needs {_pg_space.in_bytes(needed)}, and {_pg_space.in_bytes(free)} are free in {where}.",
                "Free space there; playbooks/cleanup.yml lists databases that were replaced.",
            )

    def _require_own(self, origin: str) -> None:
        plan = self.plan
        require_own(plan.stack, origin, plan.manifest["name"], transform=plan.transform, old_stamp=plan.old_stamp)

    def make(self, progress: Progress) -> dict[str, Any]:
        plan, manifest = self.plan, self.plan.manifest
        clock = time.monotonic()
        with _alone(plan.stack), in_use(os.path.join(plan.directory, manifest["name"])):
            self._sweep()
            progress.say("reading the files", now=True, mib=manifest["bytes"] >> 20)
            reason = damage(plan.directory, manifest)
            if reason:
                raise OperationError(
                    "backup-damaged",
                    f"{manifest['name']} cannot be restored: {reason}.",
                    "Nothing was changed.",
                    "Restore another one: playbooks/backup_info.yml lists them. Then look at the file system of the backups.",
                )
            with self._client() as client:
                # Nothing that a login sets off may write into the copy; only a superuser may say so.
                server = plan.server.patient(**({"event_triggers": "off"} if self.about["is_superuser"] else {}))
                target = Target(server, client, plan.jobs, "127.0.0.1" if plan.container else "", plan.run)
                made = self._make(Copy(target, manifest, plan.loading, progress))
        return {**self.result(), **made, "seconds": round(time.monotonic() - clock, 3)}

    def _client(self) -> Client:
        plan = self.plan
        return Client(
            plan.server.place,
            plan.directory,
            image=plan.image if plan.container else "",
            network=f"container:{plan.container}",
            labels={"stack": str(plan.stack), "run": plan.run},
            read_only=True,
        )

    def _make(self, copy: Copy) -> dict[str, Any]:
        plan, manifest = self.plan, self.plan.manifest
        clock = time.monotonic()
        try:
            self._create_roles()
            copy.create()
            copy.load(manifest["name"], plan.tables)
            load_seconds = round(time.monotonic() - clock, 3)
            self._require_known_tables(copy)
            facts = copy.facts()
            wrong = copy.differences(facts, plan.tables)
            if wrong:
                raise differs(manifest["name"], wrong)
            loaded = copy.with_partitions(plan.tables) if plan.tables else None
            changes = self._transform(copy)
            stamped = self._stamp(copy.target.server.to(copy.name))
            copy.analyze()
            wrong = copy.publish(plan.name)
            if wrong:
                raise differs(manifest["name"], wrong)
        except BaseException:
            copy.drop()
            self._drop_roles()
            raise
        if not _pg_digest.same_major(manifest, facts):
            self.notes.append("The schema was not compared: each major version writes it in its own words.")
        figures = {"load_seconds": load_seconds, "changes": changes, "stamped": stamped, "notes": self.notes}
        return {**figures, **_figures(manifest, loaded)}

    def _sweep(self) -> None:
        """Drop what a killed restore of this database left behind. The lock is ours, so nobody works on it."""
        for row in self.plan.server.rows("SELECT datname AS name FROM pg_database"):
            parsed = _pg_clone.parse_beside(row["name"])
            ours = parsed and parsed.kind == _pg_clone.LOADING and _pg_clone.is_beside(row["name"], self.plan.database)
            if ours and not sessions(self.plan.server, [row["name"]]):
                _pg_clone.drop(self.plan.server, row["name"])

    def _require_known_tables(self, copy: Copy) -> None:
        unknown = [f"{schema}.{table}" for schema, table in self.plan.tables if not copy.with_partitions([(schema, table)])]
        if unknown:
            raise _unknown_tables(self.plan.manifest, unknown)

    def _create_roles(self) -> None:
        if not self.missing:
            return
        plan = self.plan
        made = [
            *plain_roles(set(self.missing) - roles_in(self.globals)),
            *create_roles(self.globals, self.missing, self.about["roles"]),
        ]
        for role in self.missing:
            if plan.passwords.get(role):
                secret = verifier(plan.passwords[role], secrets.token_bytes(16))
                made.append(f"ALTER ROLE {quote_identifier(role)} PASSWORD {quote_literal(secret)};")
        plan.server.execute("\n".join(["BEGIN;", *made, "COMMIT;"]))
        self.created = self.missing
        names = ", ".join(map(quote_literal, self.missing))
        query = f"SELECT rolname AS role FROM pg_authid WHERE rolcanlogin AND rolpassword IS NULL AND rolname IN ({names}) ORDER BY 1"
        self.notes += [f"The role {row['role']} can log in and has no password yet." for row in plan.server.rows(query)]

    def _drop_roles(self) -> None:
        """Those that were made here: one that somebody else made meanwhile is not ours."""
        if self.created:
            self.plan.server.ask(f"DROP ROLE IF EXISTS {', '.join(map(quote_identifier, self.created))};")

    def _transform(self, copy: Copy) -> list[str]:
        """Run the SQL files; what the database holds no longer, or anew, in words."""
        plan = self.plan
        for name, sql in plan.transform:
            copy.progress.say(f"transforming by {name}", now=True)
            try:
                run_sql(copy.target, copy.name, sql)
            except OperationError as error:
                raise OperationError(
                    "transform-failed",
                    f"{name} failed: {error.what}",
                    "The database that was being made is dropped; no other was touched.",
                    f"Correct {name}, then run it again.",
                ) from None
        return copy.differences(copy.facts(), plan.tables) if plan.transform else []

    def _stamp(self, loaded: Server) -> bool:
        """The database says where it belongs now. Data that say themselves that they are of elsewhere count as such."""
        plan = self.plan
        stamp = _stamp.read(loaded)
        if stamp:
            try:
                self._require_own(stamp)
            except OperationError as error:
                _audit.refused(plan.stack, error, plan.by, backup=plan.manifest["name"], stamp=stamp)
                raise
        if stamp == str(plan.stack):
            return False
        _audit.require_writable(plan.stack)
        _stamp.write(loaded, plan.stack)
        facts = {"database": plan.name, "backup": plan.manifest["name"], "transform": [name for name, _sql in plan.transform]}
        _audit.record(plan.stack, "stamped", plan.by, old=stamp, new=str(plan.stack), **facts)
        return True

    # -- what is told ----------------------------------------------------------------------------------------------

    def result(self) -> dict[str, Any]:
        """What is known before anything was done."""
        plan, manifest = self.plan, self.plan.manifest
        properties = manifest["properties"]
        left = [f"replication slot {slot['name']}" for slot in properties["slots"]]
        left += [f"subscription {name}" for name in properties["subscriptions"]]
        return {
            "changed": True,
            "database": plan.name,
            "backup": manifest["name"],
            "taken": manifest["started"],
            "bytes": int(manifest["database_bytes"]),
            **_figures(manifest, plan.tables or None),
            "created_roles": self.missing,
            "left_behind": left,
            "look": look(plan.server, plan.name),
            "load_seconds": 0.0,
            "changes": [],
            "stamped": False,
            "notes": self.notes,
            "since": [],
            "seconds": 0.0,
        }


def _figures(manifest: dict[str, Any], wanted: Collection[tuple[str, str]] | None) -> dict[str, int]:
    """Tables and rows that are loaded; of a partitioned table only its partitions are known here."""
    tables = [table for table in manifest["tables"] if wanted is None or (table["schema"], table["table"]) in wanted]
    return {"tables": len(tables), "rows": sum(table["rows"] for table in tables)}


def look(server: Server, database: str) -> str:
    """The command that shows a database to whoever may reach the target."""
    place, user = server.place, server.env["PGUSER"]
    if place.container:
        argv = place.engine.argv("exec", "--interactive", "--tty", place.container, "psql", "--username", user, "--dbname", database)
    else:
        argv = ["psql", "--host", server.env["PGHOST"], "--port", server.env["PGPORT"], "--username", user, "--dbname", database]
    return shlex.join(argv)


@contextlib.contextmanager
def _alone(stack: Stack) -> Iterator[None]:
    """One restore at a time in a stack. The lock ends with the process."""
    make_private_directory(stack.directory)
    descriptor = os.open(os.path.join(stack.directory, "restore.lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise refused("restore-busy", f"Another restore of {stack} is at work.", "Wait until it has ended.") from None
        yield
    finally:
        os.close(descriptor)
