# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restore of 1 GB, against the runbook's line."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import _database
from _harness import Benchmark, seconds

# As the runbook has it.
IN_THE_CONTAINER = f"{_database.CONTAINER} pg_{{}} -U {_database.USER} -d {_database.DATABASE}"

_here: list[Path] = []


@contextmanager
def backups() -> Iterator[None]:
    """The server, a backup of ours and the runbook's."""
    with _database.shared() as path:
        if not _here:
            _database.module("postgres_backup", path, series="restore")
            dump = f"docker exec {IN_THE_CONTAINER.format('dump')} --format=custom > {path / 'restore.dump'}"
            subprocess.run(["sh", "-c", dump], check=True)
            _here[:] = [path]
        yield


def restore() -> dict[str, Any]:
    """Restore our backup beside the database; what the module says of it."""
    made = _database.module("postgres_restore", _here[0], series="restore")
    psql = ["psql", "-Xq", "-U", _database.USER, "-d", "postgres", "-c", f'DROP DATABASE "{made["database"]}"', "-c", "CHECKPOINT"]
    _database.docker("exec", _database.CONTAINER, *psql)
    return made


def runbook() -> float:
    """Seconds of the runbook's restore, word for word."""
    load = f"docker exec -i {IN_THE_CONTAINER.format('restore')} --clean < {_here[0] / 'restore.dump'}"
    taken = seconds(lambda: subprocess.run(["sh", "-c", load], check=True))
    _database.docker("exec", _database.CONTAINER, "psql", "-Xq", "-U", _database.USER, "-d", _database.DATABASE, "-c", "CHECKPOINT")
    return taken


BENCHMARKS = (
    Benchmark(
        name="restore-load",
        what="1 GB loaded into a new database, against the runbook's pg_restore --clean",
        unit="s",
        goal=0.60,
        ours=lambda: float(restore()["load_seconds"]),
        theirs=runbook,
        around=backups,
    ),
    Benchmark(
        name="restore-compared",
        what="the same with digests of the files, statistics and every comparison",
        unit="s",
        goal=1.0,
        ours=lambda: float(restore()["seconds"]),
        theirs=runbook,
        around=backups,
    ),
    Benchmark(
        name="restore-memory",
        what="memory that the module's job takes at most",
        unit="MiB",
        goal=64.0,
        ours=lambda: _database.peak_memory("postgres_restore", _here[0], series="restore"),
        runs=1,
        around=backups,
    ),
)
