# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollback point of 1 GB, and the return to it, against a dump and its restore."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from _harness import Benchmark, seconds

ROOT = Path(__file__).resolve().parents[1]
CONTAINER = "dbops-bench-rollback"
USER, PASSWORD = "amanat", "bench"
# Behind the shut door only the window's own role gets in.
BEHIND = f"docker exec --interactive --env PGUSER=dbops_window_development_bench --env PGPASSWORD={PASSWORD} {CONTAINER}"
MODULES = "ansible_collections.amanat.dbops.plugins.modules"

# 1 GB of rows that neither compress to nothing nor not at all, with an index.
FILL = """
CREATE TABLE events AS SELECT n AS id, n % 5000 AS user_id, md5(n::text) || repeat(md5((n % 1000)::text), 4) AS body
FROM generate_series(1, 4700000) n;
ALTER TABLE events ADD PRIMARY KEY (id);
"""

_points = itertools.count(10)


@contextmanager
def server() -> Iterator[None]:
    """A server with 1 GB, its files on this machine's disk, and the door shut."""
    build = [sys.executable, "tests/images/build.py", "postgres"]
    image = json.loads(subprocess.run(build, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)["postgres"]
    variables = ["--env", f"POSTGRES_USER={USER}", "--env", f"POSTGRES_PASSWORD={PASSWORD}"]
    try:
        _docker("run", "--detach", "--name", CONTAINER, "--shm-size", "256m", *variables, image)
        _docker("exec", CONTAINER, "sh", "-c", "until pg_isready --quiet --host 127.0.0.1; do sleep 0.2; done")
        _sql(FILL)
        _module("postgres_door", state="shut", password=PASSWORD)
        yield
    finally:
        _docker("rm", "--force", "--volumes", CONTAINER)


def _docker(*arguments: str, stdin: str = "") -> None:
    subprocess.run(["docker", *arguments], input=stdin, stdout=subprocess.DEVNULL, text=True, check=True)


def _sql(sql: str) -> None:
    _docker("exec", "--interactive", CONTAINER, "psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-U", USER, stdin=sql)


def _module(name: str, **options: Any) -> None:
    """As Ansible calls it."""
    with tempfile.TemporaryDirectory() as state:
        known = {"stack": "development/bench", "state_dir": state, "postgres_container": CONTAINER}
        arguments = {**known, "pg_url": f"postgres://{USER}:{PASSWORD}@postgres/{USER}", **options}
        subprocess.run(
            [sys.executable, "-m", f"{MODULES}.{name}"],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
            env={**os.environ, "PYTHONPATH": str(ROOT / "collections")},
            stdout=subprocess.DEVNULL,
            text=True,
            check=True,
        )


def point_and_return() -> None:
    """Prepared, taken, returned to; and what was returned from is dropped, so that each run finds the same."""
    moment = f"20261122T1701{next(_points)}Z"
    for state in ("prepared", "taken", "returned"):
        _module("rollback_point", state=state, moment=moment, wait=600.0)
    _docker("exec", CONTAINER, "dropdb", "-U", USER, "--maintenance-db=postgres", f"{USER}__failed_{moment}")


def dump_and_restore() -> None:
    """What the runbook has for it."""
    with tempfile.NamedTemporaryFile() as file:
        script = f"{BEHIND} pg_dump -d {USER} --format=custom > {file.name}"
        subprocess.run(["sh", "-c", script], check=True)
        script = f"{BEHIND} pg_restore -d {USER} --clean < {file.name}"
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
