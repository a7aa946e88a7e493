# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of backups, and which of them belong together."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _manifest
from hypothesis import given
from hypothesis import strategies as st

NOON = datetime(2026, 11, 22, 12, 0, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize("moment", [NOON, datetime(2026, 11, 22, 14, 0, 0, tzinfo=timezone(timedelta(hours=2)))])
def test_a_name_carries_the_time_in_utc(moment: datetime) -> None:
    assert _manifest.backup_name("amanat_pg", moment, ".pgdir") == "amanat_pg_2026-11-22T120000Z.pgdir"


@given(before=st.datetimes(datetime(1000, 1, 1)), after=st.datetimes(datetime(1000, 1, 1)))
def test_names_sort_by_time(before: datetime, after: datetime) -> None:
    names = [_manifest.backup_name("s", moment.replace(tzinfo=timezone.utc, microsecond=0), ".dump") for moment in (before, after)]
    assert (names[0] <= names[1]) == (before.replace(microsecond=0) <= after.replace(microsecond=0))


def test_a_partial_backup_is_hidden_and_belongs_to_no_series() -> None:
    partial = _manifest.partial_name("amanat_pg_2026-11-22T120000Z.pgdir")
    assert partial == ".amanat_pg_2026-11-22T120000Z.pgdir.partial"
    assert _manifest.manifests_of("amanat_pg", [partial, partial + _manifest.SUFFIX]) == []


def test_series_that_begin_alike_are_two() -> None:
    short = ["a_2026-11-22T120000Z.dump.manifest.json", "a_2026-11-21T120000Z.pgdir.manifest.json"]
    long = ["a_pg_2026-11-23T120000Z.pgdir.manifest.json", "ab_2026-11-24T120000Z.pgdir.manifest.json"]
    assert _manifest.manifests_of("a", [*long, *short]) == sorted(short)
    assert _manifest.manifests_of("a_pg", [*long, *short]) == long[:1]


@pytest.mark.parametrize(
    "name",
    [
        *("a_2026-11-22T120000Z.pgdir", "a_latest.pgdir.manifest.json", "a_2026-11-22T120000Z.pgdir.manifest.json~"),
        *("old_a_2026-11-22T120000Z.pgdir.manifest.json", "a_2026-11-22.pgdir.manifest.json", "axb_2026-11-22T120000Z.dump.manifest.json"),
    ],
)
def test_what_is_no_manifest_of_the_series(name: str) -> None:
    assert _manifest.manifests_of("a", [name]) == []
    assert _manifest.manifests_of("a.b", [name]) == []


@pytest.mark.parametrize(
    ("database", "series"),
    [
        ("amanat", "amanat"),
        ("amanat_dev", "amanat_dev"),
        ("a b/c", "a_b_c"),
        ("../../etc", "etc"),
        (".hidden", "hidden"),
        ("-x", "x"),
        ("é", "database"),
    ],
)
def test_a_databases_name_becomes_the_beginning_of_a_files_name(database: str, series: str) -> None:
    assert _manifest.safe_series(database) == series


@given(st.text())
def test_any_databases_name_makes_a_series(database: str) -> None:
    assert _manifest.SERIES.fullmatch(_manifest.safe_series(database))


def test_the_digest_is_that_of_the_list_that_sha256sum_prints() -> None:
    files = [{"path": "toc.dat", "sha256": "b" * 64}, {"path": "1.dat", "sha256": "a" * 64}]
    expected = hashlib.sha256(f"{'a' * 64}  1.dat\n{'b' * 64}  toc.dat\n".encode()).hexdigest()
    assert _manifest.digest_of(files) == _manifest.digest_of(files[::-1]) == expected


@pytest.mark.parametrize("change", [{"path": "2.dat"}, {"sha256": "c" * 64}])
def test_the_digest_covers_names_and_contents(change: dict[str, str]) -> None:
    file = {"path": "1.dat", "sha256": "a" * 64}
    assert _manifest.digest_of([file]) != _manifest.digest_of([{**file, **change}])
