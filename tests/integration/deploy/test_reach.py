# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Engines and targets that are not simply here: another socket, SSH and sudo, a password that only the target knows."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.integration import ssh
from tests.integration.machine import free_port
from tests.integration.plays import engine

from .conftest import POSTGRES, REDIS, Deployment

TARGET = "dbops-deploy-target"


def engine_socket() -> Path:
    """Where the engine of this machine listens."""
    return Path(engine("context", "inspect", "--format", "{{.Endpoints.docker.Host}}").removeprefix("unix://")).resolve()


@pytest.mark.slow
def test_another_socket(deployment: Deployment) -> None:
    """The engine that everything would ask by itself does not answer; the one of the inventory does."""
    (deployment.directory / "engine.sock").symlink_to(engine_socket())
    nowhere = {"DOCKER_HOST": f"unix://{deployment.directory}/nowhere.sock"}
    outcome = deployment.play(environ=nowhere, dbops_engine_socket=str(deployment.directory / "engine.sock"))
    assert outcome.code == 0, outcome.out
    assert "dbops deploy development/deploy changed: PostgreSQL: " in outcome.last_line
    assert engine("inspect", "--format", "{{.State.Health.Status}}", POSTGRES, REDIS).split() == ["healthy", "healthy"]


@pytest.mark.slow
def test_ssh_and_sudo(deployment: Deployment) -> None:
    """An ordinary user, on a machine without the Python libraries, where the password of Redis lies in a file of root's."""
    # Copied files are tried by the image's server, so the engine has to find them, too.
    copied = deployment.directory / "tmp"
    copied.mkdir()
    copied.chmod(0o1777)
    mounts = (deployment.directory / "state", copied, engine_socket())
    # The machine's own network, from which the distribution's packages are known to come.
    options = ("--network=host", *(f"--volume={path}:{path}" for path in mounts))
    with ssh.target(TARGET, deployment.directory, *options, account="deployer", port=free_port()) as reached:
        engine("exec", "-i", TARGET, "sh", "-c", "umask 077; cat > /root/password", stdin="secret-of-redis-file\n")
        stack = {
            **reached,
            "ansible_remote_tmp": str(copied),
            "dbops_engine_socket": str(engine_socket()),
            "dbops_redis_password": "",
            "redis_password_file": "/root/password",
        }
        refused = deployment.play(**stack)
        assert "failed: [library-missing] /usr/bin/python3" in refused.last_line
        assert "next: Deploy with become" in refused.last_line
        assert not deployment.home.exists()

        deployed = deployment.play(**stack, ansible_become=True)
        assert deployed.code == 0, deployed.out
        assert "changed: PostgreSQL: Python libraries, " in deployed.last_line
        ping = ["docker", "exec", "--env=REDISCLI_AUTH=secret-of-redis-file", REDIS, "redis-cli", "PING"]
        assert subprocess.run(ping, capture_output=True, text=True, check=True).stdout == "PONG\n"

        again = deployment.play(**stack, ansible_become=True)
        assert "ok: everything is as described" in again.last_line
