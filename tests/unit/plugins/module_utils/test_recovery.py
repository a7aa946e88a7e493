# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a window in a world of three facts: which data the database has, whether the door is shut, what runs.

Whoever ends it is killed before any of its steps, and followed by another: no write is lost, and no release meets other data than its own.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import (
    _ending,
    _fence,
    _hook,
    _interrupted,
    _journal,
    _private,
    _quiet,
    _recovery,
    _recovery_redis,
    _services_run,
    _verdict,
)
from ansible_collections.amanat.dbops.plugins.module_utils._ending import Ending
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._files import make_private_directory
from ansible_collections.amanat.dbops.plugins.module_utils._gate import Look
from ansible_collections.amanat.dbops.plugins.module_utils._gate_beneath import Flaw
from ansible_collections.amanat.dbops.plugins.module_utils._interrupted import Interrupted
from ansible_collections.amanat.dbops.plugins.module_utils._recovery_redis import RedisEnding
from ansible_collections.amanat.dbops.plugins.module_utils._stack import Stack

NEW, OLD = "new", "old"
FAILURE = OperationError("service-failed", "up failed", "", "")


class Killed(BaseException):
    """Whoever ended the window is gone, in the middle."""


@dataclass
class World:
    """writes: before which steps the application writes, where it can; kill: before which one whoever ends it is killed, -1 for none."""

    journal: dict[str, Any]
    data: str = NEW
    shut: bool = True
    running: str = ""
    xid: int = 7
    written: bool = False
    swapped: bool = False
    healthy: tuple[str, ...] = (OLD, NEW)
    broken: tuple[str, ...] = ()  # releases that cannot be started
    writes: frozenset[int] = frozenset()
    kill: int = -1
    services: list[Any] = field(default_factory=list)  # besides the release
    redis: Any = None
    down: OperationError | None = None  # what is not up yet
    steps: int = 0
    total: int = 0
    did: list[str] = field(default_factory=list)

    def step(self, name: str) -> None:
        self.total += 1
        if self.total in self.writes and self.running and not self.shut:
            if self.running != self.data:
                pytest.fail(f"{self.running} writes into the data of {self.data}: {self.did}")
            self.written, self.xid = True, self.xid + 1
        self.steps += 1
        if self.steps - 1 == self.kill:
            raise Killed
        self.did.append(name)

    def make_quiet(self) -> None:
        if self.down:
            raise self.down

    # -- services --------------------------------------------------------------------------------------------------

    def stop(self, _services: Any) -> None:
        self.step("stop")
        self.running = ""

    def start(self, _services: Any, _before: Any, images: Any) -> tuple[dict[str, str], list[str]]:
        release = OLD if images is None else NEW
        self.step(f"start {release}")
        if release in self.broken:
            raise FAILURE
        self.running = release
        return {}, []

    # -- the door ----------------------------------------------------------------------------------------------------

    def is_shut(self) -> bool:
        return self.shut

    def refuse_all(self) -> None:
        self.step("refuse all")
        self.shut = True

    def open(self, note: Callable[[str], None]) -> None:
        self.step("open")
        if self.shut:
            note(str(self.xid))
        self.shut = False

    def written_since(self, mark: str) -> bool:
        return str(self.xid) != mark

    # -- the rollback point ------------------------------------------------------------------------------------------

    @property
    def is_returned(self) -> bool:
        return self.swapped

    is_untouched = False
    clone = "shop__old"

    @property
    def is_taken(self) -> bool:
        return not self.swapped

    def require_shut(self) -> None:
        if not self.shut:
            raise OperationError("door-open", "The door of 'shop' is open.", "", "")

    def go_back(self, _progress: Any) -> dict[str, str]:
        self.step("go back")
        if not self.swapped:
            if self.written or not self.shut:
                pytest.fail(f"a return loses what the application has written: {self.did}")
            self.data, self.swapped = OLD, True
        return {"name": "shop__old", "failed_database": "shop__failed"}

    # -- the gate ------------------------------------------------------------------------------------------------------

    def look(self, demands: dict[str, Any]) -> Look:
        self.step("ask")
        ok = self.running in self.healthy and self.running == self.data
        flaws = [] if ok else [Flaw("http", "503")]
        excused = tuple(each for each in flaws if each.name in demands.get("waived", ()))
        return Look({}, [] if excused else flaws, None, excused)


def journal(phase: str, **more: Any) -> dict[str, Any]:
    undo = {"guarded": True, "redis": {}, "services": [], "health": {"url": "http://127.0.0.1:9/"}}
    base = {
        "id": "w1",
        "phase": phase,
        "operation": "custom",
        "epoch": 2,
        "undo": undo,
        "services": [],
        "images": {},
        "health": {},
        "clock": {"boot": "b"},
        "deadline": "2026-11-22T18:01:02.345Z",
    }
    return {**base, "door": {"state": "shut"}, "migrations": {}, **more}


@pytest.fixture
def end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., tuple[str, Any]]:
    """A function that ends a window in a world: as what, and whoever did it."""

    def ending(world: World, **more: Any) -> tuple[str, Any]:
        def change(_stack: Stack, _window: str, how: Callable[[Any], Any], _epoch: int) -> Any:
            world.step("note")
            world.journal = how(world.journal)
            return world.journal

        monkeypatch.setattr(_journal, "change", change)
        monkeypatch.setattr(_services_run, "stop", world.stop)
        monkeypatch.setattr(_services_run, "start", world.start)
        monkeypatch.setattr(_services_run, "see_images", lambda *_: None)
        monkeypatch.setattr(_fence, "end_operation", lambda _window: world.step("end operation"))
        monkeypatch.setattr(_interrupted, "Gate", lambda **demands: SimpleNamespace(wait=lambda _beneath: world.look(demands)))
        one = Ending(Stack.parse("production/shop", str(tmp_path)), world.journal, say=lambda _doing: None, **more)
        monkeypatch.setattr(one, "make_quiet", world.make_quiet)
        monkeypatch.setattr(one, "_drop_copies", lambda _verdict: None)
        monkeypatch.setattr(one, "point", lambda: world)
        vars(one).update(door=world, services=world.services, redis=world.redis)
        return one.result(), one

    return ending


def killed_and_followed(end: Callable[[World], Any], make: Callable[[], World], kills: tuple[int, ...], *, heals: bool) -> World:
    """Each is killed before that step of its own; the last one is let do, and finds mended what made the application ill."""
    world = make()
    for kill in (*kills, -1):
        world.kill, world.steps = kill, 0
        world.healthy = (OLD, NEW) if heals and kill < 0 else world.healthy
        try:
            result, _who = end(world)
        except Killed:
            continue
        if result != "failed":
            break
    return world


STEPS = range(16)  # more than any end has


@pytest.mark.parametrize("healthy", [(OLD, NEW), (OLD,), ()], ids=["both", "old", "none"])
@pytest.mark.parametrize("phase", ["operated", "started", "verified"])
@pytest.mark.parametrize("writes", [(), (1,), (3,), (4,), (7,), tuple(range(50))], ids=str)
@pytest.mark.parametrize("heals", [False, True])
def test_nobody_loses_a_write_or_meets_other_data(
    end: Callable[[World], Any], phase: str, healthy: tuple[str, ...], writes: tuple[int, ...], heals: bool
) -> None:
    for kills in itertools.product(STEPS, (2, 7, 99)):
        world = killed_and_followed(
            end,
            lambda: World(
                journal(phase) if phase == "operated" else journal(phase, mark="7"),
                shut=phase == "operated",
                running="" if phase == "operated" else NEW,
                healthy=healthy,
                writes=frozenset(writes),
            ),
            kills,
            heals=heals,
        )
        assert world.running in ("", world.data), (kills, world.did)


def test_a_return_that_has_begun_is_never_followed_by_the_new_release(end: Callable[[World], Any]) -> None:
    world = World(journal("started", mark="7"), shut=False, running=NEW, healthy=())
    assert end(world)[0] == "failed"
    assert world.data == OLD
    world.healthy, world.did = (OLD, NEW), []
    assert end(world)[0] == "rolled_back"
    assert "start new" not in world.did
    world.did.clear()
    assert world.journal["rollback_point"]["state"] == "returned"
    # Whoever cleaned up has dropped what failed: the journal knows.
    world.swapped = False
    assert end(world)[0] == "rolled_back"
    assert not {"go back", "start new"} & set(world.did)


def test_a_return_that_was_cut_off_goes_on(end: Callable[[World], Any]) -> None:
    world = World(journal("started", mark="7", going="return"))
    assert end(world)[0] == "rolled_back"
    assert "start new" not in world.did


def test_who_was_let_in_during_the_operation_is_not_undone(end: Callable[[World], Any]) -> None:
    world = World(journal("operated"), shut=False, running=NEW, written=True)
    result, who = end(world)
    assert (result, world.data, world.running) == ("failed", NEW, "")
    assert who.truth == [
        "The services are stopped, and the database is as the operation left it: a person has to decide.",
        "The database of before is kept as shop__old.",
    ]
    assert who.seen["door"]["state"] == "open"
    world.shut = True  # shut by hand: what was written is there nevertheless
    assert end(world)[0] == "failed"
    assert world.data == NEW


def test_where_somebody_opens_the_door_meanwhile_nothing_returns(end: Callable[[World], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Services take their time to stop."""
    world, stop = World(journal("operated")), World.stop

    def stop_slowly(self: World, services: Any) -> None:
        stop(self, services)
        self.shut = False

    monkeypatch.setattr(World, "stop", stop_slowly)
    result, who = end(world)
    assert (result, world.data, world.swapped) == ("failed", NEW, False)
    assert "The door of 'shop' is open." in who.truth


def test_a_window_that_is_held_says_who_waits(end: Callable[[World], Any]) -> None:
    window = journal("operated")
    window["undo"]["redis"] = {"restores": False, "writes": False}
    _result, who = end(World(window, shut=False, running=NEW, written=True))
    assert "Writers of Redis wait until 2026-11-22T18:11:02.345Z, or until CLIENT UNPAUSE." in who.truth
    window["undo"]["redis"]["writes"] = True  # they were let go before the operation
    _result, who = end(World(window, shut=False, running=NEW, written=True))
    assert not any("CLIENT UNPAUSE" in each for each in who.truth)


def test_a_release_that_cannot_be_started_is_rolled_back(end: Callable[[World], Any]) -> None:
    world = World(journal("started"), shut=True, broken=(NEW,))
    result, who = end(world)
    assert (result, world.data, world.running) == ("rolled_back", OLD, OLD)
    assert "up failed" in who.truth


def test_where_nothing_can_be_started_everything_is_held(end: Callable[[World], Any]) -> None:
    world = World(journal("started"), shut=True, broken=(NEW, OLD))
    result, who = end(world)
    assert (result, world.did[-1], world.running) == ("failed", "stop", "")
    assert "and the database is as it was before the operation" in who.truth[-1]


WORKER = {"name": "worker", "running_before": True, "release_before": "", "image_before": ""}


@pytest.mark.parametrize(("phase", "data"), [("stopped", OLD), ("operated", OLD), ("started", NEW)])
def test_one_that_does_not_come_up_keeps_nobody_down_who_answers(
    end: Callable[[World], Any], monkeypatch: pytest.MonkeyPatch, phase: str, data: str
) -> None:
    """A worker that cannot be started, nor says whether it runs."""

    def unknown() -> dict[str, Any]:
        raise OperationError("service-unknown", "its status command failed", "", "")

    def told(do: Callable[..., Any]) -> Callable[..., None]:
        def then_fail(*arguments: Any) -> None:
            do(*arguments)
            raise OperationError("service-unknown", "Of the worker nothing is known.", "", "")

        return then_fail

    for verb in ("start", "stop"):
        monkeypatch.setattr(World, verb, told(getattr(World, verb)))
    worker = SimpleNamespace(name="worker", look=unknown, log=lambda _timeout: "")
    world = World(
        journal(phase, services=[WORKER], written=phase == "started"), data=data if phase != "operated" else NEW, services=[worker]
    )
    world.shut = phase != "started"
    result, who = end(world)
    assert (result, world.data, world.running) == ("failed", data, data)
    kept = ["The database of before is kept as shop__old."] if phase == "started" else []
    assert who.truth[-1 - len(kept) :] == ["It answers, so it was left running.", *kept]
    assert "worker ran before, was started, and does not run now." in who.truth


def test_a_window_is_held_though_one_does_not_say_whether_it_runs(end: Callable[[World], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(self: World, _services: Any) -> None:
        self.running = ""
        raise OperationError("service-unknown", "Of the worker nothing is known.", "", "")

    monkeypatch.setattr(World, "stop", stop)
    result, who = end(World(journal("operated"), shut=False, running=NEW, written=True))
    assert result == "failed"
    assert who.truth[:2] == [
        "Of the worker nothing is known.",
        "All other services are stopped, and the database is as the operation left it: a person has to decide.",
    ]


def test_whoever_has_to_decide_reads_what_the_services_said(end: Callable[[World], Any]) -> None:
    worker = SimpleNamespace(name="worker", log=lambda _timeout: "Error: no table orders")
    result, who = end(World(journal("operated", services=[WORKER]), shut=False, running=NEW, written=True, services=[worker]))
    assert (result, who.seen["logs"]) == ("failed", [{"service": "worker", "when": "hold", "lines": ["Error: no table orders"]}])


def test_the_journal_says_where_the_door_was_left(end: Callable[[World], Any]) -> None:
    """Somebody has written between the first look and the second: the door is shut then, and stays so."""
    world = World(journal("started", mark="7"), shut=False, running=NEW, healthy=(), writes=frozenset({4}))
    result, who = end(world)
    assert (result, world.written, world.shut) == ("failed", True, True)
    assert who.seen["door"]["state"] == "shut"


def test_what_is_still_being_stopped_is_stopped_first(end: Callable[[World], Any]) -> None:
    world = World(journal("stopped"), data=OLD, running=OLD)
    assert end(world)[0] == "rolled_back"
    assert world.did.index("stop") < world.did.index("start old")


def test_what_nobody_has_begun_to_stop_is_not_started_anew(end: Callable[[World], Any]) -> None:
    """What holds clients off failed before."""
    world = World(journal("stopped", stopping=False), data=OLD, running=OLD)
    assert end(world)[0] == "rolled_back"
    assert "stop" not in world.did


def test_what_the_task_file_goes_on_with_is_ended_before_anybody_is_let_in(end: Callable[[World], Any]) -> None:
    for phase in ("stopped", "operated", "started"):
        world = World(journal(phase), data=OLD if phase == "stopped" else NEW)
        end(world)
        assert "end operation" in world.did
        assert world.did.index("end operation") < world.did.index("open")


def test_what_is_left_down_is_held_and_what_answers_is_not(end: Callable[[World], Any]) -> None:
    def service(name: str, *, running: bool) -> Any:
        return SimpleNamespace(name=name, look=lambda: {"running": running}, hold=lambda: True, log=lambda _timeout: "")

    services = [service("web", running=False), service("worker", running=True)]
    left_down = World(journal("operated", written=True), shut=False, services=services)
    assert "systemd does not start web, nor does a start of the machine" in end(left_down)[1].truth[-1]
    services[0].hold = lambda: 1 / 0
    services.append(service("mailer", running=False))
    who = end(World(journal("operated", written=True), shut=False, services=services))[1]
    assert "start web: an unforeseen ZeroDivisionError" in who.truth[-2]
    assert "systemd does not start mailer" in who.truth[-1], "one that cannot be held keeps no other from it"
    rolled_back = World(journal("operated"), services=services)
    assert end(rolled_back)[0] == "rolled_back"


def test_what_was_ill_before_is_not_held_for_it(end: Callable[[World], Any]) -> None:
    """Whoever opened the window said that it may be; the gate waives what was wrong then."""
    ill = journal("stopped")
    ill["undo"]["health"]["waived"] = ["http"]
    world = World(ill, data=OLD, healthy=())
    result, who = end(world)
    assert (result, world.running) == ("rolled_back", OLD)
    assert who.truth == [
        "The services run again with what they ran before.",
        "The application is not healthy, and it was not before the window.",
    ]
    world = World(journal("stopped"), data=OLD, healthy=())
    assert end(world)[0] == "failed"
    assert world.running == ""


def test_the_login_of_the_health_url_is_not_in_the_journal(
    end: Callable[[World], Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stack = Stack.parse("production/shop", str(tmp_path))
    make_private_directory(stack.directory)
    _private.write(stack, {"health_login": "mo:s3cret"})
    asked: list[dict[str, Any]] = []
    look = World.look
    monkeypatch.setattr(World, "look", lambda world, demands: asked.append(demands) or look(world, demands))
    world = World(journal("stopped"), data=OLD)
    assert end(world)[0] == "rolled_back"
    assert asked[0]["url_login"] == "mo:s3cret"
    assert "s3cret" not in str(world.journal)


def test_a_figure_that_cannot_be_had_keeps_no_window_from_its_end(end: Callable[[World], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    _result, who = end(World(journal("stopped"), data=OLD))
    monkeypatch.setattr(_ending._probe, "stop", full)
    record = who.record({"slug": "step-failed", "message": ""}, "rolled_back")
    assert (record["downtime"], record["warnings"]) == ({}, ["What clients saw was not measured: [Errno 28] No space left on device."])


def test_what_was_written_while_clients_are_held_off_is_no_clients(end: Callable[[World], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    held = journal("started", mark="3", clients="held")
    held["undo"]["release"] = {"hook": ["let-in"], "timeout": 5.0}
    world = World(held, shut=False, running=NEW, healthy=(OLD,))
    monkeypatch.setattr(_hook, "call", lambda argv, _timeout: world.did.append(argv[0]))
    result, who = end(world)
    assert (result, world.data, world.did[-2:]) == ("rolled_back", OLD, ["let-in", "note"]), who.truth
    assert world.journal["clients"] == "released"


def test_where_clients_cannot_be_let_in_nothing_is_undone_for_it(end: Callable[[World], Any]) -> None:
    held = journal("verified", mark="7", clients="held")
    held["undo"]["release"] = {"hook": "/srv/let_in.yml", "timeout": 5.0}
    world = World(held, shut=False, running=NEW)
    result, who = end(world)
    assert (result, world.data, world.running, who.truth[-1]) == ("failed", NEW, NEW, "Clients are held off.")
    assert who.next_step == "ansible-playbook playbooks/recover.yml -e dbops_window=w1"


def held_off(hook: list[str] | str) -> World:
    window = journal("verified", mark="7", clients="held")
    window["undo"]["release"] = {"hook": hook, "timeout": 5.0}
    return World(window, shut=False, running=NEW)


@pytest.mark.parametrize("left", [["gone"], "/another/checkout/let_in.yml"])
def test_who_ends_a_window_may_know_better_what_lets_clients_in(
    end: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, left: list[str] | str
) -> None:
    called: list[list[str]] = []
    monkeypatch.setattr(_hook, "call", lambda argv, _timeout: called.append(argv))
    world = held_off(left)
    assert end(world, release=["let-in"])[0] == "closed"
    assert (called, world.journal["clients"]) == ([["let-in"]], "released")


def failed(world: World) -> None:
    """Whoever ends it next has taken over a window that had failed."""
    world.journal = {**world.journal, "taken_over": [{"at": "", "by": {}, "why": "", "epoch": 3, "error": {"slug": "clients-held"}}]}


def test_of_a_window_that_has_failed_nobody_believes_that_clients_are_held_off_still(end: Callable[..., Any]) -> None:
    """Its services run: whoever was called takes the page away by hand, and clients write for hours."""
    world = held_off("/srv/let_in.yml")
    assert end(world)[0] == "failed"
    assert (world.journal["clients"], world.running, world.shut) == ("held", NEW, False)
    failed(world)
    world.written, world.xid, world.healthy = True, world.xid + 9, (OLD,)
    assert end(world, runs_tasks=True)[0] == "failed"
    assert (world.data, world.swapped) == (NEW, False)


@dataclass
class FakeRedis:
    """What a restore brought, or an operation wrote, until it is led back."""

    leads_back: bool = True
    returns: int = 0

    def go_back(self) -> tuple[str, list[str]]:
        self.returns += 1
        return "dbops__failed", []

    def let_go(self, _until: str) -> str:
        return ""

    def drop_copy(self) -> None:
        pass


def test_a_redis_that_was_put_back_is_never_told_as_restored(end: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_hook, "call", lambda *_: None)
    world = held_off(["let-in"])
    world.journal.update(operation="restore")
    world.journal["undo"].update(guarded=False, redis={"restores": True, "writes": False})
    world.redis, world.healthy, world.broken = FakeRedis(), (), (OLD,)
    assert (end(world)[0], world.redis.returns, world.journal["redis"]["returned"]) == ("failed", 1, True)
    failed(world)
    world.healthy, world.broken, world.data, world.did = (OLD, NEW), (), OLD, []
    result, who = end(world)
    assert (result, world.redis.returns, "start new" in world.did) == ("rolled_back", 1, False)
    assert any("as dbops__failed" in each for each in who.truth)


def test_a_redis_is_led_back_once(end: Callable[..., Any]) -> None:
    """By the second time the application has written to it, and what it had before may be gone."""
    world = World(journal("operated", redis={"snapshot": "s"}), redis=FakeRedis(), broken=(OLD,))
    world.journal["undo"]["redis"] = {"restores": False, "writes": True}
    assert end(world)[0] == "failed"
    world.broken = ()
    assert (end(world)[0], world.redis.returns) == ("rolled_back", 1)
    assert world.journal["redis"] == {"snapshot": "s", "returned": True, "failed_directory": "dbops__failed"}


def test_who_comes_again_waits_for_what_only_has_to_come_up(end: Callable[..., Any]) -> None:
    """A machine that replays its log for minutes; whoever does not come again leaves it to a person."""
    world = World(journal("operated"), down=OperationError("postgres-unreachable", "PostgreSQL does not answer.", "", ""))
    with pytest.raises(OperationError, match="postgres-unreachable"):
        end(world, tries_again=True)
    assert world.did == []
    world.down = None
    assert end(world, tries_again=True)[0] == "rolled_back"
    world = World(journal("operated"), down=OperationError("database-in-use", "Sessions do not end.", "", ""))
    assert end(world, tries_again=True)[0] == "failed"
    world.down = OperationError("postgres-unreachable", "PostgreSQL does not answer.", "", "")
    assert end(world)[0] == "failed"


def test_people_are_told_who_lets_clients_in_when_the_window_has_ended(end: Callable[..., Any]) -> None:
    """Ansible may be killed before it does."""
    world = held_off(["let-in"])
    result, who = end(world, release="/srv/let_in.yml", runs_tasks=True)
    assert (result, world.journal["clients"]) == ("closed", "held")
    assert who.waiting.startswith("Clients are held off until Ansible has run /srv/let_in.yml.")
    assert who.waiting.endswith("playbooks/recover.yml -e dbops_window=w1")


def test_where_what_lets_clients_in_fails_the_services_stay(end: Callable[..., Any]) -> None:
    world = held_off(["false"])
    result, who = end(world)
    assert (result, world.running, world.journal["clients"]) == ("failed", NEW, "releasing")
    assert who.truth[-1] == "Clients may be held off."
    assert who.next_step.endswith("playbooks/recover.yml -e dbops_window=w1: where dbops_release is set, it goes by that.")


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({}, "[step-failed] It broke. What the window had brought is well."),
        ({"error": {"state": "Nothing was stopped."}}, "[step-failed] It broke. Nothing was stopped."),
    ],
)
def test_people_are_told_what_failed_and_what_is_true_now(known: dict[str, Any], words: str) -> None:
    assert _recovery.note({"slug": "step-failed", "message": "It broke."}, known) == words


def test_what_nobody_foresaw_fails_the_window_and_not_its_recovery(end: Callable[[World], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: Any) -> None:
        raise TypeError("a string is no number")

    world = World(journal("stopped"), data=OLD)
    monkeypatch.setattr(World, "look", crash)
    result, who = end(world)
    assert (result, who.truth[-1]) == ("failed", "It did not come to its end: an unforeseen TypeError.")


def test_a_window_that_did_not_come_to_its_end_says_what_is_stopped(end: Callable[[World], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: Any) -> None:
        raise OperationError("postgres-unreachable", "PostgreSQL does not answer.", "", "Start it.")

    def unknown() -> None:
        raise OperationError("service-unknown", "Nobody knows.", "", "")

    looks = {"api": lambda: {"running": False}, "worker": lambda: {"running": True}, "mute": unknown}
    facts = [{"name": name, "running_before": True, "release_before": OLD, "image_before": ""} for name in looks]
    services = [SimpleNamespace(name=name, look=look, hold=lambda: False) for name, look in looks.items()]
    world = World(journal("operated", services=facts), services=services)
    monkeypatch.setattr(World, "is_shut", gone)
    result, who = end(world)
    assert (result, who.truth) == ("failed", ["Stopped: api.", "It did not come to its end: PostgreSQL does not answer. "])


def test_every_verdict_stands_in_the_journal_before_it_is_carried_out(end: Callable[[World], Any]) -> None:
    world = World(journal("operated"))
    end(world)
    assert world.journal["going"] == _verdict.RETURN
    assert world.did.index("note") < world.did.index("stop") < world.did.index("go back")


# -- what check mode says beforehand ---------------------------------------------------------------------------------------


RETURNED = {"name": "shop__old", "state": "returned", "failed_database": "shop__failed"}


@pytest.mark.parametrize(
    ("world", "verdict"),
    [
        pytest.param(World(journal("backed_up"), data=OLD, shut=False, running=OLD), "abort", id="before the stop"),
        pytest.param(World(journal("stopped"), data=OLD), "start_again", id="before the operation"),
        pytest.param(World(journal("operated")), "return", id="in the operation"),
        pytest.param(World(journal("operated", written=True), shut=False, running=NEW, written=True), "hold", id="the door was opened"),
        pytest.param(
            World(journal("started", going="hold", rollback_point=RETURNED), data=OLD, swapped=True), "return", id="held after a return"
        ),
        pytest.param(World(journal("started", going="return"), data=OLD, swapped=True), "return", id="cut off in a return"),
        pytest.param(World(journal("started", mark="7"), shut=False, running=NEW), "finish", id="after the start"),
        pytest.param(World(journal("stopped", undo={})), "hold", id="opened by an earlier release"),
        pytest.param(World(journal("backed_up", undo={})), "abort", id="opened by an earlier release, before the stop"),
    ],
)
def test_what_is_foreseen_is_what_is_done(end: Callable[[World], Any], tmp_path: Path, world: World, verdict: str) -> None:
    foreseen = Interrupted(Stack.parse("production/shop", str(tmp_path)), world.journal).foreseen()
    result, _who = end(world)
    assert (foreseen.verdict, _verdict.ENDS[foreseen.verdict]) == (verdict, result)
    assert world.journal.get("going", verdict) == verdict


# -- what is ended before --------------------------------------------------------------------------------------------------


def quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, **known: Any) -> Any:
    """Whoever ends a window, after it was made quiet in a world where no server answers."""

    def dead(*_: Any) -> None:
        raise OperationError("postgres-unreachable", "PostgreSQL does not answer.", "", "")

    undo = {"guarded": False, "engine": {}, "services": [], "redis": {}, "postgres_container": "", "postgres_bin_dir": ""}
    monkeypatch.setattr(_quiet, "PATIENCE", 0.0)
    monkeypatch.setattr(_quiet, "RESTART", 0.0)
    monkeypatch.setattr(Interrupted, "server", property(dead))
    one = Interrupted(Stack.parse("production/shop", str(tmp_path)), {**journal("stopped"), "undo": undo, **known})
    one.make_quiet()
    return one


def test_a_window_that_does_nothing_in_the_database_asks_it_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert not quiet(monkeypatch, tmp_path, operation="none").seen


def test_an_abort_before_the_stop_needs_no_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    one = quiet(monkeypatch, tmp_path, phase="backed_up", operation="migrate")
    assert one.seen["warnings"] == ["Whether all that the window had begun has ended is not known: PostgreSQL does not answer."]


def test_after_the_stop_it_has_to_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(OperationError):
        quiet(monkeypatch, tmp_path, phase="operated", operation="migrate")


def test_an_operation_of_the_users_may_have_sessions_though_no_door_was_shut(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(OperationError):
        quiet(monkeypatch, tmp_path, phase="operated")
    assert not quiet(monkeypatch, tmp_path, phase="started").seen


@pytest.mark.parametrize("phase", ["stopped", "operated", "started"])
def test_a_redis_of_which_nobody_can_read_the_password_keeps_nothing_stopped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, phase: str
) -> None:
    """Its file may be mounted after the switch begins its work on a machine that was started anew."""
    engine = {"binary": "docker", "socket": ""}
    server = {"container": "", "bin_dir": "", "user": "", "password_file": str(tmp_path / "missing")}
    undo = {"guarded": False, "engine": engine, "services": [], "redis": server, "postgres_container": "", "postgres_bin_dir": ""}
    stack = Stack.parse("production/shop", str(tmp_path))
    make_private_directory(stack.directory)
    _private.write(stack, {"redis_url": "redis://127.0.0.1:1", "redis_password": ""})
    taken = {"taken_over": [{"by": {}}], "operation": "none"}
    one = quiet(monkeypatch, tmp_path, phase=phase, undo={**undo, "moment": "m"}, **taken)
    assert "[redis-password-file]" in one.redis.let_go("then")


@pytest.mark.parametrize(
    ("phase", "verdict", "dropped"),
    [
        ("backed_up", _verdict.ABORT, 1),
        ("stopped", _verdict.START_AGAIN, 1),
        ("operated", _verdict.RETURN, 0),
        ("started", _verdict.FINISH, 0),
    ],
)
def test_what_a_restore_has_staged_goes_where_it_never_took_its_place(tmp_path: Path, phase: str, verdict: str, dropped: int) -> None:
    did: list[str] = []
    known = journal(phase, operation="restore")
    one = Ending(Stack.parse("production/shop", str(tmp_path)), {**known, "undo": {**known["undo"], "guarded": False}})
    one.__dict__["redis"] = SimpleNamespace(drop_copy=lambda: did.append("drop"))
    one._tidy(verdict)
    assert len(did) == dropped


def test_a_redis_that_has_its_data_again_is_not_compared_with_what_it_had(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By then the application has written to it."""
    did: list[str] = []

    def restore(swapped: bool) -> Any:
        result = {"old_directory": "dbops__old", "notes": []}
        return SimpleNamespace(is_swapped=lambda: swapped, result=lambda: result, swap=lambda _: did.append("swap") or result)

    ending = RedisEnding(
        Stack.parse("production/shop", str(tmp_path)), {"restores": False, "writes": True, "backup_dir": ""}, "s", "m", {}, {}
    )
    monkeypatch.setattr(_recovery_redis, "require_complete", lambda *_: {})
    for swapped in (False, True):
        monkeypatch.setattr(RedisEnding, "_restore", lambda *_, swapped=swapped: restore(swapped))
        assert ending.go_back() == ("dbops__old", [])
    assert did == ["swap"]


ERROR = {"slug": "backup-failed", "message": "No room.", "state": "Nothing was stopped.", "next": "Make room."}


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ({}, "What the window had brought is well."),
        ({"error": {**ERROR, "state": "It runs again."}}, "It runs again."),
        ({"health": {"after": {"ok": True, "flaws": []}}}, "What the window had brought is well."),
        (
            {"health": {"after": {"flaws": ["a", "b"]}}},
            "What the window had brought is well. The application is not healthy, as before: a; b.",
        ),
        ({"error": ERROR, "health": {"after": {"flaws": ["a"]}}}, "Nothing was stopped."),
    ],
)
def test_people_are_told_what_is_true_now(record: dict[str, Any], text: str) -> None:
    assert _recovery.note(ERROR, record) == f"[backup-failed] No room. {text}"
