# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The state machine of a maintenance window: journals in, journals out, no I/O and no clock."""

from __future__ import annotations

import copy
import math
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

from ._errors import OperationError, refused

JOURNAL_VERSION = 2  # 1 had no clock, and nothing by which a window could be undone

PHASES = ("preflight", "opened", "backed_up", "stopped", "operated", "started", "verified", "closed")

OPERATIONS = ("none", "migrate", "restore", "custom")

# Which end is legal while a phase is being worked on; in preflight there is no window yet. Until the services are stopped there is
# nothing to roll back; from then on there is, until everything is verified and closed. `failed` is always legal: it is the truth when
# nothing better can be said, and keeps the lock until a person has acknowledged it.
LEGAL_ENDS: dict[str, frozenset[str]] = {
    "opened": frozenset({"aborted", "failed"}),
    "backed_up": frozenset({"aborted", "failed"}),
    "stopped": frozenset({"rolled_back", "failed"}),
    "operated": frozenset({"rolled_back", "failed"}),
    "started": frozenset({"rolled_back", "failed"}),
    "verified": frozenset({"rolled_back", "failed"}),
    "closed": frozenset({"closed", "failed"}),
}

# By when a phase has to have ended, as a share of the window's length: most of it is the backup's and the operation's. What comes
# before the stop has one share: nothing is down yet, and how long people and Alertmanager take does not depend on the window's length.
SHARES = {"opened": 0.5, "backed_up": 0.5, "stopped": 0.6, "operated": 0.9, "started": 0.95, "verified": 1.0, "closed": 1.0}

# A window that overruns before its services are started is undone, so that the time that was announced is kept. From
# the start on, what the application has written decides, and no clock.
BUDGETED = ("opened", "backed_up", "stopped", "operated")

# How long what a window keeps back, alerts and writers of Redis, stays so beyond its deadline: whoever brings an overdue one to its end
# needs time, too.
SLACK = timedelta(minutes=10)

Journal = dict[str, Any]

# What only this machine writes; everything else in a journal is the record of whoever runs the window.
_OWN = frozenset(
    {
        *("version", "id", "stack", "operation", "epoch", "state", "opened_by", "opened", "deadline"),
        *("phase", "phases", "ended", "attended", "acknowledged", "clock", "seconds", "taken_over", "seal"),
    }
)


class Clock(NamedTuple):
    """A moment that nobody sets: seconds since the target was started, and which start that was."""

    boot: str
    seconds: float


def stamp(moment: datetime) -> str:
    """A time as journals and reports write it: UTC, milliseconds."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def deadline(journal: Journal) -> datetime:
    return _moment(journal["deadline"])


def window_id(moment: datetime, suffix: str) -> str:
    return f"{moment.astimezone(timezone.utc).strftime('%Y-%m-%dT%H%M%SZ')}-{suffix}"


def new(
    identity: str,
    stack: str,
    operation: str,
    opened_by: dict[str, str],
    minutes: int,
    preflight_began: str,
    now: datetime,
    clock: Clock,
    record: Journal,
) -> Journal:
    """A journal whose preflight is done and whose `opened` phase begins.

    clock: the target's own, by which the budget is kept, whatever becomes of the time of day.
    """
    _check(record)
    began = preflight_began or stamp(now)
    return {
        "version": JOURNAL_VERSION,
        "id": identity,
        "stack": stack,
        "operation": operation,
        "epoch": 1,
        "state": "open",
        "opened_by": opened_by,
        "opened": stamp(now),
        "deadline": stamp(now + timedelta(minutes=minutes)),
        "clock": dict(clock._asdict()),
        "seconds": minutes * 60,
        "phase": "opened",
        "phases": [
            {"name": "preflight", "started": began, "ended": stamp(now), "result": "ok"},
            {"name": "opened", "started": stamp(now)},
        ],
        **record,
    }


def upgrade(journal: Journal) -> Journal:
    """A journal of an earlier form as one of today. What it does not say stays unknown: its time counts as over, its undo is empty."""
    if journal.get("version", 0) >= JOURNAL_VERSION or "deadline" not in journal:
        return journal
    seconds = (deadline(journal) - _moment(journal["opened"])).total_seconds()
    unknown = {"epoch": 1, "clock": {"boot": "", "seconds": 0.0}, "seconds": seconds, "undo": {}}
    return {**unknown, **journal, "version": JOURNAL_VERSION}


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)


def _check(record: Journal) -> None:
    if _OWN & record.keys():
        raise OperationError(
            "window-record",
            f"A record cannot set {', '.join(sorted(_OWN & record.keys()))}: only the window's own steps do.",
            "The journal was not changed.",
            "Give it another key.",
        )


# What is only added to: whoever has the window may not know of what somebody else has noted meanwhile.
_GROWING = ("announcements", "warnings")


def joined(journal: Journal, record: Journal) -> Journal:
    """A journal, or a record, with what another one says besides."""
    grown: Journal = {key: [*(journal.get(key) or [])] for key in _GROWING if key in record}
    for key, known in grown.items():
        known += [each for each in record[key] if each not in known]
    if "messages" in record:  # whose sender has not answered by then is not in the record, and may have told by somebody else
        grown["messages"] = {**(journal.get("messages") or {}), **record["messages"]}
    # An answer may become known after that to a later event.
    grown.get("announcements", []).sort(key=lambda each: each.get("at", ""))
    return {**copy.deepcopy(journal), **record, **grown}


def _leave(journal: Journal, now: datetime, result: str, detail: str = "") -> None:
    phase = journal["phases"][-1]
    phase.update(ended=stamp(now), result=result)
    if detail:
        phase["detail"] = detail


def started_anew(journal: Journal, clock: Clock) -> bool:
    """Whether the target was, since the window was opened; a container counts where its first process was seen both times."""
    machine, _slash, first = journal["clock"]["boot"].partition("/")
    machine_now, _slash, first_now = clock.boot.partition("/")
    return machine != machine_now or bool(first and first_now and first != first_now)


def rest(journal: Journal, clock: Clock, share: float = 1.0) -> float:
    """Seconds until the deadline, or a share of the way there; negative when it is over, or when the target was started anew since."""
    opened = Clock(**journal["clock"])
    if started_anew(journal, clock):
        return -1.0
    return opened.seconds + share * journal["seconds"] - clock.seconds


def left(journal: Journal, clock: Clock) -> float:
    """Seconds until the present phase has to have ended, as `rest` says it."""
    return rest(journal, clock, SHARES[journal["phase"]])


def advance(journal: Journal, phase: str, now: datetime, clock: Clock, record: Journal) -> Journal:
    """The phase that was worked on is done, the next one begins."""
    expected = PHASES[PHASES.index(journal["phase"]) + 1 :][:1]
    if journal["state"] != "open" or expected != (phase,):
        raise OperationError(
            "window-order",
            f"Window {journal['id']} is {journal['state']} in phase {journal['phase']}; {phase} does not follow it.",
            "The journal was not changed.",
            "Look at it with status.yml.",
        )
    if journal["phase"] in BUDGETED and left(journal, clock) < 0:
        raise OperationError(
            "window-overrun",
            f"Phase {journal['phase']} of window {journal['id']} took longer than its share of {journal['seconds'] / 60:g} minutes.",
            "The journal was not changed.",
            "Give the next window more time: -e dbops_window_minutes=<minutes>",
        )
    _check(record)
    journal = joined(journal, record)
    _leave(journal, now, "ok")
    journal["phases"].append({"name": phase, "started": stamp(now)})
    journal["phase"] = phase
    return journal


def close(journal: Journal, state: str, now: datetime, record: Journal) -> Journal:
    """The window ends, in a state that is legal in its phase."""
    legal = LEGAL_ENDS[journal["phase"]]
    if journal["state"] != "open" or state not in legal:
        raise OperationError(
            "window-order",
            f"Window {journal['id']} is {journal['state']} in phase {journal['phase']} and cannot end as {state};"
            f" legal: {', '.join(sorted(legal))}.",
            "The journal was not changed.",
            "Look at it with status.yml.",
        )
    _check(record)
    journal = joined(journal, record)
    error = journal.get("error") or {}
    _leave(journal, now, "ok" if state == "closed" else "failed", error.get("message", ""))
    journal.update(state=state, ended=stamp(now))
    return journal


def take_over(journal: Journal, by: dict[str, str], why: str, now: datetime) -> Journal:
    """Whoever acts from now on knows the new epoch; a step of before, wherever it still runs, does not.

    A failed window is under way again: somebody tries to bring it to a better end. Why it had failed is history from now on.
    """
    if journal["state"] not in ("open", "failed") or journal.get("acknowledged"):
        raise OperationError(
            "window-ended",
            f"Window {journal['id']} has ended as {journal['state']}.",
            "The journal was not changed.",
            "Look at it with status.yml.",
        )
    if "attended" in journal:
        who = journal["attended"]["by"].get("user") or "somebody"
        raise OperationError(
            "window-attended",
            f"{who} has begun to acknowledge window {journal['id']} at {journal['attended']['at']}.",
            "Clients may have been let in, so that nobody leads it back any more.",
            f"Have it acknowledged: ansible-playbook playbooks/acknowledge.yml -e dbops_window={journal['id']}",
        )
    journal = copy.deepcopy(journal)
    journal.pop("ended", None)
    for key in ("ended", "result", "detail"):
        journal["phases"][-1].pop(key, None)
    journal.update(state="open", epoch=journal["epoch"] + 1)
    taken = {"at": stamp(now), "by": by, "why": why, "epoch": journal["epoch"]}
    if "error" in journal:
        taken["error"] = journal.pop("error")
    past = journal.setdefault("taken_over", [])
    if past and (past[-1]["by"], past[-1]["why"]) == (by, why) and not any("error" in each for each in (past[-1], taken)):
        taken["tries"] = past.pop().get("tries", 1) + 1  # the dead man's switch, which tries every half minute
    past.append(taken)
    return journal


def minutes_until(journal: Journal, until: str, now: datetime) -> int:
    """By how many whole minutes it has to become longer to last until then; 0 where it does already."""
    try:
        moment = datetime.fromisoformat(until.replace("Z", "+00:00"))  # Python 3.9 does not know the letter
    except ValueError:
        moment = now
    if moment.tzinfo is None or moment <= now:
        raise refused(
            "until-unusable",
            f"{until!r} is no moment to come, with the zone that it is meant in.",
            f"Write it like {stamp(now + timedelta(hours=1))[:16]}Z, which is in an hour.",
        )
    return max(0, math.ceil((moment - deadline(journal)).total_seconds() / 60))


def extend(journal: Journal, minutes: int, by: dict[str, str], now: datetime) -> Journal:
    """The window, and the share of every phase, is longer; with 0 it is as it was."""
    if journal["state"] != "open":
        raise OperationError(
            "window-ended",
            f"Window {journal['id']} is {journal['state']}; only an open one is extended.",
            "The journal was not changed.",
            "Look at it with status.yml.",
        )
    if not minutes:
        return journal
    later = deadline(journal) + timedelta(minutes=minutes)
    journal = copy.deepcopy(journal)
    journal.update(deadline=stamp(later), seconds=journal["seconds"] + minutes * 60)
    journal.setdefault("extended", []).append({"at": stamp(now), "by": by, "minutes": minutes})
    return journal


def annotate(journal: Journal, record: Journal) -> Journal:
    """What is known of a window besides its steps."""
    _check(record)
    return joined(journal, record)


def attend(journal: Journal, by: dict[str, str], now: datetime) -> Journal:
    """A person has read how a window failed, and lets in whom it keeps out: from now on nobody leads it back.

    Only its own steps act on it any more, those of this epoch.
    """
    _require_failed(journal)
    return {**copy.deepcopy(journal), "epoch": journal["epoch"] + 1, "attended": {"at": stamp(now), "by": by}}


def unknown(identity: str, stack: str, by: dict[str, str], now: datetime, clock: Clock) -> Journal:
    """A journal in place of one that is lost: it says nothing but that a person looks after what the window has left."""
    error = {
        "slug": "journal-unreadable",
        "message": "The journal of a window was lost.",
        "state": "Which services it had stopped, and what it had done by then, is not known.",
        "next": "Look at the services, and start them.",
    }
    record = {"services": [], "door": {"state": "shut"}, "redis": {"held": True}, "error": error}
    return close(new(identity, stack, "none", by, 0, "", now, clock, record), "failed", now, {})


def acknowledge(journal: Journal, by: dict[str, str], now: datetime) -> Journal:
    """It no longer bars the next one."""
    _require_failed(journal)
    return {**copy.deepcopy(journal), "acknowledged": {"at": stamp(now), "by": by}}


def _require_failed(journal: Journal) -> None:
    if journal["state"] != "failed":
        raise OperationError(
            "window-not-failed",
            f"Window {journal['id']} is {journal['state']}; only a failed one is acknowledged.",
            "The journal was not changed.",
            "Look at it with status.yml.",
        )


def is_unheard(journal: Journal) -> bool:
    """It failed, people were to be told, and of nobody it is known that he was."""
    said = _tries(journal, "needs_a_person")
    return journal["state"] == "failed" and "acknowledged" not in journal and bool(said) and not any(said)


def is_heard(journal: Journal, event: str) -> bool:
    """Somebody was told so since the window was last taken over."""
    return any(_tries(journal, event))


def _tries(journal: Journal, event: str) -> list[bool]:
    """To tell it since the window was last taken over: of each, whether somebody has heard it."""
    taken = (journal.get("taken_over") or [{}])[-1].get("at", "")
    return [each["ok"] for each in journal.get("announcements") or [] if each["event"] == event and each["at"] >= taken]


def estimate(journal: Journal) -> Journal:
    """What a window that closed well lets expect of the next one of its operation."""
    seconds = {
        phase["name"]: round((_moment(phase["ended"]) - _moment(phase["started"])).total_seconds(), 3)
        for phase in journal["phases"]
        if phase.get("ended")
    }
    return {"window": journal["id"], "downtime": (journal.get("downtime") or {}).get("seconds"), "phases": seconds}


def describe(journal: Journal) -> str:
    """One line about a window, for whoever meets it."""
    who = journal["opened_by"].get("user") or "somebody"
    where = journal["opened_by"].get("controller")
    return (
        f"window {journal['id']} ({journal['operation']}) on {journal['stack']}, {journal['state']} in phase"
        f" {journal['phase']}, opened {journal['opened']} by {who}{f' from {where}' if where else ''}"
    )


def known(journal: Journal) -> OperationError:
    """Why a window is not treated as one whose journal is lost."""
    return OperationError(
        "window-known",
        f"The journal is not lost: {describe(journal)}.",
        "Nothing was changed.",
        f"Name the window: -e dbops_window={journal['id']}",
    )


def advice(journal: Journal, *, over: bool, busy: bool) -> str:
    """What whoever meets a window that has not ended types next. over: its time is; busy: something of it is at work."""
    if journal["state"] == "failed":
        return f"Read its report, then: ansible-playbook playbooks/acknowledge.yml -e dbops_window={journal['id']}"
    if not over:
        return f"Wait for it; its time ends {journal['deadline']}."
    verb = "abort" if busy else "recover"
    wait = "Its time is over, and it is still at work. Wait for it, or end it" if busy else "Nobody brings it to its end. Do that"
    return f"{wait}: ansible-playbook playbooks/{verb}.yml -e dbops_window={journal['id']}"


def refusal(journal: Journal, following: str = "") -> OperationError:
    """Why no window can be opened while this journal holds the lock. following: what to do about it, as `advice` says it."""
    if not journal:
        return OperationError(
            "window-open", "Another window held the lock until a moment ago.", "This run changed nothing.", "Run it again."
        )
    if journal["state"] == "failed":
        return OperationError(
            "window-failed",
            f"The last window failed and nobody has acknowledged it: {describe(journal)}.",
            (journal.get("error") or {}).get("state") or "The journal says what is true.",
            following,
        )
    return OperationError("window-open", f"Another window holds the lock: {describe(journal)}.", "This run changed nothing.", following)
