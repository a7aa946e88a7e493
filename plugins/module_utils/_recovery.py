# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Bring a window that was interrupted to an end that is true: the one undo there is.

The rescue of the controller, the dead man's switch, recover.yml, abort.yml and a person with a shell all come here. Every step
asks what is true and may be repeated, so that whoever is killed in the middle is followed by somebody who goes on.
"""

from __future__ import annotations

import contextlib
import os
import time
import traceback
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from typing import Any, Callable, NamedTuple

from . import (
    _announce,
    _clock,
    _fence,
    _hook,
    _journal,
    _notice,
    _pg_clone,
    _private,
    _probe,
    _quiet,
    _services_run,
    _verdict,
    _window,
)
from ._door_run import Door
from ._errors import OperationError
from ._gate import Gate
from ._gate_beneath import Beneath
from ._job import Job, Unheard
from ._pg_url import PgUrl
from ._place import Engine, Place
from ._psql import Server, server_at
from ._recovery_redis import RedisEnding, redis_at
from ._redis_hold import DOWN
from ._rollback import Point, session_name
from ._services import Context, Service, services_of
from ._stack import Stack

Journal = _window.Journal
Say = Callable[[str], None]

MOMENT = "%Y%m%dT%H%M%SZ"  # of the window's databases, see `_pg_clone.beside`


class Told(NamedTuple):
    """Who ends a window, and why.

    why: in words, for the journal; error: what failed (`slug`, `message`, `state`, `next`), as the report shows it; record: what
    else a controller has to say to the journal; epoch: in which it holds the window, 0 for whoever does not; runs_tasks: it is
    Ansible, which can run a task file of the user's afterwards; tells: whether people are told from here how it ended.
    """

    by: dict[str, str]
    why: str
    error: dict[str, str]
    record: dict[str, Any]
    epoch: int = 0
    runs_tasks: bool = False
    tells: bool = True


def carry_out(stack: Stack, window: str, told: Told, say: Say, due: Callable[[Journal], bool] = lambda _journal: True) -> Journal:
    """Take the window over, if it is due, and end it. The journal as it is then: closed, rolled_back, aborted or failed."""
    with contextlib.ExitStack() as kept:
        try:
            journal = kept.enter_context(_fence.taken_over(stack, window, told.by, told.why, _now(), epoch=told.epoch, due=due))
        except OperationError as error:
            if told.tells and error.slug == _fence.STUCK:
                _call_for_a_person(stack, window, error)
            raise
        ending = _Ending(stack, journal, say, told.runs_tasks)
        result = ending.result()
        private = _private.find(stack)
        record = _window.joined(told.record, ending.record(told.error if result != "closed" else {}))
        record = _window.joined(record, _notice.end_silence(journal, private))
        if told.tells:
            record = _window.joined(record, _notice.tell(journal, private, _announce.OF_END[result], _note(told, record)))
        return _journal.change(stack, window, lambda held: _closed(held, result, record), journal["epoch"])


def _call_for_a_person(stack: Stack, window: str, error: OperationError) -> None:
    """The window stays as it is, and nobody may be looking. Once: the switch tries again and again."""
    journal = _journal.read(stack.journal)
    called = any(each["event"] == "needs_a_person" for each in journal.get("announcements") or [])
    if journal.get("id") == window and journal["state"] == "open" and not called:
        record = _notice.tell(journal, _private.find(stack), "needs_a_person", str(error))
        _journal.change(stack, window, lambda held: _window.annotate(held, record))


def _note(told: Told, record: dict[str, Any]) -> str:
    """What people are told besides the event: who ended it, what had failed, and what is true now."""
    error = record.get("error") or {}
    said = [f"[{error['slug']}] {error['message']}" if error else "", f"Ended by: {told.why}.", error.get("state", "")]
    return " ".join(filter(None, said))


def _closed(journal: Journal, result: str, record: dict[str, Any]) -> Journal:
    """A window that comes to its proper end has gone through all of its phases."""
    while result == "closed" and journal["phase"] != "closed":
        following = _window.PHASES[_window.PHASES.index(journal["phase"]) + 1]
        journal = _window.advance(journal, following, _now(), _clock.read(), {})
    return _window.close(journal, result, _now(), record)


def _now() -> datetime:
    return datetime.now(timezone.utc)


@dataclass
class _Ending:
    """One window, and the way to its end. journal["undo"] is what `window_state` was told when it was opened."""

    stack: Stack
    journal: Journal
    say: Say
    runs_tasks: bool = False
    truth: list[str] = field(default_factory=list)
    seen: dict[str, Any] = field(default_factory=dict)
    next_step: str = ""  # what whoever decides types then
    raised: bool = False  # the last verdict could not be carried out
    serves: bool = False  # after it the application answers, though it is not well

    # -- what there is -------------------------------------------------------------------------------------------------

    @property
    def undo(self) -> dict[str, Any]:
        return dict(self.journal.get("undo") or {})

    @property
    def guarded(self) -> bool:
        return bool(self.undo["guarded"])

    @property
    def _returned(self) -> dict[str, Any]:
        """The rollback point, where the database has returned to it; else {}."""
        point = self.journal.get("rollback_point") or {}
        return dict(point) if point.get("state") == "returned" else {}

    @property
    def _leads_back(self) -> bool:
        """There is a rollback point; of Redis it is what a restore has set aside."""
        return self.guarded or bool(self.redis and self.undo["redis"]["restores"])

    @property
    def operation(self) -> str:
        destructive = (self.journal.get("migrations") or {}).get("destructive")
        return "destructive" if destructive else str(self.journal["operation"])

    @cached_property
    def secrets(self) -> dict[str, Any]:
        """Not asked for by whoever needs none."""
        return _private.read(self.stack)

    @cached_property
    def services(self) -> list[Service]:
        return services_of(self.undo["services"], Context(Engine(**self.undo["engine"]), self.stack.directory))

    @cached_property
    def before(self) -> list[dict[str, Any]]:
        """What ran before the stop, as the services' own `look` says it."""
        return [
            {
                "name": facts["name"],
                "running": facts["running_before"],
                "release": facts["release_before"],
                "image_id": facts["image_before"],
                "restart_policy": facts.get("restart_policy", ""),
            }
            for facts in self.journal.get("services") or []
        ]

    @cached_property
    def server(self) -> Any:
        place = Place(Engine(**self.undo["engine"]), self.undo["postgres_container"], self.undo["postgres_bin_dir"])
        url = PgUrl.parse(self.secrets["pg_url"])
        return server_at(place, url, self.secrets["login_user"], self.secrets["login_password"])

    @cached_property
    def door(self) -> Door:
        return Door.of(self.stack, self.server, PgUrl.parse(self.secrets["pg_url"]).user)

    @cached_property
    def redis(self) -> RedisEnding | None:
        """None where Redis takes no part."""
        if not self.undo["redis"]:
            return None
        undo = {**self.undo["redis"], "engine": self.undo["engine"]}
        snapshot = (self.journal.get("redis") or {}).get("snapshot", "")
        by = self.journal["taken_over"][-1]["by"]
        return RedisEnding(self.stack, undo, snapshot, self.undo["moment"], by, self.secrets)

    @property
    def beneath(self) -> Beneath:
        """What the health gate looks at besides the application."""
        server = self.undo.get("redis_server")
        redis = (lambda: redis_at(self.stack, Engine(**self.undo["engine"]), server, self.secrets)) if server else None
        return Beneath(lambda: self.server, redis, [each for each in self.services if self._should_run(each.name)])

    @property
    def _moment(self) -> datetime:
        return datetime.strptime(self.undo["moment"], MOMENT).replace(tzinfo=timezone.utc)

    def point(self) -> Point:
        return Point.of(self.stack, self.server, self._moment)

    # -- the way -------------------------------------------------------------------------------------------------------

    def result(self) -> str:
        """What the window ended as; `truth` says what is true then."""
        result = self._ended()
        if result == "failed" and self.journal.get("clients") in (_hook.HELD, _hook.RELEASING):
            self.truth.append("Clients are held off.")
        return result

    def _ended(self) -> str:
        try:
            if not self.undo:
                return self._without_undo()
            self._make_quiet()
            return self._follow(self._judge())
        except OperationError as error:
            self.truth.append(f"It did not come to its end: {error.what} {error.state}")
            self.next_step = error.next_step
        except Exception as error:  # noqa: BLE001 - a window that nobody can end any more would be worse than one that failed
            traceback.print_exc()
            self.truth.append(f"It did not come to its end: {type(error).__name__}: {error}.")
        return "failed"

    def _without_undo(self) -> str:
        """An earlier release of the collection opened the window, whose journal does not say how anything is brought back."""
        if self.journal["phase"] in ("opened", "backed_up"):
            self._abort()
            return _verdict.ENDS[_verdict.ABORT]
        ran = [
            f"{each['name']} ran {each['release'] or 'what it is'} ({each['image_id'] or 'no image'})"
            for each in self.before
            if each["running"]
        ]
        self.truth.append(
            "The release of the collection that opened this window left nothing by which it could be undone. Before its stop"
            f" {', '.join(ran) or 'no service ran'}; its door may be shut. Start them by hand, then acknowledge the window."
        )
        return "failed"

    def _judge(self) -> _verdict.Row:
        if self._return_has_begun():
            return _verdict.RESUMED
        return self._row(written=self._written())

    def _row(self, *, written: bool) -> _verdict.Row:
        return _verdict.row(self.journal["phase"], self.operation, point=self._leads_back, written=written, held=self._clients_are_held)

    def _follow(self, row: _verdict.Row) -> str:
        if self._comes_well(row.verdict, row.why):
            return _verdict.ENDS[row.verdict]
        following = row.unhealthy
        if following == row.verdict:
            return "failed"
        try:
            # Whoever was let in since the look may have written: the row is looked up again, with nobody there.
            if following == _verdict.RETURN and not self._alone_and_unwritten() and not self._clients_are_held:
                following = self._row(written=True).unhealthy
        except OperationError as error:
            self.truth.append(error.what)
            following = _verdict.HOLD
        if following == _verdict.HOLD and self.serves:
            self._do(row.verdict)  # it was stopped for that look, perhaps
            self.truth.append("It answers, so it was left running.")
            return "failed"
        if self._comes_well(following, "that did not come well"):
            return _verdict.ENDS[following]
        if self.raised and following != _verdict.HOLD:
            self._comes_well(_verdict.HOLD, "nor did that")
        return "failed"

    def _comes_well(self, verdict: str, why: str) -> bool:
        """Carry a verdict out, which the journal names from before its first step on. Whether the application is healthy then."""
        self.say(f"{verdict.replace('_', ' ')}: {why}")
        self._note(going=verdict)
        self.raised = self.serves = False
        try:
            self._do(verdict)
            well = verdict in (_verdict.ABORT, _verdict.HOLD) or self._healthy(verdict)
        except OperationError as error:
            self.raised = True
            self.truth.append(f"{error.what} {error.state}".strip())
            return False
        if well:
            self._let_clients_in(verdict)
            self._tidy(verdict)
        return well

    def _do(self, verdict: str) -> None:
        {
            _verdict.ABORT: self._abort,
            _verdict.START_AGAIN: self._start_again,
            _verdict.RETURN: self._return,
            _verdict.FINISH: self._finish,
            _verdict.HOLD: self._hold,
        }[verdict]()

    def _abort(self) -> None:
        self.truth.append("Nothing was stopped.")

    def _start_again(self) -> None:
        if self.journal["phase"] == "stopped":
            # Whoever stopped them was cut off, and the engine goes on: what runs now may be about to end.
            _services_run.stop(self.services)
        self._return_redis()
        self._open_the_door()
        _services_run.start(self.services, self.before, None)
        if self.journal["phase"] in ("operated", "started", "verified") and self.journal["operation"] != "none":
            applied = (self.journal.get("migrations") or {}).get("applied") or []
            self.truth.append(f"Migrations {', '.join(applied)} stay applied." if applied else "The database is as the operation left it.")

    def _return(self) -> None:
        _services_run.stop(self.services)
        if self.guarded:
            self._return_database()
        self._return_redis()
        snapshot = (self.journal.get("redis") or {}).get("snapshot")
        if self.journal["phase"] != "operated" and snapshot:
            self.truth.append(f"Redis is as the application left it; what it held before the operation is in the backup {snapshot}.")
        self._open_the_door()
        _services_run.start(self.services, self.before, None)

    def _return_database(self) -> None:
        known = self._returned
        if not known:
            result = self.point().go_back(Unheard())
            known = {"name": result["name"], "state": "returned", "failed_database": result["failed_database"]}
            self._note(rollback_point=known)
        self.seen["rollback_point"] = known
        failed = known["failed_database"]
        if failed:
            self.truth.append(f"The database is as it was before the operation; what the operation left is kept as {failed}.")

    def _finish(self) -> None:
        self._open_the_door()
        started = _services_run.start(self.services, self.before, self.journal["images"])
        _services_run.see_images(self.services, [service.look() for service in self.services], started)

    def _return_redis(self) -> None:
        """In the phase of the operation alone: before it there is nothing to undo, and afterwards the application may have written."""
        if not self.redis:
            return
        if self.journal["phase"] == "operated":
            failed, notes = self.redis.go_back()
            for note in notes:
                self._warn(note)
            if failed:
                self._saw_redis(failed_directory=failed)
                self.truth.append(f"Redis has the data of before the operation again; what it had in between is kept beside, as {failed}.")
        elif self.undo["redis"]["restores"] and self.journal["phase"] in ("started", "verified"):
            self.truth.append("Redis keeps the restored data, to which the services have written since.")

    def _hold(self) -> None:
        _services_run.stop(self.services)
        if self.seen.get("rollback_point", {}).get("state") == "returned":
            database = "the database is as it was before the operation"
        elif self.journal["phase"] == "stopped":
            database = "the database is as it was, since the operation had not begun"
        else:
            database = "the database is as the operation left it"
        self.truth.append(f"The services are stopped, and {database}: a person has to decide.")
        if self.guarded:
            self._saw_door("shut" if self.door.is_shut() else "open")

    def _open_the_door(self) -> None:
        self._let_writers_go()
        if self.guarded:
            self.door.open(lambda mark: self._note(mark=mark))
            self._saw_door("open")

    def _let_clients_in(self, verdict: str) -> None:
        """What a proxy holds off may come in again, now that somebody answers it."""
        if verdict == _verdict.HOLD or self.journal.get("clients") not in (_hook.HELD, _hook.RELEASING):
            return
        release = self.undo["release"]
        if isinstance(release["hook"], str):  # a task file, which the controller runs when this has ended
            if not self.runs_tasks:
                raise OperationError(
                    "clients-held",
                    f"Clients are still held off, and what lets them in is a task file, which Ansible alone runs: {release['hook']}.",
                    "The services run, and are healthy.",
                    f"ansible-playbook playbooks/recover.yml -e dbops_window={self.journal['id']}",
                )
            return
        self._note(clients=_hook.RELEASING)
        _hook.call(release["hook"], release["timeout"])
        self._note(clients=_hook.RELEASED)

    def _saw_door(self, state: str) -> None:
        self.seen["door"] = {**(self.journal.get("door") or {}), "state": state}

    def _note(self, **known: Any) -> None:
        """The journal says it before anything follows from it."""
        self.journal = _journal.change(self.stack, self.journal["id"], lambda held: {**held, **known}, self.journal["epoch"])

    # -- what is asked -------------------------------------------------------------------------------------------------

    def _make_quiet(self) -> None:
        """Nothing of the window goes on by itself, on the engine or in a server. Before the stop that is no reason to fail for."""
        phase = self.journal["phase"]
        before_the_stop = phase in ("opened", "backed_up")
        until = time.monotonic() + (0.0 if before_the_stop else _quiet.PATIENCE)
        try:
            if self._has_containers:
                _quiet.wait_for(lambda: _quiet.end_containers(Engine(**self.undo["engine"]), self.journal["id"]), until)
            if phase != "opened" and (self.guarded or self.journal["operation"] == "migrate" or phase == "backed_up"):
                self._end_sessions(_quiet.wait_for(lambda: _pg_clone.maintenance(self.server), until))
            if self.redis and not before_the_stop and _clock.read().boot != self.journal["clock"]["boot"]:
                _quiet.wait_for(self.redis.ask, until)
        except OperationError as error:
            if before_the_stop:
                self._warn(f"Whether all that the window had begun has ended is not known: {error.what}")
            elif error.slug not in DOWN:  # a Redis that stays down is no reason to leave the services stopped
                raise

    @property
    def _has_containers(self) -> bool:
        """The window may have begun some: the servers are in containers, or services and their images are."""
        kinds = {spec["kind"] for spec in self.undo["services"]}
        container = self.undo["postgres_container"] or (self.undo["redis"] or {}).get("container")
        return bool(container or self.journal.get("images") or kinds & {"compose", "container"})

    def _end_sessions(self, elsewhere: Server) -> None:
        also = "false"
        if self.guarded:
            self.door.lock_out()
            also = _quiet.sessions_of(self.door, session_name(self.server.database, self._moment))
        _quiet.end_window_sessions(elsewhere, self.journal["id"], also)

    def _return_has_begun(self) -> bool:
        """The database has returned, or is about to: what the window brought does not fit it, and must not be started again."""
        if not self._leads_back or self.journal["phase"] not in ("operated", "started", "verified"):
            return False
        going = self.journal.get("going") == _verdict.RETURN
        if not self.guarded:
            return going
        if self._returned:
            return True
        point = self.point()
        return point.is_returned or (going and (point.is_untouched or self.door.is_shut()))

    def _written(self) -> bool:
        """Whether the application may have written since the rollback point; not known counts as yes, and once is for ever."""
        if self.journal.get("written"):
            return True
        mark = self.journal.get("mark")
        if self.journal["phase"] == "operated":
            written = self.guarded and not self.door.is_shut()
        elif not self.guarded:
            written = True
        else:
            written = self.door.written_since(mark) if mark else not self.door.is_shut()
        if written:
            self._note(written=True)  # whoever opens the door again sets another mark
        return written

    @property
    def _clients_are_held(self) -> bool:
        return bool(self.journal.get("clients") == _hook.HELD)

    def _alone_and_unwritten(self) -> bool:
        """With the services stopped and the door shut, nothing was written."""
        _services_run.stop(self.services)
        self.door.bar()
        self._saw_door("shut")
        return not self._written()

    def _healthy(self, verdict: str) -> bool:
        """The logs of what ran before are not compared with themselves, and neither is what was found to be well once."""
        demands = self.undo["health"]
        compared = verdict == _verdict.FINISH and self.journal["phase"] != "closed"
        look = Gate(**{**demands, "log": demands.get("log", False) and compared}).wait(self.beneath)
        self.seen["health"] = {**(self.journal.get("health") or {}), "after": look.told}
        if not look.passed:
            whose = "What the window brought was" if verdict == _verdict.FINISH else "The application is"
            self.truth.append(f"{whose} not healthy: {look.words}.")
        elif look.excused:
            self.truth.append("The application is not healthy, and it was not before the window.")
        down = [service.name for service in self.services if self._should_run(service.name) and not service.look()["running"]]
        if down:
            self.truth.append(f"{', '.join(down)} ran before, was started, and does not run now.")
        self.serves = not down and all(each.lasting for each in look.flaws)
        return look.passed and not down

    def _should_run(self, name: str) -> bool:
        return any(facts["running"] for facts in self.before if facts["name"] == name)

    # -- afterwards ----------------------------------------------------------------------------------------------------

    def _tidy(self, verdict: str) -> None:
        """Drop the copies that nobody will return to. One too many is no reason to call somebody."""
        try:
            if verdict not in (_verdict.HOLD, _verdict.RETURN) and self.guarded:
                self._drop_copies(verdict)
            if verdict == _verdict.ABORT and self.redis:
                self.redis.drop_copy()
        except OperationError as error:
            self._warn(f"What was made for this window could not be dropped: {error.what} Name it to cleanup.yml.")
        if verdict in (_verdict.START_AGAIN, _verdict.RETURN):
            healthy = (self.seen.get("health") or {}).get("after", {}).get("ok")
            self.truth.insert(0, f"The services run again with what they ran before{', and are healthy' if healthy else ''}.")

    def _warn(self, warning: str) -> None:
        self.seen.setdefault("warnings", []).append(warning)

    def _drop_copies(self, verdict: str) -> None:
        point = self.point()
        if self.journal["operation"] == "restore":
            # What it replaced stays until cleanup names it; what never took its place is of no use.
            if not point.is_swapped:
                for kind in (_pg_clone.NEW, _pg_clone.LOADING):
                    _pg_clone.drop(point.server, _pg_clone.beside(point.database, kind, self._moment))
            return
        differs = verdict == _verdict.START_AGAIN and self.journal["phase"] != "stopped"
        if not differs and _pg_clone.drop(point.server, point.clone):
            self.seen["rollback_point"] = {**(self.journal.get("rollback_point") or {}), "name": point.clone, "state": "dropped"}

    def record(self, error: dict[str, Any]) -> dict[str, Any]:
        """What the journal says from now on."""
        record = {**self.seen, "downtime": _probe.stop(Job(os.path.join(self.stack.jobs, f"{self.journal['id']}-probe")))}
        if error:
            state = " ".join(filter(None, [error.get("state", ""), *self.truth]))
            record["error"] = {**error, "state": state, "next": self.next_step or error.get("next", "")}
        return record
