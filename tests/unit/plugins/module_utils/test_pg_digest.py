# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a database holds is compared in words: nothing that differs goes unsaid, and nothing that is the same is accused."""

from __future__ import annotations

import copy
from typing import Any, Callable

import pglast
import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _pg_digest
from ansible_collections.amanat.dbops.plugins.module_utils._pg_digest import differences, major, same_major, schema_digest, written_rows
from hypothesis import given
from hypothesis import strategies as st

Change = Callable[[dict[str, Any]], object]


def table(name: str, rows: int, digest: str | None, root: str = "") -> dict[str, Any]:
    whole = {"schema": "public", "table": root} if root else None
    return {"schema": "public", "table": name, "rows": rows, "digest": digest, "root": whole}


def sequence(name: str, before: int | None, after: int | None, *, cycle: bool = False) -> dict[str, Any]:
    return {"schema": "public", "sequence": name, "last_value": before, "last_value_after": after, "cycle": cycle}


MANIFEST: dict[str, Any] = {
    "server_version": "18.6 (Debian 18.6-1)",
    "tables": [table("users", 3, "7"), table("large", 9, None), table("part_0", 1, "5", "part"), table("part_1", 2, "6", "part")],
    "sequences": [sequence("still", 4, 4), sequence("moving", 4, 9), sequence("unused", None, None)],
    "large_objects": {"count": 1, "digest": "3"},
    "schema_sha256": "a",
    "properties": {"encoding": "UTF8", "extensions": [{"name": "plpgsql", "version": "1.0"}]},
}
FACTS: dict[str, Any] = {
    "server_version": "18.7",
    "encoding": "UTF8",
    "tables": MANIFEST["tables"],
    "sequences": [sequence("still", 4, 4), sequence("moving", 6, 6), sequence("unused", None, None)],
    "large_objects": {"count": 1, "digest": "3"},
    "schema_sha256": "a",
    "extensions": [{"name": "plpgsql", "version": "1.1"}],
}


def facts(*changes: Change) -> dict[str, Any]:
    changed = copy.deepcopy(FACTS)
    for change in changes:
        change(changed)
    return changed


def set_table(index: int, **values: Any) -> Change:
    return lambda facts: facts["tables"][index].update(values)


def set_sequence(index: int, value: int | None) -> Change:
    return lambda facts: facts["sequences"][index].update(last_value=value)


def test_the_same_is_the_same() -> None:
    assert differences(MANIFEST, facts()) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (set_table(0, rows=2), ["table public.users has 2 rows instead of 3"]),
        (set_table(0, digest="8"), ["table public.users has another content, in as many rows"]),
        (set_table(1, rows=8), ["table public.large has 8 rows instead of 9"]),
        (set_table(1, digest="1"), []),
        (set_table(2, digest="4"), ["table public.part has another content, in as many rows"]),
        (set_table(3, rows=3), ["table public.part has 4 rows instead of 3"]),
        (lambda facts: facts["tables"].pop(0), ["table public.users is missing"]),
        (lambda facts: facts["tables"].append(table("more", 0, "0")), ["table public.more was not in the backup"]),
        (set_sequence(0, 5), ["sequence public.still stands at 5 instead of 4"]),
        (set_sequence(0, None), ["sequence public.still stands at its start instead of 4"]),
        (set_sequence(1, 4), []),
        (set_sequence(1, 9), []),
        (set_sequence(1, 3), ["sequence public.moving stands at 3 instead of 4 to 9"]),
        (set_sequence(1, 10), ["sequence public.moving stands at 10 instead of 4 to 9"]),
        (set_sequence(2, 1), ["sequence public.unused stands at 1 instead of its start"]),
        (lambda facts: facts["sequences"].pop(0), ["sequence public.still is missing"]),
        (lambda facts: facts["sequences"].append(sequence("more", 1, 1)), ["sequence public.more was not in the backup"]),
        (lambda facts: facts["large_objects"].update(count=0), ["0 large objects instead of 1"]),
        (lambda facts: facts["large_objects"].update(digest="4"), ["the large objects have another content"]),
        (lambda facts: facts["large_objects"].update(digest=None), []),
        (lambda facts: facts.update(schema_sha256="b"), ["the schema is another one"]),
        (lambda facts: facts.update(schema_sha256="b", server_version="19beta1"), []),
        (lambda facts: facts.update(encoding="LATIN1"), ["the encoding is LATIN1 instead of UTF8"]),
        (lambda facts: facts.update(extensions=[]), ["extension plpgsql is missing"]),
        (lambda facts: facts["extensions"].append({"name": "x", "version": "1"}), ["extension x was not in the backup"]),
    ],
)
def test_each_difference_is_said_once(change: Change, said: list[str]) -> None:
    assert differences(MANIFEST, facts(change)) == said


def test_rows_may_move_between_partitions_that_are_loaded_by_their_root() -> None:
    moved = facts(set_table(2, rows=2, digest="9"), set_table(3, rows=1, digest="2"))
    assert differences(MANIFEST, moved) == []


@given(digests=st.lists(st.integers(0, 2**64 - 1), min_size=2, max_size=6), data=st.data())
def test_digests_add_up_over_partitions_wherever_the_rows_are(digests: list[int], data: st.DataObject) -> None:
    places = data.draw(st.lists(st.integers(0, 1), min_size=len(digests), max_size=len(digests)))
    sums = [sum(digest for digest, place in zip(digests, places) if place == index) for index in (0, 1)]
    here = [table(f"p{index}", places.count(index), _pg_digest._modulo(str(sums[index])), "p") for index in (0, 1)]
    there = [table("p0", len(digests), _pg_digest._modulo(str(sum(digests))), "p"), table("p1", 0, "0", "p")]
    assert differences({**MANIFEST, "tables": here}, {**FACTS, "tables": there}) == []


@pytest.mark.parametrize(
    ("before", "after", "cycle", "value", "fits"),
    [
        (None, 5, False, None, True),
        (None, 5, False, 3, True),
        (5, None, False, None, True),
        (5, 7, False, None, False),
        (-1, -9, False, -5, True),
        (-1, -9, False, -10, False),
        (9, 2, True, 10, True),
    ],
)
def test_a_sequence_that_moved_may_stand_anywhere_between(
    before: int | None, after: int | None, cycle: bool, value: int | None, fits: bool
) -> None:
    manifest = {**MANIFEST, "sequences": [sequence("s", before, after, cycle=cycle)]}
    assert (differences(manifest, {**FACTS, "sequences": [sequence("s", value, value)]}) == []) is fits


def test_a_dump_holds_the_rows_of_some_partitions_under_their_root() -> None:
    assert written_rows(MANIFEST) == {("public", "users"): 3, ("public", "large"): 9, ("public", "part"): 3}


@pytest.mark.parametrize(("total", "written"), [(None, "0"), ("0", "0"), ("-1", str(2**64 - 1)), (str(3 * 2**64 + 5), "5")])
def test_a_sum_of_hashes_is_kept_below_two_to_the_64th(total: str | None, written: str) -> None:
    assert _pg_digest._modulo(total) == written


NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=15)


@given(schema=NAMES, name=NAMES, columns=st.lists(NAMES, max_size=3), digest=st.booleans())
def test_any_table_is_counted_by_one_statement(schema: str, name: str, columns: list[str], digest: bool) -> None:
    entry = {"schema": schema, "table": name, "columns": columns, "condition": ""}
    (statement,) = pglast.parse_sql(_pg_digest.count_and_digest(entry, digest=digest))
    (source,) = statement.stmt.fromClause
    assert source.inh is False


SCHEMA = """--
-- PostgreSQL database dump
--

\\restrict abc

-- Dumped from database version 18.6
-- Dumped by pg_dump version 18.6

CREATE TABLE public.child (
    a integer,
    b text
)
INHERITS (public.parent);

CREATE TABLE public.plain (
    c integer DEFAULT 1,
    d text DEFAULT 'a::b (c)'::text
);
\\unrestrict abc
"""


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("abc", "xyz", True),
        ("version 18.6", "version 18.7", True),
        ("    a integer,\n    b text\n", "    b text,\n    a integer\n", True),
        ("b text", "b varchar", False),
        ("    b text\n", "    b text,\n    b text\n", False),
        ("public.child", "public.Child", False),
        ("    c integer DEFAULT 1,\n    d text", "    d text,\n    c integer DEFAULT 1", False),
        ("DEFAULT 1", "DEFAULT 2", False),
        ("'a::b (c)'::text", "('a::b (c)'::character varying(20))::text", True),
        ("'a::b (c)'::text", '(ARRAY[(\'a::b (c)\'::"public"."x""y"[])::timestamp(3) without time zone])', False),
        ("'a::b (c)'", "'a::b c'", False),
        ("'a::b (c)'", "'a (c)'", False),
    ],
)
def test_schemas_are_compared_by_what_they_say(old: str, new: str, same: bool) -> None:
    assert (schema_digest(SCHEMA) == schema_digest(SCHEMA.replace(old, new))) is same


@pytest.mark.parametrize(("version", "number"), [("18.6 (Debian 18.6-1)", 18), ("19beta1", 19), ("17", 17), ("", 0)])
def test_majors_are_told_apart(version: str, number: int) -> None:
    assert major(version) == number
    assert same_major({"server_version": version}, {"server_version": f"{number}.99"})
