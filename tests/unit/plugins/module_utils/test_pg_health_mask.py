# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._pg_health_mask import LENGTH, masked
from hypothesis import given
from hypothesis import strategies as st

SECRET = "geheim"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT * FROM users WHERE id = $1", "SELECT * FROM users WHERE id = $1"),
        ("SELECT 'O''Brien', 42, -1.5e+3, 0xFF, .5", "SELECT ?, ?, -?, ?, ?"),
        ('SELECT t1.c2, x3 FROM "Tab\'le" t1', 'SELECT t1.c2, x3 FROM "Tab\'le" t1'),
        ("ALTER ROLE app PASSWORD 'geheim' VALID UNTIL 'infinity'", "ALTER ROLE app PASSWORD ? VALID UNTIL ?"),
        ("ALTER USER app WITH PASSWORD geheim", "ALTER USER app WITH PASSWORD ?"),
        ("SELECT pgp_sym_encrypt(card, 'geheim')", "SELECT pgp_sym_encrypt(card, ?)"),
        ("DO $do$ BEGIN geheim; END $do$", "DO ?"),
        ("SELECT $$geheim$$, $a$ge$b$heim$a$, a$1$b", "SELECT ?, ?, a$1$b"),
        ("SELECT E'it\\'s geheim', U&'\\0441', B'1', N'x'", "SELECT ?, ?, ?, ?"),
        ("SELECT 1 -- token geheim\n FROM a /* request geheim */ WHERE b", "SELECT ? FROM a WHERE b"),
        ("SELECT 1 /* a /* b */ geheim */", "SELECT ?"),
        ("SET app.key TO geheim", "SET app.key TO ?"),
        ("SET app.key = geheim, more", "SET app.key = ?"),
        ("begin; set app.key to geheim", "begin; set app.key to ?"),
        ("CREATE ROLE x LOGIN; SET app.key = geheim; SELECT a", "CREATE ROLE x LOGIN; SET app.key = ?; SELECT a"),
        ("UPDATE t SET a = b WHERE c = d", "UPDATE t SET a = b WHERE c = d"),
        ("SELECT 'cut off geh", "SELECT ?"),
        ("SELECT $$cut off geh", "SELECT ?"),
        (r"SELECT 'a\', 'geheim'", "SELECT ? …"),
        ("", ""),
        (None, ""),
    ],
)
def test_values_give_way_to_question_marks(text: str | None, expected: str) -> None:
    assert masked(text) == expected


def test_a_backslash_that_may_mean_anything_hides_the_rest() -> None:
    assert masked(r"SELECT 'a\b', 'geheim'", conforming_strings=False) == "SELECT ? …"
    assert masked(r"SELECT 'a\b', 'geheim'") == "SELECT ?, ?"


def test_a_long_text_is_cut() -> None:
    assert len(masked("SELECT " + "a, " * 1000)) == LENGTH


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


LITERALS = st.text("ab'\"$-/*;\n ", max_size=8).map(lambda text: quoted(text[:4] + SECRET + text[4:]))
OUTSIDE = st.sampled_from(["SELECT a", ", ", " FROM t1 WHERE b = ", ' AND "q" <> ', " OR $1 = ", " -- note\n", " /* note */ ", " LIMIT 5 "])


@given(st.lists(st.tuples(OUTSIDE, LITERALS), max_size=6), st.integers(0, 200))
def test_no_literal_shows_wherever_the_text_is_cut_off(pieces: list[tuple[str, str]], end: int) -> None:
    text = "".join(outside + " " + literal for outside, literal in pieces)
    assert SECRET not in masked(text)
    assert SECRET[:3] not in masked(text[:end])
