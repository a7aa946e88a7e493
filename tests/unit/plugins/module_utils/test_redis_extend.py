# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom an extended window keeps waiting: nobody whom it, or whoever ends it, has let go."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _redis_extend, _redis_hold, _window
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError

CLOCK = _window.Clock("this start", 1000.0)


def journal(phase: str, operation: str = "custom", redis: Any = None, **more: Any) -> dict[str, Any]:
    clock = dict(CLOCK._asdict())
    return {"phase": phase, "operation": operation, "undo": {"redis": redis}, "clock": clock, "seconds": 3600, **more}


LEFT_ALONE: dict[str, Any] = {"writes": False}
WRITTEN_TO: dict[str, Any] = {"writes": True}


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        *[(journal(phase, redis=LEFT_ALONE), False) for phase in ("opened", "backed_up", "started", "verified", "closed")],
        (journal("stopped", redis=LEFT_ALONE), True),
        (journal("stopped", redis=WRITTEN_TO), False),
        (journal("stopped", "restore", WRITTEN_TO), True),
        (journal("operated", redis=LEFT_ALONE), True),
        (journal("operated", "migrate", LEFT_ALONE), True),
        (journal("operated", redis=WRITTEN_TO), False),
        (journal("operated", "restore", LEFT_ALONE), False),
        (journal("stopped", redis=LEFT_ALONE, going="start_again"), False),
        (journal("stopped", redis={}), False),
        ({"phase": "stopped", "operation": "custom", "undo": {}}, False),
    ],
)
def test_only_whoever_waits_waits_longer(window: dict[str, Any], expected: bool) -> None:
    assert _redis_extend.is_held(window) is expected


@pytest.mark.parametrize("boot", ["this start", "another"])
def test_a_hold_ends_a_while_after_the_deadline(boot: str) -> None:
    later = _window.Clock(boot, CLOCK.seconds + 1200)
    assert _redis_hold.in_window(journal("stopped"), later) == (2400 + 600 if boot == CLOCK.boot else 599)


@pytest.mark.parametrize(
    ("phase", "redis", "refused"), [("stopped", LEFT_ALONE, True), ("started", LEFT_ALONE, False), ("stopped", {}, False)]
)
def test_nobody_is_kept_waiting_for_more_than_a_day(phase: str, redis: dict[str, Any], refused: bool) -> None:
    window = {**journal(phase, redis=redis), "seconds": _redis_hold.LONGEST + 61}
    _redis_extend.require_possible(window, CLOCK._replace(seconds=CLOCK.seconds + 61))
    if not refused:
        _redis_extend.require_possible(window, CLOCK)
        return
    with pytest.raises(OperationError) as caught:
        _redis_extend.require_possible(window, CLOCK)
    assert caught.value.slug == "hold-too-long"
