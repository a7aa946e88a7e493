# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""SASLprep, in which clients of PostgreSQL write a password before they prove that they know it.

https://www.rfc-editor.org/rfc/rfc4013, and pg_saslprep in src/common/saslprep.c for what is not text as that wants it.
"""

from __future__ import annotations

import stringprep
import unicodedata
from typing import Callable

_PROHIBITED: tuple[Callable[[str], bool], ...] = (
    stringprep.in_table_a1,  # unassigned
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def prepared(password: str) -> str:
    """The password as it is hashed. One that holds what is not allowed stays as it is, with PostgreSQL, too."""
    if password.isascii():
        return password
    spaces = "".join(" " if stringprep.in_table_c12(char) else char for char in password)
    mapped = "".join(char for char in spaces if not stringprep.in_table_b1(char))
    text = unicodedata.normalize("NFKC", mapped)
    if not text or any(is_prohibited(char) for char in text for is_prohibited in _PROHIBITED):
        return password
    # What is written from right to left begins and ends so, and holds nothing that is written from left to right.
    if any(map(stringprep.in_table_d1, text)):
        ends = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
        if not ends or any(map(stringprep.in_table_d2, text)):
            return password
    return text
