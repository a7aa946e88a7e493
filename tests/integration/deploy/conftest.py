# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploys as an operator types them, against a real engine."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration import plays
from tests.integration.machine import require_root
from tests.integration.plays import Outcome, play

POSTGRES, REDIS, NETWORK = "dbops-deploy-postgres", "dbops-deploy-redis", "development-deploy"


def exists(kind: str, name: str) -> bool:
    return subprocess.run(["docker", kind, "inspect", name], capture_output=True, check=False).returncode == 0


def labels(service: str, stack: str = "development/deploy") -> list[str]:
    return [f"--label=amanat.dbops.stack={stack}", f"--label=amanat.dbops.service={service}"]


@dataclass(frozen=True)
class Deployment:
    """Stacks that may be deployed below a directory of their own; the usual one is called `deploy`."""

    directory: Path
    images: Mapping[str, str]

    @property
    def home(self) -> Path:
        return self.directory / "state/development/deploy"

    def play(
        self,
        *options: str,
        playbook: str = "deploy",
        hosts: Mapping[str, Mapping[str, Any]] | None = None,
        environ: Mapping[str, str] | None = None,
        **variables: Any,
    ) -> Outcome:
        """Run a playbook for some hosts with variables of their own, or for the usual one."""
        known = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "dbops_environment": "development",
            "dbops_state_dir": str(self.directory / "state"),
            "dbops_postgres_container": POSTGRES,
            "dbops_redis_container": REDIS,
            "dbops_pg_url": "postgres://amanat:secret-of-pg@postgres:5432/amanat_dev",
            "dbops_redis_password": "secret-of-redis",
            "postgres_image": self.images["postgres"],
            "postgres_start_timeout": 30,
            "redis_image": self.images["redis"],
        }
        inventory = self.directory / "hosts.json"
        inventory.write_text(json.dumps({"all": {"vars": known, "hosts": hosts or {"deploy": variables}}}), encoding="utf-8")
        outcome = play(playbook, "--inventory", str(inventory), *options, environ=environ)
        assert "secret-of-" not in outcome.out
        return outcome


def remove(*containers: str) -> None:
    subprocess.run(["docker", "rm", "--force", "--volumes", *containers], capture_output=True, check=False)
    subprocess.run(["docker", "network", "rm", NETWORK], capture_output=True, check=False)


@pytest.fixture(scope="session")
def images() -> dict[str, str]:
    require_root("deploy makes what belongs to root on its target, and the target is this machine.")
    return plays.images("postgres", "postgres17", "redis")


@pytest.fixture
def deployment(images: dict[str, str]) -> Iterator[Deployment]:
    remove(POSTGRES, REDIS)
    # Not pytest's own directory, whose name is too long for a socket's path.
    with tempfile.TemporaryDirectory(prefix="dbops-") as path:
        yield Deployment(Path(path), images)
        remove(POSTGRES, REDIS)
