# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of a dump are counted, and a dump that ends in the middle of a table is never taken for a whole one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _pg_dump
from ansible_collections.amanat.dbops.plugins.module_utils._command import Answer, Command, run
from hypothesis import given
from hypothesis import strategies as st

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20)
HEAD = "--\n-- PostgreSQL database dump\n--\n\nSET client_encoding = 'UTF8';\n\n"
USERS = "COPY public.users (id, name) FROM stdin;\n"
Counter = Callable[[str], Answer]


@pytest.fixture
def count(tmp_path: Path) -> Counter:
    """COUNT_ROWS on a script of pg_restore's; the first line of the script may be `exit <code>`."""

    def count(script: str, code: int = 0, encoding: str = "utf-8") -> Answer:
        (tmp_path / "script.sql").write_bytes(script.encode(encoding))
        fake = tmp_path / "pg_restore"
        fake.write_text(f'#!/bin/sh\ncat "{tmp_path}/script.sql"\nexit {code}\n', encoding="utf-8")
        fake.chmod(0o755)
        path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
        return run(Command(["bash", "-c", _pg_dump.COUNT_ROWS, "count-rows", "x.dump"], {"PATH": path}), encoding=_pg_dump.BYTES)

    return count


@pytest.mark.parametrize(
    ("script", "rows"),
    [
        (HEAD, {}),
        (HEAD + USERS + "1\tmo\n2\t\\N\n\\.\n\n", {("public", "users"): 2}),
        (HEAD + USERS + "\\.\n", {("public", "users"): 0}),
        (USERS + "1\tx\n\\.\n\nCOPY a.b (c) FROM stdin;\n\\.\nSELECT setval('x', 1);\n", {("public", "users"): 1, ("a", "b"): 0}),
        # Data that look like the frame around them; COPY writes a backslash in data as two.
        (USERS + "1\tCOPY public.x (y) FROM stdin;\n2\t\\\\.\n\\\\.\tx\nCOPY z\t1\n\n\\.\n", {("public", "users"): 5}),
        ('COPY public."Über Gast" (id) FROM stdin;\n1\n\\.\n', {("public", "Über Gast"): 1}),
        ('COPY public."two\\nlines" (id) FROM stdin;\n1\n\\.\n', {("public", "two\\nlines"): 1}),
        ('COPY public."two\nlines" (id) FROM stdin;\n1\n\\.\n', {("public", "two\nlines"): 1}),
        ('COPY "a.b"."c""d" ("x y") FROM stdin;\n1\n\\.\n', {("a.b", 'c"d'): 1}),
        ("COPY public.no_columns  FROM stdin;\n\n\n\\.\n", {("public", "no_columns"): 2}),
    ],
)
def test_rows_are_counted(count: Counter, script: str, rows: dict[tuple[str, str], int]) -> None:
    answer = count(script)
    assert answer.ok
    assert _pg_dump.counted(answer.out) == rows


@pytest.mark.parametrize(
    "script",
    [
        HEAD + USERS,
        HEAD + USERS + "1\tmo\n",
        HEAD + USERS + "1\tmo\n2\tj",
        HEAD + USERS + "1\tmo\n\\",
        HEAD + USERS + "1\tmo\n\\.\n" + USERS[:-9],
        HEAD + 'COPY public."two\n',
    ],
)
def test_an_end_inside_a_table_is_found(count: Counter, script: str) -> None:
    assert count(script).code == _pg_dump.UNTERMINATED


def test_a_cut_anywhere_inside_the_data_is_found(count: Counter) -> None:
    data = USERS + "1\tmo\n2\tjo\n\\.\n"
    for cut in range(len("COPY "), len(data) - 1):  # the very last character is the line's end, which awk does without
        if data[:cut].endswith("\\."):
            continue
        assert count(data[:cut]).code == _pg_dump.UNTERMINATED, data[:cut]


def test_a_failure_of_pg_restore_is_not_hidden_by_the_pipe(count: Counter) -> None:
    assert count(HEAD, code=1).code == _pg_dump.REFUSED


@pytest.mark.parametrize(
    ("encoding", "codec", "name"),
    [
        ("UTF8", "utf-8", "Größe"),
        ("LATIN1", "latin-1", "Größe"),
        ("LATIN9", "iso8859-15", "Preis in €"),
        ("WIN1252", "cp1252", "Preis in €"),
        ("WIN866", "cp866", "Таблица"),
        ("KOI8R", "koi8-r", "Таблица"),
        ("EUC_JP", "euc-jp", "表"),
        ("ISO_8859_5", "iso8859-5", "Таблица"),
        ("SQL_ASCII", "utf-8", "Größe"),
    ],
)
def test_names_are_read_in_the_encoding_of_the_dump(count: Counter, encoding: str, codec: str, name: str) -> None:
    head = HEAD.replace("UTF8", encoding)
    answer = count(f'{head}COPY public."{name}" (id) FROM stdin;\n1\n\\.\n', encoding=codec)
    assert _pg_dump.counted(answer.out) == {("public", name): 1}


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@given(schema=NAMES, table=NAMES)
def test_any_name_is_read_out_of_its_header(schema: str, table: str) -> None:
    assert _pg_dump.table_of(f"COPY {quoted(schema)}.{quoted(table)} (id) FROM stdin;") == (schema, table)


@given(tables=st.dictionaries(st.tuples(NAMES, NAMES), st.integers(0), max_size=4))
def test_any_answer_is_read(tables: dict[tuple[str, str], int]) -> None:
    lines = [f"{rows}\tCOPY {quoted(schema)}.{quoted(table)} (id) FROM stdin;\n" for (schema, table), rows in tables.items()]
    assert _pg_dump.counted("".join(lines).encode().decode(_pg_dump.BYTES)) == tables


def test_rows_of_several_partitions_may_be_written_under_one_name() -> None:
    header = "COPY public.orders (status) FROM stdin;"
    counted = _pg_dump.counted(f"2\t{header}\n1\t{header}\n4\tCOPY public.users (id) FROM stdin;\n")
    assert counted == {("public", "orders"): 3, ("public", "users"): 4}


def test_what_is_no_header_is_not_guessed_at() -> None:
    with pytest.raises(ValueError, match="not a COPY statement"):
        _pg_dump.table_of("COPY users FROM stdin;")


A, B = ("public", "a"), ("public", "b")


@pytest.mark.parametrize(
    ("expected", "found", "wrong"),
    [
        ({}, {}, []),
        ({A: 1, B: 0}, {A: 1, B: 0}, []),
        ({A: 2}, {A: 1}, ["public.a: 2 rows in the snapshot, 1 in the dump"]),
        ({A: 1}, {}, ["public.a: 1 rows in the snapshot, no in the dump"]),
        ({A: 0}, {}, ["public.a: 0 rows in the snapshot, no in the dump"]),
        (
            {B: 1, A: 1},
            {A: 2, B: 2},
            ["public.a: 1 rows in the snapshot, 2 in the dump", "public.b: 1 rows in the snapshot, 2 in the dump"],
        ),
    ],
)
def test_counts_are_compared(expected: dict[tuple[str, str], int], found: dict[tuple[str, str], int], wrong: list[str]) -> None:
    assert _pg_dump.compare_counts(expected, found) == wrong


def test_a_dump_says_which_pg_dump_wrote_it() -> None:
    text = "--\n\n-- Dumped from database version 18.0\n-- Dumped by pg_dump version 18.1 (Debian 18.1-2)\n\nSET x = 0;\n"
    assert _pg_dump.version_of(text) == "18.1 (Debian 18.1-2)"
    assert _pg_dump.version_of(HEAD) == ""
