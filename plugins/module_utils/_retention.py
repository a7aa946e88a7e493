# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Which backups a policy keeps, and why. Pure: backups in, verdicts out; no directory and no clock.

The rules are those of restic's `forget`; what goes beyond them errs on the side of keeping.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone, tzinfo
from fnmatch import fnmatchcase
from itertools import groupby
from operator import attrgetter
from typing import Any, Callable, NamedTuple, Protocol

from ._calendar import Duration, before, duration_of, malformed, zone_of
from ._errors import OperationError

ALL = -1

# The calendar's buckets: a name for the one that a local time falls into. Weeks are ISO weeks of ISO years.
_BUCKETS: dict[str, Callable[[datetime], str]] = {
    "hourly": lambda local: local.isoformat()[:13],
    "daily": lambda local: local.isoformat()[:10],
    "weekly": lambda local: "{:04}-W{:02}".format(*local.isocalendar()[:2]),
    "monthly": lambda local: local.isoformat()[:7],
    "yearly": lambda local: local.isoformat()[:4],
}

COUNTS = tuple(f"keep_{rule}" for rule in ("last", *_BUCKETS))
DURATIONS = ("keep_within", *(f"keep_within_{rule}" for rule in _BUCKETS))


class Backup(Protocol):
    """What has to be known of a backup; the catalogue's entries are such."""

    @property
    def name(self) -> str: ...

    @property
    def series(self) -> str: ...

    @property
    def moment(self) -> datetime: ...


class Policy(NamedTuple):
    """counts and durations: rules by the names of their options."""

    counts: dict[str, int]
    durations: dict[str, Duration]
    zone: tzinfo = timezone.utc
    min_keep: int = 1
    newest_max_age: Duration | None = None
    max_delete: int | None = None
    max_delete_percent: int | None = None
    protect: tuple[str, ...] = ()


class Verdict(NamedTuple):
    backup: Backup
    reasons: list[str]


class Plan(NamedTuple):
    """What becomes of every backup. `removed` is in the order of removal: the oldest first."""

    kept: list[Verdict]
    removed: list[Backup]
    invalid: list[Verdict]
    protected: list[Verdict]
    future: list[Verdict]


# -- the policy --------------------------------------------------------------------------------------------------


def _at_least_one(options: Mapping[str, Any], option: str, most: int | None = None) -> int | None:
    number = options.get(option)
    if number is not None and (number < 1 or (most and number > most)):
        raise malformed(option, f"{number} is no whole number from 1{f' to {most}' if most else ''}")
    return number


def policy_of(options: Mapping[str, Any]) -> Policy:
    """The policy that a module's options describe; whatever is wrong with it is said here, before anything is listed."""
    counts = {option: options[option] for option in COUNTS if options.get(option) is not None}
    for option, number in counts.items():
        if number < 1 and number != ALL:
            raise malformed(option, f"{number} is neither a whole number from 1 nor -1 for all")
    durations = {option: duration for option in DURATIONS if (duration := duration_of(option, options.get(option)))}
    policy = Policy(
        counts,
        durations,
        zone_of(options.get("timezone") or "UTC"),
        _at_least_one(options, "min_keep") or 1,
        duration_of("newest_max_age", options.get("newest_max_age")),
        _at_least_one(options, "max_delete"),
        _at_least_one(options, "max_delete_percent", 100),
        tuple(options.get("protect") or ()),
    )
    if not counts and not durations:
        raise OperationError(
            "policy-empty",
            "The policy names no backup to keep.",
            "Nothing was changed.",
            "Give dbops_policy at least one rule, for example {keep_daily: 7, keep_weekly: 5, keep_monthly: 12}.",
        )
    return policy


# -- the rules ---------------------------------------------------------------------------------------------------
# Each yields positions in the list of a series' valid backups, the newest first, and why that one stays.


def _count(option: str, slots: int, locals_: Sequence[datetime]) -> Iterator[tuple[int, str]]:
    """The newest of each of the newest `slots` buckets; with slots left, the oldest backup as well."""
    bucket = _BUCKETS.get(option[len("keep_") :])
    current, oldest = "", len(locals_) - 1
    for index, local in enumerate(locals_):
        if not slots:
            return
        found = bucket(local) if bucket else str(index)  # each backup is a bucket of its own to keep_last
        if found != current:
            yield index, f"{option}: {found}" if bucket else option
        elif index == oldest:
            yield index, f"{option}: the oldest, slots are left"
        else:
            continue
        current = found
        slots -= 1


def _within(option: str, duration: Duration, first: int, locals_: Sequence[datetime]) -> Iterator[tuple[int, str]]:
    """Every backup, or the newest of each bucket, among the first ones, which lie within the duration."""
    bucket = _BUCKETS.get(option[len("keep_within_") :])
    current = ""
    for index in range(first):
        found = bucket(locals_[index]) if bucket else str(index)
        if found != current:
            yield index, f"{option} {duration}: {found}" if bucket else f"{option} {duration}"
        current = found


def _reasons(valid: Sequence[Backup], policy: Policy, drilled: Collection[str], pinned: Mapping[str, str]) -> dict[int, list[str]]:
    """Why backups stay, by their positions in `valid`, the newest first."""
    reasons: dict[int, list[str]] = {}

    def keep(index: int, why: str) -> None:
        reasons.setdefault(index, []).append(why)

    moments = [backup.moment for backup in valid]
    locals_ = moments if policy.zone is timezone.utc else [moment.astimezone(policy.zone) for moment in moments]
    for option, slots in policy.counts.items():
        for index, why in _count(option, slots, locals_):
            keep(index, why)
    for option, duration in policy.durations.items():
        since = before(moments[0], duration, policy.zone)
        within = next((index for index, moment in enumerate(moments) if moment <= since), len(moments))
        for index, why in _within(option, duration, within, locals_):
            keep(index, why)
    keep(0, "the newest valid one")
    for index in range(1, min(policy.min_keep, len(valid))):
        keep(index, f"min_keep: {policy.min_keep}")
    newest_drilled = next((index for index, backup in enumerate(valid) if backup.name in drilled), None) if drilled else None
    if newest_drilled is not None:
        keep(newest_drilled, "the newest drilled one")
    if pinned:
        for index, backup in enumerate(valid):
            if backup.name in pinned:
                keep(index, pinned[backup.name])
    return reasons


# -- the plan ----------------------------------------------------------------------------------------------------


def plan(
    backups: Iterable[Backup],
    policy: Policy,
    now: datetime,
    *,
    flaws: Mapping[str, str] | None = None,
    drilled: Collection[str] = (),
    stacks: Mapping[str, str] | None = None,
    pinned: Mapping[str, str] | None = None,
) -> Plan:
    """The verdict on each backup.

    flaws: why backups are not valid, by name. They take no slot, and are left to a person.
    drilled: names of backups that were restored.
    stacks: whose backups they are, by name. Those of two stacks never count against each other, whatever series they share.
    pinned: why backups stay whatever the policy says, by name.
    """
    flaws, stacks, pinned = flaws or {}, stacks or {}, pinned or {}
    result = Plan([], [], [], [], [])
    for _series, group in groupby(sorted(backups, key=attrgetter("series", "moment", "name"), reverse=True), attrgetter("series")):
        valid: dict[str, list[Backup]] = {}
        for backup in group:
            if backup.moment > now:
                result.future.append(Verdict(backup, ["its stamp lies in the future: the clock was wrong, or is"]))
            elif backup.name in flaws:
                result.invalid.append(Verdict(backup, [flaws[backup.name]]))
            else:
                valid.setdefault(stacks.get(backup.name, ""), []).append(backup)
        for own in valid.values():
            _judge(own, policy, _reasons(own, policy, drilled, pinned), result)
    result.removed.sort(key=attrgetter("moment", "name"))
    return result


def _judge(valid: Sequence[Backup], policy: Policy, reasons: Mapping[int, list[str]], result: Plan) -> None:
    for index, backup in enumerate(valid):
        if index in reasons:
            result.kept.append(Verdict(backup, reasons[index]))
            continue
        globs = [glob for glob in policy.protect if fnmatchcase(backup.name, glob)] if policy.protect else []
        if globs:
            result.protected.append(Verdict(backup, [f"protect: {glob}" for glob in globs]))
        else:
            result.removed.append(backup)


# -- what stops a rotation ---------------------------------------------------------------------------------------


def require_recent(made: Plan, series: Collection[str], policy: Policy, now: datetime) -> None:
    """Where backups have stopped, those that are left are all there is: nothing is deleted.

    series: those that are expected to have backups, whether any was found or not.
    """
    if policy.newest_max_age is None:
        return
    since = before(now, policy.newest_max_age, policy.zone)
    newest: dict[str, datetime] = {}
    for backup in [verdict.backup for verdict in made.kept]:  # the newest valid one is always kept
        newest[backup.series] = max(backup.moment, newest.get(backup.series, backup.moment))
    stopped = [
        f"the newest valid one of {name} is of {newest[name]:%Y-%m-%d %H:%M:%S} UTC" if name in newest else f"{name} has no valid one"
        for name in sorted(series)
        if name not in newest or newest[name] < since
    ]
    if stopped or not series:
        raise OperationError(
            "backups-stopped",
            f"Backups have stopped: {'; '.join(stopped) or 'there is none'}. newest_max_age is {policy.newest_max_age}.",
            "Nothing was changed; every backup is still there.",
            "Find out why no backup was made, then: ansible-playbook playbooks/backup.yml",
        )


def require_within_limits(made: Plan, policy: Policy) -> None:
    """A policy that was mistyped removes far more than usual; that is seen before the first file is gone."""
    removed = len(made.removed)
    total = removed + len(made.kept) + len(made.protected)
    exceeded = []
    if policy.max_delete is not None and removed > policy.max_delete:
        exceeded.append(f"max_delete is {policy.max_delete}")
    if policy.max_delete_percent is not None and removed * 100 > total * policy.max_delete_percent:
        exceeded.append(f"max_delete_percent is {policy.max_delete_percent}")
    if exceeded:
        raise OperationError(
            "rotation-limit",
            f"The policy removes {removed} of {total} valid backups, and {' and '.join(exceeded)}.",
            "Nothing was changed; every backup is still there.",
            "Look at what would go without the limit, with --check --diff; raise it where that is what you want.",
        )
