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
from ansible_collections.amanat.dbops.plugins.module_utils._drizzle import Migration
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from hypothesis import given
from hypothesis import strategies as st

JOURNAL = "meta/_journal.json"
NOW = 1_000


def sha256(sql: str) -> str:
    return hashlib.sha256(sql.encode()).hexdigest()


def migration(name: str, when: int) -> Migration:
    return Migration(name, when, sha256(name), name)


def row(name: str, when: int | None) -> dict[str, Any]:
    return {"hash": sha256(name), "created_at": when}


def folder(*entries: tuple[str, int], **files: bytes) -> dict[str, bytes]:
    journal = {"version": "7", "dialect": "postgresql", "entries": [{"idx": 0, "tag": tag, "when": when} for tag, when in entries]}
    return {JOURNAL: json.dumps(journal).encode(), **{f"{name}.sql": content for name, content in files.items()}}


def verdict(**lists: list[str]) -> dict[str, list[str]]:
    keys = ("applied", "pending", "will_be_skipped", "edited_after_apply", "unknown_in_database", "future_dated")
    return {**{key: [] for key in keys}, **lists}


def test_a_folder_is_read_in_the_order_of_its_journal() -> None:
    files = folder(("b", 2), ("a", 1), a=b"SELECT 1;", b=b"SELECT 2;", unlisted=b"SELECT 3;")
    assert _drizzle.read(files) == [
        Migration("b", 2, sha256("SELECT 2;"), "SELECT 2;"),
        Migration("a", 1, sha256("SELECT 1;"), "SELECT 1;"),
    ]


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
    (read,) = _drizzle.read(folder(("a", 1), a=content))
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


@pytest.mark.parametrize(
    ("migrations", "rows", "expected"),
    [
        pytest.param([], [], verdict(), id="nothing"),
        pytest.param([("a", 1), ("b", 2)], [], verdict(pending=["a", "b"]), id="a new database"),
        pytest.param([("a", 1), ("b", 2)], [row("a", 1)], verdict(applied=["a"], pending=["b"]), id="one more"),
        pytest.param([("a", 1), ("b", 2)], [row("a", 1), row("b", 2)], verdict(applied=["a", "b"]), id="up to date"),
        pytest.param(
            [("a", 1), ("late", 2), ("b", 3)],
            [row("a", 1), row("b", 3)],
            verdict(applied=["a", "b"], will_be_skipped=["late"]),
            id="out of order",
        ),
        pytest.param(
            [("a", 1), ("b", 2), ("late", 1)],
            [row("a", 1)],
            verdict(applied=["a", "late"], edited_after_apply=["late"], pending=["b"]),
            id="same time",
        ),
        pytest.param([("a", 1)], [row("old a", 1)], verdict(applied=["a"], edited_after_apply=["a"]), id="edited"),
        pytest.param(
            [("a", 1)], [row("a", 1), row("x", 5)], verdict(applied=["a"], unknown_in_database=[f"{sha256('x')[:12]} of 5"]), id="unknown"
        ),
        pytest.param([("a", 1), ("b", NOW + 1)], [row("a", 1)], verdict(applied=["a"], pending=["b"], future_dated=["b"]), id="future"),
        pytest.param([("a", NOW)], [], verdict(pending=["a"]), id="now"),
        pytest.param([("a", 1), ("b", 1)], [row("a", 1), row("b", 1)], verdict(applied=["a", "b"]), id="two of one time"),
        pytest.param(
            [("a", 1)],
            [row("a", 1), row("x", None)],
            verdict(applied=["a"], unknown_in_database=[f"{sha256('x')[:12]} of None"]),
            id="by hand",
        ),
    ],
)
def test_compare(migrations: list[tuple[str, int]], rows: list[dict[str, Any]], expected: dict[str, list[str]]) -> None:
    assert _drizzle.compare([migration(*each) for each in migrations], rows, NOW) == expected


TIMES = st.lists(st.integers(0, 50), max_size=8, unique=True)


@given(on_disk=TIMES, in_database=TIMES)
def test_what_is_pending_is_what_drizzle_would_run(on_disk: list[int], in_database: list[int]) -> None:
    migrations = [migration(f"m{when}", when) for when in on_disk]
    rows = [row(f"m{when}", when) for when in in_database]
    found = _drizzle.compare(migrations, rows, NOW)
    # drizzle-orm/src/pg-core/dialect.ts, migrate(): the newest row is read once, then every newer entry runs.
    newest = max(in_database, default=None)
    assert found["pending"] == [each.name for each in migrations if newest is None or newest < each.when]
    assert sorted(found["applied"] + found["pending"] + found["will_be_skipped"]) == sorted(each.name for each in migrations)
    assert len(found["unknown_in_database"]) == len(set(in_database) - set(on_disk))


@pytest.mark.parametrize(
    ("key", "slug"),
    [
        ("will_be_skipped", "migrations-skipped"),
        ("edited_after_apply", "migrations-edited"),
        ("unknown_in_database", "migrations-unknown"),
    ],
)
def test_what_would_not_lead_where_the_journal_says_is_refused(key: str, slug: str) -> None:
    with pytest.raises(OperationError) as caught:
        _drizzle.refuse(verdict(**{key: ["0007_x", "0008_y"]}))
    assert caught.value.slug == slug
    assert "0007_x, 0008_y" in caught.value.what


def test_the_rest_is_no_reason_to_refuse() -> None:
    _drizzle.refuse(verdict(applied=["a"], pending=["b"], future_dated=["b"]))
