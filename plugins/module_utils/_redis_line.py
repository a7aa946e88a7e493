# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What redis-cli reads and what it answers: one line each, whatever bytes a key is made of."""

from __future__ import annotations

import json
import re
from typing import Any, Union

Word = Union[str, bytes, int, float]


class Refusal(str):
    """The server's own words where it refuses a command, or a part of a transaction or a script."""

    __slots__ = ()


def encoded(word: Word) -> bytes:
    """Bytes that are no UTF-8 come as the lone surrogates that `decoded` made of them, as in names of files."""
    if isinstance(word, bytes):
        return word
    return str(word).encode("utf-8", "surrogateescape")


def decoded(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


_UNPRINTABLE = re.compile(rb"[^ !#-\[\]-~]")


def _escaped(word: bytes) -> bytes:
    return _UNPRINTABLE.sub(lambda match: b"\\x%02x" % ord(match[0]), word)


def line_of(words: tuple[Word, ...]) -> bytes:
    """One command as redis-cli reads it."""
    return b" ".join(b'"' + _escaped(encoded(word)) + b'"' for word in words) + b"\n"


def shown(text: str) -> str:
    """A key as people, logs and JSON can take it: one line, with escapes for what cannot be printed."""
    return "".join(char if char.isprintable() and char != "\\" else _escaped(encoded(char)).decode() for char in text)


def unshown(text: str) -> bytes:
    """The key that is shown so."""
    return re.sub(rb"\\x([0-9a-f]{2})", lambda match: bytes([int(match[1], 16)]), encoded(text))


# --quoted-json writes a string as redis-cli shows it to people, and doubles each backslash of that. So a quotation mark is \\"
# in it, where JSON sees the end of the string. https://github.com/redis/redis/blob/7.0.15/src/redis-cli.c, jsonStringOutput
_STRING = re.compile(rb'(error:)?"((?:[^"\\]|\\\\(?:\\\\|["nrtab]|x[0-9a-f]{2}))*)"')
_ESCAPE = re.compile(rb'\\\\(?:(\\\\)|(["nrtab])|x([0-9a-f]{2}))')
_CONTROL = {b'"': b'"', b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}


def _byte(match: re.Match[bytes]) -> bytes:
    backslash, control, code = match.groups()
    if backslash:
        return b"\\"
    return _CONTROL[control] if control else bytes([int(code, 16)])


def _as_json(match: re.Match[bytes]) -> bytes:
    error, text = match.groups()
    if not error and b"\\" not in text:
        return match[0]
    string = json.dumps(decoded(_ESCAPE.sub(_byte, text))).encode()
    return b'{"error":' + string + b"}" if error else string


def parse(line: bytes) -> Any:
    """One reply: text, whole number, None, list of replies, or Refusal. ValueError where the line is none."""
    if b"\\" in line or b"error:" in line:
        line = _STRING.sub(_as_json, line)
    # Replies of RESP2 hold no maps, so an object is what was made above.
    return json.loads(line, object_hook=lambda refused: Refusal(refused["error"]))


# What these answer, redis-cli shows as it comes, in several lines and with its errors unmarked, whatever form was asked for.
# https://github.com/redis/redis/blob/7.0.15/src/redis-cli.c, cliSendCommand
_PLAIN = re.compile(
    rb"info|lolwut|client (list|info)|cluster (nodes|info)|latency (graph|doctor)|memory (malloc-stats|doctor)"
    rb"|debug (htstats|htstats-key|client-eviction)"
)
_ERROR = re.compile(r"[A-Z]+ [^\n]*")


def is_plain(words: tuple[Word, ...]) -> bool:
    name = encoded(words[0]).lower()
    return bool(_PLAIN.fullmatch(name) or _PLAIN.fullmatch(b" ".join((name, *map(encoded, words[1:2]))).lower()))


def plain(lines: bytes) -> str:
    """The text of such an answer, or a Refusal."""
    text = decoded(lines).rstrip("\n")
    return Refusal(text) if _ERROR.fullmatch(text) else text
