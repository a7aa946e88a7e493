# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What deploy refuses: one message with a slug, and nothing changed."""

from __future__ import annotations

import subprocess
import tempfile
import time
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.integration.plays import Outcome, engine

from .conftest import POSTGRES, REDIS, Deployment, exists, labels, remove

# Nobody listens there, so the answer does not depend on a registry.
NO_IMAGE = "127.0.0.1:9/none:1"


class Case(NamedTuple):
    """A stack of its own; `DIRECTORY` stands for a directory of its own."""

    slug: str
    service: str
    variables: dict[str, Any]
    # Options of a container that is there before, made and not started.
    container: list[str] | None = None
    labelled: str = ""


CASES = {
    # What was asked for
    "no-url": Case("pg-url-missing", "postgres", {"dbops_pg_url": ""}),
    "unescaped-slash": Case("pg-url-malformed", "postgres", {"dbops_pg_url": "postgres://amanat:secret-of-pg/x@db:5432/amanat"}),
    "setting-of-the-role": Case("setting-reserved", "postgres", {"postgres_settings": {"data_directory": "/tmp"}}),
    "mount-asked-for": Case("mount-wrong", "postgres", {"postgres_volumes": ["/srv/pg:/var/lib/postgresql/data"]}),
    "volume-asked-for": Case("volume-anonymous", "postgres", {"postgres_volumes": ["/spaces"]}),
    "long-path": Case("socket-path-too-long", "postgres", {"dbops_state_dir": "/" + "x" * 80}),
    "no-password": Case("redis-password-missing", "redis", {"dbops_redis_password": ""}),
    "two-lines": Case("password-malformed", "redis", {"dbops_redis_password": "secret-of-\nredis"}),
    "no-password-file": Case("target-file", "redis", {"dbops_redis_password": "", "redis_password_file": "DIRECTORY/none"}),
    "directive-of-the-role": Case("setting-reserved", "redis", {"redis_settings": {"requirepass": "x"}}),
    "other-name-of-the-snapshot": Case("setting-reserved", "redis", {"redis_settings": {"dbfilename": "keys.rdb"}}),
    # What it stands on
    "postgres-without-engine": Case("engine-unreachable", "postgres", {"dbops_engine_socket": "DIRECTORY/none.sock"}),
    "redis-without-engine": Case("engine-unreachable", "redis", {"dbops_engine_socket": "DIRECTORY/none.sock"}),
    "postgres-without-image": Case("image-missing", "postgres", {"postgres_image": NO_IMAGE}),
    "redis-without-image": Case("image-missing", "redis", {"redis_image": NO_IMAGE}),
    # What is there
    "postgres-of-others": Case("container-foreign", "postgres", {}, []),
    "redis-of-others": Case("container-foreign", "redis", {}, [], "postgres"),
    "mount-there": Case("mount-wrong", "postgres", {}, ["--volume=/tmp:/var/lib/postgresql/data"], "postgres"),
    "volume-there": Case("volume-anonymous", "postgres", {}, [], "postgres"),
    "postgres-data-elsewhere": Case("data-not-mounted", "postgres", {}, ["--volume=/tmp:/var/lib/postgresql"], "postgres"),
    "redis-data-elsewhere": Case("data-not-mounted", "redis", {}, [], "redis"),
    "settings-elsewhere": Case(
        "config-not-mounted", "postgres", {"postgres_data_dir": "DIRECTORY"}, ["--volume=DIRECTORY:/var/lib/postgresql"], "postgres"
    ),
    "other-major": Case("data-other-major", "postgres", {"postgres_data_dir": "DIRECTORY"}),
    "starts-empty": Case("aof-empty-start", "redis", {"redis_data_dir": "DIRECTORY", "redis_settings": {"appendonly": True}}),
    "starts-without-its-files": Case("aof-empty-start", "redis", {"redis_data_dir": "DIRECTORY/saved"}),
    "image-before-18": Case("volume-anonymous", "postgres", {"postgres_image": "postgres17"}),
}


def container_of(name: str) -> str:
    return f"dbops-deploy-{name}"


def in_its_own(value: Any, directory: Path) -> Any:
    return value.replace("DIRECTORY", str(directory)) if isinstance(value, str) else value


@pytest.fixture(scope="module")
def refused(images: dict[str, str]) -> Iterator[Outcome]:
    """Every case is a host of one run."""
    containers = [container_of(name) for name in CASES]
    remove(*containers)
    with tempfile.TemporaryDirectory(prefix="dbops-") as path:
        hosts = {}
        for name, case in CASES.items():
            directory = Path(path, name)
            (directory / "17/docker").mkdir(parents=True)
            (directory / "17/docker/PG_VERSION").write_text("17\n", encoding="utf-8")
            (directory / "saved/appendonlydir").mkdir(parents=True)
            (directory / "dump.rdb").write_bytes(b"REDIS")
            if case.container is not None:
                options = [in_its_own(option, directory) for option in case.container]
                if case.labelled:
                    options += labels(case.labelled, f"development/{name}")
                engine("create", f"--name={container_of(name)}", *options, images[case.service])
            hosts[name] = {
                "dbops_postgres_container": container_of(name) if case.service == "postgres" else "",
                "dbops_redis_container": container_of(name) if case.service == "redis" else "",
                "postgres_may_restart": True,
                **{key: images.get(str(value)) or in_its_own(value, directory) for key, value in case.variables.items()},
            }
        before = engine("ps", "--all", "--no-trunc", "--format={{.ID}} {{.Names}} {{.State}}", "--filter=name=dbops-deploy-")
        deployment = Deployment(Path(path), images)
        outcome = deployment.play(hosts=hosts)
        after = engine("ps", "--all", "--no-trunc", "--format={{.ID}} {{.Names}} {{.State}}", "--filter=name=dbops-deploy-")
        assert before == after
        assert not (deployment.directory / "state").exists()
        yield outcome
        remove(*containers)


@pytest.mark.parametrize("name", CASES)
def test_refused(refused: Outcome, name: str) -> None:
    assert refused.code == 2
    line = refused.last_line_of(f"development/{name}")
    assert line.startswith(f"dbops deploy development/{name} refused: [{CASES[name].slug}] "), line
    assert "State: " in line
    assert " · next: " in line


def test_a_server_whose_data_die_with_the_container(deployment: Deployment) -> None:
    """The mounts are right, and the server was told to keep its data beside them."""
    home = deployment.home / "postgres"
    mounts = {"data": "/var/lib/postgresql", "config": "/etc/postgresql", "run": "/var/run/postgresql"}
    volumes = [f"--volume={home}/{folder}:{path}" for folder, path in mounts.items()]
    environment = ["--env=PGDATA=/elsewhere", "--env=POSTGRES_USER=amanat", "--env=POSTGRES_PASSWORD=secret-of-pg"]
    engine("run", "--detach", f"--name={POSTGRES}", *labels("postgres"), *volumes, *environment, deployment.images["postgres"])
    for _ in range(100):
        if subprocess.run(["docker", "exec", POSTGRES, "pg_isready", "--host=127.0.0.1"], capture_output=True, check=False).returncode == 0:
            break
        time.sleep(0.2)
    outcome = deployment.play(dbops_redis_container="", postgres_may_restart=True)
    assert outcome.code == 2, outcome.out
    assert f"[data-not-mounted] PostgreSQL in {POSTGRES} keeps its data in /elsewhere" in outcome.last_line
    assert not (home / "config/postgresql.conf").exists()
    assert engine("inspect", "--format", "{{.State.Status}}", POSTGRES) == "running"


@pytest.mark.slow
def test_an_interpreter_without_the_libraries(deployment: Deployment) -> None:
    """Check mode installs nothing, so there is nothing more that it could predict."""
    venv.create(deployment.directory / "bare", with_pip=False)
    python = str(deployment.directory / "bare/bin/python")
    hosts = {
        "postgres": {"ansible_python_interpreter": python, "dbops_redis_container": ""},
        "redis": {"ansible_python_interpreter": python, "dbops_postgres_container": ""},
    }
    outcome = deployment.play("--check", hosts=hosts)
    assert outcome.code == 2
    for name in hosts:
        assert f"dbops deploy development/{name} refused: [library-missing] {python}" in outcome.last_line_of(f"development/{name}")
        assert "(check mode installs nothing)" in outcome.last_line_of(f"development/{name}")


@pytest.mark.slow
def test_a_server_that_would_not_start_and_one_that_does_not(deployment: Deployment) -> None:
    """PostgreSQL's file is tried by the image's own server before it takes its place; Redis has no such trial."""
    hosts = {
        "postgres": {"postgres_settings": {"shared_buffers": "plenty"}, "dbops_redis_container": ""},
        "redis": {"redis_settings": {"no-such-directive": 1}, "dbops_postgres_container": "", "dbops_network": "development-deploy"},
    }
    outcome = deployment.play(hosts=hosts)
    assert outcome.code == 2
    assert '[settings-invalid] The image\'s server refuses the settings: invalid value for parameter "shared_buffers"' in (
        outcome.last_line_of("development/postgres")
    )
    assert not (deployment.directory / "state/development/postgres/postgres/config/postgresql.conf").exists()
    assert not exists("container", POSTGRES)
    line = outcome.last_line_of("development/redis")
    assert "failed: [redis-not-started] Wait until it is healthy: its health check did not pass." in line
    assert f"next: docker logs --tail 50 {REDIS}" in line


@pytest.mark.slow
def test_a_role_that_the_server_refuses(deployment: Deployment) -> None:
    """The task shows nothing, because of the password; the last line says what the server said."""
    outcome = deployment.play(
        dbops_redis_container="", postgres_roles=[{"name": "pilot", "password": "secret-of-pilot", "attributes": "FLY"}]
    )
    assert outcome.code == 2
    assert "failed: [object-refused] Make the other roles: " in outcome.last_line
    assert "FLY" in outcome.last_line
    assert engine("inspect", "--format", "{{.State.Health.Status}}", POSTGRES) == "healthy"
