# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever takes a window over finds nobody at work: steps and jobs of real processes, also those that do not want to end."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _clock, _fence, _journal, _processes, _window
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._job import Job, Progress
from ansible_collections.amanat.dbops.plugins.module_utils._stack import Stack

NOW = datetime(2026, 11, 22, 17, 1, 2, 0, timezone.utc)

# A step that holds the fence, starts a program of its own, says so, and goes on for a minute whatever it is told.
STEP = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
from ansible_collections.amanat.dbops.plugins.module_utils import _fence
from ansible_collections.amanat.dbops.plugins.module_utils._stack import Stack
with _fence.held(Stack.parse("production/shop", sys.argv[1]), "w1/1"):
    child = subprocess.Popen(["sleep", "61"], start_new_session=True)
    print(child.pid, flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    monkeypatch.setattr(_fence, "PATIENCE", 0.5)
    stack = Stack.parse("production/shop", str(tmp_path))
    with _journal.alone(stack):
        _journal.put(stack, _window.new("w1", str(stack), "none", {"user": "mo"}, 60, "", NOW, _clock.read(), {}))
    return stack


@pytest.fixture
def step(stack: Stack, request: pytest.FixtureRequest) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A step at work for as many seconds as the test says, and the program that it started."""
    command = [sys.executable, "-c", STEP, stack.state_dir, str(request.param)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdout
        yield process, int(process.stdout.readline())
        process.kill()


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def take_over(stack: Stack) -> float:
    begun = time.monotonic()
    with _fence.taken_over(stack, "w1", {"user": "switch"}, "it took too long", NOW):
        pass
    return time.monotonic() - begun


@pytest.mark.parametrize("step", [0.2], indirect=True)
def test_a_step_that_ends_by_itself_is_waited_for(stack: Stack, step: tuple[subprocess.Popen[str], int]) -> None:
    assert _fence.at_work(stack, "w1") == [f"process {step[0].pid}"]
    take_over(stack)
    assert step[0].wait(5) == 0


@pytest.mark.parametrize("step", [60], indirect=True)
def test_a_step_that_does_not_end_is_ended_with_what_it_started(stack: Stack, step: tuple[subprocess.Popen[str], int]) -> None:
    assert take_over(stack) < 30
    assert step[0].wait(5) == -9
    assert not is_alive(step[1])


def test_jobs_of_the_window_are_ended_and_no_others(stack: Stack) -> None:
    def work(progress: Progress) -> dict[str, bool]:
        progress.say("working", now=True)
        with subprocess.Popen(["sleep", "61"]):
            return {"changed": True}

    names = ("w1-migrate", "w1-probe", "drill-1")
    jobs = {name: Job(f"{stack.jobs}/{name}") for name in names}
    for job in jobs.values():
        job.start(work)
    try:
        assert _fence.at_work(stack, "w1") == ["job w1-migrate"]
        take_over(stack)
        assert {name: job.is_alive() for name, job in jobs.items()} == {"w1-migrate": False, "w1-probe": True, "drill-1": True}
        assert not _processes.holding(f"{stack.jobs}/w1-migrate/lock")
    finally:
        for job in jobs.values():
            job.end()


def test_what_a_thread_of_a_job_started_is_ended_with_it(stack: Stack) -> None:
    def work(_progress: Progress) -> dict[str, bool]:
        thread = threading.Thread(target=lambda: subprocess.run(["sleep", "61.25"], start_new_session=True, check=False))
        thread.start()
        thread.join()
        return {}

    job = Job(f"{stack.jobs}/w1-backup")
    job.start(work)
    (pid,) = _processes.holding(f"{stack.jobs}/w1-backup/lock")
    until = time.monotonic() + 10
    while not (children := _processes._children(pid)) and time.monotonic() < until:
        time.sleep(0.01)
    take_over(stack)
    assert children
    assert not any(map(is_alive, children))


def test_two_that_take_over_follow_each_other(stack: Stack) -> None:
    take_over(stack)
    take_over(stack)
    (taken,) = _journal.read(stack.journal)["taken_over"]
    assert (taken["epoch"], taken["tries"]) == (3, 2)


@pytest.mark.parametrize("step", [60], indirect=True)
def test_who_takes_over_is_not_ended_by_who_comes_second(stack: Stack, step: tuple[subprocess.Popen[str], int]) -> None:
    """Also while the first still waits for the step that is at work."""
    taken = threading.Event()

    def second() -> str:
        taken.wait(10)
        with pytest.raises(OperationError) as caught:
            take_over(stack)
        return caught.value.slug

    with ThreadPoolExecutor() as pool:
        refused = pool.submit(second)
        clear = _fence._clear

        def clear_and_tell(*arguments: Any) -> None:
            taken.set()
            refused.result(20)
            clear(*arguments)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_fence, "_clear", clear_and_tell)
            take_over(stack)
    assert refused.result() == "window-busy"
    assert _journal.read(stack.journal)["epoch"] == 2
    assert step[0].wait(5) == -9


def test_a_controller_ends_only_what_is_still_its_own(stack: Stack) -> None:
    take_over(stack)
    with (
        pytest.raises(OperationError) as caught,
        _fence.taken_over(stack, "w1", {"user": "mo"}, "a step of its controller failed", NOW, epoch=1),
    ):
        pass
    assert caught.value.slug == "window-lost"
    assert _journal.read(stack.journal)["epoch"] == 2


def test_a_window_that_went_on_is_not_taken_over(stack: Stack) -> None:
    with pytest.raises(OperationError) as caught, _fence.taken_over(stack, "w1", {"user": "switch"}, "", NOW, due=lambda _journal: False):
        pass
    assert caught.value.slug == "window-alive"
    assert _journal.read(stack.journal)["epoch"] == 1


@pytest.mark.parametrize("ignoring", ["", "trap '' TERM;"])
def test_an_operation_that_holds_no_fence_is_ended_too(stack: Stack, monkeypatch: pytest.MonkeyPatch, ignoring: str) -> None:
    """With all that it has started, in whatever session."""
    monkeypatch.setattr(_fence, "GRACE", 0.3)
    script = f"{ignoring} setsid sleep 60 & echo $!; wait"
    marked = {**os.environ, _fence.MARK: "w1"}
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True, env=marked) as operation:
        assert operation.stdout
        child = int(operation.stdout.readline())
        threading.Thread(target=operation.wait, daemon=True).start()  # as whoever started it
        busy = (_fence.at_work(stack, "w1"), _fence.at_work(stack, "w11"))
        take_over(stack)
    assert busy == ([f"process {pid} of its operation" for pid in sorted((operation.pid, child))], [])
    assert not is_alive(child)
    assert _fence.at_work(stack, "w1") == []
