# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Holding back everybody who would write: reads are answered, writes wait, and nothing expires."""

from __future__ import annotations

import time
from typing import Any

from . import _window
from ._errors import OperationError
from ._job import Progress
from ._redis_cli import Redis
from ._redis_save import persistence, save
from ._redis_session import Session

# The server lets everybody go by itself then, whatever has become of who asked for it. It may come back without a hold, too.
LONGEST = 24 * 3600  # seconds

# Nobody waits in a server that has ended, nor in one that has just begun. One that merely does not answer holds whom it held.
DOWN = ("redis-unreachable", "redis-loading")


def in_window(journal: dict[str, Any], clock: _window.Clock) -> int:
    """Seconds for which a window holds its writers: as long as it may last, and a while for whoever ends an overdue one."""
    return max(1, round(_window.rest(journal, clock) + _window.SLACK.total_seconds()))


def keeps_waiting(journal: dict[str, Any]) -> bool:
    """Whether a window holds its writers in this phase: from the stop on, until the operation itself writes or the services start."""
    redis = (journal.get("undo") or {}).get("redis")
    if not redis:
        return False
    if journal["phase"] == "operated":
        return journal["operation"] != "restore" and not redis["writes"]
    # A task file that writes has them let go by the snapshot, right before it: whoever held them again would hold it.
    return bool(journal["phase"] == "stopped" and not (journal["operation"] == "custom" and redis["writes"]))


def too_long(seconds: float) -> OperationError:
    return OperationError(
        "hold-too-long",
        f"Writers would be held back for {seconds:.0f} s, and that can be from 1 to {LONGEST} s.",
        "Nothing was changed.",
        f"A window holds them for dbops_window_minutes: {LONGEST // 60} at most.",
    )


def hold(session: Session, seconds: int) -> None:
    session.ask("CLIENT", "PAUSE", seconds * 1000, "WRITE")


_SAVE = 10  # seconds that a save may take, however short the last one was


def hold_saved(redis: Redis, session: Session, progress: Progress, seconds: int) -> None:
    """Everything that the server holds is what it would start with, and writers are held. seconds: that a stop may take.

    Asked to stop it would save by itself, but not on a full disk, and not within the time that an engine gives it. One with append-only
    files saves a snapshot, too: its configuration file may know nothing of them.
    """
    told = persistence(session)
    if told["aof_enabled"] and told["aof_last_write_status"] != "ok":
        raise OperationError(
            "aof-rewrite-failed",
            "Redis could not write its append-only files.",
            "It serves as before, and takes no writes until it can.",
            "Free space where it keeps its data, as its log says; then run it again.",
        )
    if told["rdb_last_bgsave_time_sec"] < 0:  # nobody is held while it is not known for how long
        save(redis, session, progress)
    while True:
        # A machine that is busy meanwhile takes longer than the last time.
        room = max(_SAVE, 4 * persistence(session)["rdb_last_bgsave_time_sec"])
        hold(session, min(LONGEST, room + seconds))
        began = time.monotonic()
        try:
            save(redis, session, progress)
        except BaseException:
            release(session)
            raise
        if time.monotonic() - began < room:
            return


def release(session: Session) -> None:
    session.ask("CLIENT", "UNPAUSE")
