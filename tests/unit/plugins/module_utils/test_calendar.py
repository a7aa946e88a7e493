# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations and zones, as restic's own arithmetic has them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._calendar import EVER, Duration, before, parse_duration, zone_of
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from hypothesis import given
from hypothesis import strategies as st

UTC = timezone.utc


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("2y5m7d3h", Duration(2, 5, 7, 3)),
        ("7d", Duration(days=7)),
        ("3h2y", Duration(years=2, hours=3)),
        ("0y36h", Duration(hours=36)),
    ],
)
def test_durations(text: str, duration: Duration) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "text", ["", " ", "7", "d", "1w", "7d ", "7 d", "-7d", "1.5d", "7D", "1d2d", "0d", "0h0m", "٣d", "9999999h", "7dx"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|twice|no time"):
        parse_duration(text)


@given(st.builds(Duration, *[st.integers(0, 999)] * 4).filter(any))
def test_durations_are_written_as_they_are_read(duration: Duration) -> None:
    assert parse_duration(str(duration)) == duration


@pytest.mark.parametrize(
    ("moment", "duration", "expected"),
    [
        ("2026-03-31T12:00:00", "1m", "2026-03-03T12:00:00"),  # 31 February is 3 March
        ("2024-03-31T12:00:00", "1m", "2024-03-02T12:00:00"),  # of a leap year
        ("2024-02-29T12:00:00", "1y", "2023-03-01T12:00:00"),
        ("2026-05-31T12:00:00", "1m1d", "2026-04-30T12:00:00"),  # 30 April, all units at once: not 30 April less a day
        ("2026-01-15T00:30:00", "13m", "2024-12-15T00:30:00"),
        ("2026-01-01T00:30:00", "1h", "2025-12-31T23:30:00"),
        ("2026-11-22T12:00:00", "2y5m7d3h", "2024-06-15T09:00:00"),
    ],
)
def test_the_calendar_runs_over(moment: str, duration: str, expected: str) -> None:
    assert before(at(moment), parse_duration(duration), UTC) == at(expected)


@pytest.mark.parametrize(
    ("moment", "duration", "expected"),
    [
        # Clocks went forward on 29 March 2026: a day before noon is noon, 23 hours ago; 24 hours ago is 11:00.
        ("2026-03-29T10:00:00", "1d", "2026-03-28T11:00:00"),
        ("2026-03-29T10:00:00", "24h", "2026-03-28T10:00:00"),
        # 02:30 of 29 March was never shown.
        ("2026-04-29T00:30:00", "1m", "2026-03-29T01:30:00"),
        # 02:30 of 25 October 2026 was shown twice.
        ("2026-11-25T01:30:00", "1m", "2026-10-25T01:30:00"),
    ],
)
def test_days_are_those_of_the_zone(moment: str, duration: str, expected: str) -> None:
    assert before(at(moment), parse_duration(duration), ZoneInfo("Europe/Zurich")) == at(expected)


def test_there_is_nothing_before_the_beginning() -> None:
    assert before(at("2026-11-22T12:00:00"), Duration(years=2026), UTC) == EVER
    assert before(at("2026-11-22T12:00:00"), Duration(days=999999), UTC) == EVER
    assert before(at("2026-11-22T12:00:00"), Duration(hours=999999 * 24), UTC) == EVER


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2050, 1, 1), timezones=st.just(UTC)),
    st.builds(Duration, st.integers(0, 9), st.integers(0, 30), st.integers(0, 400), st.integers(0, 1000)),
    st.sampled_from(Duration._fields),
)
def test_a_longer_duration_ends_no_later(moment: datetime, duration: Duration, unit: str) -> None:
    longer = duration._replace(**{unit: getattr(duration, unit) + 1})
    assert before(moment, longer, UTC) <= before(moment, duration, UTC) <= moment


def test_zones() -> None:
    assert zone_of("UTC") is UTC
    assert zone_of("Europe/Zurich").utcoffset(datetime(2026, 7, 1)) == timedelta(hours=2)


@pytest.mark.parametrize("name", ["Mars/Olympus", "Europe", "../../etc/passwd", "/etc/localtime", "CEST-2", ""])
def test_unknown_zones(name: str) -> None:
    with pytest.raises(OperationError) as caught:
        zone_of(name)
    assert caught.value.slug == "policy-malformed"


def test_a_target_without_zones_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoneinfo.available_timezones", set)
    monkeypatch.setattr("zoneinfo.ZoneInfo", {}.__getitem__)
    with pytest.raises(OperationError) as caught:
        zone_of("Europe/Zurich")
    assert caught.value.slug == "timezone-data-missing"
    assert zone_of("UTC") is UTC
