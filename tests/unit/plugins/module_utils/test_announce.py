# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of announcements."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _announce, _window


@pytest.mark.parametrize(
    ("event", "note", "text"),
    [
        ("planned", "", "Maintenance of staging/shop is planned: migrate."),
        ("planned", " Migrations: none. ", "Maintenance of staging/shop is planned: migrate. Migrations: none."),
        ("extended", "30 minutes more.", "Maintenance of staging/shop takes longer. 30 minutes more."),
        ("needs_a_person", "{note} {0}", "Maintenance of staging/shop needs a person NOW. {note} {0}"),
        ("schedule_failed", "dbops backup staging/shop failed", "dbops backup staging/shop failed"),
    ],
)
def test_an_event_in_words(event: str, note: str, text: str) -> None:
    assert _announce.message(event, "", "staging/shop", "migrate", "w1", note).text == text


def test_every_end_of_a_window_is_an_event() -> None:
    ends = {end for legal in _window.LEGAL_ENDS.values() for end in legal}
    assert _announce.OF_END.keys() == ends
    assert set(_announce.OF_END.values()) <= set(_announce.EVENTS)


def test_what_was_not_told_is_a_warning() -> None:
    said = _announce.message("planned", "", "staging/shop", "none", "w1", "")
    told = {**_announce.unheard(said, "webhook", ""), "ok": True}
    records = [told, _announce.unheard(said, "slack #ops", "HTTP 500")]
    assert _announce.missed(records) == ["planned was not announced by slack #ops: HTTP 500"]


def test_whatever_keeps_a_sender_from_telling_is_an_announcement_that_nobody_heard() -> None:
    """By such a one whoever watches a window that failed knows that he has to call again."""
    said = _announce.message("needs_a_person", "", "staging/shop", "none", "w1", "")
    timeout: Any = "8"  # a text, where only a number can be waited for
    records, threads = _announce.tell([{"kind": "webhook", "url": "http://127.0.0.1:9"}], said, {}, timeout)
    assert (records, threads) == ([_announce.unheard(said, "webhook", "an unforeseen TypeError")], {})
