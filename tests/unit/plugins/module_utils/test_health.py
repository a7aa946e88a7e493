# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Demands on the JSON of a health answer."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _health
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError

BODY = {"status": "ok", "services": {"redis": {"status": "up", "ms": 1.5}}, "migrations": [{"applied": 19}], "ready": True, "none": None}


@pytest.mark.parametrize(
    ("expression", "flaw"),
    [
        ({"path": "services.redis.status", "equals": "up"}, ""),
        ({"path": "services.redis.status", "equals": "down"}, 'services.redis.status is "up", not equals "down"'),
        ({"path": "services.redis.ms", "at_most": 2}, ""),
        ({"path": "services.redis.ms", "at_most": 1}, "services.redis.ms is 1.5, not at most 1"),
        ({"path": "migrations.0.applied", "at_least": 19}, ""),
        ({"path": "migrations.0.applied", "at_least": 20}, "migrations.0.applied is 19, not at least 20"),
        ({"path": "migrations.1.applied", "at_least": 20}, "its JSON has no migrations.1.applied"),
        ({"path": "status", "at_least": 1}, 'status is "ok", not at least 1'),
        ({"path": "ready", "at_least": 1}, "ready is true, not at least 1"),
        ({"path": "ready", "equals": True}, ""),
        ({"path": "ready", "equals": 1}, "ready is true, not equals 1"),
        ({"path": "none", "equals": None}, ""),
        ({"path": "status.deeper", "equals": "ok"}, "its JSON has no status.deeper"),
    ],
)
def test_a_demand_is_met_or_says_why_not(expression: dict[str, Any], flaw: str) -> None:
    _health.require_expression(expression)
    assert _health.flaw(BODY, expression) == flaw


@pytest.mark.parametrize("body", [None, [], "ok", 3])
def test_an_answer_of_another_shape_has_nothing(body: Any) -> None:
    assert _health.flaw(body, {"path": "status", "equals": "ok"}) == "its JSON has no status"


@pytest.mark.parametrize(
    "expression",
    [
        {},
        {"path": "status"},
        {"equals": "ok"},
        {"path": ["status"], "equals": "ok"},
        {"path": "status", "equals": "ok", "at_least": 1},
        {"path": "status", "is": "ok"},
        {"path": "status", "equals": "ok", "else": 1},
        {"path": "ms", "at_most": "2"},
        {"path": "ms", "at_most": True},
    ],
)
def test_what_is_no_demand_is_refused(expression: dict[str, Any]) -> None:
    with pytest.raises(OperationError) as caught:
        _health.require_expression(expression)
    assert caught.value.slug == "health-malformed"
