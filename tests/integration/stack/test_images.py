# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in images keep the contract of the official ones."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

BUILD = Path(__file__).resolve().parents[2] / "images" / "build.py"
Start = Callable[..., str]


def docker(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=check)


def run_in(container: str, *command: str) -> str:
    return docker("exec", container, *command).stdout.strip()


def wait(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.fixture(scope="module")
def images() -> dict[str, str]:
    return json.loads(subprocess.run([sys.executable, BUILD, "postgres", "redis"], capture_output=True, text=True, check=True).stdout)


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts containers, and removes them with their anonymous volumes."""
    started: list[str] = []

    def run(*arguments: str) -> str:
        started.append(f"dbops-test-{uuid.uuid4().hex[:8]}")
        docker("run", "--detach", "--name", started[-1], *arguments)
        return started[-1]

    yield run
    for container in started:
        docker("rm", "--force", "--volumes", container)


def test_postgres(images: dict[str, str], start: Start, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("it's a $ecret\n", encoding="utf-8")
    (tmp_path / "1.sql").write_text("CREATE TABLE from_sql ();", encoding="utf-8")
    (tmp_path / "2.sh").write_text('psql -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "CREATE TABLE from_sh ()"', encoding="utf-8")
    mounts = [f"--volume={tmp_path / file}:/docker-entrypoint-initdb.d/{file}:ro" for file in ("1.sql", "2.sh")]
    environment = ["--env=POSTGRES_PASSWORD_FILE=/run/password", "--env=POSTGRES_USER=amanat", "--env=POSTGRES_DB=amanat_dev"]
    password = f"--volume={tmp_path / 'password'}:/run/password:ro"
    server = start(*mounts, *environment, password, images["postgres"], "postgres", "-c", "max_connections=33")
    wait(lambda: docker("exec", server, "pg_isready", "-q", "-h", "127.0.0.1", check=False).returncode == 0)

    def ask(sql: str) -> str:
        return run_in(server, "psql", "-U", "amanat", "-d", "amanat_dev", "-Atc", sql)

    assert ask("SHOW data_directory") == "/var/lib/postgresql/18/docker"
    assert ask("SHOW server_encoding") == "UTF8"
    assert ask("SHOW max_connections") == "33"
    assert ask("SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_stat_user_tables") == "from_sh from_sql"
    assert run_in(server, "cat", "/proc/1/comm") == "postgres"
    assert "\t999\t" in run_in(server, "grep", "Uid", "/proc/1/status")

    address = docker("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", server).stdout.strip()
    for guess, expected in (("it's a $ecret", 0), ("wrong", 2)):
        client = [
            "--rm",
            f"--env=PGPASSWORD={guess}",
            "--entrypoint=psql",
            images["postgres"],
            "-h",
            address,
            "-U",
            "amanat",
            "-d",
            "amanat_dev",
        ]
        assert docker("run", *client, "-c", "SELECT 1", check=False).returncode == expected

    docker("stop", "--time", "30", server)
    assert "received fast shutdown request" in docker("logs", server).stderr
    assert docker("inspect", "--format", "{{.State.ExitCode}}", server).stdout.strip() == "0"


def test_postgres_refuses_the_old_mount_and_no_password(images: dict[str, str]) -> None:
    old = docker("run", "--rm", "--env=POSTGRES_PASSWORD=x", "--tmpfs=/var/lib/postgresql/data", images["postgres"], check=False)
    assert (old.returncode, "mount the volume at /var/lib/postgresql" in old.stderr) == (1, True)
    none = docker("run", "--rm", images["postgres"], check=False)
    assert (none.returncode, "POSTGRES_PASSWORD" in none.stderr) == (1, True)


def test_redis(images: dict[str, str], start: Start, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    (tmp_path / "redis.conf").write_text("maxmemory 7mb\n", encoding="utf-8")
    (tmp_path / "redis.conf").chmod(0o666)
    server = start(f"--volume={tmp_path}:/usr/local/etc/redis", images["redis"], "redis-server", "/usr/local/etc/redis/redis.conf")
    wait(lambda: docker("exec", server, "redis-cli", "ping", check=False).stdout.strip() == "PONG")
    assert run_in(server, "redis-cli", "config", "get", "maxmemory").split()[1] == str(7 * 1024 * 1024)
    assert run_in(server, "redis-cli", "config", "rewrite") == "OK"
    assert "redis" in run_in(server, "cat", "/proc/1/comm")
    assert "\t999\t" in run_in(server, "grep", "Uid", "/proc/1/status")
    address = docker("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", server).stdout.strip()
    assert docker("run", "--rm", images["redis"], "redis-cli", "-h", address, "set", "a", "b").stdout.strip() == "OK"
    docker("stop", "--time", "30", server)
    docker("start", server)
    wait(lambda: docker("exec", server, "redis-cli", "get", "a", check=False).stdout.strip() == "b")
