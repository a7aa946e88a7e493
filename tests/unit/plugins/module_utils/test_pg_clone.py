# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of databases beside a database: short enough for PostgreSQL, and never those of another one."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._pg_clone import (
    FAILED,
    KINDS,
    NAME_BYTES,
    OLD,
    TABLES,
    Beside,
    beside,
    fit,
    is_beside,
    parse_beside,
)
from hypothesis import given
from hypothesis import strategies as st

MOMENT = datetime(2026, 11, 22, 17, 1, 2, tzinfo=timezone.utc)
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1).filter(
    lambda name: len(name.encode()) <= NAME_BYTES
)
# Long, and alike to their end: what is cut is what tells them apart.
LONG = st.builds(lambda end: ("ä" * 25 + end)[:40], st.text("ab~0123456789cdef", min_size=1, max_size=12))
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1), timezones=st.just(timezone.utc)).map(
    lambda moment: moment.replace(microsecond=0)
)


@pytest.mark.parametrize(
    ("database", "kind", "name"),
    [
        ("amanat", OLD, "amanat__old_20261122T170102Z"),
        ("a__old_20261122T170102Z", FAILED, "a__old_20261122T170102Z__failed_20261122T170102Z"),
        ("n" * 38, FAILED, "n" * 38 + "__failed_20261122T170102Z"),
        ("n" * 39, TABLES, "n" * 29 + "~44a92570__tables_20261122T170102Z"),
    ],
)
def test_names_as_they_are(database: str, kind: str, name: str) -> None:
    assert beside(database, kind, MOMENT) == name


def test_the_moment_is_that_of_utc() -> None:
    there = MOMENT.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert beside("amanat", OLD, there) == beside("amanat", OLD, MOMENT)


@given(NAMES | LONG, st.sampled_from(KINDS), MOMENTS)
def test_a_name_fits_and_says_what_it_was_made_of(database: str, kind: str, moment: datetime) -> None:
    name = beside(database, kind, moment)
    assert len(name.encode()) <= NAME_BYTES
    assert parse_beside(name) == Beside(name[: -len(f"__{kind}_20261122T170102Z")], kind, moment)
    assert is_beside(name, database)


@given(NAMES | LONG, NAMES | LONG, st.sampled_from(KINDS))
def test_two_databases_never_share_a_name(one: str, other: str, kind: str) -> None:
    assert (beside(one, kind, MOMENT) == beside(other, kind, MOMENT)) == (one == other)
    # Not even one whose name is what became of the other's.
    cut = beside(one, kind, MOMENT)[: -len(f"__{kind}_20261122T170102Z")]
    assert (beside(cut, kind, MOMENT) == beside(one, kind, MOMENT)) == (cut == one)


@given(NAMES, st.integers(10, NAME_BYTES))
def test_a_fitting_name_is_whole_characters(name: str, room: int) -> None:
    assert len(fit(name, room).encode()) <= room


@pytest.mark.parametrize(
    "name",
    [
        "amanat",
        "amanat__old_2026",
        "amanat__older_20261122T170102Z",
        "amanat__old_20261122T170102Z ",
        "amanat__old_20260231T170102Z",
        "__old_20261122T170102Z",
    ],
)
def test_other_names_mean_nothing(name: str) -> None:
    assert parse_beside(name) is None
    assert not is_beside(name, "amanat")


def test_another_databases_name_is_not_taken_for_ours() -> None:
    assert not is_beside("amanat_dev__failed_20261122T170102Z", "amanat")
