# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The announcements of one window on the controller: each a job of its own, so that nobody waits for a sender.

Those of one sender follow each other: a job waits for the one before it, and goes on in its thread. Secrets are in a job's memory
alone; its directory holds answers.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from dataclasses import dataclass
from typing import Any, NamedTuple

from . import _announce
from ._files import read_json, write_json
from ._job import Job, Progress

_LOOK = 60.0  # seconds; a job before this one ends by its own time-outs
_KEPT = 7 * 86400.0  # seconds; longer than any window


# The directory of a job: whose it is, the how manieth event, and the sender's place in the list.
_NAME = re.compile(r"(.+)\.(\d+)\.(\d+)")


class _Entry(NamedTuple):
    window: str
    number: int
    place: int


@dataclass(frozen=True)
class Outbox:
    directory: str
    window: str

    def _jobs(self, place: int | None = None) -> list[Job]:
        """In the order in which they were handed over; those of one sender, by its place in the list, or of all."""
        ours = [each for each in self._found() if each.window == self.window and place in (None, each.place)]
        return [self._job(each) for each in sorted(ours)]

    def _job(self, entry: _Entry) -> Job:
        return Job(os.path.join(self.directory, f"{entry.window}.{entry.number:03}.{entry.place}"))

    def _found(self) -> list[_Entry]:
        names = os.listdir(self.directory) if os.path.isdir(self.directory) else []
        split = [match.groups() for match in map(_NAME.fullmatch, names) if match]
        return [_Entry(window, int(number), int(place)) for window, number, place in split]

    def hand_over(self, senders: list[_announce.Sender], said: _announce.Message, timeout: float) -> None:
        """Returns at once; what comes of it is found out beside."""
        self._clean()
        number = 1 + max((each.number for each in self._found() if each.window == self.window), default=-1)
        for place, sender in enumerate(senders):
            self._start(_Entry(self.window, number, place), sender, said, timeout)

    def _clean(self) -> None:
        """Forget windows of which nothing has been told for long: whoever opened them was killed. Another's may be under way."""
        found = self._found()
        for window in {each.window for each in found} - {self.window}:
            jobs = [self._job(each) for each in found if each.window == window]
            with contextlib.suppress(FileNotFoundError):  # somebody else cleans up, too
                if time.time() - max(os.stat(job.directory).st_mtime for job in jobs) > _KEPT:
                    for job in jobs:
                        shutil.rmtree(job.directory, ignore_errors=True)

    def _start(self, entry: _Entry, sender: _announce.Sender, said: _announce.Message, timeout: float) -> None:
        place = str(entry.place)
        before = self._jobs(entry.place)
        job = self._job(entry)

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
