# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What check mode foresees of an interrupted window is what the table says of it."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _clock, _journal, _reserve, _window
from ansible_collections.amanat.dbops.plugins.module_utils._command import Answer
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._files import make_private_directory, write_json
from ansible_collections.amanat.dbops.plugins.module_utils._job import Unheard
from ansible_collections.amanat.dbops.plugins.module_utils._stack import Stack
from ansible_collections.amanat.dbops.plugins.modules import window_recovery

from tests.integration.modules import call

ERROR = {"slug": "window-taken-over", "message": "The window was ended by recover.yml.", "state": "", "next": ""}
NOW = datetime(2026, 11, 22, 17, 1, 2, 0, timezone.utc)
POINT, NO_POINT, REDIS = {"guarded": True}, {"guarded": False}, {"guarded": False, "redis": {"restores": True}}


def foreseen(tmp_path: Path, state: str, age: float = 0.0, epoch: int = 0, **known: Any) -> dict[str, Any]:
    stack = Stack.parse("production/shop", str(tmp_path))
    clock = _clock.read()
    clock = _window.Clock(clock.boot, clock.seconds - age)
    with _journal.alone(stack):
        _journal.put(stack, {**_window.new("w1", str(stack), "migrate", {}, 60, "", NOW, clock, {}), **known})
    return window_recovery._predict(stack, {"window": "w1", "state": state, "epoch": epoch, "error": ERROR})


@pytest.mark.parametrize(
    ("known", "what"),
    [
        ({"phase": "operated", "undo": POINT}, "return"),
        ({"phase": "operated", "undo": NO_POINT}, "start_again"),
        ({"phase": "operated", "undo": NO_POINT, "migrations": {"destructive": ["a.sql"]}}, "hold"),
        ({"phase": "operated", "operation": "restore", "undo": REDIS}, "return"),
        ({"phase": "started", "undo": POINT}, "finish"),
        ({"phase": "started", "undo": POINT, "going": "return"}, "return"),
    ],
)
def test_it_is_what_would_be_done(tmp_path: Path, known: dict[str, Any], what: str) -> None:
    assert foreseen(tmp_path, "aborted", **known)["verdict"]["what"] == what


def test_a_window_that_is_under_way_is_not_recovered(tmp_path: Path) -> None:
    with pytest.raises(OperationError) as caught:
        foreseen(tmp_path, "recovered", phase="operated", undo=POINT)
    assert caught.value.slug == "window-alive"
    assert foreseen(tmp_path, "recovered", age=3700, phase="operated", undo=POINT)["verdict"]["end"] == "rolled_back"


def test_a_window_that_is_under_way_keeps_the_room_for_its_end(tmp_path: Path) -> None:
    foreseen(tmp_path, "aborted", phase="operated", undo=POINT)
    stack = Stack.parse("production/shop", str(tmp_path))
    _reserve.keep(stack)
    told = {"by": {}, "why": "", "error": ERROR, "record": {}, "release": ""}
    with pytest.raises(OperationError) as caught:
        window_recovery._prepare(stack, {"window": "w1", "state": "recovered", "epoch": 0, **told})
    assert caught.value.slug == "window-alive"
    assert (Path(stack.directory) / "window.reserve").exists()


def of_the_first_release(stack: Stack, phase: str) -> None:
    """A journal as that release wrote it, no clock, no undo and no seal, on a target where it left no script."""
    make_private_directory(stack.directory)
    journal = _window.new("w1", str(stack), "none", {"user": "mo"}, 60, "", NOW, _clock.read(), {})
    services = [{"name": "backend", "kind": "compose", "running_before": True, "release_before": "nickapp:1", "image_before": "sha256:1f"}]
    known = {key: value for key, value in journal.items() if key not in ("clock", "seconds")}
    write_json(stack.journal, {**known, "version": 1, "phase": phase, "services": services})


@pytest.mark.parametrize(("phase", "state"), [("backed_up", "aborted"), ("stopped", "failed")])
def test_a_window_of_the_first_release_is_ended_by_the_script_of_this_one(tmp_path: Path, phase: str, state: str) -> None:
    stack = Stack.parse("production/shop", str(tmp_path))
    of_the_first_release(stack, phase)
    told = {"stack": str(stack), "state_dir": str(tmp_path), "by": {"user": "ann"}}
    ended, _text = call("window_recovery", {**told, "state": "recovered", "window": "w1", "why": "recover.yml", "error": ERROR, "wait": 60})
    journal = ended["journal"]
    assert (journal["state"], journal["version"]) == (state, 2)
    assert [each["by"] for each in journal["taken_over"]] == [{"user": "ann"}]
    if state == "failed":
        assert "Before its stop backend ran nickapp:1 (sha256:1f)" in journal["error"]["state"]
        attended, _text = call("window_state", {**told, "state": "attend", "window": "w1"})
        call("window_state", {**told, "state": "acknowledge", "window": attended["journal"]["id"]})
    assert (_journal.read(stack.journal), _journal.last(stack)["state"]) == ({}, state)


def test_a_window_of_somebody_else_is_none_of_ours(tmp_path: Path) -> None:
    with pytest.raises(OperationError) as caught:
        foreseen(tmp_path, "aborted", epoch=2)
    assert caught.value.slug == "window-lost"


def test_a_window_that_has_ended_is_left_as_it_is(tmp_path: Path) -> None:
    stack = Stack.parse("production/shop", str(tmp_path))
    foreseen(tmp_path, "aborted")
    _journal.change(stack, "w1", lambda journal: _window.close(journal, "aborted", NOW, {}))
    again = window_recovery._predict(stack, {"window": "w1", "state": "recovered", "epoch": 0, "error": ERROR})
    assert (again["changed"], again["journal"]["state"], again["path"]) == (False, "aborted", f"{stack.windows}/w1.json")
    assert (again["event"], again["heard"]) == ("failed", False)
    with pytest.raises(OperationError) as caught:
        window_recovery._predict(stack, {"window": "w1", "state": "aborted", "epoch": 1, "error": ERROR})
    assert caught.value.slug == "window-lost"


WARNING = "python3.9: warning: this release is not looked after any more [it is old]\n"
REFUSED = "[window-busy] It is being brought to its end by somebody else. State: This run changed nothing."


@pytest.mark.parametrize(
    ("out", "err", "msg"),
    [
        ("returning\nwindow w1 ended as failed: It cannot be reached.\n", WARNING, None),
        ("", f"{REFUSED}\n", REFUSED),
        ("", f"{WARNING}{REFUSED}\n", REFUSED),
        ("returning\n", "Traceback (most recent call last):\nMemoryError\n", "Traceback (most recent call last):\nMemoryError"),
    ],
    ids=["ended", "refused", "refused-with-a-warning", "broken-off"],
)
def test_of_a_window_that_had_failed_before_a_refusal_is_no_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str, err: str, msg: str | None
) -> None:
    stack = Stack.parse("production/shop", str(tmp_path))
    foreseen(tmp_path, "aborted", phase="stopped")
    error = {"slug": "health-gate", "message": "", "state": "", "next": ""}
    _journal.change(stack, "w1", lambda journal: _window.close(journal, "failed", NOW, {"error": error}))
    monkeypatch.setattr(window_recovery, "run", lambda *_, **__: Answer(2, out, err))
    params = {"window": "w1", "state": "aborted", "epoch": 0, "error": ERROR, "why": "", "by": {}, "record": {}, "release": ""}
    told = window_recovery._prepare(stack, params)(Unheard())
    assert (told.get("msg"), told.get("changed", False)) == (msg, msg is None)
