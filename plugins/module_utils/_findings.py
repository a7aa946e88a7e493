# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Thresholds and what exceeds them: the same judgement for every part of a health report. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from ._errors import OperationError
from ._report_values import duration, integer, size

STATE = "state"  # unit of a value that is a rank, not an amount: 0 is well

OK, UNKNOWN, WARNING, CRITICAL = "ok", "unknown", "warning", "critical"
_PLURALS = ("days", "gaps", "pages", "rows")
_WORST_FIRST = (CRITICAL, WARNING, UNKNOWN, OK)


class NotMeasured(Exception):
    """What a check judges by is not known; the text says why."""


class Reading(NamedTuple):
    """One value of a check. detail: what else there is to say; next_step: instead of the rule's own."""

    value: float
    object: str = ""
    detail: str = ""
    next_step: str = ""


Readings = Iterable[Reading]


class Asked(Protocol):
    """A server that was asked. unreachable: why it could not be, and what to do; None where it answered."""

    @property
    def unreachable(self) -> tuple[str, str] | None: ...


def unreachable(measured: Asked) -> Readings:
    what, step = measured.unreachable or ("", "")
    yield Reading(int(bool(what)), "", what, step)


class Rule(NamedTuple):
    """A check with its thresholds, reached when a value is at least as large, with `lower` at most as large.

    unit: `ratio` lies between 0 and 1; STATE.
    source: where the thresholds come from. next_step: the command or statement to type; `{object}` is what it is about.
    """

    name: str
    title: str
    unit: str
    warning: float | None
    critical: float | None
    source: str
    meaning: str
    next_step: str
    readings: Callable[[Any], Iterable[Reading]]
    lower: bool = False


def shown(value: float | None, unit: str) -> str:
    """A value as people read it."""
    if value is None:
        return "none"
    if unit == STATE:
        return ""
    if unit == "ratio":
        return f"{100 * value:.1f} %"
    if unit == "seconds":
        return f"{value / 86400:.1f} days" if value >= 172800 else duration(value)
    if unit == "bytes":
        return size(value)
    number = integer(value) if value == int(value) else f"{value:,.1f}"
    noun = unit[:-1] if value == 1 and unit in _PLURALS else unit
    return f"{number} {noun}".rstrip()


def with_thresholds(rules: Sequence[Rule], given: Mapping[str, Any]) -> list[Rule]:
    """The rules with the thresholds that somebody gave for them by name; null takes one away."""
    known = {rule.name for rule in rules}
    for name, wanted in given.items():
        if name not in known:
            raise _malformed(f"there is no check {name!r}; there are {', '.join(sorted(known))}")
        if not isinstance(wanted, Mapping) or not wanted or set(wanted) - {WARNING, CRITICAL}:
            raise _malformed(f"{name} takes warning and critical, and nothing else")
    return [
        rule._replace(**{level: _number(rule.name, value) for level, value in given[rule.name].items()}) if rule.name in given else rule
        for rule in rules
    ]


def _number(name: str, value: Any) -> float | None:
    if value is None or value == "":
        return None
    try:
        # What a survey or -e gave is text.
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise _malformed(f"{name}: {value!r} is no number")
    return number


def _malformed(why: str) -> OperationError:
    return OperationError(
        "thresholds-malformed",
        f"The thresholds of the report cannot be used: {why}.",
        "Nothing was asked and nothing was changed.",
        "Correct postgres_report_thresholds, or redis_report_thresholds.",
    )


def severity(rule: Rule, value: float) -> str:
    for level, threshold in ((CRITICAL, rule.critical), (WARNING, rule.warning)):
        if threshold is not None and (value <= threshold if rule.lower else value >= threshold):
            return level
    return OK


def judge(rules: Sequence[Rule], measured: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Findings, the worst first, and every check with how it came out."""
    findings: list[dict[str, Any]] = []
    checks = []
    for rule in rules:
        about = {"check": rule.name, "title": rule.title}
        limits = {"warning": shown(rule.warning, rule.unit), "critical": shown(rule.critical, rule.unit), "source": rule.source}
        try:
            readings = list(rule.readings(measured))
        except NotMeasured as why:
            checks.append({**about, "state": UNKNOWN, "value": "", "reason": str(why), **limits})
            continue
        found = [_finding(rule, reading) for reading in readings if severity(rule, reading.value) != OK]
        worst = max(readings, key=lambda reading: -reading.value if rule.lower else reading.value, default=None)
        checks.append(
            {
                **about,
                "state": worst_of(finding["severity"] for finding in found),
                "value": shown(worst.value, rule.unit) if worst else "nothing to see",
                "reason": "",
                **limits,
            }
        )
        findings += sorted(found, key=lambda finding: finding["value"], reverse=not rule.lower)
    return sorted(findings, key=lambda finding: _WORST_FIRST.index(finding["severity"])), checks


def _finding(rule: Rule, reading: Reading) -> dict[str, Any]:
    level = severity(rule, reading.value)
    threshold = rule.critical if level == CRITICAL else rule.warning
    return {
        "check": rule.name,
        "title": rule.title,
        "severity": level,
        "object": reading.object,
        "value": reading.value,
        "threshold": threshold,
        "unit": rule.unit,
        "shown": shown(reading.value, rule.unit),
        "limit": shown(threshold, rule.unit),
        "detail": reading.detail,
        "meaning": rule.meaning,
        "next": (reading.next_step or rule.next_step).replace("{object}", reading.object),
    }


def worst_of(levels: Iterable[str]) -> str:
    return min(levels, key=_WORST_FIRST.index, default=OK)
