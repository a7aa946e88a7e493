# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Charts of a health report as SVG. What they show stands beside them in words or in a table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ._report_html import h, meter
from ._report_values import size

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

HEIGHT, STRIP, RADIUS = 120, 34, 5

STYLE = """
.trend { width: 100%; overflow: visible; }
.trend polyline { fill: none; stroke: var(--bar); stroke-width: 2px; vector-effect: non-scaling-stroke; stroke-linejoin: round; }
.trend polygon { fill: var(--bar); opacity: .12; }
.edges { display: flex; justify-content: space-between; gap: 1rem; color: var(--quiet); font-size: .8125rem; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; padding: 0; list-style: none; font-size: .875rem; }
.meter { display: block; }
.legend li { display: flex; align-items: center; }
.legend svg { width: .75rem; height: .75rem; margin-right: .4rem; }
.meter .second { fill: var(--bar); opacity: .45; }
.meter .quiet, .legend .quiet { fill: var(--quiet); stroke: none; opacity: .6; }
.meter .warning, .legend .warning { fill: var(--warning); stroke: none; }
.legend .failed, .legend .ok { stroke: none; }
.legend .second { opacity: .45; stroke: none; }
.strip { width: calc(100% - 12px); margin: 0 6px; }
.strip line { stroke: var(--rule); }
.strip circle { fill: var(--bar); stroke: var(--paper); }
.strip .drilled { fill: var(--ok); }
.strip .complete { fill: var(--warning); }
.strip .invalid { fill: var(--failed); }
td .meter { min-width: 6rem; }
"""


def trend(points: Sequence[tuple[datetime, float]], title: str) -> Element | None:
    """A line from the first to the last of at least two moments, from zero up, so that growth looks as large as it is."""
    if len(points) < 2 or points[-1][0] <= points[0][0]:
        return None
    length = (points[-1][0] - points[0][0]).total_seconds()
    top = max(value for _time, value in points) or 1.0
    places = " ".join(f"{100 * (time - points[0][0]).total_seconds() / length:.2f},{100 - 96 * value / top:.2f}" for time, value in points)
    drawing = h(
        "svg",
        h("title", title),
        h("polygon", points=f"0,100 {places} 100,100"),
        h("polyline", points=places),
        viewBox="0 0 100 100",
        preserveAspectRatio="none",
        height=str(HEIGHT),
        role="img",
        class_="trend",
    )
    ends = (f"{time:%Y-%m-%d %H:%M}: {size(value)}" for time, value in (points[0], points[-1]))
    return h("figure", drawing, h("div", *(h("span", words) for words in ends), class_="edges"), class_="chart")


def shares(parts: Sequence[tuple[str, float, str]], whole: float, caption: str) -> Element:
    """Parts of a whole side by side, each with its words, amount and class."""
    legend = (
        h("li", h("svg", h("rect", width="100%", height="100%", class_=f"bar {kind}"), aria_hidden="true"), f"{words} {amount:,.0f}")
        for words, amount, kind in parts
    )
    drawn = meter(*((amount / whole, kind) for _words, amount, kind in parts))
    drawn.set("height", "14")
    return h("figure", drawn, h("figcaption", caption), h("ul", *legend, class_="legend"), class_="chart")


def strip(marks: Sequence[tuple[datetime, str, str]], now: datetime, days: int) -> Element:
    """Moments of the last days on a line, each with its class and its words."""
    start = now - timedelta(days=days)
    shown = [(time, kind, words) for time, kind, words in marks if start <= time <= now]
    middle = str(STRIP // 2)
    dots = (
        h(
            "circle",
            h("title", words),
            cx=f"{100 * (time - start).total_seconds() / (days * 86400):.2f}%",
            cy=middle,
            r=str(RADIUS),
            class_=kind,
        )
        for time, kind, words in shown
    )
    drawing = h(
        "svg",
        h("title", f"{len(shown)} in the last {days} days"),
        h("line", x1="0", x2="100%", y1=middle, y2=middle),
        *dots,
        height=str(STRIP),
        role="img",
        class_="strip",
    )
    edges = (h("span", f"{start:%Y-%m-%d}"), h("span", "now"))
    return h("figure", drawing, h("div", *edges, class_="edges"), class_="chart")
