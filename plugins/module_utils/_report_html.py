# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Build HTML as a tree, so that every text is escaped by the serialiser and none by hand."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Union
from xml.etree import ElementTree

Content = Union[str, ElementTree.Element, None]

_BLOCKS = frozenset(
    {"div", "dl", "figure", "footer", "g", "h1", "h2", "header", "head", "main", "meta", "section", "svg", "table", "tr", "ul"}
)


def h(tag: str, *content: Content, **attributes: str) -> ElementTree.Element:
    """An element. Underscores in an attribute's name become hyphens, a trailing one is dropped; an empty attribute is left out."""
    element = ElementTree.Element(tag, {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items() if value})
    for item in content:
        if isinstance(item, ElementTree.Element):
            element.append(item)
        elif item and len(element):
            element[-1].tail = (element[-1].tail or "") + item
        elif item:
            element.text = (element.text or "") + item
    if tag in _BLOCKS:
        element.tail = "\n"
    return element


def section(title: str, *content: Content, class_: str = "") -> ElementTree.Element:
    return h("section", h("h2", title), *content, class_=class_)


def facts(*rows: tuple[str, Content]) -> ElementTree.Element:
    """A list of terms, each with its value."""
    return h("dl", *(h("div", h("dt", term), h("dd", value)) for term, value in rows), class_="facts")


def figures(*rows: tuple[str, str, Content]) -> ElementTree.Element:
    """The few numbers that a reader looks for first: term, value, note."""
    boxes = (h("div", h("dt", term), h("dd", value), h("dd", note, class_="note")) for term, value, note in rows)
    return h("dl", *boxes, class_="figures")


def meter(*parts: tuple[float, str]) -> ElementTree.Element:
    """A bar that is filled part by part, each a share of its width and a class. What it says stands beside it in words."""
    drawn, left = [h("rect", width="100%", height="100%", class_="track")], 0.0
    for share, kind in parts:
        width = min(max(share, 0.0), 1 - left)
        drawn.append(h("rect", x=f"{100 * left:.3f}%", width=f"{100 * width:.3f}%", height="100%", class_=f"bar {kind}"))
        left += width
    return h("svg", *drawn, height="6", aria_hidden="true", class_="meter")


def table(caption: str, columns: tuple[str, ...], rows: Iterable[Sequence[Content]], numeric: Container[str] = ()) -> ElementTree.Element:
    """A table whose first column names the row. On a phone its rows become blocks, so the roles are spelled out: CSS takes them away."""
    head = h("tr", *(h("th", name, scope="col", role="columnheader", class_=_kind(name, numeric)) for name in columns), role="row")
    body = []
    for row in rows:
        cells = [h("th", row[0], scope="row", role="rowheader")]
        for name, value in zip(columns[1:], row[1:]):
            cells.append(h("td", value, role="cell", data_label=name, class_=_kind(name, numeric)))
        body.append(h("tr", *cells, role="row"))
    return h(
        "table",
        h("caption", caption),
        h("thead", head, role="rowgroup"),
        h("tbody", *body, role="rowgroup"),
        role="table",
    )


def _kind(column: str, numeric: Container[str]) -> str:
    return "number" if column in numeric else "text"


def code(value: str) -> ElementTree.Element:
    return h("code", value)


def document(title: str, style: str, *body: Content) -> str:
    page = h(
        "html",
        h(
            "head",
            h("meta", charset="utf-8"),
            h("title", title),
            h("meta", name="viewport", content="width=device-width, initial-scale=1"),
            h("meta", name="color-scheme", content="light dark"),
            # Nothing is loaded and nothing runs, even if a journal found a way into the markup.
            h("meta", http_equiv="Content-Security-Policy", content="default-src 'none'; style-src 'unsafe-inline'; img-src data:"),
            h("link", rel="icon", href="data:,"),
            h("style", style),
        ),
        h("body", *body),
        lang="en",
    )
    return "<!DOCTYPE html>\n" + ElementTree.tostring(page, encoding="unicode", method="html") + "\n"
