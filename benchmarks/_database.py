# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server with 1 GB of the example application's data, for benchmarks of what is done to a database."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CONTAINER = "dbops-bench-postgres"
USER, PASSWORD, DATABASE = "amanat", "bench", "amanat"
STACK = "development/bench"
MEGABYTES = 1100
MODULES = "ansible_collections.amanat.dbops.plugins.modules"

_shared: list[Path] = []


def docker(*arguments: str, stdin: str = "") -> str:
    return subprocess.run(["docker", *arguments], input=stdin, stdout=subprocess.PIPE, text=True, check=True).stdout


@contextmanager
def directory() -> Iterator[Path]:
    """A directory of this machine's disk, on which state and backups are."""
    with tempfile.TemporaryDirectory(prefix="dbops-bench-", dir=ROOT / "benchmarks" / "results") as path:
        yield Path(path)


@contextmanager
def shared() -> Iterator[Path]:
    """The server, brought up by the first benchmark that wants it and removed when the program ends."""
    if not _shared:
        stack = ExitStack()
        atexit.register(stack.close)
        _shared.append(stack.enter_context(server()))
    yield _shared[0]


@contextmanager
def bare(name: str, *settings: str) -> Iterator[list[str]]:
    """A server with an empty database; how its psql is called, for `docker`. settings: of the server, as `name=value`."""
    build = [sys.executable, "tests/images/build.py", "postgres"]
    image = json.loads(subprocess.run(build, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)["postgres"]
    variables = {"POSTGRES_USER": USER, "POSTGRES_PASSWORD": PASSWORD, "POSTGRES_DB": DATABASE}
    flags = [part for variable, value in variables.items() for part in ("--env", f"{variable}={value}")]
    try:
        docker(
            "run",
            "--detach",
            "--name",
            name,
            "--shm-size",
            "256m",
            *flags,
            image,
            "postgres",
            *(part for one in settings for part in ("-c", one)),
        )
        docker("exec", name, "sh", "-c", "until pg_isready --quiet --host 127.0.0.1; do sleep 0.2; done")
        yield ["exec", "--interactive", name, "psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-U", USER, "-d", DATABASE]
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", name], stdout=subprocess.DEVNULL, check=True)


@contextmanager
def server() -> Iterator[Path]:
    """The server, up and filled, and a directory for what is made of it."""
    with bare(CONTAINER) as psql:
        for migration in sorted((ROOT / "examples/stack/backend/drizzle").glob("*.sql")):
            docker(*psql, stdin=migration.read_text(encoding="utf-8"))
        load = [sys.executable, str(ROOT / "examples/stack/load.py"), "--megabytes", str(MEGABYTES), "--", "docker", *psql]
        subprocess.run(load, stdout=subprocess.DEVNULL, check=True)
        docker(*psql, stdin="VACUUM ANALYZE; CHECKPOINT;")
        with directory() as path:
            yield path


def module(name: str, path: Path, **options: Any) -> dict[str, Any]:
    """Call a module as Ansible calls it, until its job has ended."""
    known = {"stack": STACK, "state_dir": str(path / "state"), "backup_dir": str(path / "backups"), "postgres_container": CONTAINER}
    arguments = {**known, "pg_url": f"postgres://{USER}:{PASSWORD}@postgres/{DATABASE}", "wait": 600, **options}
    arguments = {key: value for key, value in arguments.items() if value is not None}  # None takes an option away
    done = subprocess.run(
        [sys.executable, "-m", f"{MODULES}.{name}"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        env={**os.environ, "PYTHONPATH": str(ROOT / "collections")},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    if result.get("failed"):
        raise RuntimeError(result["msg"])
    return result


def peak_memory(name: str, path: Path, **options: Any) -> float:
    """MiB that the job of a module takes at most while it works; the engine's and PostgreSQL's programs are not it."""
    job = f"memory-{time.monotonic_ns()}"
    module(name, path, job=job, wait=0, **options)
    folder, peak = path / "state" / STACK / "jobs" / job, 0
    pid = json.loads((folder / "status.json").read_text(encoding="utf-8"))["pid"]
    while not (folder / "exit.json").exists():
        status = Path(f"/proc/{pid}/status")
        if status.exists():
            peak = max(peak, *(int(line.split()[1]) for line in status.read_text("utf-8").splitlines() if line.startswith("VmHWM")), 0)
        time.sleep(0.02)
    return peak / 1024
