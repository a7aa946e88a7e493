# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Two never act on one window: every step holds the fence while it works, and whoever takes over clears it first.

A step holds it shared, by a lock of the kernel on a file beside the journal, and works only in the epoch that it was
told. Whoever takes over raises the epoch, so that no other step begins, then waits for those at work, ends what does not
end, and ends the window's jobs: afterwards nothing of before is left that could act.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Callable

from . import _clock, _journal, _processes, _window
from ._errors import OperationError
from ._job import GRACE, Job
from ._stack import Stack

PATIENCE = 10.0  # seconds that a step at work is given before it is ended
_POLL = 0.05

# What the task file of operation custom starts has this variable, with the window's id: it is no step of ours, and holds no fence.
MARK = "DBOPS_WINDOW"

# Jobs of a window that change nothing: the probe of what clients see, the switch, and who takes over.
WATCHERS = ("probe", "switch", "recovery")


def _path(stack: Stack) -> str:
    return os.path.join(stack.directory, "window.lock")


@contextlib.contextmanager
def held(stack: Stack, fence: str) -> Iterator[None]:
    """Work as a step of a window. fence: `<window id>/<epoch>`; empty outside a window, where there is nothing to hold."""
    if not fence:
        yield
        return
    window, _slash, epoch = fence.rpartition("/")
    descriptor = os.open(_path(stack), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _journal.lost(stack, window, _journal.read(stack.journal)) from None
        _journal.held(stack, window, int(epoch))
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def taken_over(
    stack: Stack,
    window: str,
    by: dict[str, str],
    why: str,
    now: datetime,
    *,
    epoch: int = 0,
    due: Callable[[_window.Journal], bool] = lambda _journal: True,
) -> Iterator[_window.Journal]:
    """Raise the epoch and clear the fence; the journal as it is then. Nobody else takes the window over meanwhile.

    epoch: in which the caller held the window, who only ends his own one then; due: whether it is to be taken over at all, asked while
    nobody changes the journal.
    """
    with _alone(stack, window):
        with _journal.alone(stack):
            journal = _journal.held(stack, window, epoch)
            if not due(journal):
                raise OperationError(
                    "window-alive",
                    f"{_window.describe(journal)} went on in this very moment.",
                    "Nothing was changed.",
                    "Wait for it.",
                )
            journal = _window.take_over(journal, by, why, now)
            _journal.put(stack, journal)
        descriptor = os.open(_path(stack), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _clear(stack, descriptor)
            _end_jobs(stack, window)
            end_operation(window)
            yield _journal.held(stack, window, journal["epoch"])
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _alone(stack: Stack, window: str) -> Iterator[None]:
    """One at a time takes a window over. Whoever comes second finds nothing to end: the first is no step that could be ended for him."""
    path = os.path.join(stack.directory, "recovery.lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            who = ", ".join(map(str, _processes.holding(path))) or "of another user"
            raise OperationError(
                "window-busy",
                f"Window {window} is being brought to its end by somebody else (process {who}).",
                "This run changed nothing.",
                "Wait until that has ended, then look: ansible-playbook playbooks/status.yml",
            ) from None
        yield
    finally:
        os.close(descriptor)


def _clear(stack: Stack, descriptor: int) -> None:
    """Nobody else holds the lock any more, and we do."""
    begun = time.monotonic()
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            elapsed = time.monotonic() - begun
        at_work = _processes.holding(_path(stack)) if elapsed > PATIENCE else []
        if elapsed > 2 * PATIENCE:
            raise _stuck(at_work)
        for pid in at_work:
            _processes.end(pid)
        time.sleep(_POLL)


def _stuck(at_work: list[int]) -> OperationError:
    """It needs a person: nobody can end the window before that has ended."""
    return OperationError(
        "window-stuck",
        f"A step of the window is at work and does not end (process {', '.join(map(str, at_work)) or 'of another user'}).",
        "The window is taken over, and nothing was undone yet.",
        "End that process, then run it again.",
    )


def end_operation(window: str) -> None:
    """Like a job it is asked first, so that it removes what it had begun."""
    begun, asked = time.monotonic(), set()
    while found := _processes.given(MARK, window):
        elapsed = time.monotonic() - begun
        if elapsed > 2 * PATIENCE:
            raise _stuck(found)
        for pid in found:
            if elapsed > GRACE:
                _processes.end(pid)
            elif pid not in asked:
                _processes.ask_to_end(pid)
                asked.add(pid)
        time.sleep(_POLL)


def _jobs(stack: Stack, window: str) -> list[Job]:
    """The jobs of the window, but for those that only watch."""
    names: list[str] = []
    with contextlib.suppress(FileNotFoundError):
        names = sorted(name for name in os.listdir(stack.jobs) if name.startswith(f"{window}-"))
    return [Job(os.path.join(stack.jobs, name)) for name in names if name[len(window) + 1 :].partition("-")[0] not in WATCHERS]


def require_idle(stack: Stack) -> None:
    """No window is at work, whichever it is: those that there were have left the jobs that watched them."""
    names = sorted(os.listdir(stack.jobs)) if os.path.isdir(stack.jobs) else []
    windows = [name.rpartition("-")[0] for name in names if name.rpartition("-")[2] in WATCHERS]
    jobs = [name for name in names if not set(WATCHERS) & set(name.split("-")) and Job(os.path.join(stack.jobs, name)).is_alive()]
    steps = _processes.holding(_path(stack)) + [pid for window in windows for pid in _processes.given(MARK, window)]
    if busy := [*(f"job {name}" for name in jobs), *(f"process {pid}" for pid in steps)]:
        raise OperationError(
            "window-alive",
            f"A window may be under way on {stack}: {', '.join(busy)} is at work.",
            "Nothing was changed.",
            "Wait until that has ended, or end it.",
        )


def _end_jobs(stack: Stack, window: str) -> None:
    for job in _jobs(stack, window):
        job.end()


def advice(stack: Stack, journal: _window.Journal) -> str:
    """What whoever meets this window types next; "" where there is none."""
    if not journal:
        return ""
    over = _window.rest(journal, _clock.read()) < 0
    return _window.advice(journal, over=over, busy=bool(over and at_work(stack, journal["id"])))


def at_work(stack: Stack, window: str) -> list[str]:
    """What of the window is at work now, in words."""
    jobs = [f"job {os.path.basename(job.directory)}" for job in _jobs(stack, window) if job.is_alive()]
    steps = [f"process {pid}" for pid in _processes.holding(_path(stack))]
    return jobs + steps + [f"process {pid} of its operation" for pid in _processes.given(MARK, window)]
