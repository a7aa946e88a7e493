# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Planning the rotation of large directories, against rotate-backups where it can."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path

from _harness import Benchmark, seconds

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ROOT / ".cache" / "rotate-backups-8.1"
POLICY = {"keep_hourly": 24, "keep_daily": 7, "keep_weekly": 4, "keep_monthly": 12, "keep_yearly": 5}
# What stands in for a goal where only the growth is of interest: seconds for each backup.
EACH = 2.0 / 100_000

_directories: dict[int, Path] = {}


@contextmanager
def directory(number: int) -> Iterator[None]:
    """A directory of that many backups of one byte, ten minutes apart.

    They are links of one file, and where that can be had in memory: a million files on a disk take minutes to make and to remove.
    """
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own in it
    with tempfile.TemporaryDirectory(prefix="dbops-rotation-", dir=memory if memory.is_dir() else None) as name:
        newest = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(hours=1)
        first = Path(name) / f"amanat_pg_{newest:%Y-%m-%dT%H%M%SZ}.dump"
        first.write_text("x", encoding="utf-8")
        for index in range(1, number):
            os.link(first, Path(name) / f"amanat_pg_{newest - timedelta(minutes=10 * index):%Y-%m-%dT%H%M%SZ}.dump")
        _directories[number] = Path(name)
        yield


def module(number: int) -> None:
    """One call in check mode, as Ansible makes it on the target."""
    arguments = {"path": str(_directories[number]), "valid_when": "nonempty", "_ansible_check_mode": True, **POLICY}
    subprocess.run(
        [sys.executable, "-m", "ansible_collections.amanat.dbops.plugins.modules.backup_rotate"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        env={**os.environ, "PYTHONPATH": str(ROOT / "collections")},
        stdout=subprocess.DEVNULL,
        text=True,
        check=True,
    )


def memory(number: int) -> float:
    """The most memory that a call took, in MB; of a process that starts nothing else but it."""
    script = "import resource, sys; sys.path.insert(0, sys.argv[1]); import bench_rotation as b; from pathlib import Path;"
    script += " b._directories[int(sys.argv[2])] = Path(sys.argv[3]); b.module(int(sys.argv[2]));"
    script += " print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    command = [sys.executable, "-c", script, str(Path(__file__).parent), str(number), str(_directories[number])]
    return int(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout) / 1024


def rotate_backups(number: int) -> None:
    """The same rules of rotate-backups, which keeps its own environment."""
    program = TOOLS / "bin" / "rotate-backups"
    if not program.exists():
        venv.create(TOOLS, with_pip=True)
        # It imports a module that setuptools carried up to this version.
        command = [TOOLS / "bin" / "pip", "install", "--quiet", "rotate-backups==8.1", "setuptools<81"]
        subprocess.run(command, check=True)
    rules = [f"--{option.removeprefix('keep_')}={count}" for option, count in POLICY.items()]
    pattern = r"--timestamp-pattern=(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})T(?P<hour>\d{2})(?P<minute>\d{2})(?P<second>\d{2})Z"
    command = [str(program), "--dry-run", "--quiet", *rules, pattern, str(_directories[number])]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


def planning(number: int, goal: float, theirs: Callable[[int], None] | None) -> Benchmark:
    around: Callable[[], AbstractContextManager[None]] = partial(directory, number)
    return Benchmark(
        name=f"rotation-{number}",
        what=f"planning the rotation of {number} backups"
        + (", against rotate-backups" if theirs else " in linear time: ten times what 100000 may take"),
        unit="s",
        goal=goal,
        ours=lambda: seconds(partial(module, number)),
        theirs=(lambda: seconds(partial(theirs, number))) if theirs else None,
        around=around,
    )


BENCHMARKS = (
    planning(1_000, 1.5, rotate_backups),
    planning(10_000, 0.75, rotate_backups),
    planning(100_000, 0.5, rotate_backups),
    Benchmark(
        name="rotation-100000-time",
        what="planning the rotation of 100000 backups",
        unit="s",
        goal=2.0,
        ours=lambda: seconds(partial(module, 100_000)),
        around=partial(directory, 100_000),
    ),
    Benchmark(
        name="rotation-100000-memory",
        what="memory for planning the rotation of 100000 backups",
        unit="MB",
        goal=150,
        ours=lambda: memory(100_000),
        around=partial(directory, 100_000),
    ),
    planning(1_000_000, EACH * 1_000_000, None),
)
