# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as a target runs it: a process of its own, arguments in a file, a journal on the disk."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _fence, _journal, _notice
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._stack import Stack
from ansible_collections.amanat.dbops.plugins.module_utils._window import PHASES
from ansible_collections.amanat.dbops.plugins.modules import window_state

MODULE = "ansible_collections.amanat.dbops.plugins.modules.window_state"
# All are ready before any of them begins.
TOGETHER = f"""
import os, sys, time
from {MODULE} import main
open(sys.argv[1] + ".ready", "w").close()
while not os.path.exists(os.environ["GO"]):
    time.sleep(0.001)
main()
"""
RACERS = 20
NOW = datetime(2026, 11, 22, 17, 1, 2, 0, timezone.utc)


class Target:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = root / "state"
        self.stack = self.state / "production" / "nickapp"
        self.journal = self.stack / "window.json"
        self._calls = 0

    def _write(self, arguments: dict[str, Any]) -> str:
        self._calls += 1
        path = self.root / f"call-{self._calls}.json"
        arguments = {"stack": "production/nickapp", "state_dir": str(self.state), **arguments}
        path.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}), encoding="utf-8")
        return str(path)

    def start(self, *code: str, **arguments: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *(code or ("-m", MODULE)), self._write(arguments)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "GO": str(self.root / "go")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def call(self, state: str, **arguments: Any) -> dict[str, Any]:
        """In a process of its own that has everything imported already, which is most of the time that a module takes."""
        path, out = self._write({"state": state, **arguments}), self.root / "out.json"
        child = os.fork()
        if not child:
            code = 1
            try:
                with out.open("w", encoding="utf-8") as sys.stdout:
                    sys.argv = [MODULE, path]
                    window_state.main()
            except SystemExit as end:
                code = int(end.code or 0)
            finally:
                os._exit(code)
        failed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        result: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        assert failed == int(result.get("failed", False))
        return result

    @staticmethod
    def result(process: subprocess.Popen[str]) -> dict[str, Any]:
        out, err = process.communicate(timeout=60)
        assert not err
        result = json.loads(out)
        assert process.returncode == int(result.get("failed", False))
        return result

    def open(self, **arguments: Any) -> dict[str, Any]:
        arguments = {"operation": "none", "by": {"user": "mo", "controller": "laptop", "job_id": ""}, **arguments}
        return self.call("open", **arguments)

    def refused(self, state: str, slug: str, **arguments: Any) -> dict[str, Any]:
        before = self.files()
        result = self.open(**arguments) if state == "open" else self.call(state, **arguments)
        assert result.get("slug") == slug, result
        assert result["msg"].startswith(f"[{slug}] ")
        assert result["state_now"]
        assert result["next_step"]
        assert self.files() == before
        return result

    def files(self) -> dict[str, bytes]:
        return {str(path.relative_to(self.state)): path.read_bytes() for path in self.state.rglob("*") if path.is_file()}


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return Target(tmp_path)


@pytest.fixture
def window(target: Target) -> str:
    return str(target.open(window="w1")["journal"]["id"])


def test_one_of_many_that_open_at_once_wins(target: Target) -> None:
    racers = [target.start("-c", TOGETHER, state="open", operation="none", by={"user": f"user{number}"}) for number in range(RACERS)]
    until = time.monotonic() + 60
    while len(list(target.root.glob("*.ready"))) < RACERS and time.monotonic() < until:
        time.sleep(0.01)
    (target.root / "go").touch()
    results = [target.result(racer) for racer in racers]
    (won,) = [result for result in results if not result.get("failed")]
    lost = [result for result in results if result.get("failed")]
    assert len(lost) == RACERS - 1
    assert {result["slug"] for result in lost} == {"window-open"}
    # Everybody is told who it was and since when.
    journal = won["journal"]
    told = f"opened {journal['opened']} by {journal['opened_by']['user']}"
    assert all(told in result["msg"] for result in lost)
    assert _journal.read(str(target.journal)) == journal
    assert not list(target.stack.glob("windows/*"))


def test_a_disk_that_is_full_leaves_no_lock_that_nobody_can_free(target: Target) -> None:
    """The journal is the last that is written: here, after what cannot be written."""
    target.stack.mkdir(parents=True)
    (target.stack / "dbops-window").mkdir()
    assert target.open()["slug"] == "target-file"
    assert not target.journal.exists()
    assert not (target.stack / "window.private.json").exists()
    (target.stack / "dbops-window").rmdir()
    assert "failed" not in target.open(), "the lock is free"


def test_a_disk_that_is_full_once_the_journal_stands_leaves_none(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opens it is refused, and holds nothing; so nobody would end it, nor the silence that it has begun."""

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(_journal, "put", full)
        patch.setattr(_notice, "end_silence", lambda journal, _private: (target.root / "ended").write_text(journal["id"]))
        assert target.open(window="w1")["slug"] == "target-file"
    assert sorted(target.files()) == ["production/nickapp/dbops-window"]
    assert (target.root / "ended").read_text() == "w1"
    assert "failed" not in target.open(), "the lock is free"


def test_a_window_from_its_opening_to_its_end(target: Target) -> None:
    opened = target.open(minutes=30, record={"services": [{"name": "backend"}]})
    journal = opened["journal"]
    assert opened["changed"] is True
    assert opened["path"] == str(target.journal)
    assert journal["opened_by"] == {"user": "mo", "controller": "laptop"}
    window = journal["id"]
    for phase in PHASES[2:]:
        advanced = target.call("advance", window=window, phase=phase)
        assert advanced["changed"] is True
        assert advanced["journal"]["phase"] == phase
        assert _journal.read(str(target.journal)) == advanced["journal"]
    closed = target.call("close", window=window, result="closed", record={"downtime": {"seconds": 1.5}})
    assert closed["path"] == str(target.stack / "windows" / f"{window}.json")
    assert closed["journal"]["downtime"] == {"seconds": 1.5}
    assert closed["journal"]["services"] == [{"name": "backend"}]
    assert _journal.read(closed["path"]) == closed["journal"]
    assert not target.journal.exists()
    shown = target.call("show")
    assert (shown["changed"], shown["journal"], shown["last"]) == (False, {}, closed["journal"])
    assert (shown["reports"], shown["path"]) == (str(target.stack / "reports"), closed["path"])
    assert "failed" not in target.open(), "the lock is free"


def test_the_journal_is_for_its_owner_alone(target: Target, window: str) -> None:
    target.call("close", window=window, result="aborted")
    target.open()
    for path in [target.state, *target.state.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() or path.name == "dbops-window" else 0o600), path


def test_stacks_on_one_machine_do_not_meet(target: Target, window: str) -> None:
    assert window
    assert "failed" not in target.open(stack="production/other")
    assert "failed" not in target.open(stack="staging/nickapp")
    target.refused("open", "window-open")


def test_a_second_window_is_refused(target: Target, window: str) -> None:
    told = target.refused("open", "window-open")
    assert f"window {window} (none) on production/nickapp, open in phase opened" in told["msg"]
    assert "by mo from laptop" in told["msg"]
    deadline = _journal.read(str(target.journal))["deadline"]
    assert told["next_step"] == target.call("show")["advice"] == f"Wait for it; its time ends {deadline}."


def test_an_overdue_window_that_nobody_ends_is_recovered_first(target: Target, window: str) -> None:
    stack = Stack.parse("production/nickapp", str(target.state))
    _journal.change(stack, window, lambda held: {**held, "clock": {**held["clock"], "seconds": held["clock"]["seconds"] - 3700}})
    told = target.refused("open", "window-open")
    assert told["next_step"] == target.call("show")["advice"]
    assert told["next_step"].endswith(f"ansible-playbook playbooks/recover.yml -e dbops_window={window}")


@pytest.mark.parametrize(
    "step", [{"state": "advance", "phase": "backed_up"}, {"state": "close", "result": "aborted"}, {"state": "acknowledge"}]
)
@pytest.mark.parametrize("other", ["w2", ""])
def test_a_step_of_another_window_is_refused(target: Target, window: str, step: dict[str, str], other: str) -> None:
    told = target.refused(slug="window-lost", window=other, **step)
    assert window in told["msg"]


def test_a_step_without_a_window_is_refused(target: Target) -> None:
    told = target.refused("advance", "window-lost", window="w1", phase="backed_up")
    assert "no window is open" in told["msg"]


@pytest.mark.parametrize(("phase", "slug"), [("stopped", "window-order"), ("closed", "window-order")])
def test_a_phase_that_is_not_next_is_refused(target: Target, window: str, phase: str, slug: str) -> None:
    target.refused("advance", slug, window=window, phase=phase)


def test_an_end_that_the_phase_does_not_allow_is_refused(target: Target, window: str) -> None:
    told = target.refused("close", "window-order", window=window, result="closed")
    assert "legal: aborted, failed" in told["msg"]


def test_the_last_window_of_its_operation_that_went_well_lets_expect_what_the_next_one_takes(target: Target) -> None:
    def through(operation: str, result: str = "closed", **record: Any) -> dict[str, Any]:
        journal = target.open(operation=operation)["journal"]
        for phase in PHASES[2:] if result == "closed" else []:
            target.call("advance", window=journal["id"], phase=phase)
        target.call("close", window=journal["id"], result=result, record=record)
        return dict(journal)

    assert through("none", downtime={"seconds": 1.5})["estimate"] == {}
    first = through("migrate", downtime={"seconds": 6.5})
    assert first["estimate"] == {}
    through("migrate", "aborted")
    foreseen = target.open(operation="migrate", _ansible_check_mode=True)["journal"]["estimate"]
    assert (foreseen["window"], foreseen["downtime"], list(foreseen["phases"])) == (first["id"], 6.5, list(PHASES))
    assert target.open(operation="migrate")["journal"]["estimate"] == foreseen


def test_a_failed_window_bars_the_next_until_it_is_acknowledged(target: Target, window: str) -> None:
    error = {"message": "It broke.", "state": "The old release runs."}
    failed = target.call("close", window=window, result="failed", record={"error": error})
    assert failed["path"] == str(target.journal)
    told = target.refused("open", "window-failed")
    assert told["state_now"] == "The old release runs."
    assert f"dbops_window={window}" in told["next_step"]
    target.refused("acknowledge", "window-lost", window="w2")
    acknowledged = target.call("acknowledge", window=window, by={"user": "jo"})
    assert acknowledged["journal"]["acknowledged"]["by"] == {"user": "jo"}
    assert not target.journal.exists()
    assert "failed" not in target.open()


def test_it_is_known_whether_the_report_of_a_window_says_how_it_ended(target: Target, window: str) -> None:
    assert target.call("show")["reported"], "it has not ended"
    failed = target.call("close", window=window, result="failed")
    shown = target.call("show")
    assert (shown["path"], shown["reported"]) == (failed["path"], False)
    report = target.stack / "reports" / f"{window}.json"
    report.parent.mkdir()
    report.write_bytes(target.journal.read_bytes())
    assert target.call("show")["reported"]
    acknowledged = target.call("acknowledge", window=window, by={"user": "jo"})
    shown = target.call("show")
    assert (shown["path"], shown["reported"]) == (acknowledged["path"], False), "the report is of before"


@pytest.mark.parametrize("minutes", [0, -5])
def test_a_window_is_not_made_shorter(target: Target, window: str, minutes: int) -> None:
    before = target.files()
    assert "not by" in target.call("extend", window=window, minutes=minutes)["msg"]
    assert target.files() == before


def test_an_open_window_is_not_acknowledged_away(target: Target, window: str) -> None:
    target.refused("acknowledge", "window-not-failed", window=window)


def test_check_mode_foresees_and_writes_nothing(target: Target) -> None:
    assert target.open(_ansible_check_mode=True)["changed"] is True
    assert not target.state.exists()
    window = target.open()["journal"]["id"]
    before = target.files()
    target.refused("open", "window-open", _ansible_check_mode=True)
    assert target.call("advance", window=window, phase="backed_up", _ansible_check_mode=True)["journal"]["phase"] == "backed_up"
    assert target.call("close", window=window, result="aborted", _ansible_check_mode=True)["journal"]["state"] == "aborted"
    assert target.files() == before


@pytest.mark.parametrize("text", ["", "{", '{"id": "w1"', "\x00\x00"])
@pytest.mark.parametrize("step", [{"state": "show"}, {"state": "open"}, {"state": "advance", "window": "w1", "phase": "backed_up"}])
def test_an_unreadable_journal_still_holds_the_lock(target: Target, text: str, step: dict[str, str]) -> None:
    target.stack.mkdir(parents=True)
    target.journal.write_text(text, encoding="utf-8")
    told = target.refused(slug="journal-unreadable", **step)
    assert "acknowledge.yml -e dbops_window=lost" in told["next_step"]


def test_nothing_is_noted_of_a_window_that_is_nowhere(target: Target) -> None:
    target.open()
    before = target.files()
    target.refused("annotate", "window-lost", window="20261122T170102Z-0000", record={"warnings": ["x"]})
    assert target.files() == before


def test_a_record_cannot_change_what_the_journal_is(target: Target, window: str) -> None:
    target.refused("advance", "window-record", window=window, phase="backed_up", record={"state": "closed"})


def test_a_state_directory_that_cannot_be_used_is_no_crash(target: Target) -> None:
    target.state.write_text("a file", encoding="utf-8")
    result = target.open()
    assert result["slug"] == "target-file"
    assert str(target.state) in result["msg"]


@pytest.mark.parametrize(
    ("step", "slug"),
    [
        ({"state": "advance", "phase": "operated"}, "window-order"),
        ({"state": "close", "result": "rolled_back"}, "window-order"),
    ],
)
def test_a_step_that_fails_tells_what_the_journal_says(target: Target, window: str, step: dict[str, str], slug: str) -> None:
    """Whoever undoes the window goes by it: without it, services that are stopped would stay so."""
    journal = _journal.read(str(target.journal))
    failed = target.call(window=window, **step)
    assert (failed["slug"], failed["journal"], failed["path"]) == (slug, journal, str(target.journal))


# Around the moment at which the module writes, which comes when Python and Ansible are loaded.
@pytest.mark.parametrize("after", [0.1, 0.14, 0.18, 0.22])
def test_a_kill_leaves_the_old_journal_or_the_new_one(target: Target, window: str, after: float) -> None:
    old = _journal.read(str(target.journal))
    process = target.start(state="advance", window=window, phase="backed_up", record={"padding": "x" * 1_000_000})
    time.sleep(after)
    process.kill()
    process.communicate()
    found = _journal.read(str(target.journal))
    assert found == old or (found["phase"] == "backed_up" and len(found["padding"]) == 1_000_000)


HOOK = "ansible_collections.amanat.dbops.plugins.modules.window_hook"


def test_a_step_begins_its_phase_before_it_works_and_once(target: Target, window: str) -> None:
    """As the first one between two phases does, whatever module it is."""
    seen = target.root / "seen.json"

    def step() -> dict[str, Any]:
        begins = {"phase": "operated", "record": {"redis": {"held": True}}}
        command = ["cp", str(target.journal), str(seen)]
        return target.result(target.start("-m", HOOK, fence=f"{window}/1", begins=begins, command=command))

    target.call("advance", window=window, phase="backed_up")
    assert step()["slug"] == "window-order"
    assert not seen.exists(), "it did not work"
    target.call("advance", window=window, phase="stopped")
    for _ in range(2):  # as a job does that is asked how it stands
        assert step()["changed"]
    journal = json.loads(seen.read_text(encoding="utf-8"))
    assert (journal["phase"], journal["redis"]) == ("operated", {"held": True})
    assert [phase["name"] for phase in journal["phases"]].count("operated") == 1
    target.call("close", window=window, result="failed")


def test_a_phase_begins_when_the_last_step_before_it_has_done_its_work(target: Target, window: str) -> None:
    seen = target.root / "seen.json"

    def step(*command: str) -> dict[str, Any]:
        begins = {"phase": "operated", "record": {"redis": {"held": True}}, "done": True}
        return target.result(target.start("-m", HOOK, fence=f"{window}/1", begins=begins, command=list(command)))

    target.call("advance", window=window, phase="backed_up")
    target.call("advance", window=window, phase="stopped")
    assert step("false")["failed"]
    assert _journal.read(str(target.journal))["phase"] == "stopped", "its work was not done"
    for _ in range(2):  # whoever has lost the answer asks again
        assert step("cp", str(target.journal), str(seen))["changed"]
        assert _journal.read(str(target.journal))["phase"] == "operated"
    journal = _journal.read(str(target.journal))
    assert (journal["redis"], [phase["name"] for phase in journal["phases"]].count("operated")) == ({"held": True}, 1)
    target.call("close", window=window, result="failed")


def fail(target: Target, window: str) -> None:
    target.call("close", window=window, result="failed", record={"error": {"message": "It broke.", "state": "Somebody looks."}})


def key(target: Target) -> Stack:
    return Stack.parse("production/nickapp", str(target.state))


def test_whom_a_person_lets_in_nobody_leads_back(target: Target, window: str) -> None:
    target.refused("attend", "window-not-failed", window=window)
    fail(target, window)
    foreseen = target.files()
    assert target.call("attend", window=window, _ansible_check_mode=True)["changed"]
    assert target.files() == foreseen
    attended = target.call("attend", window=window, by={"user": "jo"})["journal"]
    assert (attended["state"], attended["epoch"], attended["attended"]["by"]) == ("failed", 2, {"user": "jo"})
    with pytest.raises(OperationError) as caught, _fence.taken_over(key(target), window, {"user": "mo"}, "recover", NOW):
        pass
    assert caught.value.slug == "window-attended"
    assert f"acknowledge.yml -e dbops_window={window}" in caught.value.next_step
    # Somebody else does the same: whoever began before stops at the next step.
    target.call("attend", window=window, by={"user": "al"})
    assert target.call("acknowledge", window=window, fence=f"{window}/2")["slug"] == "window-lost"
    record = {"warnings": ["The door may be shut."]}
    assert target.call("acknowledge", window=window, fence=f"{window}/3", record=record)["journal"]["warnings"] == record["warnings"]
    again = target.call("attend", window=window)
    assert (again["changed"], again["journal"]["state"]) == (False, "failed")


@pytest.mark.usefixtures("window")
@pytest.mark.parametrize("damaged", [True, False])
def test_a_window_whose_journal_is_lost_can_be_acknowledged(target: Target, damaged: bool) -> None:
    target.refused("attend", "window-known", window="lost")
    for path in (target.journal, target.stack / "window.copy.json"):
        path.write_text("{", encoding="utf-8") if damaged else path.unlink()
    journal = target.call("attend", window="lost", by={"user": "jo"})["journal"]
    assert (journal["state"], journal["door"]["state"], journal["id"][-5:]) == ("failed", "shut", "-lost")
    kept = [path.read_text(encoding="utf-8") for path in (target.stack / "windows").glob("*.unreadable")]
    assert kept == (["{", "{"] if damaged else [])
    target.call("acknowledge", window=journal["id"], fence=f"{journal['id']}/{journal['epoch']}")
    assert not target.journal.exists()
    assert "failed" not in target.open()


def test_a_lost_window_that_is_at_work_is_not_acknowledged(target: Target, window: str) -> None:
    with _fence.held(key(target), f"{window}/1"):
        for path in (target.journal, target.stack / "window.copy.json"):
            path.unlink()
        target.refused("attend", "window-alive", window="lost")
