# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same stamps and the same policies, given to restic itself: it keeps what we keep."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _retention

from tests.images import debian

pytestmark = pytest.mark.slow

SNAPSHOTS = 60  # in each zone
POLICIES = 40
NOW = datetime(2026, 11, 1, tzinfo=timezone.utc)
# Where the clocks went forward and back, and where a month before has fewer days.
EDGES = ["2026-03-29 01:30", "2026-03-29 03:30", "2026-04-29 02:30", "2025-10-26 00:59", "2025-10-26 02:10", "2025-10-26 02:50"]
EDGES += ["2026-10-31 12:00", "2026-10-01 12:00", "2024-02-29 12:00", "2024-12-30 00:00", "2025-01-01 00:00", "2020-12-31 23:59"]


class Backup(NamedTuple):
    name: str
    series: str
    moment: datetime


@dataclass(frozen=True)
class Restic:
    """restic with a repository of its own; the zone decides its calendar."""

    program: Path
    repository: Path

    def run(self, zone: str, *arguments: str) -> str:
        env = {
            **os.environ,
            "TZ": zone,
            "RESTIC_REPOSITORY": str(self.repository),
            "RESTIC_PASSWORD": "restic",
            "XDG_CACHE_HOME": "/nonexistent",
        }
        command = [str(self.program), "--no-cache", *arguments]
        done = subprocess.run(command, env=env, cwd=self.repository.parent, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def kept(self, zone: str, policy: dict[str, Any]) -> list[datetime]:
        options = [part for option, value in policy.items() for part in (f"--{option.replace('_', '-')}", unlimited(value))]
        groups = json.loads(self.run(zone, "forget", "--dry-run", "--json", "--no-lock", "--group-by", "host", "--host", zone, *options))
        return sorted(moment(snapshot["time"]) for snapshot in groups[0]["keep"])


def unlimited(value: object) -> str:
    return "unlimited" if value == _retention.ALL else str(value)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc)


def stamps(randomness: random.Random) -> Iterator[str]:
    """Some of every density: hours, days, weeks and years apart."""
    yield from EDGES
    local = datetime(2026, 10, 30, 12)
    for index in range(SNAPSHOTS - len(EDGES)):
        local -= timedelta(minutes=randomness.randint(1, (90, 1500, 12000, 120000)[index * 4 // SNAPSHOTS]))
        yield f"{local:%Y-%m-%d %H:%M}"


def policies(randomness: random.Random) -> Iterator[dict[str, Any]]:
    for _ in range(POLICIES):
        policy: dict[str, Any] = {}
        for option in randomness.sample(_retention.COUNTS, randomness.randint(0, 3)):
            policy[option] = randomness.choice([-1, 1, 2, 3, 5, 8, 20, 100])
        for option in randomness.sample(_retention.DURATIONS, randomness.randint(0 if policy else 1, 2)):
            policy[option] = randomness.choice(["1h", "30h", "1d", "10d", "1m", "1m1d", "13m", "1y", "2y5m7d3h", "40y"])
        yield policy


@pytest.fixture(scope="module")
def restic(tmp_path_factory: pytest.TempPathFactory) -> Restic:
    directory = tmp_path_factory.mktemp("restic")
    debian.unpack(["restic"], "testing", directory)
    made = Restic(directory / "usr/bin/restic", directory / "repository")
    made.run("UTC", "init")
    (directory / "file").write_text("one", encoding="utf-8")
    return made


@pytest.mark.parametrize("zone", ["UTC", "Europe/Zurich"])
def test_restic_keeps_the_same(restic: Restic, zone: str) -> None:
    randomness = random.Random(zone)
    for stamp in stamps(randomness):
        restic.run(zone, "backup", "--quiet", "--host", zone, "--time", f"{stamp}:00", "file")
    listed = json.loads(restic.run(zone, "snapshots", "--json", "--no-lock", "--host", zone))
    backups = [Backup(f"{number:03}", "a", moment(snapshot["time"])) for number, snapshot in enumerate(listed)]
    assert len(backups) == SNAPSHOTS
    for policy in policies(randomness):
        plan = _retention.plan(backups, _retention.policy_of({**policy, "timezone": zone}), NOW)
        # What we keep beyond restic, the newest one, is told apart by its reasons.
        ours = sorted(verdict.backup.moment for verdict in plan.kept if verdict.reasons != ["the newest valid one"])
        theirs = restic.kept(zone, policy)
        shown = [str(when.astimezone(ZoneInfo(zone))) for when in set(ours) ^ set(theirs)]
        assert ours == theirs, f"{policy}: {shown}"
