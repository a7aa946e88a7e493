# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The environment stamp inside Redis. It can be evicted or flushed, so a missing one says nothing, and PostgreSQL's decides."""

from __future__ import annotations

from typing import Callable

from . import _stamp
from ._errors import OperationError
from ._redis_info import databases, info
from ._redis_session import Session
from ._stack import ENVIRONMENTS, NAME, Stack

KEY = "dbops:environment"


def read(session: Session) -> str:
    """The stamp as `<environment>/<name>`, or "" where there is none. An unreadable one raises."""
    kind = session.ask("TYPE", KEY)
    if kind == "none":
        return ""
    stamp = (session.ask("GET", KEY) or "") if kind == "string" else ""
    environment, _slash, name = stamp.partition("/")
    if environment not in ENVIRONMENTS or not NAME.fullmatch(name):
        raise OperationError(
            "stamp-unreadable",
            f"The environment stamp of Redis cannot be read: {KEY} is a {kind}{f', {stamp!r}' if stamp else ''}.",
            "Nothing was changed: what cannot be read counts as a no.",
            f"Look at it; when you know where this Redis belongs, delete {KEY}, and the stamp of PostgreSQL decides.",
        )
    return stamp


def require_whole(session: Session, stack: Stack, own: int) -> None:
    """No database of the server is another stack's. own: the number of the one that is meant, and that is selected again."""
    for database in sorted(databases(info(session, "keyspace"))):
        session.ask("SELECT", database)
        stamp = read(session)
        if stamp not in ("", str(stack)):
            raise OperationError(
                "stamp-mismatch",
                f"The inventory says {stack}, the stamp in database {database} of the same Redis says {stamp}.",
                "Nothing was changed: this concerns every database of the server.",
                "Correct the inventory or the connection (the number of the database in dbops_redis_url, for example); a stack that is"
                " to be operated alone needs a Redis of its own.",
            )
    session.ask("SELECT", own)


def require_own(session: Session, stack: Stack) -> None:
    """The database that is selected is no other stack's. One without a stamp is nobody's."""
    stamp = read(session)
    if stamp:
        _stamp.check(stack, stamp)


def own_stamp(session: Session, stack: Stack, own: int) -> str:
    """The stamp, "" for none; then no other database of the server is another stack's, of which this may be an unused number.

    own: the number of the one that is selected.
    """
    stamp = read(session)
    if not stamp:
        require_whole(session, stack, own)
    return stamp


def is_kept(session: Session) -> bool:
    """Whether the key is there for good."""
    return session.ask("PTTL", KEY) == -1


def write(session: Session, stack: Stack) -> None:
    session.ask("SET", KEY, str(stack))


def check(session: Session, stack: Stack, own: int, of_database: Callable[[], str]) -> str:
    """Inventory and stamp agree; of_database: the stamp of PostgreSQL, asked for where Redis has none. Returns that of Redis."""
    stamp = own_stamp(session, stack, own)
    _stamp.check(stack, stamp or of_database())
    return stamp
