# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""A report's page as Markdown, for a ticket: the same words, so that neither says more than the other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

_HEADINGS = {"h1": "#", "h2": "##", "h3": "###"}
_SHOWN_ONLY = frozenset({"svg", "caption"})  # for the eye, or said by the heading above

# What would be markup anywhere in a line, and what only at its beginning. https://spec.commonmark.org/0.31.2/#backslash-escapes
_MARKUP = re.compile(r"[\\`*\[\]<>|~&]|(?<![^\W_])_|_(?![^\W_])")
_BLOCK = re.compile(r"^(?:(\d+)([.)])(?=\s|$)|([#+=-]))")


def markdown(*parts: Element) -> str:
    return "\n\n".join(block for part in parts for block in _blocks(part)) + "\n"


def _blocks(element: Element) -> Iterator[str]:
    if element.tag in _SHOWN_ONLY:
        return
    if element.tag in _HEADINGS:
        yield f"{_HEADINGS[element.tag]} {_line(element)}"
    elif element.tag == "dl":
        yield "\n".join(f"- **{_line(row[0])}**: {'; '.join(filter(None, map(_line, row[1:])))}" for row in element)
    elif element.tag == "ul":
        yield "\n".join(f"- {_line(item)}" for item in element)
    elif element.tag == "table":
        yield _table(element)
    elif element.tag == "pre":
        yield _fenced("".join(element.itertext()))
    elif element.tag in ("p", "figcaption"):
        yield _line(element)
    else:
        for child in element:
            yield from _blocks(child)


def _table(table: Element) -> str:
    rows = [[_line(cell) for cell in row] for row in table.iter("tr")]
    rows.insert(1, ["---"] * len(rows[0]))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _line(element: Element) -> str:
    """All of an element in one line."""
    words = " ".join("".join(_inline(element)).replace("\N{NO-BREAK SPACE}", " ").split())
    return _BLOCK.sub(lambda match: f"{match[1]}\\{match[2]}" if match[1] else f"\\{match[3]}", words)


def _inline(element: Element) -> Iterator[str]:
    yield _escaped(element.text or "")
    for child in element:
        if child.tag == "code":
            yield _code("".join(child.itertext()))
        elif child.tag == "br":
            yield " "
        elif child.tag not in _SHOWN_ONLY and child.get("aria-hidden") != "true":
            yield from _inline(child)
        yield _escaped(child.tail or "")


def _escaped(words: str) -> str:
    return _MARKUP.sub(r"\\\g<0>", words)


def _code(words: str) -> str:
    """As it is typed. Where it could end the table's cell or itself, it is plain words."""
    return f"`{words}`" if words.strip() and not re.search(r"[`|\n]", words) else _escaped(words)


def _fenced(text: str) -> str:
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall(r"`+", text)), 3)
    return f"{fence}\n{text}\n{fence}"
