# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Long work, detached on the target: it outlives the connection that started it.

A job is a directory: `status.json` (what it is doing, replaced as it goes), `exit.json` (its result, renamed
into place when it has ended), `log`, and `lock`, which its process holds for as long as it lives: the kernel
takes it back however the process ends. The job's id is chosen by the caller, so that a call which was cut off
is simply made again: where the directory exists, the caller attaches instead of starting.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from typing import Any, Callable

from . import _processes
from ._errors import OperationError
from ._files import make_private_directory, read_json, write_json

POLL = 0.02  # seconds between two looks at a job that may end at any moment
GRACE = 5.0  # seconds that a job which is told to end has to remove what it had begun
END_WAIT = 10.0  # seconds that an ended job's process is given to be gone
PROGRESS_INTERVAL = 0.5  # seconds; more often nobody reads it


class _Stopped(BaseException):
    """No Exception, which work may suppress."""


def _stop(_number: int, _frame: object) -> None:
    raise _Stopped("it was told to")


class Progress:
    """What a running job says of itself."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._written = 0.0

    def say(self, doing: str, *, now: bool = False, **figures: Any) -> None:
        """Replace the status; `now` for what must not be dropped by the rate limit."""
        if now or time.monotonic() - self._written >= PROGRESS_INTERVAL:
            with contextlib.suppress(OSError):  # a full disk may silence a job, not end it
                write_json(self._path, {"pid": os.getpid(), "doing": doing, "figures": figures})
            self._written = time.monotonic()


class Unheard(Progress):
    """For work that is no job: nobody asks how far it is. There is no file to replace: of a device not even the name would stay."""

    def __init__(self) -> None:
        super().__init__("")

    def say(self, doing: str, *, now: bool = False, **figures: Any) -> None:
        pass


@dataclass(frozen=True)
class Job:
    directory: str

    @property
    def _status(self) -> str:
        return os.path.join(self.directory, "status.json")

    @property
    def _exit(self) -> str:
        return os.path.join(self.directory, "exit.json")

    @property
    def _lock(self) -> str:
        return os.path.join(self.directory, "lock")

    def exists(self) -> bool:
        return os.path.isdir(self.directory)

    def is_alive(self) -> bool:
        try:
            lock = os.open(self._lock, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    def has_result(self) -> bool:
        """Its work is done; its process may take a moment more to be gone."""
        return os.path.exists(self._exit)

    def start(self, work: Callable[[Progress], dict[str, Any]]) -> None:
        """Run `work` in a process of its own, unless this job was started before."""
        lock = self._claim()
        if lock is None:
            return
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child:
            os.close(lock)
            os.waitpid(child, 0)
            return
        # A session of its own, then a second fork: no terminal, no parent, no hang-up reaches it.
        try:
            os.setsid()
            if os.fork():
                os._exit(0)
            self._detach(lock)
            self._run(work)
        finally:
            os._exit(0)

    def _claim(self) -> int | None:
        """Create the directory and hold its lock, which forks inherit; None where another was first.

        The lock is held before the directory has its name: nobody can see a job that seems dead because it is
        only about to start.
        """
        parent, name = os.path.split(self.directory)
        make_private_directory(parent)
        beside = tempfile.mkdtemp(prefix=f".{name}.", dir=parent)
        lock = -1
        try:
            lock = os.open(os.path.join(beside, "lock"), os.O_WRONLY | os.O_CREAT, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.rename(beside, self.directory)  # fails where a job has the name, since its directory is not empty
        except OSError:
            if lock >= 0:
                os.close(lock)
            shutil.rmtree(beside)
            if not self.exists():
                raise
            return None
        return lock

    def _detach(self, lock: int) -> None:
        log = os.open(os.path.join(self.directory, "log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        sys.stdout = sys.stderr = open(2, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115 - for its whole life
        # Whatever else this process was given may be a pipe whose other end waits for it.
        for descriptor in map(int, os.listdir("/proc/self/fd")):
            if descriptor > 2 and descriptor != lock:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        os.chdir("/")
        os.umask(0o077)

    def _run(self, work: Callable[[Progress], dict[str, Any]]) -> None:
        signal.signal(signal.SIGTERM, _stop)
        try:
            progress = Progress(self._status)
            progress.say("starting", now=True)
            result = work(progress)
        except OperationError as error:
            result = {"failed": True, **error.as_result()}
        except BaseException as error:  # noqa: BLE001 - whatever ends the work, its result has to be told
            traceback.print_exc()
            result = {
                "failed": True,
                **OperationError(
                    "job-crashed",
                    f"The job ended with {type(error).__name__}: {error}.",
                    "What it had begun is in its log.",
                    f"cat {self.directory}/log",
                ).as_result(),
            }
        write_json(self._exit, result)

    def end(self) -> None:
        """End its process and all that it started. Afterwards it is gone: nobody holds its lock.

        It is asked first, so that it removes what it had begun: an unfinished backup, a container. Then it is killed, and so is what it
        left behind.
        """
        begun = time.monotonic()
        family: set[tuple[int, str]] = set()
        for pid in _processes.holding(self._lock) if self.is_alive() else []:
            family |= _processes.family(pid)
            _processes.ask_to_end(pid)
        while self.is_alive():
            for pid in _processes.holding(self._lock):
                family |= _processes.family(pid)
            elapsed = time.monotonic() - begun
            for pid in _processes.holding(self._lock) if elapsed > GRACE else []:
                _processes.end(pid)
            if elapsed > GRACE + END_WAIT:
                raise OperationError(
                    "job-stays",
                    f"The job {os.path.basename(self.directory)} was told to end, and is at work.",
                    "What it works on is not known to be free.",
                    f"End its process: it holds {self._lock} open.",
                )
            time.sleep(POLL)
        _processes.end_orphans(family, END_WAIT)

    def wait(self, seconds: float) -> dict[str, Any]:
        """The job's result, or `job.running` with its status when it is still at work after `seconds`."""
        until = time.monotonic() + seconds
        while True:
            alive = self.is_alive()  # asked first: a job writes its result while it lives
            result = read_json(self._exit)
            if result is not None:
                return result
            if not alive:
                return {
                    "failed": True,
                    **OperationError(
                        "job-died",
                        "The job's process is gone and left no result: it was killed, or the host restarted.",
                        "What it had begun was not completed.",
                        f"cat {self.directory}/log, then run it again.",
                    ).as_result(),
                }
            if time.monotonic() >= until:
                return {"job": {"running": True, **(read_json(self._status) or {"doing": "starting", "figures": {}})}}
            time.sleep(POLL)


def clean(directory: str, keep: int = 50) -> None:
    """Forget the oldest ended jobs of a stack; a job at work is never touched."""
    ended = []
    with contextlib.suppress(FileNotFoundError), os.scandir(directory) as entries:
        for entry in entries:
            with contextlib.suppress(PermissionError):  # another user's, of which nobody else can say whether it is at work
                if not Job(entry.path).is_alive():
                    ended.append((entry.stat().st_mtime, entry.path))
    for _changed, path in sorted(ended)[:-keep]:
        shutil.rmtree(path, ignore_errors=True)
