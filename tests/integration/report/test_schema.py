# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The published schema is one, and describes what the state machine writes; windows on real servers are tried by `Stack.report`."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _announce, _hook, _verdict, _window
from jsonschema import Draft202012Validator

from .schema import PUBLISHED, flaws

NOW = datetime(2026, 11, 22, 17, 1, 2, 0, timezone.utc)
CLOCK = _window.Clock("this start", 1000.0)


def closed() -> dict[str, Any]:
    journal = _window.new("w1", "production/nickapp", "none", {"user": "mo"}, 60, "", NOW, CLOCK, {})
    for phase in _window.PHASES[2:]:
        journal = _window.advance(journal, phase, NOW, CLOCK, {})
    journal = _window.extend(journal, 30, {"user": "mo"}, NOW)
    return _window.close(
        _window.take_over(journal, {"user": "jo"}, "abort.yml", NOW), "closed", NOW, {"estimate": _window.estimate(journal)}
    )


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(PUBLISHED)


def test_it_describes_a_window() -> None:
    assert flaws(closed()) == []
    failed = _window.close(_window.new("w1", "a/b", "custom", {}, 60, "", NOW, CLOCK, {}), "failed", NOW, {})
    assert flaws(_window.acknowledge(_window.attend(failed, {"user": "jo"}, NOW), {"user": "mo"}, NOW)) == []


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"state": "done"}, "$.state"),
        ({"opened": "yesterday"}, "$.opened"),
        ({"phases": [{"name": "opened"}]}, "$.phases[0]"),
        ({"announcements": [{"event": "starting"}]}, "$.announcements[0]"),
    ],
)
def test_what_is_no_window_is_none(change: dict[str, Any], where: str) -> None:
    assert [flaw.split(":")[0] for flaw in flaws({**closed(), **change}, PUBLISHED)][:1] == [where]


def test_a_key_of_a_later_release_disturbs_nobody_and_no_key_of_ours_is_left_out() -> None:
    assert flaws({**closed(), "later": 1}, PUBLISHED) == []
    assert flaws({**closed(), "later": 1}) != []


def test_it_knows_every_word() -> None:
    properties = PUBLISHED["properties"]
    assert properties["version"]["enum"][-1] == _window.JOURNAL_VERSION
    assert properties["operation"]["enum"] == list(_window.OPERATIONS)
    assert properties["phases"]["items"]["properties"]["name"]["enum"] == list(_window.PHASES)
    assert set(properties["announcements"]["items"]["properties"]["event"]["enum"]) == {*_announce.EVENTS} - {"schedule_failed"}
    assert properties["clients"]["enum"] == ["", _hook.HELD, _hook.RELEASING, _hook.RELEASED]
    assert set(properties["going"]["enum"]) == set(_verdict.ENDS)
