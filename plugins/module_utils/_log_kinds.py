# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What kinds of errors an application's log holds: the same one of another moment, user or row is the same kind. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ._command import without_rows
from ._seed_env import without_secrets

LONGEST = 160  # characters of a kind: it is read by people, and kept in the journal
_READ = 4000  # characters of a line; what it is about stands before that
MOST = 200  # kinds; a log that is nothing but errors needs no more to be told from another

# Levels as the loggers in wide use write them: numbers of pino and bunyan, words of winston, zap, logback, syslog.
_SEVERE_NUMBER = 50
_SEVERE_WORDS = frozenset({"error", "err", "fatal", "critical", "crit", "panic", "emerg", "alert", "severe"})
_LEVEL_KEYS = ("level", "severity", "lvl", "log.level")
_MESSAGE_KEYS = ("msg", "message", "event", "error", "err")

_OTHER_WORDS = frozenset({"trace", "debug", "info", "notice", "log", "warn", "warning"})

# A line of text says at its head what it is: by a level, in capitals, in brackets or named as one, among its first words. Where none of
# them is a level, it is an error by the name of a class of errors that it begins with, or that has a name of its own.
_HEAD = 8  # words: time, host, process and logger may stand before the level
_LEVEL = re.compile(r"(?P<open>[\[(<|]*)(?P<level>[A-Za-z]+)(?P<close>[\])>|]*)(?P<end>:?)")
_NAMED = re.compile(r"\b(?:level|severity|lvl)=\"?([A-Za-z]+)")
_CLASS = re.compile(
    r"\b[A-Z]\w+(?:Error|Exception)\b(?=[:\s\[(]|$)"
    r"|(?:^|[(\[:]\s*|\b[Uu]n(?:caught|handled)\s+|^Caused by:\s+)(?:Error|Exception)\b(?=[:\[(]|$)"
    r"|^Exception in thread\b"
    r"|\b[Uu]n(?:caught|handled)\b"
)
_HANDLER = re.compile(r"\b(?:Error|[Ee]xception|[Rr]ejection)s? handlers?\b")

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_KEY = r"password|passwd|passphrase|secret|token|credential|api[_-]?key|private[_-]?key"
_IS = r"[\\\"']*\s*[:=]\s*"  # between a key and its value, also where both are quoted in a string of JSON
_QUOTED = r"\\*\"(?:[^\"\\]|\\[^\"])*\\*\"|'[^']*'"
# Whatever the key of a secret is called, and in a URL until the last `@`: a password that nobody encoded may have some itself.
_SECRETS = (
    (re.compile(r"://[^\s\"]*@"), "://…@"),
    (re.compile(rf"(?i)(\b(?:\w*authorization|[\w-]*cookie){_IS})(?:{_QUOTED}|.+)"), r"\1…"),
    (re.compile(rf"(?i)((?:\b[\w.-]{{0,40}}(?:{_KEY})\w*|\bpwd?|\bpass){_IS})(?:{_QUOTED}|(?:bearer\s+)?\S+)"), r"\1…"),
    (re.compile(rf"(?i)(\w[_-](?:{_KEY})|(?-i:[a-z0-9](?:Password|Secret|Token)))\s+\S+"), r"\1 …"),
    (re.compile(r"(\s(?:-a|-p|--pass\w*))\s+\S+"), r"\1 …"),
    (re.compile(r"\b[\w.+-]+@[\w-]+\.[\w.]+\b"), "…@…"),  # a person
)
_WITHOUT = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"), "#"),
    (re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`"), '"…"'),
    (re.compile(r"\b(?=\w*\d)[\w-]{16,}\b"), "…"),  # identities, tokens, digests
    (re.compile(r"\b0x[0-9a-fA-F]+\b|\d+"), "#"),
    (re.compile(r"\s+"), " "),
)


def clean(text: str, secrets: Mapping[str, str] = MappingProxyType({})) -> str:
    """A text of the application's without its colours, rows of tables, addresses of people, and what is or looks like a secret.

    secrets: what the window itself logs in with, by names that say so.
    """
    text = without_rows(without_secrets(_COLOURS.sub("", text), dict(secrets)))
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


def kinds(text: str, secrets: Mapping[str, str] = MappingProxyType({})) -> list[str]:
    """Each kind of error in a log once, as they come. secrets: as for `clean`."""
    found: dict[str, None] = {}
    for line in text.splitlines():
        said = _error(_COLOURS.sub("", line).strip())
        if said and len(found) < MOST:
            found[_normal(clean(cut(said), secrets))] = None
    return list(found)


def is_error(line: str) -> bool:
    return bool(_error(_COLOURS.sub("", line).strip()))


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
    level = _level(line)
    severe = level in _SEVERE_WORDS if level else bool(_CLASS.search(line)) and not _HANDLER.search(line)
    return line if severe else ""


def _level(line: str) -> str:
    """The first word at the head of a line that is a level; "" where there is none. A count, `0 ERROR`, is none."""
    if named := _NAMED.search(line):
        return named[1].lower()
    before = ""
    for place, word in enumerate(line.split(None, _HEAD)[:_HEAD]):
        match = _LEVEL.fullmatch(word)
        if match and before not in ("0", "no"):
            level = match["level"].lower()
            boxed = (match["open"] and match["close"]) or (place == 0 and match["end"])
            if level in _SEVERE_WORDS | _OTHER_WORDS and (boxed or match["level"].isupper()):
                return level
        before = word
    return ""


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


def cut(said: str) -> str:
    """Between two words: of a secret there must not be a half."""
    return said if len(said) <= _READ else f"{said[:_READ].rpartition(' ')[0]} …"


def _normal(said: str) -> str:
    said = said.split("\n", 1)[0]
    for pattern, instead in _WITHOUT:
        said = pattern.sub(instead, said)
    return said.strip()[:LONGEST]
