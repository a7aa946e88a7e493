# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup of 1 GB, against the runbook's line and against PostgreSQL's own program."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import _database
from _harness import Benchmark, seconds

UNVERIFIED = {"verify": False, "digest_max_bytes": "0"}

_here: list[Path] = []


@contextmanager
def database() -> Iterator[None]:
    with _database.shared() as path:
        _here[:] = [path]
        yield


def backup(**options: object) -> int:
    """Make one backup; its bytes."""
    shutil.rmtree(_here[0] / "backups", ignore_errors=True)
    return int(_database.module("postgres_backup", _here[0], **options)["bytes"])


def runbook() -> int:
    """The runbook's backup, word for word; its bytes."""
    file = _here[0] / "runbook.dump"
    dump = f"docker exec {_database.CONTAINER} pg_dump -U {_database.USER} -d {_database.DATABASE} --format=custom > {file}"
    subprocess.run(["sh", "-c", dump], check=True)
    return file.stat().st_size


def bare() -> float:
    """Seconds that pg_dump alone takes with the options of the module, in a container that is there already."""
    client = f"{_database.CONTAINER}-client"
    image = _database.docker("inspect", "--format", "{{.Image}}", _database.CONTAINER).strip()
    where = ["--network", f"container:{_database.CONTAINER}", "--mount", f"type=bind,source={_here[0]},destination=/backup"]
    _database.docker("run", "--detach", "--rm", "--init", "--name", client, "--user", "0:0", *where, "--entrypoint", "sleep", image, "600")
    try:
        dump = ["pg_dump", "--host=127.0.0.1", f"--username={_database.USER}", f"--dbname={_database.DATABASE}", "--format=directory"]
        dump += [f"--jobs={len(os.sched_getaffinity(0))}", "--compress=zstd:1", "--file=/backup/bare"]
        return seconds(lambda: _database.docker("exec", client, *dump))
    finally:
        _database.docker("rm", "--force", client)
        shutil.rmtree(_here[0] / "bare")


def measured(work: Callable[[], object]) -> Callable[[], float]:
    return lambda: seconds(work)


BENCHMARKS = (
    Benchmark(
        name="backup-verified",
        what="1 GB backed up with counts, content digests and read-through, against the runbook's pg_dump",
        unit="s",
        goal=0.70,
        ours=measured(backup),
        theirs=measured(runbook),
        around=database,
    ),
    Benchmark(
        name="backup-unverified",
        what="1 GB backed up without digests and read-through, against the runbook's pg_dump",
        unit="s",
        goal=0.40,
        ours=measured(lambda: backup(**UNVERIFIED)),
        theirs=measured(runbook),
        around=database,
    ),
    Benchmark(
        name="backup-size",
        what="the same on disk",
        unit="MB",
        goal=1.0,
        ours=lambda: backup(**UNVERIFIED) / 1e6,
        theirs=lambda: runbook() / 1e6,
        runs=1,
        around=database,
    ),
    Benchmark(
        name="backup-overhead",
        what="the module without digests and read-through, against bare pg_dump with the same options",
        unit="s",
        goal=1.05,
        slack=1.0,
        ours=measured(lambda: backup(**UNVERIFIED)),
        theirs=bare,
        around=database,
    ),
    Benchmark(
        name="backup-memory",
        what="memory that the module's job takes at most, with counts, digests and read-through",
        unit="MiB",
        goal=64.0,
        ours=lambda: _database.peak_memory("postgres_backup", _here[0]),
        runs=1,
        around=database,
    ),
)
