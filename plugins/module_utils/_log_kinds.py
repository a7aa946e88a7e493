# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What kinds of errors an application's log holds: the same one of another moment, user or row is the same kind. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from ._command import without_rows

LONGEST = 160  # characters of a kind: it is read by people, and kept in the journal
MOST = 200  # kinds; a log that is nothing but errors needs no more to be told from another

# Levels as the loggers in wide use write them: numbers of pino and bunyan, words of winston, zap, logback, syslog.
_SEVERE_NUMBER = 50
_SEVERE_WORDS = frozenset({"error", "err", "fatal", "critical", "crit", "panic", "emerg", "alert", "severe"})
_LEVEL_KEYS = ("level", "severity", "lvl", "log.level")
_MESSAGE_KEYS = ("msg", "message", "event", "error", "err")

# A line of text is an error where it says so at its head, in capitals, as a level or as the name of a class.
_SEVERE_LINE = re.compile(
    r"\b(?:ERROR|FATAL|CRITICAL|PANIC|SEVERE|EMERG)\b"
    r"|\b(?:level|severity|lvl)=\"?(?:error|fatal|critical|panic)\b"
    r"|\[(?:error|fatal|critical|emerg|alert|crit)\]"
    r"|\b(?:[A-Z]\w*)?(?:Error|Exception)\b(?=[:\s\[(]|$)"
    r"|\b[Uu]n(?:caught|handled)\b"
    r"|^(?:error|fatal|panic):"
)

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_WITHOUT = (
    (re.compile(r"://[^\s/@]*@"), "://…@"),
    (re.compile(r"(?i)\b((?:password|passwd|secret|token|authorization|api[_-]?key)\b[\"']?\s*[:=]\s*)(?:bearer\s+)?\S+"), r"\1…"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"), "#"),
    (re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`"), '"…"'),
    (re.compile(r"\b[\w.+-]+@[\w-]+\.[\w.]+\b"), "…@…"),
    (re.compile(r"\b(?=\w*\d)[\w-]{16,}\b"), "…"),  # identities, tokens, digests
    (re.compile(r"\b0x[0-9a-fA-F]+\b|\d+"), "#"),
    (re.compile(r"\s+"), " "),
)


def kinds(text: str) -> list[str]:
    """Each kind of error in a log once, as they come."""
    found: dict[str, None] = {}
    for line in text.splitlines():
        said = _error(_COLOURS.sub("", line).strip())
        if said and len(found) < MOST:
            found[_normal(said)] = None
    return list(found)


def new(before: Sequence[str], now: Sequence[str], ignored: Sequence[str]) -> list[str]:
    """Kinds that were not there before, and that nobody has said to ignore by a pattern."""
    patterns = [re.compile(pattern) for pattern in ignored]
    return [kind for kind in now if kind not in before and not any(pattern.search(kind) for pattern in patterns)]


def _error(line: str) -> str:
    """What a line says of an error, "" where it is none."""
    if line.startswith("{"):
        try:
            return _of_record(json.loads(line))
        except ValueError:
            pass  # text that begins like JSON, or a line that was cut off
    return line if _SEVERE_LINE.search(line) else ""


def _of_record(record: dict[str, Any]) -> str:
    level: Any = next((record[key] for key in _LEVEL_KEYS if key in record), "")
    severe = level >= _SEVERE_NUMBER if isinstance(level, (int, float)) else str(level).lower() in _SEVERE_WORDS
    # Loggers without levels put an error in a field of that name.
    if not severe and (level or not record.get("error")):
        return ""
    words = [_words(record[key]) for key in _MESSAGE_KEYS if record.get(key)]
    return ": ".join(words) or "an error without words"


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("message") or value.get("code") or value.get("type") or "")
    return str(value)


def _normal(said: str) -> str:
    said = without_rows(said).split("\n", 1)[0]
    for pattern, instead in _WITHOUT:
        said = pattern.sub(instead, said)
    return said.strip()[:LONGEST]
