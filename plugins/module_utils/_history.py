# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What the backups of each series say together: how much would be lost now, where backups are missing, the last drill. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timezone
from typing import Any, NamedTuple

from . import _manifest
from ._calendar import Duration, before


class Facts(NamedTuple):
    """A backup, examined. `manifest` is {} where there is none that could be used."""

    name: str
    series: str
    moment: datetime
    bytes: int
    state: str
    reason: str
    manifest: dict[str, Any]


def describe(facts: Sequence[Facts], series: Collection[str], interval: Duration | None, now: datetime) -> list[dict[str, Any]]:
    """What there is of each series that was named, or found."""
    names = sorted({*series, *(fact.series for fact in facts)})
    return [_describe(name, [fact for fact in facts if fact.series == name], interval, now) for name in names]


def _describe(name: str, facts: Sequence[Facts], interval: Duration | None, now: datetime) -> dict[str, Any]:
    ordered = sorted(facts, key=lambda fact: (fact.moment, fact.name), reverse=True)
    valid = [fact for fact in ordered if fact.state != _manifest.INVALID and fact.moment <= now]
    return {
        "series": name,
        "backups": [_backup(fact, now) for fact in ordered],
        "bytes": sum(fact.bytes for fact in ordered),
        "newest": valid[0].name if valid else "",
        "rpo": _seconds(valid[0].moment, now) if valid else None,
        "gaps": _gaps([*(fact.moment for fact in reversed(valid)), now], interval) if interval else [],
        "drill": _last_drill(ordered),
    }


def _backup(fact: Facts, now: datetime) -> dict[str, Any]:
    return {
        "name": fact.name,
        "time": _stamp(fact.moment),
        "age": _seconds(fact.moment, now),
        "state": fact.state,
        "reason": fact.reason,
        "bytes": fact.bytes,
        "database": fact.manifest.get("database", ""),
        "sha256": fact.manifest.get("sha256", ""),
    }


def _gaps(moments: Sequence[datetime], interval: Duration) -> list[dict[str, Any]]:
    """Neighbours that lie further apart than the interval."""
    return [
        {"from": _stamp(earlier), "to": _stamp(later), "seconds": _seconds(earlier, later)}
        for earlier, later in zip(moments, moments[1:])
        if earlier < before(later, interval, timezone.utc)
    ]


def _last_drill(facts: Sequence[Facts]) -> dict[str, Any]:
    drills = [
        {"name": fact.name, "time": check.get("passed") or check["failed"], "passed": "passed" in check, "rto": check.get("rto")}
        for fact in facts
        for check in [_manifest.newest_check(fact.manifest, _manifest.DRILLED) if fact.manifest else {}]
        if check
    ]
    return max(drills, key=lambda drill: drill["time"], default={})


def _seconds(earlier: datetime, later: datetime) -> int:
    return int((later - earlier).total_seconds())


def _stamp(moment: datetime) -> str:
    return f"{moment.isoformat()[:19]}Z"
