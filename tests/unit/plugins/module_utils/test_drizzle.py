# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What drizzle would do with a release's migrations, foreseen: drizzle's own algorithm is the reference."""

from __future__ import annotations

import contextlib
import hashlib
import json
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _drizzle
from ansible_collections.amanat.dbops.plugins.module_utils._drizzle import FUTURE, Folder, Migration
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from hypothesis import given
from hypothesis import strategies as st

JOURNAL = "meta/_journal.json"
NOW = 1_000
SECOND = 1_000


def sha256(sql: str) -> str:
    return hashlib.sha256(sql.encode()).hexdigest()


def migration(name: str, when: int) -> Migration:
    return Migration(name, f"{name}.sql", when, sha256(name), name)


def journal(*entries: tuple[str, int]) -> Folder:
    return Folder("journal", tuple(migration(*entry) for entry in entries))


def folders(*entries: tuple[str, int]) -> Folder:
    return Folder("folders", tuple(migration(*entry) for entry in entries))


def row(content: str, when: int | None, name: str | None = None, *, versioned: bool = False) -> dict[str, Any]:
    return {"hash": sha256(content), "created_at": when, "name": name, "versioned": versioned or name is not None}


def folder(*entries: tuple[str, int], **files: bytes) -> dict[str, bytes]:
    written = {"version": "7", "dialect": "postgresql", "entries": [{"idx": 0, "tag": tag, "when": when} for tag, when in entries]}
    return {JOURNAL: json.dumps(written).encode(), **{f"{name}.sql": content for name, content in files.items()}}


def verdict(layout: str = "journal", **lists: list[str]) -> dict[str, Any]:
    keys = ("applied", "pending", "will_be_skipped", "edited_after_apply", "unknown_in_database", "future_dated", "duplicated_when")
    return {"layout": layout, **{key: [] for key in keys}, **lists}


def test_a_folder_is_read_in_the_order_of_its_journal() -> None:
    files = folder(("b", 2), ("a", 1), a=b"SELECT 1;", b=b"SELECT 2;", unlisted=b"SELECT 3;")
    assert _drizzle.read(files) == Folder(
        "journal",
        (Migration("b", "b.sql", 2, sha256("SELECT 2;"), "SELECT 2;"), Migration("a", "a.sql", 1, sha256("SELECT 1;"), "SELECT 1;")),
    )


def test_folders_of_their_own_are_read_in_the_order_of_their_names() -> None:
    files = {
        f"{name}/{file}": b"SELECT 1;" for name in ("20260102030405_b", "20260102030404_a") for file in ("migration.sql", "snapshot.json")
    }
    read = _drizzle.read(files)
    assert read.layout == "folders"
    assert [(each.name, each.file, each.when) for each in read.migrations] == [
        ("20260102030404_a", "20260102030404_a/migration.sql", 1767323044000),
        ("20260102030405_b", "20260102030405_b/migration.sql", 1767323045000),
    ]


def test_a_journal_counts_where_both_are() -> None:
    """drizzle-kit 0.x reads it, and that of 1.x refuses to run."""
    assert _drizzle.read({**folder(("a", 1), a=b""), "20260102030405_b/migration.sql": b""}).layout == "journal"


@pytest.mark.parametrize(
    ("content", "sql"),
    [
        (b"SELECT 1;\r\n--> statement-breakpoint\r\nSELECT 2;", "SELECT 1;\r\n--> statement-breakpoint\r\nSELECT 2;"),
        ("SELECT 'é';".encode(), "SELECT 'é';"),
        (b"\xef\xbb\xbfSELECT 1;", "\ufeffSELECT 1;"),
        # drizzle hashes the text that Node read, in which a bad byte is U+FFFD.
        (b"SELECT '\xff';", "SELECT '\ufffd';"),
        (b"", ""),
    ],
    ids=["CRLF", "UTF-8", "BOM", "no UTF-8", "empty"],
)
def test_the_digest_is_the_one_that_drizzle_writes(content: bytes, sql: str) -> None:
    (read,) = _drizzle.read(folder(("a", 1), a=content)).migrations
    assert (read.sql, read.sha256) == (sql, sha256(sql))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, JOURNAL),
        ({"0000_a.sql": b""}, JOURNAL),
        ({JOURNAL: b""}, JOURNAL),
        ({JOURNAL: b"{"}, JOURNAL),
        ({JOURNAL: b"\xff"}, JOURNAL),
        ({JOURNAL: b"[]"}, JOURNAL),
        ({JOURNAL: b"null"}, JOURNAL),
        ({JOURNAL: b"{}"}, "entries"),
        ({JOURNAL: b'{"entries": null}'}, JOURNAL),
        ({JOURNAL: b'{"entries": [1]}'}, JOURNAL),
        ({JOURNAL: b'{"entries": [{"when": 1}]}'}, "tag"),
        ({JOURNAL: b'{"entries": [{"tag": "a"}]}'}, "when"),
        ({JOURNAL: b'{"entries": [{"tag": "a", "when": "soon"}]}'}, JOURNAL),
        ({JOURNAL: b'{"entries": [{"tag": "a", "when": null}]}'}, JOURNAL),
        ({JOURNAL: b'{"entries": [{"tag": "a", "when": 1e999}]}'}, JOURNAL),
        ({JOURNAL: b'{"entries": [{"tag": "a", "when": 1}]}'}, "a.sql"),
        ({JOURNAL: b'{"entries": [{"tag": "../a", "when": 1}]}', "a.sql": b""}, "../a.sql"),
        ({JOURNAL: b'{"entries": [{"tag": "a", "when": 1}, {"tag": "a", "when": 2}]}', "a.sql": b""}, "a stands twice"),
        ({"20260102030405_a/snapshot.json": b""}, "20260102030405_a/migration.sql is missing"),
        ({"a/migration.sql": b""}, "the folder a does not begin with a time"),
        ({"20261302030405_a/migration.sql": b""}, "the folder 20261302030405_a does not begin with a time"),
    ],
)
def test_a_folder_that_cannot_be_read_is_refused(files: dict[str, bytes], said: str) -> None:
    with pytest.raises(OperationError) as caught:
        _drizzle.read(files)
    assert caught.value.slug == "migrations-unreadable"
    assert said in caught.value.what


@given(st.binary())
def test_any_journal_is_read_or_refused(content: bytes) -> None:
    with contextlib.suppress(OperationError):
        _drizzle.read({JOURNAL: content})


@given(st.dictionaries(st.text(alphabet="0123456789/_migration.sql"), st.binary()))
def test_any_folder_is_read_or_refused(files: dict[str, bytes]) -> None:
    with contextlib.suppress(OperationError):
        _drizzle.read(files)


@pytest.mark.parametrize(
    ("migrations", "rows", "expected"),
    [
        pytest.param([], [], verdict(), id="nothing"),
        pytest.param([("a", 1), ("b", 2)], [], verdict(pending=["a", "b"]), id="a new database"),
        pytest.param([("a", 1), ("b", 2)], [row("a", 1)], verdict(applied=["a"], pending=["b"]), id="one more"),
        pytest.param([("a", 1), ("b", 2)], [row("a", 1), row("b", 2)], verdict(applied=["a", "b"]), id="up to date"),
        pytest.param([("a", 1)], [row("a", 1), row("a", 1)], verdict(applied=["a"]), id="noted twice"),
        pytest.param([("a", 1)], [row("a", 1, "a")], verdict(applied=["a"]), id="by a later drizzle"),
        pytest.param(
            [("a", 1), ("late", 2), ("b", 3)],
            [row("a", 1), row("b", 3)],
            verdict(applied=["a", "b"], will_be_skipped=["late"]),
            id="out of order",
        ),
        pytest.param(
            [("a", 1), ("b", 2), ("late", 1)],
            [row("a", 1)],
            verdict(applied=["a"], will_be_skipped=["late"], pending=["b"]),
            id="same time",
        ),
        pytest.param([("a", 1)], [row("old a", 1)], verdict(applied=["a"], edited_after_apply=["a"]), id="edited"),
        pytest.param(
            [("a", 1), ("b", 1)],
            [row("b", 1), row("old a", 1)],
            verdict(applied=["a", "b"], edited_after_apply=["a"]),
            id="one of two of a time edited",
        ),
        pytest.param(
            [("a", 1)], [row("a", 1), row("x", 5)], verdict(applied=["a"], unknown_in_database=[f"{sha256('x')[:12]} of 5"]), id="unknown"
        ),
        pytest.param(
            [("a", 1)],
            [row("a", 1), row("x", 1)],
            verdict(applied=["a"], unknown_in_database=[f"{sha256('x')[:12]} of 1"]),
            id="unknown of a known time",
        ),
        pytest.param(
            [("a", 1), ("b", NOW + FUTURE + 1)], [row("a", 1)], verdict(applied=["a"], pending=["b"], future_dated=["b"]), id="future"
        ),
        pytest.param([("a", NOW + FUTURE)], [], verdict(pending=["a"]), id="clocks differ"),
        pytest.param([("a", 1), ("b", 1)], [row("a", 1), row("b", 1)], verdict(applied=["a", "b"]), id="two of one time"),
        pytest.param([("a", 1), ("b", 1)], [], verdict(pending=["a", "b"], duplicated_when=["a", "b"]), id="two pending of one time"),
        # drizzle reads that row first and takes its time for 0.
        pytest.param(
            [("a", 1), ("b", 0)],
            [row("a", 1), row("x", None)],
            verdict(applied=["a"], will_be_skipped=["b"], unknown_in_database=[f"{sha256('x')[:12]} of None"]),
            id="by hand",
        ),
    ],
)
def test_compare(migrations: list[tuple[str, int]], rows: list[dict[str, Any]], expected: dict[str, Any]) -> None:
    assert _drizzle.compare(journal(*migrations), rows, NOW) == expected


@pytest.mark.parametrize(
    ("migrations", "rows", "expected"),
    [
        pytest.param([("a", 1), ("b", 2)], [], verdict("folders", pending=["a", "b"]), id="a new database"),
        pytest.param(
            [("a", 1), ("late", 2), ("b", 3)],
            [row("a", 1, "a"), row("b", 3, "b")],
            verdict("folders", applied=["a", "b"], pending=["late"]),
            id="out of order",
        ),
        pytest.param([("a", 1)], [row("old", 1, "a")], verdict("folders", applied=["a"], edited_after_apply=["a"]), id="edited"),
        pytest.param(
            [("a", 1)],
            [row("a", 1, "a"), row("x", 2, "x")],
            verdict("folders", applied=["a"], unknown_in_database=["x of 2"]),
            id="unknown",
        ),
        pytest.param(
            [("a", 1)],
            [row("a", 1, None, versioned=True)],
            verdict("folders", pending=["a"], unknown_in_database=[f"{sha256('a')[:12]} of 1"]),
            id="noted without a name by a drizzle of 0.x",
        ),
        pytest.param(
            [("a", SECOND), ("b", 2 * SECOND)], [row("a", SECOND + 7)], verdict("folders", applied=["a"], pending=["b"]), id="0.x, by time"
        ),
        pytest.param(
            [("a", SECOND), ("b", SECOND)], [row("b", SECOND)], verdict("folders", applied=["b"], pending=["a"]), id="0.x, by time and hash"
        ),
        pytest.param([("a", SECOND)], [row("a", 5 * SECOND)], verdict("folders", applied=["a"]), id="0.x, by hash"),
        pytest.param(
            [("a", SECOND)],
            [row("x", 5 * SECOND)],
            verdict("folders", pending=["a"], unknown_in_database=[f"{sha256('x')[:12]} of 5000"]),
            id="0.x, unknown",
        ),
        pytest.param(
            [("a", NOW + FUTURE + 1), ("b", NOW + FUTURE + 1)],
            [],
            verdict("folders", pending=["a", "b"], future_dated=["a", "b"]),
            id="future",
        ),
    ],
)
def test_compare_folders(migrations: list[tuple[str, int]], rows: list[dict[str, Any]], expected: dict[str, Any]) -> None:
    assert _drizzle.compare(folders(*migrations), rows, NOW) == expected


TIMES = st.lists(st.integers(0, 50), max_size=8, unique=True)


@given(on_disk=TIMES, in_database=TIMES)
def test_what_is_pending_is_what_drizzle_would_run(on_disk: list[int], in_database: list[int]) -> None:
    migrations = [migration(f"m{when}", when) for when in on_disk]
    rows = [row(f"m{when}", when) for when in in_database]
    found = _drizzle.compare(Folder("journal", tuple(migrations)), rows, NOW)
    # drizzle-orm/src/pg-core/dialect.ts, migrate(): the newest row is read once, then every newer entry runs.
    newest = max(in_database, default=None)
    assert found["pending"] == [each.name for each in migrations if newest is None or newest < each.when]
    assert sorted(found["applied"] + found["pending"] + found["will_be_skipped"]) == sorted(each.name for each in migrations)
    assert len(found["unknown_in_database"]) == len(set(in_database) - set(on_disk))


@given(on_disk=st.sets(st.integers(0, 20)), in_database=st.sets(st.integers(0, 20)))
def test_what_is_pending_by_name_is_what_drizzle_would_run(on_disk: set[int], in_database: set[int]) -> None:
    rows = [row(f"m{when}", when, f"m{when}") for when in in_database]
    found = _drizzle.compare(folders(*((f"m{when}", when) for when in sorted(on_disk))), rows, NOW)
    # drizzle-orm/src/migrator.utils.ts, getMigrationsToRun()
    assert set(found["pending"]) == {f"m{when}" for when in on_disk - in_database}
    assert len(found["unknown_in_database"]) == len(in_database - on_disk)


@pytest.mark.parametrize(
    ("key", "slug"),
    [
        ("will_be_skipped", "migrations-skipped"),
        ("edited_after_apply", "migrations-edited"),
        ("unknown_in_database", "migrations-unknown"),
        ("duplicated_when", "migrations-duplicate"),
        ("future_dated", "migrations-future"),
    ],
)
def test_what_would_not_lead_where_the_release_says_is_refused(key: str, slug: str) -> None:
    names = ["0007_x", "0008_y"]
    with pytest.raises(OperationError) as caught:
        _drizzle.refuse(verdict(**{"pending": names, key: names}))
    assert caught.value.slug == slug
    assert "0007_x, 0008_y" in caught.value.what
    assert caught.value.next_step


def test_what_a_run_would_apply_is_known_by_name_and_content() -> None:
    known = Folder("journal", (migration("a", 1), migration("b", 2)))
    assert _drizzle.digests(known, verdict(pending=["b"])) == {"b": known.migrations[1].sha256}


@pytest.mark.parametrize(
    ("pending", "named"),
    [({"a": "1"}, "b"), ({"a": "1", "b": "3"}, "b"), ({"a": "1", "b": "2", "c": "3"}, "c"), ({}, "a, b"), ({"c": "1", "b": "2"}, "a, c")],
)
def test_nothing_is_applied_that_was_not_judged(pending: dict[str, str], named: str) -> None:
    judged = {"a": "1", "b": "2"}
    _drizzle.require_judged(dict(judged), judged)
    with pytest.raises(OperationError) as caught:
        _drizzle.require_judged(pending, judged)
    assert caught.value.slug == "migrations-changed"
    assert caught.value.what.endswith(f": {named}.")


@pytest.mark.parametrize("layout", ["journal", "folders"])
def test_the_rest_is_no_reason_to_refuse(layout: str) -> None:
    _drizzle.refuse(verdict(layout, applied=["a"], pending=["b"], future_dated=["a"]))


def test_by_name_a_time_in_the_future_harms_nothing() -> None:
    _drizzle.refuse(verdict("folders", pending=["b"], future_dated=["b"]))
