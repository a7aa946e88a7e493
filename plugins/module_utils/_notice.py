# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What the target itself says of a window, to people and to Alertmanager, with what the window's opening left it.

None of it may fail a window: each returns what the journal shall say, and what went wrong as a warning.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

from . import _announce, _window
from ._alertmanager import Alertmanager, parse_all
from ._errors import why

Journal = _window.Journal
Private = dict[str, Any]


def silence(journal: Journal, private: Private, now: datetime) -> Journal:
    """Alerts are silent until a little after the window's deadline. Also for a window that has become longer."""
    ends = _window.stamp(_window.deadline(journal) + _window.SLACK)
    try:
        told = _told(private, "alertmanager")
        if not told:
            return {}
        identity = Alertmanager(told["url"]).silence(parse_all(told["matchers"]), _comment(journal), _window.stamp(now), ends)
    except Exception as error:  # noqa: BLE001 - whatever it is, the window goes on
        return {"warnings": [f"Alerts are not silenced until {ends}: {why(error)}"]}
    return {"silence": {"id": identity, "until": ends, "state": "active"}}


def end_silence(journal: Journal, private: Private) -> Journal:
    known = journal.get("silence") or {}
    try:
        told = _told(private, "alertmanager")
        if not told:
            return {}
        Alertmanager(told["url"]).expire(_comment(journal))
    except Exception as error:  # noqa: BLE001 - as above
        rest = f"; it ends by itself at {known['until']}" if known else ""
        return {"warnings": [f"The silence of alerts was not ended{rest}: {why(error)}"]}
    return {"silence": {**known, "state": "expired"}} if known else {}


def _comment(journal: Journal) -> str:
    return f"Maintenance window {journal['id']} of {journal['stack']}"


def tell(journal: Journal, private: Private, event: str, note: str) -> Journal:
    """Announce by the senders that were left here; in the threads that the journal knows."""
    at = _window.stamp(datetime.now(timezone.utc))
    said = _announce.message(event, at, journal["stack"], journal["operation"], journal["id"], note)
    try:
        told = _told(private, "announce")
        records, threads = _announce.tell(told.get("senders", []), said, journal.get("messages") or {}, told.get("timeout", 0.0))
    except Exception as error:  # noqa: BLE001 - as above
        return {"warnings": [f"{event} was not announced: {why(error)}"]}
    return {"announcements": records, "messages": threads, "warnings": _announce.missed(records)} if records else {}


def _told(private: Private, key: str) -> dict[str, Any]:
    """They are left as one text each: of a dictionary Ansible would blot every word out of the journal, `slack` for one."""
    return dict(json.loads(private.get(key) or "{}"))
