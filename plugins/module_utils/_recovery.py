# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Bring a window that was interrupted to an end that is true: the one undo there is.

The rescue of the controller, the dead man's switch, recover.yml, abort.yml and a person with a shell all come here.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Callable, NamedTuple

from . import _announce, _clock, _fence, _journal, _notice, _private, _switch, _window
from ._ending import Ending, Say
from ._errors import OperationError
from ._stack import Stack

Journal = _window.Journal


WELL = "What the window had brought is well."


class Told(NamedTuple):
    """Who ends a window, and why.

    why: in words, for the journal; error: what failed (`slug`, `message`, `state`, `next`), as the report shows it; record: what
    else a controller has to say to the journal; epoch: in which it holds the window, 0 for whoever does not; runs_tasks: it is
    Ansible, which can run a task file of the user's afterwards; tries_again: it comes again soon, so that the window stays open where
    engine or servers only have to come up; release: what lets clients in, in place of what the window's opening
    left: a command, or the path of a task file.
    """

    by: dict[str, str]
    why: str
    error: dict[str, str]
    record: dict[str, Any]
    epoch: int = 0
    runs_tasks: bool = False
    tries_again: bool = False
    release: Any = ""


def carry_out(stack: Stack, window: str, told: Told, say: Say, due: Callable[[Journal], bool] = lambda _journal: True) -> Journal:
    """Take the window over, if it is due, and end it. The journal as it is then: closed, rolled_back, aborted or failed."""
    with _fence.taken_over(stack, window, told.by, told.why, _now(), epoch=told.epoch, due=due) as journal:
        ending = Ending(stack, journal, say=say, tries_again=told.tries_again, runs_tasks=told.runs_tasks, release=told.release)
        _watch(stack, ending)
        result = ending.result()
        private = _private.find(stack)
        record = _window.joined(told.record, ending.record(told.error, result))
        record = _window.joined(record, _notice.end_silence(journal, private))
        # From here and not by whoever called, who may be gone by now; in the threads that he has handed over.
        words = f"{note(told.error, record)} {ending.waiting}".strip()
        said = _notice.tell(_window.joined(journal, record), private, _announce.OF_END[result], words)
        record = _window.joined(record, said)
        return _journal.change(stack, window, lambda held: _closed(held, result, record), journal["epoch"])


def _watch(stack: Stack, ending: Ending) -> None:
    """A window that had failed has no switch any more, and whoever tries again may be killed as well, with the services stopped."""
    journal = ending.journal
    if journal["phase"] in ("opened", "backed_up") or _switch.is_armed(stack, journal["id"]):
        return
    try:
        ending.note(switch=_switch.arm(stack, journal, _switch.AGAIN))
    except (OperationError, OSError) as error:  # who is at it now is better than nobody
        ending.warn(f"The window is brought to its end without its dead man's switch: {error}")


def note(error: dict[str, str], journal: dict[str, Any]) -> str:
    """What people are told besides the event: what had failed, or who ended the window, and what is true now."""
    said = f"[{error['slug']}] {error['message']}"
    if journal.get("error"):
        return f"{said} {journal['error']['state']}"
    # It has come to its proper end, where nothing is wrong but what was wrong before.
    flaws = ((journal.get("health") or {}).get("after") or {}).get("flaws")
    return f"{said} {WELL}" + (f" The application is not healthy, as before: {'; '.join(flaws)}." if flaws else "")


def _closed(journal: Journal, result: str, record: dict[str, Any]) -> Journal:
    """A window that comes to its proper end has gone through all of its phases."""
    while result == "closed" and journal["phase"] != "closed":
        following = _window.PHASES[_window.PHASES.index(journal["phase"]) + 1]
        journal = _window.advance(journal, following, _now(), _clock.read(), {})
    return _window.close(journal, result, _now(), record)


def _now() -> datetime:
    return datetime.now(timezone.utc)
