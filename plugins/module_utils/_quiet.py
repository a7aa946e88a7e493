# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What of a window is at work beyond its processes: containers of the engine and sessions of the server outlive whoever began them.

Who judges what is true ends them first, or it may be true no more a moment later.
"""

from __future__ import annotations

import time
from typing import Any, Callable

from ._door_run import Door
from ._errors import OperationError
from ._migration_lock import SESSIONS
from ._pg_sessions import end_sessions
from ._place import LABEL, Engine
from ._psql import Server, quote_literal

PATIENCE = 180.0  # seconds that engine and servers are given to come up on a machine that was started anew
RESTART = 30.0  # seconds that they are given on one that was not, where they alone may be starting
_POLL = 0.5
_END_WAIT = 20.0  # seconds that containers are given to be gone

# What is said of something that is coming up, or that will never.
COMING_UP = (
    "engine-unreachable",
    "container-stopped",
    "postgres-unreachable",
    "redis-unreachable",
    "redis-loading",
    "redis-password-file",
)


def wait_for(answers: Callable[[], Any], until: float) -> Any:
    """The answer of what may be coming up, asked until then (by the monotonic clock)."""
    while True:
        try:
            return answers()
        except OperationError as error:
            if error.slug not in COMING_UP or time.monotonic() >= until:
                raise
        time.sleep(_POLL)


def end_containers(engine: Engine, window: str) -> None:
    """Those that its jobs work in: ending the engine's client does not end them. Afterwards there is none."""
    until = time.monotonic() + _END_WAIT
    while True:
        answer = engine.run("ps", "--all", "--quiet", "--filter", f"label={LABEL}.window={window}")
        found = answer.out.split()
        if answer.ok and not found:
            return
        asked = answer.ok
        if asked:  # one that removes itself in this moment cannot be removed: what counts is whether it is there
            answer = engine.run("rm", "--force", "--volumes", *found)
        if not asked or time.monotonic() >= until:
            raise OperationError(
                "engine-unreachable",
                f"{engine.binary} does not say that the window's containers are gone: {answer.reason}.",
                "They may still work on the database.",
                f"Start the engine, or let this user reach it: {' '.join(engine.argv('info'))}",
            )
        time.sleep(_POLL)


def end_window_sessions(elsewhere: Server, database: str, window: str, also: str = "false") -> None:
    """What the window's own programs left behind in the server. also: a condition on pg_stat_activity for further ones."""
    # A session that migrates does not say of which window it is, and another stack may be migrating a database of the same server.
    migrating = f"application_name LIKE {quote_literal(f'{SESSIONS}%')} AND datname = {quote_literal(database)}"
    named = f"application_name LIKE {quote_literal(f'amanat.dbops {window}%')}"
    if left := end_sessions(elsewhere, f"({named} OR {migrating} OR {also})"):
        raise OperationError(
            "database-in-use",
            f"{left} of the window's own sessions do not end.",
            "The database was left as it is.",
            "End them, then run it again.",
        )


def sessions_of(door: Door, point_session: str) -> str:
    """A condition for the sessions of the window's role, and of a copy that goes on in the server when its client is gone."""
    return f"usename = {quote_literal(door.role)} OR application_name = {quote_literal(point_session)}"
