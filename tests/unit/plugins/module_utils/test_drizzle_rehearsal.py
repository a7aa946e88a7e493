# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made of a rehearsal's observations, and which rehearsal a window may go by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _drizzle_rehearsal, _drizzle_run
from ansible_collections.amanat.dbops.plugins.module_utils._drizzle import Migration
from ansible_collections.amanat.dbops.plugins.module_utils._drizzle_rehearsal import _Watch
from ansible_collections.amanat.dbops.plugins.module_utils._files import make_private_directory, write_json
from ansible_collections.amanat.dbops.plugins.module_utils._stack import Stack

IMAGE = "sha256:" + "0123456789abcdef" * 4

BEFORE: dict[int, dict[str, Any]] = {
    1: {"name": "public.users", "kind": "r", "file": 10, "bytes": 8192},
    2: {"name": "public.users_pkey", "kind": "i", "file": 11, "bytes": 8192},
    3: {"name": "public.gone", "kind": "r", "file": 12, "bytes": 0},
}


def watch(**seen: Any) -> _Watch:
    return _Watch(None, "dbops-migrate-1", **seen)  # type: ignore[arg-type]


def test_the_strongest_lock_of_each_old_table_is_told() -> None:
    locks = {
        (1, "ShareLock"): [1.0, 2.0],
        (1, "AccessExclusiveLock"): [1.5, 2.25],
        (2, "AccessExclusiveLock"): [1.0, 2.0],
        (9, "AccessExclusiveLock"): [1.0, 2.0],
    }
    expected = {"table": "public.users", "mode": "AccessExclusiveLock", "blocks": "reads and writes", "seconds": 0.75}
    assert _drizzle_rehearsal._locks(watch(locks=locks), BEFORE) == [expected]


def test_another_file_is_a_rewrite_and_a_new_or_dropped_table_is_none() -> None:
    after = {
        1: {**BEFORE[1], "file": 20, "bytes": 16384},
        2: {**BEFORE[2], "file": 21},
        4: {"name": "public.new", "kind": "r", "file": 22, "bytes": 0},
    }
    assert _drizzle_rehearsal._rewrites(BEFORE, after) == [
        {"name": "public.users", "kind": "table", "bytes": 16384},
        {"name": "public.users_pkey", "kind": "index", "bytes": 8192},
    ]


def test_statements_are_told_by_their_place_and_those_of_drizzle_itself_not_at_all() -> None:
    pending = [Migration("0001_a", "0001_a.sql", 1, "", "SELECT 1;--> statement-breakpoint\nSELECT 2;")]
    statements = {
        "a": {"sql": "SELECT 1;", "seconds": 0.5},
        "b": {"sql": "\nSELECT 2;", "seconds": 2.0004},
        "c": {"sql": "begin", "seconds": 9.0},
    }
    assert _drizzle_rehearsal._statements(watch(statements=statements), pending) == [
        {"where": "0001_a.sql line 2", "seconds": 2.0},
        {"where": "0001_a.sql line 1", "seconds": 0.5},
    ]


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        ({}, True),
        ({"passed": False}, False),
        ({"migrated": ["0001_a"]}, False),
        ({"version": 2}, False),
    ],
)
def test_only_a_rehearsal_of_the_very_same_counts(tmp_path: Path, change: dict[str, Any], counts: bool) -> None:
    stack = Stack.parse("development/shop", str(tmp_path))
    record = {"version": 1, "passed": True, "migrated": ["0001_a", "0002_b"], **change}
    path = _drizzle_run.rehearsal_path(stack, IMAGE)
    make_private_directory(str(Path(path).parent))
    write_json(path, record)
    assert _drizzle_run.rehearsed(stack, IMAGE, ["0001_a", "0002_b"]) == (record if counts else {})
    assert _drizzle_run.rehearsed(stack, IMAGE.replace("0", "f"), ["0001_a", "0002_b"]) == {}
