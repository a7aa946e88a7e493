# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dead man's switch does not go away by itself while its window is open, and is not armed where it could do nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _clock, _journal, _processes, _script, _switch, _window
from ansible_collections.amanat.dbops.plugins.module_utils._command import Answer, Command
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._job import Unheard
from ansible_collections.amanat.dbops.plugins.module_utils._stack import Stack

NOW = datetime(2026, 11, 22, 17, 1, 2, 0, timezone.utc)


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    """Of a window of an hour whose time is over."""
    stack = Stack.parse("production/shop", str(tmp_path))
    clock = _clock.read()
    with _journal.alone(stack):
        clock = _window.Clock(clock.boot, clock.seconds - 3700)
        _journal.put(stack, _window.new("w1", str(stack), "none", {"user": "mo"}, 60, "", NOW, clock, {}))
    _script.install(stack)
    return stack


def test_it_fires_until_its_window_has_ended_and_not_without_pause(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where nobody can read the journal: what it runs calls for a person then."""
    fired: list[float] = []
    now = [100.0]
    both = [Path(stack.journal), Path(stack.journal.replace(".json", ".copy.json"))]
    good = both[0].read_text(encoding="utf-8")

    def run(command: Command) -> Answer:
        assert command.argv[1:] == [stack.script, "switch"]
        fired.append(now[0])
        if len(fired) == 2:
            for path in both:
                path.write_text("{", encoding="utf-8")  # somebody edits it
        if len(fired) == 4:
            both[0].write_text(good, encoding="utf-8")  # and mends it
        if len(fired) == 5:
            for path in both:
                path.unlink()
        if len(fired) == 3:
            raise OSError("no process")
        return Answer(2, "", "")

    def sleep(seconds: float) -> None:
        now[0] += seconds
        if now[0] > 1000:
            raise SystemExit("it fires no more")

    monkeypatch.setattr(_switch, "run", run)
    monkeypatch.setattr(_switch, "time", SimpleNamespace(sleep=sleep, monotonic=lambda: now[0]))
    assert _switch._sleep(stack, "w1", Unheard()) == {"changed": False}
    assert len(fired) == 5
    assert all(later - sooner >= _switch.AGAIN for sooner, later in zip(fired, fired[1:]))
    # It is gone as soon as its window is.
    assert now[0] - fired[-1] <= _switch._LOOK


@pytest.mark.parametrize(("ok", "stays"), [((False, False), True), ((False, True), False), ((), False)])
def test_it_stays_while_nobody_has_heard_that_its_window_needs_a_person(stack: Stack, ok: tuple[bool, ...], stays: bool) -> None:
    told = [{"event": "needs_a_person", "at": "2026-11-22T17:05:00.000Z", "sender": "webhook", "ok": each} for each in ok]
    before = {"event": "needs_a_person", "at": "2026-11-22T17:00:00.000Z", "sender": "webhook", "ok": True}
    taken = {"at": "2026-11-22T17:01:00.000Z"}
    journal = {**_journal.read(stack.journal), "state": "failed", "taken_over": [taken], "announcements": [before, *told]}
    assert _switch.is_wanted(journal) == stays


def test_it_is_not_armed_where_its_script_does_not_run(stack: Stack) -> None:
    Path(stack.script).write_text("import no_such_module", encoding="utf-8")
    with pytest.raises(OperationError) as caught:
        _switch.arm(stack, _journal.read(stack.journal))
    assert (caught.value.slug, caught.value.state) == ("switch-failed", "Nothing was stopped.")


@pytest.mark.parametrize(
    ("version", "writable", "why"),
    [
        ("systemd 252 (252.38-1~deb12u1)\n+PAM", True, ""),
        ("systemd 244 (v244.1-1)\n", True, ""),
        ("systemd 241 (241)\n+PAM", True, "systemd has to be 244 or later, and says 'systemd 241 (241)'"),
        ("", True, "systemd has to be 244 or later, and says"),
        ("systemd 252 (252)\n", False, "no unit can be written to"),
    ],
)
def test_that_it_cannot_be_armed_is_known_beforehand(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str, writable: bool, why: str
) -> None:
    monkeypatch.setattr(_switch, "kind", lambda: "systemd")
    monkeypatch.setattr(_switch, "UNITS", str(tmp_path) if writable else str(tmp_path / "missing"))
    monkeypatch.setattr(_switch, "run", lambda *_, **__: Answer(0 if version else 1, version, "no bus"))
    if not why:
        _switch.require_possible()
        return
    with pytest.raises(OperationError) as caught:
        _switch.require_possible()
    assert caught.value.slug == "switch-failed"
    assert why in caught.value.what


def test_its_unit_finds_what_was_found_when_it_was_armed() -> None:
    variables = {"PATH": '/opt/100% \\ "x":/usr/bin', "HOME": "/root", "DOCKER_HOST": "", "DOCKER_CERT_PATH": "/c", "PGPASSWORD": "S3cret"}
    lines = 'Environment="PATH=/opt/100%% \\\\ \\"x\\":/usr/bin"\nEnvironment="HOME=/root"\nEnvironment="DOCKER_CERT_PATH=/c"\n'
    assert _switch._environment(variables) == lines


def test_its_unit_finds_the_script_whatever_its_folder_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody would see that it does not: when it is armed, the script is tried without the unit."""
    stack = Stack.parse("production/shop", str(tmp_path / "of 100% $HOME"))
    monkeypatch.setattr(_switch, "kind", lambda: "systemd")
    monkeypatch.setattr(_switch, "UNITS", str(tmp_path))
    monkeypatch.setattr(_switch, "run", lambda *_, **__: Answer(0, "", ""))
    now = _clock.read()
    _switch.arm(stack, _window.new("w1", str(stack), "none", {}, 60, "", NOW, now, {}))
    unit = (tmp_path / "dbops-window-production-shop.service").read_text(encoding="utf-8")
    assert f'"{tmp_path}/of 100%% $$HOME/production/shop/dbops-window" switch\n' in unit


def test_the_script_need_not_be_executable(stack: Stack) -> None:
    Path(stack.script).chmod(0o600)
    kind = _switch.arm(stack, _journal.read(stack.journal)) if _switch.kind() == "process" else "process"
    assert kind == "process"
    Path(stack.journal).unlink()


def test_who_tries_again_to_end_a_failed_window_has_a_switch_behind_him(stack: Stack) -> None:
    """He may be killed as well, while the services are stopped."""
    hanging = {"name": "api", "kind": "command", "status": ["sh", "-c", "exit 3"], "start": ["sleep", "60"], "stop": ["true"]}
    place = {"engine": {}, "postgres_container": "", "postgres_bin_dir": ""}
    undo = {**place, "services": [hanging], "guarded": False, "redis": {}, "health": {}}
    ran = {"name": "api", "running_before": True, "release_before": "", "image_before": ""}
    failed = {"state": "failed", "phase": "stopped", "undo": undo, "services": [ran]}
    _journal.change(stack, "w1", lambda journal: {**journal, **failed})
    assert not _switch.is_armed(stack, "w1")
    with subprocess.Popen([sys.executable, stack.script, "recover", "w1"], stdout=subprocess.PIPE) as recovery:
        begun = time.monotonic()
        while _journal.read(stack.journal).get("going") != "start_again":
            assert time.monotonic() - begun < 30, "nobody recovers it"
            time.sleep(0.05)
        assert _switch.is_armed(stack, "w1")
        for path in Path(stack.jobs).glob("w1-recovery-*/lock"):
            for pid in _processes.holding(str(path)):
                _processes.end(pid)
        recovery.kill()
    assert _switch.is_armed(stack, "w1")
    for path in (stack.journal, stack.journal.replace(".json", ".copy.json")):
        Path(path).unlink()
    while _switch.is_armed(stack, "w1"):
        assert time.monotonic() - begun < 30, "it watches a window that is none any more"
        time.sleep(0.05)
