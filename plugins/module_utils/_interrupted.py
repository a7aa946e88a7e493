# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What is true of an interrupted window: whoever ends it asks first, and notes in the journal what he found out."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from . import _clock, _journal, _pg_clone, _quiet, _services_run, _verdict, _window
from ._errors import OperationError
from ._gate import Gate
from ._place import Engine
from ._psql import Server
from ._redis_hold import DOWN
from ._rollback import session_name
from ._services import Facts, Service
from ._undo import Undo

# A Redis that stays down, or cannot be asked, is no reason to leave the services stopped.
_WITHOUT_REDIS = (*DOWN, "redis-password-file")


def runs(service: Service) -> bool | None:
    """None where it does not say."""
    try:
        return bool(service.look()["running"])
    except OperationError:
        return None


@dataclass
class Interrupted(Undo):
    """truth: what is true then, in words; seen: what the journal says of it when the window has ended."""

    truth: list[str] = field(default_factory=list)
    seen: dict[str, Any] = field(default_factory=dict)
    serves: bool = False  # the application answers, though it is not well

    def note(self, **known: Any) -> None:
        """The journal says it before anything follows from it."""
        self.journal = _journal.change(self.stack, self.journal["id"], lambda held: {**held, **known}, self.journal["epoch"])

    def saw_door(self, state: str) -> None:
        self.seen["door"] = {**(self.journal.get("door") or {}), "state": state}

    def note_redis(self, **known: Any) -> None:
        self.note(redis={**(self.journal.get("redis") or {}), **known})
        self.saw_redis(**known)

    def saw_redis(self, **known: Any) -> None:
        self.seen["redis"] = {**(self.journal.get("redis") or {}), **self.seen.get("redis", {}), **known}

    def saw_services(self, looked: list[Facts]) -> None:
        now = {facts["name"]: {"release_after": facts["release"], "image_after": facts["image_id"]} for facts in looked}
        self.seen["services"] = [{**known, **now[known["name"]]} for known in self.journal.get("services") or []]

    def warn(self, warning: str) -> None:
        self.seen.setdefault("warnings", []).append(warning)

    def make_quiet(self) -> None:
        """Nothing of the window goes on by itself, on the engine or in a server. Before the stop that is no reason to fail for."""
        phase = self.journal["phase"]
        before_the_stop = phase in ("opened", "backed_up")
        anew = _window.started_anew(self.journal, _clock.read())
        until = time.monotonic() + (0.0 if before_the_stop else _quiet.PATIENCE if anew else _quiet.RESTART)
        try:
            if self._has_containers:
                _quiet.wait_for(lambda: _quiet.end_containers(Engine(**self.undo["engine"]), self.journal["id"]), until)
            if self._has_sessions:
                self._end_sessions(_quiet.wait_for(lambda: _pg_clone.maintenance(self.server), until))
            if self.redis and not before_the_stop and anew:
                _quiet.wait_for(self.redis.ask, until)
        except OperationError as error:
            if before_the_stop:
                self.warn(f"Whether all that the window had begun has ended is not known: {error.what}")
            elif error.slug not in _WITHOUT_REDIS:
                raise

    @property
    def _has_sessions(self) -> bool:
        """The window may have begun some in PostgreSQL."""
        phase, operation = self.journal["phase"], self.journal["operation"]
        works = operation == "migrate" or (operation == "custom" and phase == "operated")
        return bool(phase != "opened" and (self.guarded or works or phase == "backed_up"))

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
            also = _quiet.sessions_of(self.door, session_name(self.server.database, self.moment))
        _quiet.end_window_sessions(elsewhere, self.server.database, self.journal["id"], also)

    def row(self, *, written: bool) -> _verdict.Row:
        return _verdict.row(self.journal["phase"], self.operation, point=self.leads_back, written=written, held=self.clients_are_held)

    def foreseen(self) -> _verdict.Row:
        """What decides as far as the journal says, without a look at any server: that the application writes once it is started."""
        phase = self.journal["phase"]
        if not self.undo and phase not in ("opened", "backed_up"):
            return _verdict.UNKNOWN
        begun = self.returned or self.journal.get("going") == _verdict.RETURN if self.guarded else self.redis_returns
        if phase in _verdict.RESUMED.phases.split() and self.leads_back and begun:
            return _verdict.RESUMED
        return self.row(written=bool(self.journal.get("written")) or phase != "operated")

    def return_has_begun(self) -> bool:
        """The database has returned, or is about to: what the window brought does not fit it, and must not be started again."""
        if not self.leads_back or self.journal["phase"] not in ("operated", "started", "verified"):
            return False
        if not self.guarded:
            return self.redis_returns
        if self.returned:
            return True
        point, going = self.point(), self.journal.get("going") == _verdict.RETURN
        return point.is_returned or (going and (point.is_untouched or self.door.is_shut()))

    def written(self) -> bool:
        """Whether the application may have written since the rollback point; not known counts as yes, and once is for ever."""
        if self.journal.get("written") or self.journal["phase"] in ("opened", "backed_up", "stopped"):
            return True  # before the operation nothing depends on it, and nobody may be there to be asked
        mark = self.journal.get("mark")
        if self.journal["phase"] == "operated":
            written = self.guarded and not self.door.is_shut()
        elif not self.guarded:
            written = True
        else:
            written = self.door.written_since(mark) if mark else not self.door.is_shut()
        if written:
            self.note(written=True)  # whoever opens the door again sets another mark
        return written

    def alone_and_unwritten(self) -> bool:
        """With the services stopped and the door shut, nothing was written."""
        _services_run.stop(self.services)
        if self.guarded:
            self.door.refuse_all()
            self.saw_door("shut")
        return not self.written()

    def healthy(self, verdict: str) -> bool:
        """The logs of what ran before are not compared with themselves, and neither is what was found to be well once."""
        demands = self.undo["health"]
        compared = verdict == _verdict.FINISH and self.journal["phase"] != "closed"
        demands = {**demands, "log": demands.get("log", False) and compared, "url_login": self.health_login}
        look = Gate(**demands).wait(self.beneath)
        self.seen["health"] = {**(self.journal.get("health") or {}), "after": look.told}
        if not look.passed:
            whose = "What the window brought was" if verdict == _verdict.FINISH else "The application is"
            self.truth.append(f"{whose} not healthy: {look.words}.")
        elif look.excused:
            self.truth.append("The application is not healthy, and it was not before the window.")
        down = [service.name for service in self.services if self.should_run(service.name) and not runs(service)]
        if down:
            self.truth.append(f"{', '.join(down)} ran before, was started, and does not run now.")
        self.serves = all(each.lasting for each in look.flaws)
        return look.passed and not down
