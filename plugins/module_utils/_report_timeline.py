# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The window's timeline as SVG.

Places are percentages and sizes pixels, so that one drawing fits a desktop, a phone and paper with readable text.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Callable

from ._report_html import h
from ._report_values import NOTHING, Phase, Span, clock, duration

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

LABEL, ROW, BAR, AXIS = 28, 28, 12, 24
NAME_LENGTH = 12
MAX_TICKS = 5

_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
_RESULTS = {"ok": "ok", "failed": "failed", "skipped": "skipped"}


def ticks(seconds: float) -> list[tuple[float, str]]:
    """At most six round moments between zero and the given length; the last one's label names the unit."""
    step = next((step for step in _STEPS if seconds <= step * MAX_TICKS), None)
    if step is None:
        step = 86400.0 * (seconds // (86400 * MAX_TICKS) + 1)
    unit, name = next(((unit, name) for unit, name in ((86400, "d"), (3600, "h"), (60, "min")) if step >= unit), (1, "s"))
    count = int(seconds / step)
    return [(index * step, f"{index * step / unit:g}" + (f" {name}" if index == count else "")) for index in range(count + 1)]


def timeline(phases: list[Phase], window: Span, downtime: Span | None, deadline: datetime | None) -> Element:
    drawn = Span(min(window.start, downtime.start), max(window.end, downtime.end)) if downtime else window
    length = max(drawn.seconds, 0.001)

    def place(moment: datetime) -> float:
        return 100 * (moment - drawn.start).total_seconds() / length

    top = LABEL if downtime else 0
    bottom = top + ROW * len(phases)
    shapes: list[Element] = []
    for seconds, label in ticks(length):
        x = _percent(100 * seconds / length)
        shapes.append(h("line", x1=x, x2=x, y1=str(top), y2=str(bottom), class_="grid"))
        shapes.append(h("text", label, x=x, y=str(bottom + 17), class_="tick"))
    if downtime:
        shapes.extend(_downtime(downtime, place, top, bottom))
    if deadline and drawn.start <= deadline <= drawn.end:
        x = _percent(place(deadline))
        shapes.append(h("line", h("title", f"deadline {clock(deadline)} UTC"), x1=x, x2=x, y1=str(top), y2=str(bottom), class_="deadline"))
    for index, phase in enumerate(phases):
        shapes.append(_row(phase, top + ROW * index, place, drawn.end))
    return h(
        "svg",
        h("title", "Timeline of the window", id="timeline-title"),
        h("desc", _description(phases, downtime), id="timeline-description"),
        *shapes,
        role="img",
        aria_labelledby="timeline-title timeline-description",
        height=str(bottom + AXIS),
        class_="timeline",
    )


def _downtime(downtime: Span, place: Callable[[datetime], float], top: int, bottom: int) -> list[Element]:
    left, right = place(downtime.start), place(downtime.end)
    over, height = str(top - 8), str(bottom - top + 8)
    return [
        h("rect", x=_percent(left), width=_percent(max(right - left, 0.1)), y=over, height=height, class_="down"),
        *(h("line", x1=_percent(edge), x2=_percent(edge), y1=over, y2=str(bottom), class_="down-edge") for edge in (left, right)),
        h("text", f"down {duration(downtime.seconds)}", x=_percent((left + right) / 2), y=str(top - 14), class_="down-label"),
    ]


def _row(phase: Phase, top: int, place: Callable[[datetime], float], end: datetime) -> Element:
    middle = str(top + ROW // 2)
    parts = [h("text", _cut(phase.name.replace("_", " ")), x="0", dx="-12", y=middle, class_="name")]
    if phase.started:
        left, right = place(phase.started), place(phase.ended or end)
        drawn = h(
            "rect",
            h("title", _sentence(phase)),
            x=_percent(left),
            width=_percent(max(right - left, 0.1)),  # a bar without width is not drawn at all
            y=str(top + (ROW - BAR) // 2),
            height=str(BAR),
            class_=f"bar {_kind(phase)}",
        )
        parts.append(drawn)
    parts.append(h("text", _compact(phase.seconds), x="100%", dx="12", y=middle, class_=f"seconds {_kind(phase)}"))
    return h("g", *parts)


def _compact(seconds: float | None) -> str:
    """A length for the narrow column beside the bars."""
    words = duration(seconds)
    return words.replace(" min", "m").replace(" h", "h").replace(" s", "s") if "min" in words or "h" in words else words


def _kind(phase: Phase) -> str:
    return _RESULTS.get(phase.result, "other") if phase.ended else "unfinished"


def _sentence(phase: Phase) -> str:
    return f"{phase.name}: {clock(phase.started)} to {clock(phase.ended)} UTC, {duration(phase.seconds)}, {phase.result or NOTHING}"


def _description(phases: list[Phase], downtime: Span | None) -> str:
    down = f" Clients saw the service down from {clock(downtime.start)} to {clock(downtime.end)} UTC." if downtime else ""
    return "; ".join(_sentence(phase) for phase in phases) + "." + down


def _cut(name: str) -> str:
    return name if len(name) <= NAME_LENGTH else name[: NAME_LENGTH - 1] + "…"


def _percent(value: float) -> str:
    return f"{value:.3f}%"
