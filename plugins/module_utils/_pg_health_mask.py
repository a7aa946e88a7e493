# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Texts of queries without what people wrote into them: passwords, keys, names and numbers of customers. Pure."""

from __future__ import annotations

import re

MASK = "?"
LENGTH = 400

# What a text is cut into. Comments are left out: generated ones carry identities and tokens of requests.
_PIECES = re.compile(
    r"""
      (?P<comment> --[^\n]* | /\*.*?(?:\*/|\Z) )
    | (?P<dollar> (?<![\w$]) \$(?P<tag>(?:[^\W\d]\w*)?)\$ .*? (?:\$(?P=tag)\$|\Z) )
    | (?P<escaped> (?<!\w) [eE]'(?:[^'\\]|''|\\.)*(?:'|\\?\Z) )
    | (?P<literal> (?: (?<!\w) (?:[uU]&|[bBxXnN]) )? '(?:[^']|'')*(?:'|\Z) )
    | (?P<identifier> "(?:[^"]|"")*(?:"|\Z) )
    | (?P<parameter> \$\d+ )
    | (?P<number> (?<![\w$]) (?: \d | \.\d ) [\w.]* (?: (?<=[eE]) [+-]\d+ )? )
    """,
    re.VERBOSE | re.DOTALL,
)

# A value without quotes: SET app.key TO something, whichever statement of the text it is, and what is written behind PASSWORD.
_SET = re.compile(r"((?:\A|;)\s*(?:set|alter)\b[^;]*?(?:=|\bto\b))\s*(?!\?)[^;]*", re.IGNORECASE | re.DOTALL)
_PASSWORD = re.compile(r"\b(password)\s+(?!\?)\S+", re.IGNORECASE)


def masked(text: str | None, *, conforming_strings: bool = True) -> str:
    """The text with a question mark in the place of every literal, on one line, of bounded length.

    conforming_strings: whether a backslash in a plain literal means itself.
    """
    if not text:
        return ""
    pieces, position = [], 0
    for match in _PIECES.finditer(text):
        pieces.append(text[position : match.start()])
        position = match.end()
        kind = match.lastgroup if match.lastgroup != "tag" else "dollar"
        if kind == "comment" and "/*" in match[0][2:]:
            # Comments nest: where this one ends is not worth the risk.
            position = len(text)
            break
        if kind == "literal" and "\\" in match[0] and not _plain(match[0], conforming_strings):
            # Where it ends depends on a setting of a session that may be over: nothing behind it can be shown.
            pieces.append(f"{MASK} …")
            position = len(text)
            break
        pieces.append({"comment": " ", "identifier": match[0], "parameter": match[0]}.get(str(kind), MASK))
    pieces.append(text[position:])
    line = " ".join("".join(pieces).split())
    line = _PASSWORD.sub(rf"\1 {MASK}", _SET.sub(rf"\1 {MASK}", line))
    return line if len(line) <= LENGTH else f"{line[: LENGTH - 1]}…"


def _plain(literal: str, conforming_strings: bool) -> bool:
    """Whether a literal with a backslash ends in the same place whatever the backslash means."""
    return conforming_strings and r"\'" not in literal
