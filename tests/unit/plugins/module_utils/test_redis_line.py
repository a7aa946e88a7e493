# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What redis-cli reads and answers, byte for byte."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._redis_line import (
    Refusal,
    Word,
    decoded,
    encoded,
    is_plain,
    line_of,
    parse,
    plain,
    shown,
)
from hypothesis import given
from hypothesis import strategies as st


def as_redis_cli_writes(value: Any) -> bytes:
    """--quoted-json of redis-cli 7 and 8 and valkey-cli 8."""
    if isinstance(value, list):
        return b"[" + b",".join(map(as_redis_cli_writes, value)) + b"]"
    if not isinstance(value, bytes):
        return b"null" if value is None else str(value).encode()
    named = {ord("\\"): b"\\\\", ord('"'): b'\\"', 10: b"\\n", 13: b"\\r", 9: b"\\t", 7: b"\\a", 8: b"\\b"}
    text = b"".join(named.get(byte) or (bytes([byte]) if 32 <= byte < 127 else b"\\x%02x" % byte) for byte in value)
    return b'"' + text.replace(b"\\", b"\\\\") + b'"'


def as_text(value: Any) -> Any:
    if isinstance(value, list):
        return [as_text(part) for part in value]
    return decoded(value) if isinstance(value, bytes) else value


replies = st.recursive(st.none() | st.integers() | st.binary(), lambda part: st.lists(part, max_size=5), max_leaves=20)


@given(replies)
def test_every_reply_is_read_as_it_was_sent(reply: Any) -> None:
    assert parse(as_redis_cli_writes(reply) + b"\n") == as_text(reply)


@given(st.lists(st.binary(), min_size=1, max_size=4))
def test_every_command_is_one_line_of_plain_characters(words: list[bytes]) -> None:
    line = line_of(tuple(words))
    assert line.endswith(b"\n")
    assert all(32 <= byte < 127 for byte in line[:-1])
    assert line == line_of(tuple(map(decoded, words)))


@given(st.binary())
def test_what_is_shown_fits_in_a_line_of_a_message(key: bytes) -> None:
    text = shown(decoded(key))
    assert text.isprintable()
    text.encode("utf-8")


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b'"PONG"\n', "PONG"),
        (b'["0",["a\\\\"b\\\\\\\\c\\\\x00\\\\xff\\\\n\\\\a"]]\n', ["0", ['a"b\\c\0\udcff\n\a']]),
        (b'error:"ERR my \\\\"error\\\\""\n', Refusal('ERR my "error"')),
        (b'[1,error:"WRONGTYPE no","error:",null]\n', [1, Refusal("WRONGTYPE no"), "error:", None]),
    ],
)
def test_replies(line: bytes, reply: Any) -> None:
    assert parse(line) == reply
    assert repr(parse(line)) == repr(reply)
    assert isinstance(parse(line), type(reply))


@pytest.mark.parametrize(
    "line", [b"", b"Error: Server closed the connection\n", b"Could not connect to Redis", b'"cut off', b"Invalid argument(s)\n"]
)
def test_what_is_no_reply(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        parse(line)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("INFO",), True),
        (("info", "server"), True),
        (("CLIENT", "LIST", "ID", "1"), True),
        (("MEMORY", "DOCTOR"), True),
        (("CLIENT", "ID"), False),
        (("CONFIG", "GET", "info"), False),
        ((b"GET", b"info"), False),
    ],
)
def test_answers_in_several_lines(words: tuple[Word, ...], expected: bool) -> None:
    assert is_plain(words) is expected


def test_a_refusal_among_them() -> None:
    assert isinstance(plain(b"NOPERM User reader has no permissions to run the 'info' command\n"), Refusal)
    assert not isinstance(plain(b"# Server\r\nredis_version:8.0.6\r\n"), Refusal)


def test_words() -> None:
    assert line_of(("SET", 'a"b', b"\\\xff", 1, "\udcff")) == b'"SET" "a\\x22b" "\\x5c\\xff" "1" "\\xff"\n'
    assert encoded("ö") == "ö".encode()
    assert shown("ö\n\udcff\\") == "ö\\x0a\\xff\\x5c"
