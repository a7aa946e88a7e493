# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._findings import (
    CRITICAL,
    OK,
    STATE,
    WARNING,
    NotMeasured,
    Reading,
    Rule,
    judge,
    severity,
    shown,
    with_thresholds,
    worst_of,
)


def rule(name: str = "full", *values: float, lower: bool = False, **changes: Any) -> Rule:
    readings = [Reading(value, f"object {value:g}") for value in values]
    known = Rule(name, "Full", "ratio", 0.8, 0.9, "a source", "It is full.", "empty {object}", lambda _measured: readings, lower)
    return known._replace(**changes)


@pytest.mark.parametrize(
    ("value", "lower", "expected"),
    [(0.79, False, OK), (0.8, False, WARNING), (0.9, False, CRITICAL), (0.95, True, OK), (0.85, True, CRITICAL)],
)
def test_a_threshold_is_reached_by_its_own_value(value: float, lower: bool, expected: str) -> None:
    assert severity(rule(lower=lower), value) == expected


def test_a_lower_bound_has_its_warning_above() -> None:
    bound = rule(lower=True, warning=30.0, critical=7.0)
    assert [severity(bound, value) for value in (31, 30, 8, 7)] == [OK, WARNING, WARNING, CRITICAL]


def test_findings_come_worst_first_and_name_what_to_type() -> None:
    findings, checks = judge([rule("a", 0.85, 0.1, 0.88), rule("b", 0.99)], None)
    assert [(one["check"], one["severity"], one["value"]) for one in findings] == [
        ("b", "critical", 0.99),
        ("a", "warning", 0.88),
        ("a", "warning", 0.85),
    ]
    assert findings[0]["next"] == "empty object 0.99"
    assert [(one["check"], one["state"], one["value"]) for one in checks] == [("a", "warning", "88.0 %"), ("b", "critical", "99.0 %")]


def test_what_is_not_measured_is_unknown_and_never_well() -> None:
    def hidden(_measured: Any) -> list[Reading]:
        raise NotMeasured("nobody may see it")

    findings, [check] = judge([rule(readings=hidden)], None)
    assert findings == []
    assert (check["state"], check["reason"]) == ("unknown", "nobody may see it")


def test_thresholds_of_the_inventory_take_the_place_of_ours() -> None:
    changed, untouched = with_thresholds([rule("a"), rule("b")], {"a": {"warning": "0.5", "critical": None}})
    assert (changed.warning, changed.critical) == (0.5, None)
    assert untouched == rule("b")._replace(readings=untouched.readings)


@pytest.mark.parametrize(
    "given",
    [
        {"c": {"warning": 1}},
        {"a": 1},
        {"a": {}},
        {"a": {"warn": 1}},
        {"a": {"warning": "x"}},
        {"a": {"warning": True}},
        {"a": {"critical": "nan"}},
    ],
)
def test_thresholds_that_mean_nothing_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(OperationError, match="thresholds-malformed"):
        with_thresholds([rule("a")], given)


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0.123, "ratio", "12.3 %"),
        (90, "seconds", "90.0 s"),
        (200_000, "seconds", "2.3 days"),
        (2048, "bytes", "2.0 KiB"),
        (1234, "rows", "1,234 rows"),
        (1, "gaps", "1 gap"),
        (1, "ms", "1 ms"),
        (5, "", "5"),
        (0.5, "an hour", "0.5 an hour"),
        (2, STATE, ""),
        (None, "rows", "none"),
    ],
)
def test_values_are_shown_in_their_units(value: float | None, unit: str, expected: str) -> None:
    assert shown(value, unit) == expected


def test_the_worst_of_nothing_is_well() -> None:
    assert worst_of([]) == OK
    assert worst_of(["ok", "warning", "critical"]) == CRITICAL
