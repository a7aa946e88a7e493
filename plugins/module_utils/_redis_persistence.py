# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Append-only files switched on and off in a server that serves, and never by an empty start."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ._command import run
from ._errors import OperationError
from ._job import Progress
from ._redis_cli import Redis
from ._redis_config import ManagedFile, OwnFile
from ._redis_files import require_unsaid
from ._redis_hold import hold, hold_saved, release
from ._redis_info import configuration, info
from ._redis_line import Refusal
from ._redis_sample import Comparison, Sample, compare, take, writes
from ._redis_save import last_words, save
from ._redis_session import Session
from ._redis_settings import APPENDONLY, parse

_POLL = 0.2  # seconds
_HOLD = 60  # seconds that a comparison may take
_GRACE = 10  # seconds that an engine gives a container to stop, where nobody has said it

SWITCH, REWRITE, SAVE, KEEP, RESTART = "switch", "rewrite", "save", "keep", "restart"


def steps(*, on: bool, server: bool, complete: bool, kept: bool, restart: bool) -> list[str]:
    """What is left to do, in the order in which a kill after any of it leaves a server that starts with all its keys. Pure.

    server: whether it has them now; complete: whether they hold everything already; kept: whether its file says what is wished;
    restart: whether what was switched is tried out by one.
    """
    if on:
        # Only files that hold everything may be what it starts from.
        todo = [] if server else [SWITCH]
        todo += [] if server and complete else [REWRITE]
        todo += [] if kept else [KEEP]
    else:
        # A snapshot that holds everything first: from then on it starts from that.
        todo = [SAVE] if server else []
        todo += [] if kept else [KEEP]
        todo += [SWITCH] if server else []
    return [*todo, RESTART] if todo and restart else todo


@dataclass(frozen=True)
class Standing:
    """How it is: server, complete and kept as for `steps`."""

    server: bool
    complete: bool
    kept: bool


@dataclass
class Switch:
    """wish: on or off. rewrite, start: seconds that a rewrite and a start may take. restart: whether to try it out by one."""

    redis: Redis
    file: ManagedFile | OwnFile
    wish: bool
    restart: bool = False
    rewrite: float = 3600.0
    start: float = 300.0

    def standing(self, session: Session) -> Standing:
        server = configuration(session, APPENDONLY)[APPENDONLY] == "yes"
        told = info(session, "persistence")
        complete = told["aof_last_bgrewrite_status"] == "ok" and not told["aof_rewrite_in_progress"] and not told["aof_rewrite_scheduled"]
        said = parse(self.file.read(session)).get(APPENDONLY, ("no",))[-1] == "yes"
        if isinstance(self.file, OwnFile) and not self.file.path(session):
            return Standing(server, complete, kept=not self.file.keep)
        return Standing(server, complete, kept=said == self.wish)

    def steps(self, standing: Standing) -> list[str]:
        todo = steps(on=self.wish, server=standing.server, complete=standing.complete, kept=standing.kept, restart=self.restart)
        if isinstance(self.file, OwnFile) and not self.wish and KEEP in todo:
            # It writes what it uses: it has to be switched off before.
            todo.sort(key=[SAVE, SWITCH, KEEP, RESTART].index)
        return todo

    def check(self, session: Session) -> list[str]:
        """What would be done; refuses what may not be."""
        if self.restart and not self.redis.place.container:
            raise OperationError(
                "restart-unknown",
                "Redis runs on the target itself, and nobody knows here how it is started.",
                "Nothing was changed.",
                "Leave redis_may_restart at false, and restart it by hand afterwards.",
            )
        if self.restart and isinstance(self.file, OwnFile) and not self.file.keep:
            raise OperationError(
                "restart-unkept",
                "No file would keep what is switched, and a restart would start Redis as it was started before: empty, or with old data.",
                "Nothing was changed.",
                "Leave redis_may_restart at false; or redis_keep_settings at true, and give Redis a configuration file.",
            )
        require_unsaid(self.redis, session, self.wish)
        standing = self.standing(session)
        if standing.server:
            require_filled(self.redis, session)
        return self.steps(standing)

    def run(self, progress: Progress) -> dict[str, Any]:
        with self.redis.session(self.start) as session:
            todo = self.check(session)
            if not todo:
                return {}
            if isinstance(self.file, OwnFile) and KEEP in todo:
                self.file.require(session)
            progress.say("looking at a sample of the keys", now=True)
            before = take(session)
            for step in todo:
                progress.say(f"append-only files {'on' if self.wish else 'off'}: {step}", now=True)
                if step == RESTART:
                    session.close()
                    found = self._restart(progress)
                elif step in (SWITCH, REWRITE) and self.wish:
                    self._switch_on(step, session, progress, begun=KEEP in todo)
                else:
                    self._do(step, session, progress)
            if RESTART not in todo:
                progress.say("comparing the sample", now=True)
                found = _compared(before, take(session, before))
        return {"steps": todo, "keys": found.told()}

    def _do(self, step: str, session: Session, progress: Progress) -> None:
        if step == SAVE:
            save(self.redis, session, progress)
        elif step == SWITCH:
            session.ask("CONFIG", "SET", APPENDONLY, "no")
        elif isinstance(self.file, OwnFile):
            session.ask("CONFIG", "REWRITE")
        else:
            settings = parse(self.file.read(session))
            self.file.write(session, self.file.text({**settings, APPENDONLY: ("yes" if self.wish else "no",)}))

    def _switch_on(self, step: str, session: Session, progress: Progress, *, begun: bool) -> None:
        """Files that do not hold everything are none to start from: where that cannot be had, it goes on as it was.

        begun: whether it did without them until now.
        """
        since = datetime.now(timezone.utc)
        reply = session.reply("CONFIG", "SET", APPENDONLY, "yes") if step == SWITCH else "OK"
        reason = str(reply) if isinstance(reply, Refusal) else self._await_rewrite(session, progress)
        if not reason:
            return
        if begun:
            session.reply("CONFIG", "SET", APPENDONLY, "no")
        reason = last_words(self.redis, session, since) or reason
        raise OperationError(
            "aof-rewrite-failed",
            f"Redis could not write its append-only files: {reason.rstrip('.')}.",
            f"It serves {'without them' if begun else 'with the ones it had'}, with all its keys.",
            "Free space where it keeps its data, or give it memory, as its log says; then run it again.",
        )

    def _await_rewrite(self, session: Session, progress: Progress) -> str:
        """Until the files hold everything; else why they do not."""
        until, asked, begun = time.monotonic() + self.rewrite, False, None
        while time.monotonic() < until:
            told = info(session, "persistence")
            begun = told["aof_rewrites"] if begun is None else begun
            # Where the first ones fail, Redis begins again and again.
            if told["aof_rewrites"] > begun + 1 and told["aof_last_bgrewrite_status"] != "ok":
                return "the rewrite failed"
            if not told["aof_rewrite_in_progress"] and not told["aof_rewrite_scheduled"]:
                if told["aof_last_bgrewrite_status"] == "ok":
                    return ""
                # The one that failed may be of long ago.
                reply = "the rewrite failed" if asked else session.reply("BGREWRITEAOF")
                if asked or isinstance(reply, Refusal):
                    return str(reply)
                asked = True
            progress.say("the server writes its append-only files", seconds=told["aof_current_rewrite_time_sec"])
            time.sleep(_POLL)
        return f"it was not done within {self.rewrite:g} s"

    def _restart(self, progress: Progress) -> Comparison:
        """With writers held, so that what is compared is what was there, and nothing comes between the last save and the stop."""
        engine, container = self.redis.place.engine, self.redis.place.container
        with self.redis.session(self.start) as session:
            hold_saved(self.redis, session, progress, _HOLD + (engine.container(container)["Config"].get("StopTimeout") or _GRACE))
            try:
                before = take(session)
                answer = engine.run("restart", container, timeout=None)
            finally:
                # Where it was restarted this connection is gone, and the hold with it.
                with contextlib.suppress(OperationError):
                    release(session)
        if not answer.ok:
            raise OperationError(
                "redis-not-started",
                f"The engine could not restart {container}: {answer.reason}.",
                "What was switched is switched, and in its file.",
                " ".join(engine.argv("logs", "--tail", "50", container)),
            )
        progress.say("waiting until it has loaded its keys", now=True)
        with self.redis.started(self.start, self.start) as session:
            # Clients that came back before this have written at most as often as the server counts.
            hold(session, _HOLD)
            try:
                return _compared(before, take(session, before), writes(session))
            finally:
                release(session)


def _compared(before: Sample, after: Sample, wrote: int | None = None) -> Comparison:
    found = compare(before, after, wrote)
    if found.is_lossy:
        raise OperationError(
            "redis-keys-missing",
            f"Redis held {found.before} keys and now holds {found.after}; of {found.sampled} that were looked at, {found.gone} are gone"
            f" and {found.changed} changed{', for example ' + ', '.join(found.examples) if found.examples else ''}"
            f"{'' if wrote is None else f', and since its start clients have written {wrote} times'}.",
            "The settings are as wished. Clients may have deleted them meanwhile.",
            "Look at its log; where a client did not do it, restore the last backup.",
        )
    return found


# Bytes of a snapshot without a key.
_EMPTY = 200
# $1: the directory of the data, $2: the snapshot, $3: the directory of append-only files. Prints bytes and time of the snapshot, and
# the time of the first append-only file that was ever begun.
_LOOK = 'cd "$1" && stat -c "%s %Y" "$2" && cd "$3" && stat -c %Y ./*.1.base.*'


def require_filled(redis: Redis, session: Session) -> None:
    """Refuse a server that was started with append-only files and had none: it began empty, beside a snapshot that holds the keys."""
    server = info(session, "server", "persistence")
    if server["rdb_last_load_keys_loaded"] or server["rdb_saves"]:
        return
    told = configuration(session, "dir", "dbfilename", "appenddirname")
    look = ["sh", "-c", _LOOK, "sh", told["dir"], told["dbfilename"], told["appenddirname"]]
    found = run(redis.place.short(look, {}), timeout=60)
    if not found.ok:  # one of the two is not there
        return
    size, saved, begun = map(int, found.out.split()[:3])
    started = int(server["server_time_usec"]) // 1_000_000 - int(server["uptime_in_seconds"])
    if size > _EMPTY and saved < started - 1 and begun >= started - 1:
        raise OperationError(
            "aof-started-empty",
            f"Redis was started with append-only files and had none: it began empty beside {told['dbfilename']} of {size} bytes.",
            f"Nothing was changed. It serves what was written since, and its next save overwrites {told['dir']}/{told['dbfilename']}.",
            f"Copy {told['dbfilename']} aside now. Then SHUTDOWN NOSAVE, remove {told['appenddirname']}, start it with appendonly no, "
            "and run this again.",
        )
