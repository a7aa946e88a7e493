# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A target reached by SSH, and a connection that is lost in the middle of long work."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

from tests.integration import ssh
from tests.integration.plays import ROOT, engine

from .conftest import Stack

NAME = "window-ssh"


@dataclass(frozen=True)
class Target:
    inventory: Path
    postgres: dict[str, Any]

    def run(self, *argv: str) -> str:
        return engine("exec", "-i", NAME, *argv)

    def backups(self) -> list[str]:
        return self.run("sh", "-c", "ls -A /backups 2>&1 || true").split()


@pytest.fixture
def target(docker: Stack, tmp_path: Path) -> Iterator[Target]:
    """A machine on the stack's network that reaches PostgreSQL over TCP, with its own programs."""
    state = docker.state
    networks = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}"
    network = engine("inspect", "--format", networks, state["postgres"]["container"])
    with ssh.target(NAME, tmp_path, "--network", network) as reached:
        password = json.loads(Path(state["secrets_file"]).read_text(encoding="utf-8"))["postgres_password"]
        host = {
            **reached,
            "dbops_environment": "development",
            "dbops_pg_url": f"postgres://amanat:{password}@postgres:5432/{state['postgres']['database']}",
            "dbops_backup_dir": "/backups",
            "dbops_state_dir": "/state",
        }
        inventory = tmp_path / "hosts.json"
        inventory.write_text(json.dumps({"all": {"hosts": {"far": host}}}), encoding="utf-8")
        yield Target(inventory, state["postgres"])


@contextmanager
def held(postgres: dict[str, Any]) -> Iterator[IO[str]]:
    """A table that a dump has to wait for until what is yielded is closed: less than its lock time-out of ten seconds."""
    psql = ["docker", "exec", "-i", postgres["container"], "psql", "-U", postgres["user"], "-d", postgres["database"]]
    with subprocess.Popen(psql, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as session:
        assert session.stdin
        assert session.stdout
        session.stdin.write("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE;\n")
        session.stdin.flush()
        assert [session.stdout.readline() for _answer in "12"] == ["BEGIN\n", "LOCK TABLE\n"]
        yield session.stdin


@pytest.mark.slow
def test_a_backup_survives_the_loss_of_its_connection(target: Target) -> None:
    with held(target.postgres) as lock:
        play = ["ansible-playbook", "-i", str(target.inventory), "playbooks/backup.yml"]
        with subprocess.Popen(play, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
            target.run("timeout", "60", "sh", "-c", "until ls /state/development/far/jobs/*/status.json; do sleep 0.1; done 2>&1")
            time.sleep(1)  # until the module waits for its job
            target.run("pkill", "--full", "root@notty")
            lock.close()
            out = running.communicate(timeout=120)[0]
    assert running.returncode == 0, out
    assert "Connection lost" in out
    assert "dbops backup development/far changed: made /backups/amanat_dev_pg_" in " ".join(out.split())
    names = sorted(target.backups())
    assert names == [names[0], f"{names[0]}.globals.sql", f"{names[0]}.manifest.json"]
    assert len(target.run("ls", "/state/development/far/jobs").split()) == 1
