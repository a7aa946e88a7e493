# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The announcements of one window on the controller: each a job of its own, so that nobody waits for a sender.

Those of one sender follow each other: a job waits for the one before it, and goes on in its thread. Secrets are in a job's memory
alone; its directory holds answers.
"""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from typing import Any

from . import _announce
from ._files import read_json, write_json
from ._job import Job, Progress, clean

_LOOK = 60.0  # seconds; a job before this one ends by its own time-outs


@dataclass(frozen=True)
class Outbox:
    directory: str
    window: str

    def _jobs(self, place: str = "") -> list[Job]:
        """In the order in which they were handed over; those of one sender, by its place in the list, or of all."""
        names = sorted(os.listdir(self.directory)) if os.path.isdir(self.directory) else []
        ours = [name for name in names if name.startswith(f"{self.window}.")]
        return [Job(os.path.join(self.directory, name)) for name in ours if not place or name.endswith(f".{place}")]

    def hand_over(self, senders: list[_announce.Sender], said: _announce.Message, timeout: float) -> None:
        """Returns at once; what comes of it is found out beside."""
        clean(self.directory)
        for place, sender in enumerate(senders):
            self._start(str(place), sender, said, timeout)

    def _start(self, place: str, sender: _announce.Sender, said: _announce.Message, timeout: float) -> None:
        before = self._jobs(place)
        job = Job(os.path.join(self.directory, f"{self.window}.{len(before):03}.{place}"))

        def work(_progress: Progress) -> dict[str, Any]:
            write_json(_said(job), {"said": said._asdict(), "sender": _announce.name_of(sender)})
            record, thread = _announce.tell_by(sender, said, _thread(before, place), timeout)
            return {"announcements": [record], "messages": {place: thread} if thread else {}}

        job.start(work)

    def answers(self, seconds: float) -> tuple[list[dict[str, Any]], dict[str, _announce.Thread], bool]:
        """What is known within that time: a record for each event and sender, the threads, and whether all have answered."""
        until = time.monotonic() + seconds
        records: list[dict[str, Any]] = []
        threads: dict[str, _announce.Thread] = {}
        done = True
        for job in self._jobs():
            result = job.wait(max(0.0, until - time.monotonic()))
            threads.update(result.get("messages", {}))
            done = done and "job" not in result
            if "announcements" in result:
                records += result["announcements"]
            elif seconds or result.get("failed"):
                records += _unheard(job, result.get("what", f"no answer within {seconds:g} s"))
        return records, threads, done

    def forget(self) -> None:
        for job in self._jobs():
            shutil.rmtree(job.directory, ignore_errors=True)


def _said(job: Job) -> str:
    return os.path.join(job.directory, "said.json")


def _thread(before: list[Job], place: str) -> _announce.Thread:
    """The one that the last job before left; whoever it told has been told by then."""
    thread: _announce.Thread = {}
    for job in before:
        while "job" in (result := job.wait(_LOOK)):
            pass
        thread = result.get("messages", {}).get(place, thread)
    return thread


def _unheard(job: Job, why: str) -> list[dict[str, Any]]:
    """Of a job that was killed before its first word nothing is known."""
    known = read_json(_said(job))
    return [_announce.unheard(_announce.Message(**known["said"]), known["sender"], why)] if known else []
