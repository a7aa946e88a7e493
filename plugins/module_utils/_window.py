# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The state machine of a maintenance window: journals in, journals out, no I/O and no clock."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta, timezone
from typing import Any

from ._errors import OperationError

JOURNAL_VERSION = 1

PHASES = ("preflight", "opened", "backed_up", "stopped", "operated", "started", "verified", "closed")

OPERATIONS = ("none", "migrate", "restore", "custom")

# Which end is legal while a phase is being worked on. Until the services are stopped there is nothing to roll
# back; from then on there is, until everything is verified and closed. `failed` is always legal: it is the
# truth when nothing better can be said, and keeps the lock until a person has acknowledged it.
LEGAL_ENDS: dict[str, frozenset[str]] = {
    "preflight": frozenset({"aborted", "failed"}),
    "opened": frozenset({"aborted", "failed"}),
    "backed_up": frozenset({"aborted", "failed"}),
    "stopped": frozenset({"rolled_back", "failed"}),
    "operated": frozenset({"rolled_back", "failed"}),
    "started": frozenset({"rolled_back", "failed"}),
    "verified": frozenset({"rolled_back", "failed"}),
    "closed": frozenset({"closed", "failed"}),
}

Journal = dict[str, Any]

# What only this machine writes; everything else in a journal is the record of whoever runs the window.
_OWN = frozenset(
    {
        *("version", "id", "stack", "operation", "epoch", "state", "opened_by", "opened", "deadline"),
        *("phase", "phases", "ended", "acknowledged"),
    }
)


def stamp(moment: datetime) -> str:
    """A time as journals and reports write it: UTC, milliseconds."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


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
    record: Journal,
) -> Journal:
    """A journal whose preflight is done and whose `opened` phase begins."""
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
        "phase": "opened",
        "phases": [
            {"name": "preflight", "started": began, "ended": stamp(now), "result": "ok"},
            {"name": "opened", "started": stamp(now)},
        ],
        **record,
    }


def _check(record: Journal) -> None:
    if _OWN & record.keys():
        raise OperationError(
            "window-record",
            f"A record cannot set {', '.join(sorted(_OWN & record.keys()))}: only the window's own steps do.",
            "The journal was not changed.",
            "Give it another key.",
        )


def _leave(journal: Journal, now: datetime, result: str, detail: str = "") -> None:
    phase = journal["phases"][-1]
    phase.update(ended=stamp(now), result=result)
    if detail:
        phase["detail"] = detail


def advance(journal: Journal, phase: str, now: datetime, record: Journal) -> Journal:
    """The phase that was worked on is done, the next one begins."""
    expected = PHASES[PHASES.index(journal["phase"]) + 1 :][:1]
    if journal["state"] != "open" or expected != (phase,):
        raise OperationError(
            "window-order",
            f"Window {journal['id']} is {journal['state']} in phase {journal['phase']}; {phase} does not follow it.",
            "The journal was not changed.",
            "Look at it with status.yml.",
        )
    _check(record)
    journal = {**copy.deepcopy(journal), **record}
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
    journal = {**copy.deepcopy(journal), **record}
    error = journal.get("error") or {}
    _leave(journal, now, "ok" if state == "closed" else "failed", error.get("message", ""))
    journal.update(state=state, ended=stamp(now))
    return journal


def acknowledge(journal: Journal, by: dict[str, str], now: datetime) -> Journal:
    """A person has read how a window failed; it no longer bars the next one."""
    if journal["state"] != "failed":
        raise OperationError(
            "window-not-failed",
            f"Window {journal['id']} is {journal['state']}; only a failed one is acknowledged.",
            "The journal was not changed.",
            "Look at it with status.yml.",
        )
    return {**copy.deepcopy(journal), "acknowledged": {"at": stamp(now), "by": by}}


def describe(journal: Journal) -> str:
    """One line about a window, for whoever meets it."""
    who = journal["opened_by"].get("user") or "somebody"
    where = journal["opened_by"].get("controller")
    return (
        f"window {journal['id']} ({journal['operation']}) on {journal['stack']}, {journal['state']} in phase"
        f" {journal['phase']}, opened {journal['opened']} by {who}{f' from {where}' if where else ''}"
    )


def refusal(journal: Journal) -> OperationError:
    """Why no window can be opened while this journal holds the lock."""
    if not journal:
        return OperationError(
            "window-open", "Another window held the lock until a moment ago.", "This run changed nothing.", "Run it again."
        )
    if journal["state"] == "failed":
        return OperationError(
            "window-failed",
            f"The last window failed and nobody has acknowledged it: {describe(journal)}.",
            (journal.get("error") or {}).get("state") or "The journal says what is true.",
            f"Read its report, then: ansible-playbook playbooks/acknowledge.yml -e dbops_window={journal['id']}",
        )
    return OperationError(
        "window-open",
        f"Another window holds the lock: {describe(journal)}.",
        "This run changed nothing.",
        "Wait for it, or look at it: ansible-playbook playbooks/status.yml",
    )
