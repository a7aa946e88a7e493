# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollback point of 1 GB, and the return to it, against a dump and its restore."""

from __future__ import annotations

import itertools
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import _database
from _database import DATABASE, PASSWORD, USER
from _harness import Benchmark, seconds

CONTAINER = f"{_database.CONTAINER}-rollback"
# Behind the shut door only the window's own role gets in.
BEHIND = f"docker exec --interactive --env PGUSER=dbops_window_development_bench --env PGPASSWORD={PASSWORD} {CONTAINER}"

# 1 GB of rows that neither compress to nothing nor not at all, with an index.
FILL = """
CREATE TABLE events AS SELECT n AS id, n % 5000 AS user_id, md5(n::text) || repeat(md5((n % 1000)::text), 4) AS body
FROM generate_series(1, 4700000) n;
ALTER TABLE events ADD PRIMARY KEY (id);
"""

_points = itertools.count(10)
_path: list[Path] = []


@contextmanager
def server() -> Iterator[None]:
    """A server with 1 GB, its files on this machine's disk, and the door shut."""
    with _database.bare(CONTAINER) as psql, _database.directory() as path:
        _path[:] = [path]
        _database.docker(*psql, stdin=FILL)
        _module("postgres_door", state="shut", password=PASSWORD, wait=None)
        yield


def _module(name: str, **options: Any) -> None:
    _database.module(name, _path[0], postgres_container=CONTAINER, backup_dir=None, **options)


def point_and_return() -> None:
    """Prepared, taken, returned to; and what was returned from is dropped, so that each run finds the same."""
    moment = f"20261122T1701{next(_points)}Z"
    for state in ("prepared", "taken", "returned"):
        _module("rollback_point", state=state, moment=moment)
    _database.docker("exec", CONTAINER, "dropdb", "-U", USER, "--maintenance-db=postgres", f"{DATABASE}__failed_{moment}")


def dump_and_restore() -> None:
    """What the runbook has for it."""
    with tempfile.NamedTemporaryFile() as file:
        script = f"{BEHIND} pg_dump -d {DATABASE} --format=custom > {file.name}"
        subprocess.run(["sh", "-c", script], check=True)
        script = f"{BEHIND} pg_restore -d {DATABASE} --clean < {file.name}"
        subprocess.run(["sh", "-c", script], check=True)


BENCHMARKS = (
    Benchmark(
        name="rollback-point",
        what="a rollback point of 1 GB and the return to it, against the runbook's dump and restore",
        unit="s",
        goal=0.4,
        ours=lambda: seconds(point_and_return),
        theirs=lambda: seconds(dump_and_restore),
        around=server,
    ),
)
