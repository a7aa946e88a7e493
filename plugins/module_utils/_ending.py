# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The way of an interrupted window to its end: what the table decides, and how that is done.

Every step may be repeated, so that whoever is killed in the middle is followed by somebody who goes on.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import Any, Callable

from . import _fence, _hook, _log_excerpt, _pg_clone, _probe, _quiet, _services_run, _verdict, _window
from ._errors import OperationError, why
from ._interrupted import Interrupted, runs
from ._job import Job, Unheard
from ._redis_hold import keeps_waiting
from ._services import Service

Say = Callable[[str], None]

LEFT = "It answers, so it was left running."


@dataclass
class Ending(Interrupted):
    """say: is told what is done; tries_again, runs_tasks, release: see `_recovery.Told`; next_step: what whoever decides types then."""

    say: Say = lambda _doing: None
    tries_again: bool = False
    runs_tasks: bool = False
    release: Any = ""
    next_step: str = ""
    waiting: str = ""  # who is not let in yet, though the window has come to its end; for people who are told of that
    raised: bool = False  # the last verdict could not be carried out

    # -- by the table -------------------------------------------------------------------------------------------------------

    def result(self) -> str:
        """What the window ended as; `truth` says what is true then."""
        result = self._ended()
        if result == "failed":
            self._keep_down()
        if result == "failed" and self.journal.get("clients") == _hook.HELD:
            self.truth.append("Clients are held off.")
        elif result == "failed" and self.journal.get("clients") == _hook.RELEASING:
            self.truth.append("Clients may be held off.")
        return result

    def _ended(self) -> str:
        try:
            if not self.undo:
                return self._without_undo()
            self.make_quiet()
            return self._follow(self._judge())
        except OperationError as error:
            if self.tries_again and error.slug in _quiet.COMING_UP:
                raise
            self._say_what_is_stopped()
            self.truth.append(f"It did not come to its end: {error.what} {error.state}")
            self.next_step = error.next_step
        except Exception as error:  # noqa: BLE001 - a window that nobody can end any more would be worse than one that failed
            self._say_what_is_stopped()
            self.truth.append(f"It did not come to its end: {why(error)}")
        return "failed"

    def _say_what_is_stopped(self) -> None:
        """What did not come to its end may have left the services as they were, of which a person wants to hear."""
        with contextlib.suppress(Exception):  # it may be what nobody foresaw
            if stopped := [service.name for service in self.services if self.should_run(service.name) and runs(service) is False]:
                self.truth.append(f"Stopped: {', '.join(stopped)}.")

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

    def _keep_down(self) -> None:
        """What was stopped is started by nobody but who ends the window, or acknowledges it."""
        if not self.undo or self.journal["phase"] in ("opened", "backed_up") or self.serves:
            return
        try:
            held = [service.name for service in self.services if self._is_held(service)]
        except Exception as error:  # noqa: BLE001 - the window ends without that, too
            self.truth.append(f"A start of the machine may start what is stopped: {why(error)}")
            return
        if held:
            until = "until the window is recovered or acknowledged"
            self.truth.append(f"systemd does not start {', '.join(held)}, nor does a start of the machine, {until}.")

    def _is_held(self, service: Service) -> bool:
        try:
            return runs(service) is False and service.hold()
        except Exception as error:  # noqa: BLE001 - the others are held without it
            self.truth.append(f"A start of the machine may start {service.name}: {why(error)}")
            return False

    def _judge(self) -> _verdict.Row:
        if self.return_has_begun():
            return _verdict.RESUMED
        return self.row(written=self.written())

    def _follow(self, row: _verdict.Row) -> str:
        if row.verdict == _verdict.HOLD:
            self._keep_logs(row.verdict)  # for whoever has to decide
        if self._comes_well(row.verdict, row.why):
            return _verdict.ENDS[row.verdict]
        if row.verdict != _verdict.HOLD:
            self._keep_logs(row.verdict)
        following = row.unhealthy
        if following == row.verdict:
            return "failed"
        alone = following == _verdict.RETURN
        try:
            # Whoever was let in since the look may have written: the row is looked up again, with nobody there.
            if alone and not self.alone_and_unwritten() and not self.clients_are_held:
                following = self.row(written=True).unhealthy
        except OperationError as error:
            self.truth.append(error.what)
            following = _verdict.HOLD
        if following == _verdict.HOLD and self.serves:
            if alone:
                self._do(row.verdict)  # it was stopped for that look
            self._leave()
            return "failed"
        if self._comes_well(following, "that did not come well"):
            return _verdict.ENDS[following]
        self._keep_logs(following)
        if self.raised and following != _verdict.HOLD:
            if self.serves:
                self._leave()
            else:
                self._comes_well(_verdict.HOLD, "nor did that")
        return "failed"

    def _keep_logs(self, verdict: str) -> None:
        """What the services have said, while they are there to be asked. That nobody can ask them changes nothing."""
        with contextlib.suppress(OperationError, OSError):
            self.seen.setdefault("logs", []).extend(_log_excerpt.excerpts(self.beneath, verdict))

    def _comes_well(self, verdict: str, why: str) -> bool:
        """Carry a verdict out, which the journal names from before its first step on. Whether the application is healthy then."""
        self.say(f"{verdict.replace('_', ' ')}: {why}")
        self.note(going=verdict)
        self.raised = self.serves = False
        try:
            self._do(verdict)
            well = verdict in (_verdict.ABORT, _verdict.HOLD) or (self.healthy(verdict) and not self.raised)
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

    # -- its verdicts ------------------------------------------------------------------------------------------------------

    def _abort(self) -> None:
        self.truth.append("Nothing was stopped.")

    def _start_again(self) -> None:
        # A journal of an earlier release does not say whether one of them was told to stop.
        if self.journal["phase"] == "stopped" and self.journal.get("stopping", True):
            # Whoever stopped them was cut off, and the engine goes on: what runs now may be about to end.
            self._stop_services(must=False)
        self._return_redis()
        self._open_the_door()
        self._start(None)
        if self.journal["phase"] in ("operated", "started", "verified") and self.journal["operation"] != "none":
            applied = (self.journal.get("migrations") or {}).get("applied") or []
            self.truth.append(f"Migrations {', '.join(applied)} stay applied." if applied else "The database is as the operation left it.")

    def _stop_services(self, *, must: bool) -> bool:
        """Whether all of them are known to be stopped. must: what follows would lose what one writes that runs."""
        try:
            _services_run.stop(self.services)
        except OperationError as error:
            # One that does not say whether it runs was told to stop: more cannot be done.
            if must and error.slug != _services_run.UNKNOWN:
                raise
            self.truth.append(f"{error.what} {error.state}".strip())
            return False
        return True

    def _start(self, images: dict[str, str] | None) -> dict[str, str] | None:
        """None where one could not be started: that is no reason to stop the others again, where these answer."""
        try:
            started, missed = _services_run.start(self.services, self.before, images)
        except OperationError as error:
            self.raised = True
            self.truth.append(f"{error.what} {error.state}".strip())
            return None
        for each in missed:
            self.warn(each)
        return started

    def _return(self) -> None:
        self._stop_services(must=True)
        if self.guarded:
            self._return_database()
        self._return_redis()
        snapshot = (self.journal.get("redis") or {}).get("snapshot")
        if self.journal["phase"] != "operated" and snapshot:
            self.truth.append(f"Redis is as the application left it; what it held before the operation is in the backup {snapshot}.")
        self._open_the_door()
        self._start(None)

    def _return_database(self) -> None:
        known = self.returned
        if not known:
            point = self.point()
            if not (point.is_returned or point.is_untouched or self.clients_are_held):
                point.require_shut()  # somebody may have opened it by hand since it was judged
            result = point.go_back(Unheard())
            known = {"name": result["name"], "state": "returned", "failed_database": result["failed_database"]}
            self.note(rollback_point=known)
        self.seen["rollback_point"] = known
        failed = known["failed_database"]
        if failed:
            self.truth.append(f"The database is as it was before the operation; what the operation left is kept as {failed}.")

    def _finish(self) -> None:
        self._open_the_door()
        started = self._start(self.journal["images"])
        if started is None:
            return
        looked = [service.look() for service in self.services]
        _services_run.see_images(self.services, looked, started)
        self.saw_services(looked)

    def _return_redis(self) -> None:
        """Before the operation there is nothing to undo, and after it the application may have written, unless no client was let in."""
        if not self.redis:
            return
        restores, known = self.undo["redis"]["restores"], self.journal.get("redis") or {}
        if self.journal["phase"] == "operated" or (restores and (self.redis_returns or self.clients_are_held)):
            # Once it serves the application writes: it is led back once, and whoever follows knows.
            if self.redis.leads_back and not known.get("returned"):
                self.note_redis(returned=False)
                failed, notes = self.redis.go_back()
                for note in notes:
                    self.warn(note)
                self.note_redis(returned=True, **({"failed_directory": failed} if failed else {}))
            if failed := (self.journal.get("redis") or {}).get("failed_directory"):
                self.truth.append(f"Redis has the data of before the operation again; what it had in between is kept beside, as {failed}.")
        elif restores and self.journal["phase"] in ("started", "verified"):
            self.truth.append("Redis keeps the restored data, to which the services have written since.")

    def _hold(self) -> None:
        who = "The services" if self._stop_services(must=False) else "All other services"
        if self.seen.get("rollback_point", {}).get("state") == "returned":
            database = "the database is as it was before the operation"
        elif self.journal["phase"] == "stopped":
            database = "the database is as it was, since the operation had not begun"
        else:
            database = "the database is as the operation left it"
        self.truth.append(f"{who} are stopped, and {database}: a person has to decide.")
        self._name_the_database_of_before()
        if keeps_waiting(self.journal) and self.seen.get("redis", {}).get("held", True):
            self.truth.append(f"Writers of Redis wait until {self._held_until}, or until CLIENT UNPAUSE.")
        if self.guarded:
            self.saw_door("shut" if self.door.is_shut() else "open")

    def _leave(self) -> None:
        self.truth.append(LEFT)
        self._name_the_database_of_before()

    def _name_the_database_of_before(self) -> None:
        if kept := self._database_of_before():
            self.truth.append(f"The database of before is kept as {kept}.")

    def _database_of_before(self) -> str:
        """Its name, where it is kept and another one has its place; "" where nobody can be asked."""
        if not self.guarded or self.journal["phase"] == "stopped":
            return ""
        try:
            point = self.point()
        except OperationError:
            return ""
        return point.clone if point.is_taken else ""

    @property
    def _held_until(self) -> str:
        """When Redis lets its writers go by itself."""
        return _window.stamp(_window.deadline(self.journal) + _window.SLACK)

    def _open_the_door(self) -> None:
        # A controller that lost the window may have gone on with its task file meanwhile.
        _fence.end_operation(self.journal["id"])
        self._let_writers_go()
        if self.guarded:
            self.door.open(lambda mark: self.note(mark=mark))
            self.saw_door("open")

    def _let_writers_go(self) -> None:
        if not self.redis:
            return
        known = self.journal.get("redis") or {}
        warning = self.redis.let_go(self._held_until)
        if not warning:
            self.saw_redis(held=False)
        elif known.get("held"):
            self.warn(warning)

    def _let_clients_in(self, verdict: str) -> None:
        """What a proxy holds off may come in again, now that somebody answers it."""
        if verdict == _verdict.HOLD or self.journal.get("clients") not in (_hook.HELD, _hook.RELEASING):
            return
        hook, recover = self.release or self.undo["release"]["hook"], f"playbooks/recover.yml -e dbops_window={self.journal['id']}"
        if isinstance(hook, str):  # a task file, which the controller runs when this has ended
            if not self.runs_tasks:
                raise OperationError(
                    "clients-held",
                    f"Clients are still held off, and what lets them in is a task file, which Ansible alone runs: {hook}.",
                    "The services run, and are healthy.",
                    f"ansible-playbook {recover}",
                )
            self.waiting = f"Clients are held off until Ansible has run {hook}. It does so next; where it is gone by now: {recover}"
            return
        self.note(clients=_hook.RELEASING)
        try:
            _hook.call(hook, self.undo["release"]["timeout"])
        except OperationError as error:
            then = f"Then ansible-playbook {recover}: where dbops_release is set, it goes by that."
            raise OperationError(error.slug, error.what, "The services run.", f"{error.next_step} {then}") from error
        self.note(clients=_hook.RELEASED)

    # -- afterwards ----------------------------------------------------------------------------------------------------

    def _tidy(self, verdict: str) -> None:
        """Drop the copies that nobody will return to. One too many is no reason to call somebody."""
        try:
            if verdict not in (_verdict.HOLD, _verdict.RETURN) and self.guarded:
                self._drop_copies(verdict)
            if self.redis and (verdict == _verdict.ABORT or self.journal["phase"] == "stopped"):
                self.redis.drop_copy()
        except OperationError as error:
            self.warn(f"What was made for this window could not be dropped: {error.what} Name it to cleanup.yml.")
        if verdict in (_verdict.START_AGAIN, _verdict.RETURN):
            healthy = (self.seen.get("health") or {}).get("after", {}).get("ok")
            self.truth.insert(0, f"The services run again with what they ran before{', and are healthy' if healthy else ''}.")

    def _drop_copies(self, verdict: str) -> None:
        point = self.point()
        if self.journal["operation"] == "restore":
            # What it replaced stays until cleanup names it; what never took its place is of no use.
            if not point.is_swapped:
                for kind in (_pg_clone.NEW, _pg_clone.LOADING):
                    _pg_clone.drop(point.server, _pg_clone.beside(point.database, kind, self.moment))
            return
        differs = verdict == _verdict.START_AGAIN and self.journal["phase"] != "stopped"
        if not differs and _pg_clone.drop(point.server, point.clone):
            self.seen["rollback_point"] = {**(self.journal.get("rollback_point") or {}), "name": point.clone, "state": "dropped"}

    def record(self, error: dict[str, Any], result: str) -> dict[str, Any]:
        """What the journal says from now on. error: what had failed, which is history where the window comes to its proper end."""
        if result == _verdict.ENDS[_verdict.FINISH]:
            self.warn(f"[{error['slug']}] {error['message']} What the window had brought is well, so it was closed.")
        downtime = self._downtime()
        record = {**self.seen, "downtime": downtime}
        if result != _verdict.ENDS[_verdict.FINISH]:
            state = " ".join(filter(None, [error.get("state", ""), *self.truth]))
            record["error"] = {**error, "state": state, "next": self.next_step or error.get("next", "")}
        return record

    def _downtime(self) -> dict[str, Any]:
        """A figure that is missing keeps no window from its end."""
        try:
            return _probe.stop(Job(os.path.join(self.stack.jobs, f"{self.journal['id']}-probe")))
        except (OSError, ValueError) as error:
            self.warn(f"What clients saw was not measured: {error}.")
            return {}
