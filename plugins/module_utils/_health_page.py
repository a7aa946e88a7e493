# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""A health report as a page that stands alone, and as lines for a terminal. Each database has a part, and the worst comes first."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from . import _health_charts, _health_page_postgres, _health_page_redis
from ._findings import CRITICAL, OK, UNKNOWN, WARNING, worst_of
from ._report_html import code, document, figures, h, section, table
from ._report_style import STYLE
from ._report_values import line, mappings, plural, stamp, text, tight

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

Report = dict[str, Any]

SHOWN = 5  # findings of one check that are told at length

_KINDS = {CRITICAL: "failed", WARNING: "warning", OK: "ok", UNKNOWN: "other"}

_STYLE = """
.cards { display: grid; gap: 1rem; padding: 0; list-style: none; }
.card { padding: 1rem 1.25rem 1.15rem; border-left: 4px solid; background: var(--raised); break-inside: avoid; }
.card > * { color: var(--ink); }
.card h3 { margin: 0; font-size: 1.0625rem; color: inherit; }
.card .value { font-weight: 600; }
.card .note { margin-top: .1rem; }
.card pre { margin-top: .5rem; background: var(--paper); }
.card .one { margin-top: .85rem; }
summary { margin-top: .75rem; cursor: pointer; }
@media screen and (min-width: 64rem) {
  tbody th { min-width: 11.5rem; }
  td.text { min-width: 5.25rem; }
}
.tree { list-style: none; padding-left: 0; }
.tree ul { list-style: none; margin-left: .5rem; padding-left: 1rem; border-left: 2px solid var(--rule); }
.tree li { padding: .35rem 0; }
@media print {
  summary { display: none; }
  main > section:not(.error) { break-inside: auto; }
  tbody th { min-width: 9.5rem; }
}
"""


class _Shown(NamedTuple):
    """What a database shows beside its findings: figures for the head of the page, and sections."""

    figures: Callable[[Report], list[tuple[str, str, str]]]
    sections: Callable[[Report], list[Element]]


_DATABASES = {
    "postgresql": _Shown(_health_page_postgres.figures_of, _health_page_postgres.sections_of),
    "redis": _Shown(_health_page_redis.figures_of, _health_page_redis.sections_of),
}


def findings_of(report: Report) -> list[dict[str, Any]]:
    """Findings of all parts, the worst first."""
    found = [finding for part in mappings(report.get("parts")) for finding in mappings(part.get("findings"))]
    return sorted(found, key=lambda finding: finding["severity"] != CRITICAL)


def worst(report: Report) -> str:
    return worst_of(finding["severity"] for finding in findings_of(report))


def headline(finding: dict[str, Any]) -> str:
    """A finding in one line."""
    about = ", ".join(part for part in (finding["shown"], line(finding["object"], "")) if part)
    return f"{finding['title']}: {about or line(finding['detail'], 'see the report').rstrip('.')}"


def verdict(report: Report) -> str:
    found, stack = findings_of(report), line(report.get("stack"), "an unnamed stack")
    if not found:
        return f"Nothing on {stack} reached a threshold."
    return f"{_counted(found)} on {stack}. First: {headline(found[0])}"


def _counted(found: list[dict[str, Any]]) -> str:
    critical = sum(finding["severity"] == CRITICAL for finding in found)
    words = [f"{critical} critical"] if critical else []
    words += [plural(len(found) - critical, "warning")] if len(found) > critical else []
    return " and ".join(words)


def summary_lines(report: Report) -> list[str]:
    lines = [verdict(report)]
    for finding in findings_of(report):
        lines.append(f"  {finding['severity']:<8}  {headline(finding)} · {line(finding['next'], 'no command')}")
    for part in mappings(report.get("parts")):
        lines += [f"  unknown   {line(note['about'])}: {line(note['reason'])}" for note in mappings(part.get("notes"))]
    return lines


def render_html(report: Report) -> str:
    stack, level, parts = line(report.get("stack"), "unnamed stack"), worst(report), mappings(report.get("parts"))
    shown = [(_DATABASES[part["name"]], part) for part in parts]
    return document(
        f"{stack} · databases · {level}",
        STYLE + _health_charts.STYLE + _STYLE,
        h(
            "header",
            h("p", f"Database report · {stack} · {stamp(report.get('time'))}", class_="over"),
            h("h1", tight(_title(report))),
            h("p", h("span", level, class_=f"badge {_KINDS[level]}"), class_="state"),
            figures(
                ("Findings", str(len(findings_of(report))), _counted(findings_of(report)) or _checked(parts)),
                *(figure for database, part in shown for figure in database.figures(part)),
            ),
        ),
        h(
            "main",
            _findings(report),
            _notes(parts),
            *(element for database, part in shown for element in database.sections(part)),
            h("details", h("summary", "All checks and their thresholds"), *map(_checks, parts), class_="all"),
        ),
        h("footer", h("p", f"Written by amanat.dbops. {' · '.join(line(part.get('title')) for part in parts)}. All times are UTC.")),
    )


def _title(report: Report) -> str:
    """The verdict, short enough for a headline."""
    found = findings_of(report)
    return f"{_counted(found)} on {line(report.get('stack'))}" if found else verdict(report)


def _checked(parts: list[dict[str, Any]]) -> str:
    states = [check["state"] for part in parts for check in part["checks"]]
    return f"{len(states)} checks, {states.count(UNKNOWN)} without an answer"


def _findings(report: Report) -> Element | None:
    found = findings_of(report)
    if not found:
        return None
    cards = [_card(list(group)) for _key, group in groupby(found, key=lambda finding: (finding["severity"], finding["check"]))]
    return section("What to do, the worst first", h("ul", *cards, class_="cards"))


def _card(found: list[dict[str, Any]]) -> Element:
    """All findings of one check and severity: title and meaning once, then each with what to type."""
    first = found[0]
    rest = found[SHOWN:]
    more = h("details", h("summary", f"{len(rest)} more"), h("ul", *(h("li", _what(one)) for one in rest[:100]))) if rest else None
    return h(
        "li",
        h("h3", h("span", f"{first['severity']}", class_=f"result {_KINDS[first['severity']]}"), f" · {first['title']}"),
        h("p", first["meaning"], class_="note"),
        *(_one(finding) for finding in found[:SHOWN]),
        more,
        class_=f"card {_KINDS[first['severity']]}",
    )


def _what(finding: dict[str, Any]) -> str:
    return " · ".join(part for part in (line(finding["object"], ""), finding["shown"], line(finding["detail"], "")) if part)


def _one(finding: dict[str, Any]) -> Element:
    limit = f"threshold {finding['limit']}" if finding["limit"] else ""
    about = [part for part in (line(finding["object"], ""), finding["shown"]) if part]
    return h(
        "div",
        h("p", h("span", " · ".join(about), class_="value"), f" {limit}" if about else limit) if about or limit else None,
        h("p", text(finding["detail"], "")) if finding["detail"] else None,
        h("pre", code(text(finding["next"]))) if finding["next"] else None,
        class_="one",
    )


def _notes(parts: list[dict[str, Any]]) -> Element | None:
    rows = [
        (line(note["about"]), text(note["reason"]), code(line(note["next"], ""))) for part in parts for note in mappings(part.get("notes"))
    ]
    if not rows:
        return None
    return section("What this report does not know", table("What is not known", ("About", "Why", "Next"), rows))


def _checks(part: dict[str, Any]) -> Element:
    rows = [
        (
            line(check["title"]),
            h("span", check["state"], class_=f"result {_KINDS[check['state']]}"),
            line(check["value"] or check["reason"], ""),
            line(check["warning"], ""),
            line(check["critical"], ""),
            line(check["source"], ""),
        )
        for check in mappings(part.get("checks"))
    ]
    columns = ("Check", "State", "Worst value", "Warning", "Critical", "Thresholds from")
    return section(f"All checks of {line(part.get('title'))}", table("Checks and their thresholds", columns, rows))
