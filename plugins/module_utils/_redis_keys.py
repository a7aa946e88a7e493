# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Names of keys: what a pattern asks for, and how a key is shown. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ._redis_line import encoded, shown

SEPARATOR = ":"  # of <service>:<entity>:<id>

# Whatever is flushed, the stamp stays.
OURS = "dbops:"

SHOWN = 120  # bytes of a key's name that are read; it may have half a gigabyte
MANY_PREFIXES = 10_000  # that are told apart; an application that puts ids into them makes millions


def _literals(pattern: str) -> Iterator[str]:
    """The characters that a glob asks for by name. A class names none, whatever stands in it: [^x] is nearly every character.

    https://redis.io/docs/latest/commands/keys/
    """
    position = 0
    while position < len(pattern):
        character = pattern[position]
        if character == "[":
            position = _end_of_class(pattern, position)
        elif character not in "*?":
            # A backslash at the very end is one.
            position += character == "\\" and position + 1 < len(pattern)
            yield pattern[position]
        position += 1


def _end_of_class(pattern: str, position: int) -> int:
    """Where a class closes; one that does not ends with the pattern."""
    while position < len(pattern) and pattern[position] != "]":
        position += 2 if pattern[position] == "\\" else 1
    return position


def names_everything(pattern: str) -> bool:
    """Whether a pattern names nothing in particular: it is empty, or made of wildcards, classes and separators alone."""
    return all(character == SEPARATOR for character in _literals(pattern))


def beginning_with(prefix: str) -> str:
    """The pattern of the keys that begin with this, letter by letter."""
    return re.sub(r"([*?\[\]\\^-])", r"\\\1", prefix) + "*"


def title(beginning: str, length: int) -> str:
    """A key as it is shown: its beginning, with escapes for what cannot be printed, and the bytes of the whole where there are more."""
    more = length - len(encoded(beginning))
    return shown(beginning) + (f"… ({length} bytes)" if more > 0 else "")
