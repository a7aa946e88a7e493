# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A `deploy` that has nothing to do."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from _harness import Benchmark, seconds

ROOT = Path(__file__).resolve().parents[1]
POSTGRES, REDIS, NETWORK = "bench-postgres", "bench-redis", "development-bench"
_inventory: list[str] = []


def _engine(*arguments: str) -> None:
    subprocess.run(["docker", *arguments], capture_output=True, check=False)


@contextmanager
def deployed() -> Iterator[None]:
    """PostgreSQL and Redis, deployed once."""
    built = subprocess.run([sys.executable, "tests/images/build.py", "postgres", "redis"], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    images = json.loads(built.stdout)
    # Not in the checkout, whose path may be too long for a socket.
    with tempfile.TemporaryDirectory(prefix="dbops-") as home:
        host = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "dbops_environment": "development",
            "dbops_state_dir": home,
            "dbops_postgres_container": POSTGRES,
            "dbops_redis_container": REDIS,
            "dbops_pg_url": "postgres://amanat:only-for-a-benchmark@postgres:5432/amanat_dev",
            "dbops_redis_password": "only-for-a-benchmark",
            "postgres_image": images["postgres"],
            "redis_image": images["redis"],
        }
        inventory = Path(home, "hosts.json")
        inventory.write_text(json.dumps({"all": {"hosts": {"bench": host}}}), encoding="utf-8")
        _inventory[:] = [str(inventory)]
        try:
            deploy()
            yield
        finally:
            _engine("rm", "--force", "--volumes", POSTGRES, REDIS)
            _engine("network", "rm", NETWORK)


def deploy() -> None:
    command = ["ansible-playbook", "-i", *_inventory, "playbooks/deploy.yml"]
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)


BENCHMARKS = (
    Benchmark(
        name="deploy-nothing",
        what="a deploy of PostgreSQL and Redis that has nothing to do",
        unit="s",
        goal=20.0,
        ours=lambda: seconds(deploy),
        around=deployed,
    ),
)
