# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job outlives who started it, and whoever asks is told the truth: at work, ended, or dead."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _job
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._files import read_json, write_json
from ansible_collections.amanat.dbops.plugins.module_utils._job import Job, Progress, clean

LONG = 20.0  # more than any job here takes; a test that waits for it has failed

Work = Callable[[Progress], dict[str, Any]]


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    job = Job(str(tmp_path / "jobs" / "backup-1"))
    yield job
    (tmp_path / "end").touch()
    if job.exists():
        job.wait(LONG)


def until_told(path: Path) -> Work:
    def work(progress: Progress) -> dict[str, Any]:
        progress.say("working", now=True, mib=3)
        while not (path / "end").exists():
            time.sleep(0.01)
        return {"changed": True}

    return work


def wait_for(job: Job, doing: str) -> dict[str, Any]:
    until = time.monotonic() + LONG
    while time.monotonic() < until:
        status = job.wait(0)["job"]
        if status["doing"] == doing and "pid" in status:  # before a job has said anything it is called starting, without a process
            return status
        time.sleep(0.01)
    raise AssertionError(f"the job never came to be {doing}")


def test_the_result_is_what_the_work_returned(job: Job) -> None:
    job.start(lambda _: {"changed": True, "rows": 3})
    assert job.wait(LONG) == {"changed": True, "rows": 3}
    assert job.wait(LONG) == {"changed": True, "rows": 3}, "it is told again to who asks again"


def test_while_it_works_it_says_what_it_does(job: Job, tmp_path: Path) -> None:
    job.start(until_told(tmp_path))
    status = wait_for(job, "working")
    assert status["running"] is True
    assert status["figures"] == {"mib": 3}
    (tmp_path / "end").touch()
    assert job.wait(LONG) == {"changed": True}


def test_progress_is_not_written_more_often_than_anybody_reads(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    progress = Progress(str(path))
    progress.say("one")
    progress.say("two")
    assert read_json(str(path))["doing"] == "one"
    progress.say("three", now=True)
    assert read_json(str(path))["doing"] == "three"


def test_a_refusal_is_the_result(job: Job) -> None:
    def work(_: Progress) -> dict[str, Any]:
        raise OperationError("backup-failed", "It broke.", "Nothing is left.", "Look.")

    job.start(work)
    result = job.wait(LONG)
    assert (result["failed"], result["slug"], result["state_now"]) == (True, "backup-failed", "Nothing is left.")


@pytest.mark.parametrize("error", [ValueError("surprise"), SystemExit(0), KeyboardInterrupt()])
def test_a_crash_is_a_failure_with_its_trace_in_the_log(job: Job, error: BaseException) -> None:
    def work(_: Progress) -> dict[str, Any]:
        print("what it said")
        raise error

    job.start(work)
    result = job.wait(LONG)
    assert (result["failed"], result["slug"]) == (True, "job-crashed")
    assert type(error).__name__ in result["msg"]
    log = Path(job.directory, "log").read_text(encoding="utf-8")
    assert log.startswith("what it said\nTraceback")


def test_a_killed_job_is_dead_at_once(job: Job, tmp_path: Path) -> None:
    job.start(until_told(tmp_path))
    os.kill(wait_for(job, "working")["pid"], signal.SIGKILL)
    result = job.wait(LONG)
    assert (result["failed"], result["slug"]) == (True, "job-died")


def test_a_job_that_is_told_to_end_removes_what_it_had_begun(job: Job, tmp_path: Path) -> None:
    def work(progress: Progress) -> dict[str, Any]:
        (tmp_path / "unfinished").touch()
        try:
            return until_told(tmp_path)(progress)
        finally:
            (tmp_path / "unfinished").unlink()

    job.start(work)
    wait_for(job, "working")
    job.end()
    assert (job.is_alive(), list(tmp_path.glob("unfinished"))) == (False, [])
    assert job.wait(0)["slug"] == "job-crashed"


def test_a_job_that_does_not_end_when_told_is_killed(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_job, "GRACE", 0.2)

    def stubborn(progress: Progress) -> dict[str, Any]:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        progress.say("working", now=True)
        time.sleep(LONG)
        return {}

    job.start(stubborn)
    wait_for(job, "working")
    job.end()
    assert not job.is_alive()


def test_a_job_that_is_about_to_start_is_not_dead(job: Job) -> None:
    lock = job._claim()
    assert lock is not None
    begun = time.monotonic()
    assert job.wait(0.2) == {"job": {"running": True, "doing": "starting", "figures": {}}}
    assert time.monotonic() - begun < LONG / 2
    os.close(lock)  # whoever was about to start it is gone
    assert job.wait(LONG)["slug"] == "job-died"


def test_the_directory_is_not_seen_before_its_lock_is_held(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    rename = os.rename

    def look(source: str, destination: str) -> None:
        seen.append(job.exists())
        rename(source, destination)
        seen.append(job.is_alive())

    monkeypatch.setattr(_job.os, "rename", look)
    lock = job._claim()
    assert seen == [False, True]
    assert lock is not None
    os.close(lock)


def test_a_pid_that_another_process_got_does_not_make_it_alive(job: Job) -> None:
    Path(job.directory).mkdir(parents=True)
    Path(job.directory, "lock").touch()
    write_json(f"{job.directory}/status.json", {"pid": os.getpid(), "doing": "dumping", "figures": {}})
    assert job.wait(LONG)["slug"] == "job-died"


def test_a_directory_of_nobody_is_no_job_that_is_waited_for(job: Job) -> None:
    Path(job.directory).mkdir(parents=True)
    assert job.wait(LONG)["slug"] == "job-died"


def test_the_result_counts_though_the_process_is_gone(job: Job) -> None:
    Path(job.directory).mkdir(parents=True)
    write_json(f"{job.directory}/exit.json", {"changed": True})
    assert job.wait(0) == {"changed": True}


def test_a_full_disk_does_not_hang_who_waits(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_job, "write_json", full)
    job.start(lambda _: {"changed": True})
    assert job.wait(LONG)["slug"] == "job-died"


def test_a_status_that_cannot_be_written_does_not_end_the_work(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_for_the_status(path: str, data: Any) -> None:
        if path.endswith("status.json"):
            raise OSError(28, "No space left on device")
        write_json(path, data)

    monkeypatch.setattr(_job, "write_json", full_for_the_status)

    def work(progress: Progress) -> dict[str, Any]:
        progress.say("working", now=True)
        return {"changed": True}

    job.start(work)
    assert job.wait(LONG) == {"changed": True}


def test_a_second_start_attaches(job: Job, tmp_path: Path) -> None:
    def work(_: Progress) -> dict[str, Any]:
        with (tmp_path / "runs").open("a") as runs:
            runs.write("x")
        return {"changed": True}

    job.start(work)
    assert job.wait(LONG) == {"changed": True}
    job.start(work)
    assert job.wait(LONG) == {"changed": True}
    assert (tmp_path / "runs").read_text() == "x"
    assert [path.name for path in (tmp_path / "jobs").iterdir()] == ["backup-1"], "what was made beside it stays"


def test_one_that_a_full_disk_keeps_from_starting_leaves_nothing(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dead man's switch tries every half minute."""
    really = os.open

    def full(path: str, flags: int, *arguments: Any, **more: Any) -> int:
        if path.endswith("/lock"):
            raise OSError(errno.ENOSPC, "No space left on device", path)
        return really(path, flags, *arguments, **more)

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(OSError, match="No space left"):
        job.start(lambda _progress: {"changed": True})
    monkeypatch.undo()
    assert list((tmp_path / "jobs").iterdir()) == []


def test_one_of_many_starts_wins(job: Job, tmp_path: Path) -> None:
    def work(_: Progress) -> dict[str, Any]:
        with (tmp_path / "runs").open("a") as runs:
            runs.write("x")
        return {"changed": True}

    children = []
    for _ in range(12):
        child = os.fork()
        if not child:
            job.start(work)
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 12
    assert job.wait(LONG) == {"changed": True}
    assert (tmp_path / "runs").read_text() == "x"


def test_it_keeps_nothing_of_who_started_it(job: Job, tmp_path: Path) -> None:
    def work(_: Progress) -> dict[str, Any]:
        paths = [str(entry.resolve()) for entry in Path("/proc/self/fd").iterdir() if int(entry.name) > 2]
        return {
            "session": os.getsid(0),
            "stdin": str(Path("/proc/self/fd/0").resolve()),
            "cwd": str(Path.cwd()),
            "held": [path for path in paths if not path.startswith("/proc/")],  # the listing's own was open only meanwhile
            "umask": os.umask(0),
        }

    with (tmp_path / "open").open("w"):
        job.start(work)
    result = job.wait(LONG)
    assert result.pop("session") != os.getsid(0)
    assert result == {"stdin": os.devnull, "cwd": "/", "held": [f"{job.directory}/lock"], "umask": 0o077}


STARTER = """
import sys, time
from ansible_collections.amanat.dbops.plugins.module_utils._job import Job
Job(sys.argv[1]).start(lambda progress: time.sleep(30) or {})
"""


def test_who_started_it_is_not_kept_waiting(job: Job) -> None:
    """The pipe to a connection is let go: it would otherwise stay open for as long as the job works."""
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", STARTER, job.directory],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=False,
        timeout=LONG,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert time.monotonic() - begun < LONG / 2
    os.kill(wait_for(job, "starting")["pid"], signal.SIGKILL)


def test_old_jobs_are_forgotten_but_never_one_at_work(tmp_path: Path) -> None:
    for number in range(6):
        directory = tmp_path / f"job-{number}"
        directory.mkdir()
        for name in ("lock", "exit.json", "samples"):
            (directory / name).touch()
        os.utime(directory, (number, number))
    with (tmp_path / "job-0" / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        clean(str(tmp_path), keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["job-0", "job-4", "job-5"]


def test_nothing_to_forget(tmp_path: Path) -> None:
    clean(str(tmp_path / "no" / "such"))
