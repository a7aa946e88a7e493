# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Have a server write its snapshot, and know whether it has."""

from __future__ import annotations

import contextlib
import re
import time
from datetime import datetime, timezone
from typing import Any

from ._errors import OperationError
from ._job import Progress
from ._redis_cli import Redis
from ._redis_info import configuration, info
from ._redis_line import Refusal
from ._redis_session import Session

_POLL = 0.1  # seconds
_LAST = 4096  # bytes of a log

# The time of LASTSAVE has a resolution of one second and does not move when a save fails.
_BUSY = re.compile(r"already in progress|is in progress|another child process", re.IGNORECASE)


def persistence(session: Session) -> dict[str, Any]:
    return info(session, "persistence")


def await_idle(session: Session, progress: Progress, *, rewriting: bool = True) -> dict[str, Any]:
    """Until nobody saves, nor rewrites the append-only files; what the server says of itself then."""
    while True:
        told = persistence(session)
        busy = told["rdb_bgsave_in_progress"] or (rewriting and (told["aof_rewrite_in_progress"] or told["aof_rewrite_scheduled"]))
        if not busy:
            return told
        progress.say("waiting for a save that runs already")
        time.sleep(_POLL)


def save(redis: Redis, session: Session, progress: Progress) -> None:
    """A new snapshot is on the server's disk when this returns. One that is being written already is waited for: it is older."""
    began = datetime.now(timezone.utc)
    while True:
        await_idle(session, progress)
        reply = session.reply("BGSAVE")
        if not isinstance(reply, Refusal):
            break
        if not _BUSY.search(reply):  # somebody else was faster
            raise _failed(redis, session, str(reply), began)
    number = persistence(session)["rdb_saves"]
    while True:
        told = persistence(session)
        # It has ended when nobody saves, or when somebody else has begun to.
        if not told["rdb_bgsave_in_progress"] or told["rdb_saves"] != number:
            break
        progress.say("the server writes its snapshot", keys=f"{told['current_save_keys_processed']}/{told['current_save_keys_total']}")
        time.sleep(_POLL)
    if told["rdb_last_bgsave_status"] != "ok":
        raise _failed(redis, session, "", began)


def _failed(redis: Redis, session: Session, words: str, began: datetime) -> OperationError:
    reason = last_words(redis, session, began) or words or "its log says why"
    return OperationError("redis-save-failed", f"Redis could not write its snapshot: {reason}.", _state(session), _cure(reason))


def _state(session: Session) -> str:
    """A server that could not save may refuse writes from now on, as its own settings want it."""
    told = configuration(session, "stop-writes-on-bgsave-error", "save")
    if persistence(session)["rdb_last_bgsave_status"] == "ok" or not told["save"] or told["stop-writes-on-bgsave-error"] == "no":
        return "It serves as before, with its own settings."
    return "It serves with its own settings; by stop-writes-on-bgsave-error it takes no writes until it has saved."


def _cure(reason: str) -> str:
    if "No space" in reason:
        return "Free space where Redis keeps its data; then run it again."
    if "fork" in reason.lower() or "Cannot allocate" in reason:
        return "Give it memory or processes (vm.overcommit_memory=1, --memory, --pids-limit); then run it again."
    return "Read its log, then run it again."


# What a server tells as a warning: <process>:<role> <time> # <words>
_WARNING = re.compile(r"^\d+:[A-Z] .*? # (.*)$", re.MULTILINE)
_NO_REASON = ("Background saving error", "Background saving terminated")


def last_words(redis: Redis, session: Session, since: datetime) -> str:
    """What the server's log says went wrong; "" where it cannot be read."""
    return reasons(_log(redis, session, since))


def reasons(log: str) -> str:
    """The last warnings in a log. Pure."""
    found = [words.rstrip(".") for words in _WARNING.findall(log) if not words.startswith(_NO_REASON)]
    return "; ".join(found[-3:])[-600:]


def _log(redis: Redis, session: Session, since: datetime) -> str:
    if redis.place.container:
        stamp = since.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        answer = redis.place.engine.run("logs", "--since", stamp, "--tail", "1000", redis.place.container)
        return answer.out + answer.err
    path = configuration(session, "logfile")["logfile"]
    if path:
        with contextlib.suppress(OSError), open(path, "rb") as stream:
            stream.seek(max(0, stream.seek(0, 2) - _LAST))
            return stream.read().decode("utf-8", "replace")
    return ""
