# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a policy keeps: worked out by hand, and properties that hold of every policy."""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _retention
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=timezone.utc)  # a Sunday


class Backup(NamedTuple):
    name: str
    series: str
    moment: datetime


def backup(text: str, series: str = "a") -> Backup:
    """A backup of `2026-11-22`, `2026-11-22T10` or `2026-11-22T10:30`; its name is what was given."""
    date, _, hour = text.partition("T")
    return Backup(text, series, datetime.fromisoformat(f"{date}T{(hour or '00')[:2]}:{hour[3:] or '00'}:00+00:00"))


def backups(*texts: str) -> list[Backup]:
    return [backup(text) for text in texts]


def days(number: int) -> list[Backup]:
    """One backup a day at noon, the newest an hour ago."""
    return [backup(f"{NOW - timedelta(days=index, hours=1):%Y-%m-%dT%H}") for index in range(number)]


def plan(of: list[Backup], now: datetime = NOW, **options: Any) -> _retention.Plan:
    facts = {key: options.pop(key) for key in ("flaws", "drilled", "stacks", "pinned") if key in options}
    return _retention.plan(of, _retention.policy_of(options), now, **facts)


def kept(of: list[Backup], **options: Any) -> list[str]:
    return sorted(verdict.backup.name for verdict in plan(of, **options).kept)


# Twelve Sundays, the example of restic's documentation.
SUNDAYS = [f"{datetime(2019, 9, 1, 11) + timedelta(weeks=week):%Y-%m-%dT%H}" for week in range(12)]


@pytest.mark.parametrize(
    ("names", "policy", "expected"),
    [
        (SUNDAYS, {"keep_daily": 4}, SUNDAYS[-4:]),
        (SUNDAYS, {"keep_last": 3}, SUNDAYS[-3:]),
        (SUNDAYS, {"keep_last": -1}, SUNDAYS),
        # Months hold several; the newest of each. September's slot is the last of three.
        (SUNDAYS, {"keep_monthly": 3}, ["2019-09-29T11", "2019-10-27T11", "2019-11-17T11"]),
        # A fourth slot is left, so the oldest stays too.
        (SUNDAYS, {"keep_monthly": 4}, ["2019-09-01T11", "2019-09-29T11", "2019-10-27T11", "2019-11-17T11"]),
        (SUNDAYS, {"keep_monthly": -1}, ["2019-09-01T11", "2019-09-29T11", "2019-10-27T11", "2019-11-17T11"]),
        # All in one year: the newest of it, and with the second slot the oldest.
        (SUNDAYS, {"keep_yearly": 1}, ["2019-11-17T11"]),
        (SUNDAYS, {"keep_yearly": 2}, ["2019-09-01T11", "2019-11-17T11"]),
        # Strictly newer than 2019-10-20 11:00.
        (SUNDAYS, {"keep_within": "28d"}, SUNDAYS[-4:]),
        (SUNDAYS, {"keep_within": "28d1h"}, SUNDAYS[-5:]),
        (SUNDAYS, {"keep_within_monthly": "2m"}, ["2019-09-29T11", "2019-10-27T11", "2019-11-17T11"]),
        # Rules are ORed.
        (SUNDAYS, {"keep_last": 1, "keep_monthly": 2}, ["2019-10-27T11", "2019-11-17T11"]),
        # Several a day: the newest of each hour, day.
        (["2026-11-20T09", "2026-11-20T17", "2026-11-21T08", "2026-11-21T08:30"], {"keep_daily": 1}, ["2026-11-21T08:30"]),
        (
            ["2026-11-20T09", "2026-11-20T17", "2026-11-21T08", "2026-11-21T08:30"],
            {"keep_hourly": 2},
            ["2026-11-20T17", "2026-11-21T08:30"],
        ),
        (["2026-11-20T09", "2026-11-20T17", "2026-11-21T08"], {"keep_daily": 2}, ["2026-11-20T17", "2026-11-21T08"]),
        # 2027-01-03 is a Sunday of week 53 of 2026; 2027-01-04 begins week 1.
        (
            ["2026-12-27T00", "2026-12-31T00", "2027-01-03T00", "2027-01-04T00"],
            {"keep_weekly": 3},
            ["2026-12-27T00", "2027-01-03T00", "2027-01-04T00"],
        ),
        # Within a day, all hours; older than the newest by exactly a day does not count.
        (["2026-11-20T10", "2026-11-20T11", "2026-11-21T10"], {"keep_within_hourly": "1d"}, ["2026-11-20T11", "2026-11-21T10"]),
        # 31 February runs over into March.
        (["2026-03-02T12", "2026-03-03T12", "2026-03-03T13", "2026-03-31T12"], {"keep_within": "1m"}, ["2026-03-03T13", "2026-03-31T12"]),
        # One backup: it takes one slot, be it the oldest or not.
        (["2026-11-20T10"], {"keep_daily": 5, "keep_yearly": 5}, ["2026-11-20T10"]),
    ],
)
def test_rules(names: list[str], policy: dict[str, Any], expected: list[str]) -> None:
    assert kept(backups(*names), now=datetime(2028, 1, 1, tzinfo=timezone.utc), **policy) == expected


def test_buckets_are_those_of_the_declared_zone() -> None:
    """23:30 in London is 00:30 of the next day in Zurich."""
    of = backups("2026-11-19T23:30", "2026-11-20T12", "2026-11-20T22:30", "2026-11-20T23:30")
    assert kept(of, keep_daily=2) == ["2026-11-19T23:30", "2026-11-20T23:30"]
    assert kept(of, keep_daily=2, timezone="Europe/Zurich") == ["2026-11-20T22:30", "2026-11-20T23:30"]


def test_the_hour_that_comes_twice_is_one() -> None:
    of = backups("2026-10-25T00:10", "2026-10-25T01:10", "2026-10-25T02:10")  # 02:10, 02:10 and 03:10 in Zurich
    assert kept(of, keep_hourly=2, timezone="Europe/Zurich") == ["2026-10-25T01:10", "2026-10-25T02:10"]


def test_reasons_are_told() -> None:
    made = plan(backups("2026-11-20", "2026-11-21", "2026-11-22"), keep_last=1, keep_monthly=2, keep_within="1d2h")
    assert {verdict.backup.name: verdict.reasons for verdict in made.kept} == {
        "2026-11-20": ["keep_monthly: the oldest, slots are left"],
        "2026-11-21": ["keep_within 1d2h"],
        "2026-11-22": ["keep_last", "keep_monthly: 2026-11", "keep_within 1d2h", "the newest valid one"],
    }
    assert made.removed == []


# -- beyond restic -------------------------------------------------------------------------------------------------


def test_invalid_backups_take_no_slot_and_stay() -> None:
    of = days(14)
    flaws = dict.fromkeys((backup.name for backup in of[:5]), "it is empty")
    made = plan(of, keep_last=3, flaws=flaws)
    assert [verdict.backup for verdict in made.kept] == of[5:8]
    assert [verdict.backup for verdict in made.invalid] == of[:5]
    assert made.removed == of[:7:-1]


def test_the_future_counts_for_nothing_and_stays() -> None:
    of = [backup("2099-01-01"), backup("2026-11-22T12:01"), *days(9)]
    made = plan(of, keep_within="2d", min_keep=2)
    assert [verdict.backup.name for verdict in made.future] == ["2099-01-01", "2026-11-22T12:01"]
    assert [verdict.backup for verdict in made.kept] == of[2:4]
    assert len(made.removed) == 7


def test_a_stamp_of_this_very_moment_is_no_future() -> None:
    assert kept(backups("2026-11-22T12"), keep_last=1) == ["2026-11-22T12"]


def test_the_floor() -> None:
    of = days(9)
    assert kept(of, keep_last=1, min_keep=4) == sorted(backup.name for backup in of[:4])
    flaws = dict.fromkeys((backup.name for backup in of[1:]), "torn")
    assert plan(of, keep_last=1, min_keep=4, flaws=flaws).removed == []


def test_the_newest_drilled_one_stays() -> None:
    of = days(9)
    assert kept(of, keep_last=1, drilled={of[5].name, of[7].name}) == sorted([of[0].name, of[5].name])
    # One that is drilled and damaged since is not what a person could rely on.
    assert kept(of, keep_last=1, drilled={of[7].name}, flaws={of[5].name: "torn"}) == sorted([of[0].name, of[7].name])


def test_what_an_unfinished_window_names_stays() -> None:
    of = days(9)
    made = plan(of, keep_last=1, pinned={of[6].name: "window 7f3a names it"})
    assert made.kept[1] == (of[6], ["window 7f3a names it"])


def test_protected_names_stay() -> None:
    of = days(9)
    made = plan(of, keep_last=1, protect=["2026-11-1[67]T*", of[0].name])
    assert [verdict.backup for verdict in made.protected] == of[5:7]
    assert made.protected[0].reasons == ["protect: 2026-11-1[67]T*"]
    assert len(made.removed) == 6


def test_each_series_is_planned_alone() -> None:
    of = [*days(3), *[backup._replace(series="a_pg", name=f"a_pg_{backup.name}") for backup in days(4)]]
    made = plan(of, keep_last=2)
    assert sorted((backup.series, backup.name) for backup in made.removed) == [
        ("a", of[2].name),
        ("a_pg", of[6].name),
        ("a_pg", of[5].name),
    ]
    assert made.removed[0] == of[6]  # the oldest first, whatever its series


# -- what fails before anything is listed --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        *({"keep_last": number} for number in (0, -2, -100)),
        *({"keep_yearly": 1, option: number} for option in ("min_keep", "max_delete", "max_delete_percent") for number in (0, -1)),
        {"keep_last": 1, "max_delete_percent": 101},
        {"keep_within": ""},
        {"keep_within": "0d"},
        {"keep_within_daily": "7w"},
        {"keep_within_daily": "-7d"},
        {"keep_last": 1, "newest_max_age": "1"},
        {"keep_last": 1, "timezone": "Europe/Atlantis"},
        {"timezone": "Europe/Atlantis"},
    ],
)
def test_policies_that_are_malformed(options: dict[str, Any]) -> None:
    with pytest.raises(OperationError) as caught:
        _retention.policy_of(options)
    assert caught.value.slug == "policy-malformed"


@pytest.mark.parametrize("options", [{}, {"min_keep": 5, "newest_max_age": "1d", "max_delete": 3, "protect": ["*"]}])
def test_a_policy_that_keeps_nothing_is_none(options: dict[str, Any]) -> None:
    with pytest.raises(OperationError) as caught:
        _retention.policy_of(options)
    assert caught.value.slug == "policy-empty"


# -- what stops a rotation -----------------------------------------------------------------------------------------


def stopped(of: list[Backup], series: set[str], **facts: Any) -> str:
    policy = _retention.policy_of({"keep_last": 1, "newest_max_age": "26h"})
    made = _retention.plan(of, policy, NOW, **facts)
    try:
        _retention.require_recent(made, series, policy, NOW)
    except OperationError as error:
        return error.slug
    return ""


def test_backups_that_have_stopped() -> None:
    of = days(3)
    assert stopped(of, {"a"}) == ""
    assert stopped(of[1:], {"a"}) == ""  # 25 hours
    assert stopped(of[2:], {"a"}) == "backups-stopped"
    assert stopped(of, {"a", "b"}) == "backups-stopped"
    assert stopped([], set()) == "backups-stopped"
    assert stopped([backup("2099-01-01"), of[2]], {"a"}) == "backups-stopped"
    assert stopped(of, {"a"}, flaws={of[0].name: "torn", of[1].name: "torn"}) == "backups-stopped"
    assert stopped(of, {"a"}, flaws={backup.name: "torn" for backup in of}) == "backups-stopped"


@pytest.mark.parametrize(
    ("limits", "allowed"),
    [
        ({"max_delete": 7}, False),
        ({"max_delete": 8}, True),
        ({"max_delete_percent": 79}, False),
        ({"max_delete_percent": 80}, True),
        ({"max_delete": 8, "max_delete_percent": 79}, False),
        ({}, True),
    ],
)
def test_limits_of_deletion(limits: dict[str, int], allowed: bool) -> None:
    """Eight of ten valid ones; one that is not valid makes no difference."""
    of = days(11)
    policy = _retention.policy_of({"keep_last": 2, **limits})
    made = _retention.plan(of, policy, NOW, flaws={of[0].name: "torn"})
    if allowed:
        _retention.require_within_limits(made, policy)
    else:
        with pytest.raises(OperationError) as caught:
            _retention.require_within_limits(made, policy)
        assert caught.value.slug == "rotation-limit"


# -- properties ----------------------------------------------------------------------------------------------------

MOMENTS = st.datetimes(datetime(2023, 1, 1), datetime(2027, 1, 1), timezones=st.just(timezone.utc)).map(
    lambda moment: moment.replace(microsecond=0)
)
BACKUPS = st.lists(
    st.tuples(st.sampled_from(["a", "a_pg", "b"]), MOMENTS, st.sampled_from([".dump", ".pgdir"])), max_size=40, unique=True
).map(lambda keys: [Backup(f"{series}_{moment:%Y-%m-%dT%H%M%SZ}{extension}", series, moment) for series, moment, extension in keys])
NUMBERS = {**dict.fromkeys(_retention.COUNTS, st.integers(1, 12) | st.just(-1)), "min_keep": st.integers(1, 8)}
DURATION = st.tuples(st.integers(1, 40), st.sampled_from("ymdh")).map(lambda parts: f"{parts[0]}{parts[1]}")
POLICIES = st.fixed_dictionaries(
    {},
    optional={
        **NUMBERS,
        **dict.fromkeys(_retention.DURATIONS, DURATION),
        "timezone": st.sampled_from(["UTC", "Europe/Zurich", "America/St_Johns", "Australia/Lord_Howe"]),
    },
).filter(lambda options: any(option in options for option in (*_retention.COUNTS, *_retention.DURATIONS)))


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[Backup], dict[str, Any], dict[str, Any]]:
    of = draw(BACKUPS)
    names = [backup.name for backup in of]
    some = st.sets(st.sampled_from(names)) if names else st.just(set[str]())
    facts = {"flaws": dict.fromkeys(draw(some), "torn"), "drilled": draw(some)}
    return of, draw(POLICIES), facts


@given(situations(), st.data())
def test_raising_a_number_never_removes_more(situation: tuple[list[Backup], dict[str, Any], dict[str, Any]], data: st.DataObject) -> None:
    of, policy, facts = situation
    option = data.draw(st.sampled_from([*_retention.COUNTS, "min_keep"]))
    if option == "min_keep":
        raised = policy.get(option, 1) + data.draw(st.integers(1, 5))
    else:
        raised = data.draw(st.just(-1) | st.integers(1, 5).map(lambda more: max(policy.get(option, 0), 0) + more))
        if policy.get(option) == -1:
            raised = -1
    before = set(plan(of, **policy, **facts).removed)
    after = set(plan(of, **{**policy, option: raised}, **facts).removed)
    assert after <= before


@given(situations(), st.sampled_from(_retention.DURATIONS), st.sampled_from("ymdh"), st.integers(1, 30))
def test_a_longer_duration_never_removes_more(
    situation: tuple[list[Backup], dict[str, Any], dict[str, Any]], option: str, unit: str, more: int
) -> None:
    of, policy, facts = situation
    given_ = policy.get(option)
    longer = f"{int(given_[:-1]) + more}{given_[-1]}" if given_ else f"{more}{unit}"
    before = set(plan(of, **policy, **facts).removed)
    assert set(plan(of, **{**policy, option: longer}, **facts).removed) <= before


@given(situations(), st.randoms(use_true_random=False))
def test_the_order_of_listing_does_not_matter(
    situation: tuple[list[Backup], dict[str, Any], dict[str, Any]], randomness: random.Random
) -> None:
    of, policy, facts = situation
    shuffled = list(of)
    randomness.shuffle(shuffled)
    assert plan(shuffled, **policy, **facts) == plan(of, **policy, **facts)


@given(situations())
def test_a_second_run_changes_nothing(situation: tuple[list[Backup], dict[str, Any], dict[str, Any]]) -> None:
    of, policy, facts = situation
    first = plan(of, **policy, **facts)
    assert plan([backup for backup in of if backup not in first.removed], **policy, **facts).removed == []


@given(situations())
def test_every_backup_has_one_verdict_and_the_best_stay(situation: tuple[list[Backup], dict[str, Any], dict[str, Any]]) -> None:
    of, policy, facts = situation
    made = plan(of, **policy, **facts)
    verdicts = [verdict.backup for part in (made.kept, made.invalid, made.protected, made.future) for verdict in part]
    assert sorted([*verdicts, *made.removed]) == sorted(of)
    assert made.removed == sorted(made.removed, key=lambda backup: (backup.moment, backup.name))
    stays = {verdict.backup for verdict in made.kept}
    for series in {backup.series for backup in of}:
        valid = [backup for backup in of if backup.series == series and backup.name not in facts["flaws"] and backup.moment <= NOW]
        newest_first = sorted(valid, key=lambda backup: (backup.moment, backup.name), reverse=True)
        assert stays >= set(newest_first[: policy.get("min_keep", 1)])
        assert stays >= set([backup for backup in newest_first if backup.name in facts["drilled"]][:1])


@given(st.lists(st.booleans(), min_size=1, max_size=12), st.integers(1, 4))
def test_two_stacks_in_one_series_rotate_as_if_each_were_alone(whose: list[bool], slots: int) -> None:
    of = days(len(whose))
    stacks = {each.name: f"production/{mine}" for each, mine in zip(of, whose)}
    alone = [kept([each for each, owner in zip(of, whose) if owner is mine], keep_daily=slots) for mine in (True, False) if mine in whose]
    assert kept(of, keep_daily=slots, stacks=stacks) == sorted(name for names in alone for name in names)
