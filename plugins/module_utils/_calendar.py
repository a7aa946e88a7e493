# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Time as a calendar counts it: durations of years, months, days and hours, in a declared zone."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo
from typing import NamedTuple

from ._errors import OperationError

_PART = re.compile(r"([0-9]{1,6})([ymdh])")
_UNITS = {"y": "years", "m": "months", "d": "days", "h": "hours"}

EVER = datetime.min.replace(tzinfo=timezone.utc)


class Duration(NamedTuple):
    years: int = 0
    months: int = 0
    days: int = 0
    hours: int = 0

    def __str__(self) -> str:
        return "".join(f"{number}{unit}" for number, unit in zip(self, _UNITS) if number)


def parse_duration(text: str) -> Duration:
    """`2y5m7d3h`: years, months, days and hours, each at most once. Raises ValueError with the reason."""
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no duration such as 2y5m7d3h (years, months, days, hours)")
    numbers = {_UNITS[unit]: int(number) for number, unit in parts}
    if len(numbers) < len(parts):
        raise ValueError(f"{text!r} names a unit twice")
    if not any(numbers.values()):
        raise ValueError(f"{text!r} is no time at all")
    return Duration(**numbers)


def duration_of(option: str, text: str | None) -> Duration | None:
    """The duration that an option gives, if it does."""
    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise malformed(option, str(error)) from None


def malformed(option: str, why: str) -> OperationError:
    return OperationError("policy-malformed", f"{option}: {why}.", "Nothing was changed.", f"Correct {option}.")


def before(moment: datetime, duration: Duration, zone: tzinfo) -> datetime:
    """The moment a duration earlier, by the zone's calendar; hours are counted on the clock.

    A day that the month does not have runs over into the next one: a month before 31 March is 3 March, or 2 March in
    a leap year.
    """
    local = moment.astimezone(zone)
    months = local.year * 12 + local.month - 1 - duration.years * 12 - duration.months
    try:
        first = datetime(months // 12, months % 12 + 1, 1, local.hour, local.minute, local.second, local.microsecond, timezone.utc)
        wall = first + timedelta(days=local.day - 1 - duration.days)
        return _instant(wall, zone) - timedelta(hours=duration.hours)
    except (ValueError, OverflowError):  # before the year 1
        return EVER


def _instant(wall: datetime, zone: tzinfo) -> datetime:
    """When the zone's clocks show a time (given as if in UTC). Where they never did, or did twice, one of the two answers."""
    return wall - _offset(wall - _offset(wall, zone), zone)


def _offset(moment: datetime, zone: tzinfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


def zone_of(name: str) -> tzinfo:
    """A zone of the IANA database by its name."""
    if name == "UTC":
        return timezone.utc
    import zoneinfo

    try:
        return zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        pass
    if not zoneinfo.available_timezones():
        raise OperationError(
            "timezone-data-missing",
            f"The target has no data about time zones, so {name} is not known there.",
            "Nothing was changed.",
            "Install the distribution's package tzdata on the target, or use UTC.",
        )
    raise malformed("timezone", f"{name!r} is no zone of the IANA database, as Europe/Zurich is one")
