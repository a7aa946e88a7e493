# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The phases of a window: drawn, and each against the share of time that it had and what it took the last time."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ._report_html import h, meter, section, table
from ._report_timeline import timeline
from ._report_values import (
    NOTHING,
    Phase,
    Span,
    clock,
    downtime_span,
    duration,
    line,
    mapping,
    moment,
    number,
    phases,
    stamp,
    window_span,
)
from ._window import SHARES

if TYPE_CHECKING:
    from datetime import datetime
    from xml.etree.ElementTree import Element


def drawing(journal: dict[str, Any]) -> Element | None:
    span, deadline = window_span(journal), moment(journal.get("deadline"))
    if not span or not phases(journal):
        return None
    drawn = timeline(phases(journal), span, downtime_span(journal), deadline)
    return section("Timeline", h("figure", drawn, _budget(journal, span), class_="chart"))


def _budget(journal: dict[str, Any], span: Span) -> Element | None:
    opened, deadline = moment(journal.get("opened")), moment(journal.get("deadline"))
    if not opened or not deadline or deadline <= opened:
        return None
    length, used = (deadline - opened).total_seconds(), max((span.end - opened).total_seconds(), 0.0)
    words, drawn = f"{duration(used)} of {duration(length)} used; deadline {stamp(deadline)}", None
    if used > length:
        words = f"Ran {duration(used - length)} past its {duration(length)}; deadline {stamp(deadline)}"
        drawn = h("span", ", the dashed line", aria_hidden="true")
    return h("figcaption", words, drawn, ".", meter((used / length, "failed" if used > length else "ok")))


def listing(journal: dict[str, Any]) -> Element:
    known = phases(journal)
    if not known:
        return section("Phases", h("p", "None was recorded."))
    took = mapping(mapping(journal.get("estimate")).get("phases"))
    rows = [
        (
            phase.name.replace("_", " "),
            clock(phase.started),
            clock(phase.ended),
            _until(phase, _due(journal, phase.name)),
            duration(phase.seconds),
            duration(number(took.get(phase.name))),
            result(phase.result),
            phase.detail,
        )
        for phase in known
    ]
    columns = ("Phase", "Start", "End", "Budget", "Length", "Estimate", "Result", "Detail")
    numeric = ("Start", "End", "Budget", "Length", "Estimate")
    return section("Phases", table("Phases of the window, times in UTC", columns, rows, numeric=numeric), _source(journal))


def _due(journal: dict[str, Any], phase: str) -> datetime | None:
    """By when a phase had to have ended, as the window knew it in the end; None where nobody had said."""
    opened, deadline = moment(journal.get("opened")), moment(journal.get("deadline"))
    if not opened or not deadline or deadline <= opened or phase not in SHARES:
        return None
    return opened + timedelta(seconds=SHARES[phase] * (deadline - opened).total_seconds())


def _until(phase: Phase, due: datetime | None) -> Element:
    if not due:
        return h("span", NOTHING)
    if phase.ended and phase.ended > due:
        return h("span", clock(due), h("br"), "late", class_="result failed")
    return h("span", clock(due))


def _source(journal: dict[str, Any]) -> Element:
    words = "Budget is the time by which a phase had to have ended, by the window's length."
    estimate = mapping(journal.get("estimate"))
    if estimate:
        down = number(estimate.get("downtime"))
        words += f" Estimates are what window {line(estimate.get('window'))} took"
        words += f", with {duration(down)} of downtime." if down is not None else "."
    return h("p", words, class_="note")


def result(word: str) -> Element:
    kind = {"ok": "ok", "applied": "ok", "failed": "failed"}.get(word, "other")
    return h("span", word or NOTHING, class_=f"result {kind}")
