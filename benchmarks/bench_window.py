# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows on containers: how long clients are without the application, and how long the operator waits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from _harness import Benchmark, seconds

ROOT = Path(__file__).resolve().parents[1]
NAME = "bench"
STACK = [sys.executable, str(ROOT / "examples/stack/stack.py")]
POLL = 0.05  # twenty times a second


# What the window is opened for: it writes every table anew, as a migration that changes a type does, and can be done again and again.
OPERATION = "VACUUM (FULL, ANALYZE)"


def stack(megabytes: int = 10) -> Callable[[], AbstractContextManager[None]]:
    """The example stack on containers, with so much data."""

    @contextmanager
    def around() -> Iterator[None]:
        up = [*STACK, "up", "--kind", "docker", "--name", NAME, "--megabytes", str(megabytes)]
        try:
            subprocess.run(up, stdout=subprocess.DEVNULL, check=True)
            play("stamp", dbops_confirm="development/docker")
            yield
        finally:
            subprocess.run([*STACK, "down", "--name", NAME], stdout=subprocess.DEVNULL, check=True)

    return around


def state() -> dict[str, Any]:
    return json.loads((ROOT / f".stack/{NAME}.json").read_text(encoding="utf-8"))


def play(verb: str, **variables: str) -> dict[str, Any]:
    """Its report, {} where it writes none."""
    with tempfile.TemporaryDirectory() as reports:
        extra = {"demo_name": NAME, "dbops_report_dir": reports, **variables}
        command = ["ansible-playbook", "-i", "inventories/demo", "--limit", "docker", f"playbooks/{verb}.yml", "-e", json.dumps(extra)]
        subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
        written = list(Path(reports).glob("*.json"))
        return json.loads(written[0].read_text(encoding="utf-8")) if written else {}


def window() -> dict[str, Any]:
    return play("maintenance", dbops_operation="none")


def window_with_operation() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        argv = ["docker", "exec", state()["postgres"]["container"], "psql", "-Xq", "-c", OPERATION, "{{ maintenance_window_pg_url }}"]
        tasks = Path(folder, "operation.json")  # JSON is YAML
        tasks.write_text(json.dumps([{"ansible.builtin.command": {"argv": argv}, "changed_when": True, "no_log": True}]), encoding="utf-8")
        return play("maintenance", dbops_operation="custom", dbops_tasks=str(tasks))


def script(operation: str = "") -> None:
    """The runbook's checklist (4.2 to 4.6) as a bare shell script would have it."""
    stack_state = state()
    postgres, compose = stack_state["postgres"], stack_state["compose"]
    project = f"docker compose --project-directory {compose['project_src']} --project-name {compose['project_name']}"
    project += "".join(f" --file {compose['project_src']}/{file}" for file in compose["files"])
    project += "".join(f" --env-file {file}" for file in compose["env_files"])
    dump = f"docker exec {postgres['container']} pg_dump -U {postgres['user']} -d {postgres['database']} --format=custom"
    checklist = f"""
    set -eu
    {dump} > {stack_state["directory"]}/runbook.dump
    {project} stop {compose["service"]}
    {operation and f"docker exec {postgres['container']} psql -Xq -U {postgres['user']} -d {postgres['database']} -c '{operation}'"}
    {project} start {compose["service"]}
    until curl --fail --silent --output /dev/null {stack_state["health_url"]}; do sleep 0.2; done
    """
    subprocess.run(["sh", "-c", checklist], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ, check=True)


def downtime(work: Any, *, point_apart: bool = False) -> float:
    """Seconds between the last good answer before and the first good one after the application was away.

    point_apart: without those of the rollback point. A script takes none: it has no way back.
    """
    url, samples, over = state()["health_url"], [], threading.Event()

    def ask() -> None:
        while not over.is_set():
            moment = time.monotonic()
            try:
                with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own URL
                    samples.append((moment, answer.status == 200))
            except OSError:
                samples.append((moment, False))
            over.wait(POLL)

    client = threading.Thread(target=ask)
    client.start()
    report = work() or {}
    time.sleep(1)
    over.set()
    client.join()
    failed = [index for index, (_, ok) in enumerate(samples) if not ok]
    away = samples[failed[-1] + 1][0] - samples[failed[0] - 1][0]
    return away - report["rollback_point"]["seconds"] if point_apart else away


def with_operation() -> None:
    script(OPERATION)


BENCHMARKS = (
    Benchmark(
        name="window-downtime",
        what="downtime of a window that rewrites 10 MB, against a shell script that does stop, operation, start, curl",
        unit="s",
        goal=1.0,
        slack=3.0,
        ours=lambda: downtime(window_with_operation),
        theirs=lambda: downtime(with_operation),
        around=stack(),
    ),
    Benchmark(
        name="window-downtime-1gb",
        what="the same on 1 GB, the rollback point counted apart",
        unit="s",
        goal=1.15,
        ours=lambda: downtime(window_with_operation, point_apart=True),
        theirs=lambda: downtime(with_operation),
        around=stack(1024),
        runs=5,  # a rewrite of 1 GB takes a second more or less from one run to the next
    ),
    Benchmark(
        name="window-none",
        what="a whole window with operation none on containers, against a shell script of the runbook's checklist",
        unit="s",
        goal=1.0,
        slack=30.0,
        ours=lambda: seconds(window),
        theirs=lambda: seconds(script),
        around=stack(),
    ),
)
