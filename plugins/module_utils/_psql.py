# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""SQL through the server's own `psql`: no driver, no published port, versions always match."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import Any

from ._command import Answer, Command, run
from ._errors import OperationError
from ._kept import Kept
from ._pg_url import PgUrl
from ._place import Place

CONNECT_TIMEOUT = 10  # seconds
LONGEST = 24 * 3600.0  # seconds that the server is given for one statement of long work

# Whatever time-outs a server, a database or a role have: none of them ends long work. PostgreSQL 17 knows all of them.
_NO_TIMEOUTS = {
    "statement_timeout": "0",
    "lock_timeout": "0",
    "transaction_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
}

PSQL = ["psql", "--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set", "ON_ERROR_STOP=1"]


def quote_identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """A string constant that means the same whatever `standard_conforming_strings` says."""
    quoted = text.replace("'", "''")
    if "\\" not in text:
        return f"'{quoted}'"
    escaped = quoted.replace("\\", "\\\\")
    return f" E'{escaped}'"


def as_json(query: str) -> str:
    """A query whose whole result comes back as one JSON document on one line (jsonb prints no line breaks)."""
    return f"SELECT coalesce(jsonb_agg(to_jsonb(__r)), '[]') FROM ({query}) AS __r;"


@dataclass(frozen=True)
class Server:
    """How the operator reaches one PostgreSQL server.

    env: libpq's variables (user, password, database); with a container no host, so that its socket is used.
    search_path: where names without a schema are looked up; "" leaves it to the role, for the SQL of users. We are a superuser in
    databases of others, and whoever may create functions there could give one the name of the server's own (CVE-2018-1058).
    kept: where psql stays from one statement to the next. Its session stays, too: never in a database that others want for themselves.
    connects: psql opens another session for each call.
    """

    place: Place
    env: dict[str, str] = field(repr=False)
    timeout: float = 60
    options: dict[str, str] = field(default_factory=dict)
    search_path: str = "pg_catalog"
    kept: Kept | None = field(default=None, repr=False)
    connects: bool = False

    @property
    def database(self) -> str:
        return self.env["PGDATABASE"]

    def to(self, database: str) -> Server:
        return replace(self, env={**self.env, "PGDATABASE": database})

    def patient(self, **options: str) -> Server:
        """The same server for long work; options: further settings of its sessions."""
        return replace(self, timeout=LONGEST, options={**self.options, **_NO_TIMEOUTS, **options})

    def environ(self) -> dict[str, str]:
        # Whatever the encoding of the database is, we read and write UTF-8.
        env = {"PGCONNECT_TIMEOUT": str(CONNECT_TIMEOUT), "PGAPPNAME": "amanat.dbops", "PGCLIENTENCODING": "UTF8", **self.env}
        stays = {"idle_session_timeout": "0"} if self.kept else {}
        options = {"search_path": self.search_path, **stays, **self.options}
        settings = " ".join(f"-c {name}={value}" for name, value in sorted(options.items()) if value)
        if settings:
            env["PGOPTIONS"] = f"{env.get('PGOPTIONS', '')} {settings}".strip()
        return env

    def command(self, *arguments: str) -> Command:
        return self.place.short([*PSQL, *arguments], self.environ())

    def ask(self, sql: str) -> Answer:
        # Without arguments it connects as before: https://www.postgresql.org/docs/18/app-psql.html#APP-PSQL-META-COMMAND-CONNECT
        return self.tell(self.command(), f"\\connect\n{sql}" if self.kept and self.connects else sql, "SELECT 1;")

    def tell(self, command: Command, text: str, alive: str = "") -> Answer:
        """What a program beside the server makes of its input; it stays where psql does, see `Kept.ask`."""
        if self.kept:
            return self.kept.ask(command, text, self.timeout, alive)
        return run(command, stdin=text, timeout=self.timeout)

    def await_one(self, command: Command | None = None) -> None:
        """Where programs stay, this one, by default psql, starts now: it is going to be told something soon."""
        if self.kept:
            self.kept.start(command or self.command())

    def anew(self) -> Server:
        """The same server, each call in a session of its own."""
        return replace(self, connects=True)

    def execute(self, sql: str) -> str:
        """Run statements, each in its own transaction unless the text opens one."""
        answer = self.ask(sql)
        if not answer.ok:
            raise failure(answer, self.database)
        return answer.out

    def rows(self, query: str) -> list[dict[str, Any]]:
        return json.loads(self.execute(as_json(query)))

    def value(self, query: str) -> Any:
        """The one value of a query that returns one row of one column."""
        return next(iter(self.rows(query)[0].values()))


def server_at(place: Place, url: PgUrl, login_user: str = "", login_password: str = "") -> Server:
    """The server as the operator reaches it: by the socket of its container, which is known to run, else by the URL's host and port."""
    env = url.environ()
    if login_user:
        env.update(PGUSER=login_user, PGPASSWORD=login_password)
    if place.container:
        del env["PGHOST"], env["PGPORT"]
        env.pop("PGSSLMODE", None)
    return Server(place, env)


# psql's exit codes: https://www.postgresql.org/docs/18/app-psql.html#APP-PSQL-EXIT-STATUS
_NO_CONNECTION = 2
_STATEMENT_FAILED = 3

_LOGIN = ("password authentication failed", "no password supplied", "pg_hba.conf", "fatal:  role ")


def failure(answer: Answer, database: str) -> OperationError:
    """Say which of the few common causes it was; psql's own words stay in the message."""
    if answer.code == _STATEMENT_FAILED:
        return OperationError(
            "sql-failed", f"A statement failed: {answer.reason}.", "The statement was rolled back.", "Read the server's log."
        )
    if answer.code != _NO_CONNECTION:
        return OperationError(
            "psql-failed",
            f"psql did not run to its end: {answer.reason}.",
            "Whether its statement had an effect is not known.",
            "Look at the server and at what runs in it.",
        )
    text = answer.err.lower()
    if re.search(r'database ".*" does not exist', text):
        return OperationError(
            "database-missing",
            f"There is no database {database!r}: {answer.reason}.",
            "Nothing was changed by this step.",
            "Correct the database in dbops_pg_url, or deploy it.",
        )
    if any(mark in text for mark in _LOGIN):
        return OperationError(
            "postgres-login-failed",
            f"PostgreSQL refuses the login: {answer.reason}.",
            "Nothing was changed by this step.",
            "Correct user and password in dbops_pg_url (and in the application's own PG_URL).",
        )
    return OperationError(
        "postgres-unreachable",
        f"PostgreSQL does not answer: {answer.reason}.",
        "Nothing was changed by this step.",
        "Start the server and look at its log.",
    )
