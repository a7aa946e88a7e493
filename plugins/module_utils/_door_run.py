# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Shut the door of a database, prove that nobody is left behind it, and open it again."""

from __future__ import annotations

import contextlib
import secrets
import time
from dataclasses import dataclass, field
from typing import Any, Callable

from . import _door, _journal
from ._command import Command
from ._errors import OperationError
from ._pg_clone import allow, await_maintenance, maintenance
from ._pg_properties import setting_of
from ._pg_sessions import terminate
from ._psql import Server, quote_identifier, quote_literal
from ._stack import Stack

PATIENCE = 10.0  # seconds that the server is given to load its rules
_POLL = 0.05
_ERRORS = "SELECT string_agg('line ' || line_number || ': ' || error, '; ') AS errors FROM pg_hba_file_rules"

# Sessions that were let in under the rules of before and have not told their database yet (seen from PostgreSQL 18 on).
_AUTHENTICATING = "backend_type = 'client backend' AND datname IS NULL AND backend_start < {loaded}::timestamptz"

# Sessions and what the server itself has at work for them. Whatever else is in a database an extension has put there.
_OF_SESSIONS = "backend_type IN ('client backend', 'parallel worker', 'autovacuum worker', 'walsender')"


def _impossible(why: str, next_step: str) -> OperationError:
    return OperationError("door-impossible", f"The database's door cannot be shut: {why}.", "Nothing was changed.", next_step)


def require_no_door(stack: Stack, server: Server) -> None:
    """Whoever is refused a login is told where it is the stack's own door that refuses him, which no window will open again."""
    shut = False
    with contextlib.suppress(OperationError):  # whether it is can only be seen by who may read the server's files
        shut = not _journal.read(stack.journal) and maintenance(server).value(f"SELECT {_door.has_lines(stack)} AS shut")
    if shut:
        raise OperationError(
            "door-shut",
            f"The door of {server.database!r} is shut, and no window is open that would open it.",
            "Nothing was changed.",
            f"Open it: ansible-playbook playbooks/acknowledge.yml -e dbops_window={_journal.LOST}",
        )


def _shell(server: Server) -> Command:
    return server.place.short(["sh"], {})


def await_door(server: Server) -> None:
    """It is going to be shut or opened, see `Server.await_one`."""
    await_maintenance(server)
    server.await_one(_shell(server))


@dataclass(frozen=True)
class Door:
    """The door of one stack's database. It is worked from another database of the server, so it cannot shut the operator out."""

    stack: Stack
    server: Server = field(repr=False)  # in the database `postgres`, see `_pg_clone.maintenance`
    database: str
    application: str

    @classmethod
    def of(cls, stack: Stack, server: Server, application: str) -> Door:
        return cls(stack, maintenance(server), server.database, application)

    @property
    def role(self) -> str:
        return _door.window_role(self.stack)

    # -- what there is -----------------------------------------------------------------------------------------

    @property
    def _rules(self) -> str:
        return _door.rules(self.stack, self.database)

    def is_shut(self) -> bool:
        return self._on_file("show", self._path()) == self._rules

    def is_open(self) -> bool:
        return not any(self._left().values())

    def _left(self) -> dict[str, bool]:
        """What a window may have left: rules, its role, and a database that takes no sessions, see `_pg_clone`."""
        query = (
            f"SELECT {_door.has_lines(self.stack)} AS rules,"
            f" EXISTS (SELECT FROM pg_roles WHERE rolname = {quote_literal(self.role)}) AS role,"
            f" EXISTS (SELECT FROM pg_database WHERE datname = {quote_literal(self.database)} AND NOT datallowconn) AS barred"
        )
        return self.server.rows(query)[0]

    def require_possible(self) -> None:
        """Every reason why it could not be shut, found while nothing depends on it."""
        _door.quoted(self.database)  # refuses a name that pg_hba.conf cannot express
        if not self.server.value("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
            raise _impossible(f"{self.server.env['PGUSER']} is no superuser", "Name one: dbops_postgres_user and dbops_postgres_password.")
        path = self._path()
        digest = f"encode(sha256(pg_read_binary_file({quote_literal(path)})), 'hex')"
        facts = self.server.rows(f"SELECT ({_ERRORS}) AS errors, {digest} AS digest")[0]
        if facts["errors"]:
            raise _impossible(f"{path} has an error, {facts['errors']}", "Correct it, or the server will not load it.")
        if self._on_file("digest", path).strip() != facts["digest"]:
            raise _impossible(f"{path} is another file than the server's", "Set dbops_postgres_container, or run it on the server's host.")

    def workers(self) -> list[str]:
        """Kinds of background workers in the database. No rule keeps them out, as they log in nowhere: those that are ended come back."""
        others = f"datname = {quote_literal(self.database)} AND NOT {_OF_SESSIONS}"
        found = self.server.rows(f"SELECT DISTINCT backend_type AS kind FROM pg_stat_activity WHERE {others} ORDER BY kind")
        return [row["kind"] for row in found]

    def _path(self) -> str:
        return str(self.server.value("SELECT current_setting('hba_file') AS path"))

    def _on_file(self, verb: str, path: str, lines: str = "") -> str:
        answer = self.server.tell(_shell(self.server), _door.on_file(self.stack, verb, path, lines))
        if answer.ok:
            return answer.out
        if answer.code == _door.NOT_OURS:
            raise _impossible(answer.reason, "Set dbops_postgres_container, or run it on the server's host, with become.")
        # An engine that does not answer in time, for example: nothing follows from it for the door.
        raise OperationError(
            "door-unknown",
            f"Whether the database's door is shut, or could be, is not known: {path} could not be read or changed: {answer.reason}.",
            f"{path} is as it was, or as it was meant to become." if verb == "write" else "Nothing was changed.",
            "Run it again when the engine and the server's host answer.",
        )

    # -- shut ----------------------------------------------------------------------------------------------------

    def shut(self, password: str) -> dict[str, Any]:
        """Nobody is connected to the database afterwards, and only the window's role can connect by TCP."""
        self.make_role(password)
        return self.keep_out()

    def keep_out(self) -> dict[str, Any]:
        """The same where the window's role is there already."""
        clock = time.monotonic()
        changed, ended = self.refuse_all()
        return {"changed": changed, "role": self.role, "ended": ended, "seconds": round(time.monotonic() - clock, 3)}

    def refuse_all(self) -> tuple[bool, int]:
        """Nobody can connect, and nobody is connected. Whether that is new, and how many sessions were ended.

        It writes nothing in the server, so that `written_since` still tells.
        """
        before, loaded = self._write(self._rules)
        was_shut = before == self._rules
        ended = terminate(self.server, [self.database], also=_AUTHENTICATING.format(loaded=quote_literal(loaded)))
        return bool(ended) or not was_shut, ended

    # -- what was written --------------------------------------------------------------------------------------------

    def mark(self) -> str:
        """The server's next transaction id: whoever writes takes one, whoever reads does not."""
        return str(self.server.value("SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS next"))

    def written_since(self, mark: str) -> bool:
        """Whether anybody may have written in any database of the server; autovacuum counts, so that it is never falsely denied."""
        return self.mark() != mark

    def make_role(self, password: str) -> None:
        """A role that works as the application's: what it makes belongs to that one, and the same settings apply."""
        role, application = quote_identifier(self.role), quote_identifier(self.application)
        settings = self.server.rows(
            "SELECT s.setting FROM pg_db_role_setting d, unnest(d.setconfig) WITH ORDINALITY AS s (setting, position)"
            f" WHERE d.setrole = (SELECT oid FROM pg_roles WHERE rolname = {quote_literal(self.application)}) AND"
            f" d.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = {quote_literal(self.database)}))"
            " ORDER BY d.setdatabase, s.position"
        )
        verifier = _door.verifier(password, secrets.token_bytes(16))
        statements = [
            "BEGIN;",
            f"DO $$ BEGIN CREATE ROLE {role}; EXCEPTION WHEN duplicate_object THEN NULL; END $$;",
            f"ALTER ROLE {role} RESET ALL;",
            *(f"ALTER ROLE {role} SET {setting_of(row['setting'])};" for row in settings),
            f"ALTER ROLE {role} SET role TO {quote_literal(self.application)};",
            f"GRANT {application} TO {role};",
            f"ALTER ROLE {role} LOGIN PASSWORD {quote_literal(verifier)};",
            "COMMIT;",
        ]
        self.server.execute("\n".join(statements))

    def _write(self, rules: str) -> tuple[str, str]:
        """The rules are in the file, and the server has loaded it; or the file is as it was. Returns those of before, and since when."""
        path = self._path()
        before = self._on_file("write", path, rules)
        loaded, why = self._load(rules)
        if loaded:
            return before, loaded
        if rules:
            self._on_file("write", path, before)
            self.server.execute("SELECT pg_reload_conf();")
        raise OperationError(
            "door-not-loaded",
            f"The server did not load its rules for connections: {why}.",
            f"{path} is again as it was." if rules else f"The rules of the door are no longer in {path}.",
            "Read the server's log: it names the line of pg_hba.conf or of postgresql.conf that it minds.",
        )

    def _load(self, rules: str) -> tuple[str, str]:
        """When the server has loaded the file, or why it has not."""
        facts = self.server.rows(
            f"SELECT errors, marked, clock_timestamp()::text AS asked, CASE WHEN errors IS NULL THEN pg_reload_conf() END"
            f" FROM (SELECT ({_ERRORS}) AS errors, {_door.has_lines(self.stack)} AS marked) AS found"
        )[0]
        if facts["errors"]:
            return "", str(facts["errors"])
        if facts["marked"] != bool(rules):
            return "", "it reads another file"
        # A new session is a child of the server's main process, and knows when that one has last loaded its files; an old one loads them
        # itself, some time later.
        since = f"SELECT CASE WHEN at > {quote_literal(facts['asked'])}::timestamptz THEN at::text END AS loaded"
        until = time.monotonic() + PATIENCE
        while not (loaded := self.server.anew().value(f"{since} FROM pg_conf_load_time() AS at")):
            if time.monotonic() >= until:
                return "", f"nothing happened within {PATIENCE:g} s"
            time.sleep(_POLL)
        return str(loaded), ""

    # -- open ----------------------------------------------------------------------------------------------------

    def open(self, note: Callable[[str], None] | None = None) -> dict[str, Any]:
        """The window's role is gone, the database takes sessions, and the rules are out; whatever was done before.

        The file says nothing of what the server has loaded: it loads it again even where nothing is in it.
        note: told the mark of the moment before anybody can write again; by then all writes of our own are done.
        """
        left = self._left()
        if left["role"]:
            self._remove_role()
        if left["barred"]:
            self.server.execute(allow(self.database))
        if left["rules"] and note:
            note(self.mark())
        self._write("")
        return {"changed": any(left.values()), "role": self.role}

    def lock_out(self) -> None:
        """The window's role can log in no more: what it still has at work, wherever, comes back no more when its sessions are ended.

        Where it could not log in anyhow nothing is written, so that `written_since` still tells.
        """
        if self.server.value(f"SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = {quote_literal(self.role)} AND rolcanlogin) AS can"):
            self.server.execute(f"ALTER ROLE {quote_identifier(self.role)} NOLOGIN;")

    def _remove_role(self) -> None:
        role = quote_identifier(self.role)
        # First it may not log in: a client that came again at once would outlive its role.
        end = f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = {quote_literal(self.role)};"
        self.server.execute(f"ALTER ROLE {role} NOLOGIN; {end}")
        # A task that reset its role may have made something of its own: the role stays then, and cannot be used.
        if not self.server.ask(f"DROP ROLE {role};").ok:
            self.server.execute(f"ALTER ROLE {role} NOLOGIN PASSWORD NULL;")
