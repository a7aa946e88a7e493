# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Databases beside a database: their names, the copy, and the swap that a restore and a rollback point share."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from typing import NamedTuple

from ._command import Answer
from ._errors import OperationError
from ._pg_sessions import PATIENCE, busy, ending
from ._psql import Server, failure, quote_identifier, quote_literal

# A restore that is not compared yet, one that is, what it replaced, what a rollback replaced, and single tables.
LOADING, NEW, OLD, FAILED, TABLES = KINDS = ("load", "new", "old", "failed", "tables")

NAME_BYTES = 63  # https://www.postgresql.org/docs/18/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
STAMP = "%Y%m%dT%H%M%SZ"
_BESIDE = re.compile(rf"(.+)__({'|'.join(KINDS)})_([0-9]{{8}}T[0-9]{{6}}Z)", re.DOTALL)
_ROOM = NAME_BYTES - len("__failed_20261122T201057Z")
_DIGEST = 8  # hexadecimal digits of what stands for the part that was cut
_CUT = re.compile(rf"~[0-9a-f]{{{_DIGEST}}}\Z")

# Databases that one can connect to while no other is touched; the first is there unless somebody dropped it.
_MAINTENANCE = ("postgres", "template1")


class Beside(NamedTuple):
    """What the name of a database says that was made from, or taken the place of by, another one."""

    stem: str  # the database's name, or what is left of a long one
    kind: str
    moment: datetime


def fit(name: str, room: int) -> str:
    """The name in at most `room` bytes; two names never become the same one.

    A short name that ends as a cut one does is cut too, so that it is not taken for it.
    """
    text = name.encode()
    if len(text) <= room and not _CUT.search(name):
        return name
    kept = text[: room - _DIGEST - 1].decode("utf-8", "ignore")  # never half a character
    return f"{kept}~{hashlib.sha256(text).hexdigest()[:_DIGEST]}"


def beside(database: str, kind: str, moment: datetime) -> str:
    """The name of a database beside `database`: `<database>__<kind>_<stamp>`, cut to what PostgreSQL takes."""
    return f"{fit(database, _ROOM)}__{kind}_{moment.astimezone(timezone.utc).strftime(STAMP)}"


def parse_beside(name: str) -> Beside | None:
    """What such a name says; None for any other name."""
    match = _BESIDE.fullmatch(name)
    if not match:
        return None
    try:
        moment = datetime.strptime(match[3], STAMP).replace(tzinfo=timezone.utc)
    except ValueError:
        return None
    return Beside(match[1], match[2], moment)


def is_beside(name: str, database: str) -> bool:
    """Whether `name` was made by `beside` for this very database."""
    parsed = parse_beside(name)
    return parsed is not None and beside(database, parsed.kind, parsed.moment) == name


def _elsewhere(server: Server) -> list[Server]:
    # Nobody could create a database while a session stays in template1, which new ones are copied from.
    there = [replace(server.to(database), kept=None if database == "template1" else server.kept) for database in _MAINTENANCE]
    return [elsewhere.patient() for elsewhere in there if elsewhere.database != server.database]


def await_maintenance(server: Server) -> None:
    """It is going to be asked for, see `Server.await_one`."""
    _elsewhere(server)[0].await_one()


def maintenance(server: Server) -> Server:
    """The same server from a database that is not the one that is renamed, copied or dropped, however long that takes."""
    for elsewhere in _elsewhere(server):
        answer = elsewhere.ask("SELECT 1;")
        if answer.ok:
            return elsewhere
        error = failure(answer, elsewhere.database)
        if error.slug != "database-missing":
            raise error
    raise OperationError(
        "database-missing",
        f"The server has none of the databases {' and '.join(_MAINTENANCE)}, from which others are renamed.",
        "Nothing was changed.",
        "Create one: createdb --template=template0 postgres",
    )


def existing(server: Server, names: Collection[str]) -> set[str]:
    """Those of the names that a database has."""
    wanted = ", ".join(quote_literal(name) for name in names)
    return {row["datname"] for row in server.rows(f"SELECT datname FROM pg_database WHERE datname IN ({wanted})")}


_IN_USE = "is being accessed by other users"


def allow(name: str, allowed: bool = True) -> str:
    """The statement by which a database takes sessions, or none at all: not even those of a superuser."""
    return f"ALTER DATABASE {quote_identifier(name)} ALLOW_CONNECTIONS {str(allowed).lower()};"


def _alone(server: Server, database: str, others: Sequence[str], script: Sequence[str]) -> Answer:
    """Run what needs these databases to itself, and says itself which of them take sessions again afterwards.

    Ending sessions is not enough: a client that comes again at once, as a pool's or a scheduler's does, is back before the
    next statement. So nobody gets in first; then they are ended. The server waits for them, five seconds.
    Where it fails, `database` takes sessions again; where we are killed, opening the door sees to it.
    """
    nobody = [allow(name, False) for name in (database, *others)]
    until = time.monotonic() + PATIENCE
    while True:
        answer = server.ask("\n".join([*nobody, f"SELECT {ending([database, *others])};", *script]))
        if answer.ok:
            return answer
        if _IN_USE not in answer.err or time.monotonic() >= until:
            server.ask(allow(database))  # where there is none, it fails, and nothing is lost
            return answer


def copy(server: Server, database: str, name: str, collation_version: str | None) -> None:
    """`name` becomes a copy of `database`, file by file and without its WAL; nobody can connect to it.

    collation_version: the one of the database, which the copy keeps; the server would refuse to copy one that is not its own.
    A copy that was cut off leaves nothing: the server removes its files when the statement fails, and when it starts.
    """
    # PostgreSQL 18 shares the blocks where the file system can; where it refuses, the statement fails at once.
    for method in ("clone", "copy"):
        choose = f"SELECT set_config(name, '{method}', false) FROM pg_settings WHERE name = 'file_copy_method';"
        create = f"CREATE DATABASE {quote_identifier(name)} TEMPLATE {quote_identifier(database)}"
        create += " STRATEGY file_copy ALLOW_CONNECTIONS false"
        create += f" COLLATION_VERSION {quote_literal(collation_version)};" if collation_version else ";"
        answer = _alone(server, database, [], [choose, create, allow(database)])
        # Another one may have made it meanwhile: a statement goes on when whoever sent it was killed.
        if answer.ok or name in existing(server, [name]):
            return
        error = busy(server, [database])
        if error:
            raise error
    raise failure(answer, database)


def swap(server: Server, database: str, incoming: str, aside: str, also: Sequence[str] = ()) -> bool:
    """`incoming` gets the name of `database`, which becomes `aside`: at once or not at all. False where that is done already.

    Sessions of both are ended. Where there is no `database`, only `incoming` is renamed. Whatever belongs to a database
    itself (owner, privileges, settings) goes with it; both take sessions afterwards.

    server: in a third database, see `maintenance`.
    also: further statements of the same transaction; the databases have their new names by then.
    """
    present = existing(server, [database, incoming, aside])
    if incoming not in present and {database, aside} <= present:
        return False
    if incoming not in present or aside in present:
        what = f"There is already a database {aside!r}" if aside in present else f"There is no database {incoming!r}"
        raise OperationError(
            "swap-impossible",
            f"{what}, so {incoming!r} cannot take the place of {database!r}.",
            "No database was renamed.",
            "Look at the databases of the server: psql --list",
        )
    renames = [(database, aside)] if database in present else []
    renames.append((incoming, database))
    statements = [f"ALTER DATABASE {quote_identifier(old)} RENAME TO {quote_identifier(new)};" for old, new in renames]
    statements += [allow(new) for _old, new in renames]
    answer = _alone(server, renames[0][0], [old for old, _new in renames[1:]], ["BEGIN;", *statements, *also, "COMMIT;"])
    if not answer.ok:
        raise busy(server, [database, incoming]) or failure(answer, server.database)
    return True


def is_open(server: Server, name: str) -> bool:
    """Whether the database lets anybody in who may log in."""
    return bool(server.value(f"SELECT datallowconn AND datconnlimit <> 0 FROM pg_database WHERE datname = {quote_literal(name)}"))


@contextmanager
def opened(server: Server, name: str) -> Iterator[Server]:
    """The database of that name to look into, also where nobody may connect to it; afterwards it is shut as it was."""
    if is_open(server, name):
        yield server.to(name)
        return
    limits = server.rows(f"SELECT datallowconn, datconnlimit FROM pg_database WHERE datname = {quote_literal(name)}")[0]
    server.execute(f"{allow(name)} ALTER DATABASE {quote_identifier(name)} CONNECTION LIMIT -1;")
    try:
        yield server.to(name)
    finally:
        limit = f"ALTER DATABASE {quote_identifier(name)} CONNECTION LIMIT {int(limits['datconnlimit'])};"
        server.execute(f"{allow(name, limits['datallowconn'])} {limit}")


def drop(server: Server, name: str) -> bool:
    """Remove a database beside another one; sessions in it are ended. False where there is none."""
    if name not in existing(server, [name]):
        return False
    if not parse_beside(name):
        raise OperationError(
            "database-not-beside",
            f"{name!r} is no database that a window or a restore made.",
            "Nothing was dropped.",
            "Name one that playbooks/cleanup.yml lists.",
        )
    server.execute(f"DROP DATABASE IF EXISTS {quote_identifier(name)} WITH (FORCE);")
    return True
