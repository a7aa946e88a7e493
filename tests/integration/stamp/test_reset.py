# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disposable reset of the runbook: on servers of Compose and of deploy, refused where it would take more than it should."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration import modules
from tests.integration.plays import Outcome, engine, images, play

PASSWORD = "secret-of-pg"
DATA = "CREATE TABLE users (id int PRIMARY KEY); INSERT INTO users SELECT generate_series(1, 100);"


@dataclass(frozen=True)
class Project:
    """A Compose project of one PostgreSQL, its data in a directory of the machine."""

    directory: Path
    name: str
    image: str

    @property
    def key(self) -> str:
        return f"development/{self.name}"

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def state(self) -> Path:
        return self.directory / "state" / self.key

    def write(self, **changes: Any) -> None:
        service = {
            "image": self.image,
            "container_name": self.name,
            "environment": {"POSTGRES_USER": "amanat", "POSTGRES_DB": "amanat_dev", "POSTGRES_PASSWORD": "${PASSWORD}"},
            "command": ["postgres", "-c", "fsync=off"],
            "volumes": [f"{self.data}:/var/lib/postgresql"],
            **changes,
        }
        (self.directory / "compose.yaml").write_text(json.dumps({"services": {"postgres": service}}), encoding="utf-8")
        (self.directory / "secrets.env").write_text(f"PASSWORD={PASSWORD}\n", encoding="utf-8")

    def compose(self, *arguments: str) -> None:
        files = ["--project-directory", str(self.directory), "--project-name", self.name, "--env-file", str(self.directory / "secrets.env")]
        subprocess.run(["docker", "compose", *files, *arguments], check=True, capture_output=True)

    def sql(self, sql: str, database: str = "amanat_dev") -> str:
        argv = ["psql", "-h", "127.0.0.1", "-U", "amanat", "-Atq", "-v", "ON_ERROR_STOP=1", "-d", database]
        return engine("exec", "--interactive", self.name, *argv, stdin=sql)

    def up(self) -> None:
        self.compose("up", "--detach")
        engine("exec", self.name, "sh", "-c", "until pg_isready -qh 127.0.0.1; do sleep 0.2; done")

    def container(self) -> str:
        done = subprocess.run(["docker", "inspect", "--format", "{{.Id}}", self.name], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    def variables(self, **more: Any) -> dict[str, Any]:
        return {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "dbops_environment": "development",
            "dbops_name": self.name,
            "dbops_state_dir": str(self.directory / "state"),
            "dbops_backup_dir": str(self.directory / "backups"),
            "dbops_postgres_container": self.name,
            "dbops_pg_url": f"postgres://amanat:{PASSWORD}@postgres/amanat_dev",
            **more,
        }

    def play(self, verb: str, *options: str, **more: Any) -> Outcome:
        inventory = self.directory / "hosts.json"
        inventory.write_text(json.dumps({"all": {"hosts": {"here": self.variables(**more)}}}), encoding="utf-8")
        outcome = play(verb, "--inventory", str(inventory), *options)
        assert PASSWORD not in outcome.out
        return outcome

    def call(self, module: str, **options: Any) -> dict[str, Any]:
        arguments = {
            "stack": self.key,
            "state_dir": str(self.directory / "state"),
            "postgres_container": self.name,
            "pg_url": f"postgres://amanat:{PASSWORD}@postgres/amanat_dev",
            "confirm": self.key,
            **options,
        }
        return modules.call(module, arguments)[0]

    def refused(self, slug: str, **options: Any) -> str:
        """Refused for one reason; container and content are what they were."""
        before = (self.container(), self.sql("SELECT count(*) FROM users"))
        result = self.call("postgres_reset", **{"state": "emptied", **options})
        assert result.get("slug") == slug, result
        assert (self.container(), self.sql("SELECT count(*) FROM users")) == before
        assert not (self.state / "reset.json").exists()
        return result["msg"]

    def audit(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.state / "audit.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Up, with data, stamped."""
    made = Project(tmp_path, f"dbops-reset-{secrets.token_hex(3)}", images("postgres")["postgres"])
    made.write()
    try:
        made.up()
        made.sql(DATA)
        assert made.call("environment_stamp", state="present")["changed"]
        yield made
    finally:
        made.compose("down", "--volumes")


def test_a_reset_leaves_a_new_database(project: Project) -> None:
    """Of Compose's container, from check mode to the stamp of the new database."""
    refused = project.play("reset")
    assert refused.code == 2
    assert refused.last_line.startswith(f"dbops reset {project.key} refused: [confirm-missing]")
    before = project.container()
    foreseen = project.play("reset", "--check")
    assert foreseen.code == 0, foreseen.out
    assert str(project.data) in foreseen.last_line
    assert foreseen.last_line.endswith(f"next: ansible-playbook playbooks/reset.yml -e dbops_confirm={project.key}")
    assert project.container() == before
    assert not (project.directory / "backups").exists()

    inode, server = project.data.stat().st_ino, project.sql("SELECT system_identifier FROM pg_control_system()")
    done = project.play("reset", "-e", f"dbops_confirm={project.key}")
    assert done.code == 0, done.out
    assert f"after the backup amanat_dev_pg_{done.last_line.partition('amanat_dev_pg_')[2][:4]}" in done.last_line
    assert list((project.directory / "backups").glob("*.manifest.json"))
    assert project.container() != before
    assert project.data.stat().st_ino == inode
    assert project.sql("SELECT to_regclass('users') IS NULL, (SELECT name FROM dbops.environment)") == f"t|{project.name}"
    assert project.sql("SELECT system_identifier FROM pg_control_system()") != server
    assert [line["event"] for line in project.audit()][-2:] == ["reset", "stamped"]
    assert not (project.state / "reset.json").exists()
    # The new server is the known one.
    assert not project.call("environment_stamp", state="checked").get("failed")


def test_what_is_not_disposable_is_refused(project: Project) -> None:
    for stack in ("production", "staging"):
        key = f"{stack}/{project.name}"
        project.refused("reset-environment", stack=key, confirm=key)
    project.refused("confirm-missing", confirm="")
    project.refused("confirm-mismatch", confirm="development/other")
    project.refused("server-not-allowed", allowed_servers=["7000000000000000000"])
    project.refused("container-unknown", postgres_container="no-such-container")
    # Backups that would go along.
    project.refused("reset-path", backup_dir=str(project.data / "18" / "backups"))
    project.sql("CREATE DATABASE other")
    assert "other" in project.refused("reset-other-databases")
    project.sql("DROP DATABASE other")
    (project.data / "photos").mkdir()
    assert "photos" in project.refused("reset-foreign-files")
    (project.data / "photos").rmdir()
    # Its files describe another container now.
    project.write(command=["postgres", "-c", "fsync=on"])
    project.refused("reset-not-recreatable")
    project.write()
    # Another stamp, though the inventory says development.
    project.sql("UPDATE dbops.environment SET environment = 'production'")
    project.refused("stamp-mismatch")
    assert [line["event"] for line in project.audit()] == ["stamped"] + ["refused"] * 9
    assert len(list((project.directory / "state").glob("*/*/audit.jsonl"))) == 3


def test_what_others_use_is_not_emptied(project: Project, tmp_path: Path) -> None:
    """A container that mounts it, a part of it, or what holds it, even one that is stopped."""
    link = tmp_path / "link"
    link.symlink_to(project.data)
    for source in (project.data, project.data / "18", project.directory, link):
        other = f"{project.name}-other"
        engine("create", "--name", other, "--volume", f"{source}:/elsewhere:ro", project.image)
        try:
            assert other in project.refused("reset-shared")
        finally:
            engine("rm", other)


def test_a_symbolic_link_is_not_followed(project: Project, tmp_path: Path) -> None:
    link = tmp_path / "linked"
    link.symlink_to(project.data)
    project.compose("stop")
    project.write(volumes=[f"{link}:/var/lib/postgresql"])
    project.up()
    project.refused("reset-symlink")


def test_a_container_that_nobody_could_create_again_is_refused(project: Project) -> None:
    project.compose("down")
    engine("run", "--detach", "--name", project.name, "--volume", f"{project.data}:/var/lib/postgresql", project.image)
    try:
        engine("exec", project.name, "sh", "-c", "until pg_isready -qh 127.0.0.1; do sleep 0.2; done")
        project.refused("reset-not-recreatable")
    finally:
        engine("rm", "--force", project.name)


# Stands for the engine's client, and ends whoever called it at one moment.
KILLER = """#!/bin/sh
case "$*" in {when}) {first} kill -9 $PPID; exit 1;; esac
exec docker "$@"
"""


@pytest.mark.parametrize(
    ("when", "first"),
    [
        pytest.param('"rm --force"*', "", id="before the container is removed"),
        pytest.param('"rm --force"*', 'docker "$@";', id="before the directory is emptied"),
        pytest.param('"compose"*"up"*', "", id="before it is created"),
        pytest.param('"compose"*"up"*', 'docker "$@";', id="before it answers"),
    ],
)
@pytest.mark.faults
def test_a_reset_that_was_killed_goes_on(project: Project, when: str, first: str) -> None:
    killer = project.directory / "engine"
    killer.write_text(KILLER.format(when=when, first=first), encoding="utf-8")
    killer.chmod(0o755)
    cut = project.play("reset", "-e", f"dbops_confirm={project.key}", dbops_engine=str(killer))
    assert cut.code == 2, cut.out
    done = project.play("reset", "-e", f"dbops_confirm={project.key}", postgres_reset_backup=False)
    assert done.code == 0, done.out
    assert project.sql("SELECT to_regclass('users') IS NULL, (SELECT name FROM dbops.environment)") == f"t|{project.name}"
    assert not (project.state / "reset.json").exists()


@pytest.mark.slow
def test_what_deploy_made_is_deployed_again(tmp_path: Path) -> None:
    made = Project(tmp_path, f"dbops-reset-{secrets.token_hex(3)}", images("postgres")["postgres"])
    variables = {"postgres_image": made.image, "dbops_postgres_user": "operator", "dbops_postgres_password": "secret-of-operator"}
    try:
        assert made.play("deploy", **variables).code == 0
        operator = ["psql", "-U", "operator", "-Atq", "-d", "amanat_dev"]
        engine("exec", "--interactive", made.name, *operator, stdin=DATA)
        refused = made.play("reset", "-e", f"dbops_confirm={made.key}x", **variables)
        assert "refused: [confirm-mismatch]" in refused.last_line
        done = made.play("reset", "-e", f"dbops_confirm={made.key}", **variables)
        assert done.code == 0, done.out
        left = "SELECT to_regclass('users') IS NULL, (SELECT name FROM dbops.environment), pg_get_userbyid(datdba) FROM pg_database"
        asked = engine("exec", made.name, *operator, "-c", f"{left} WHERE datname = current_database()")
        assert asked == f"t|{made.name}|amanat"
    finally:
        subprocess.run(["docker", "rm", "--force", made.name], capture_output=True, check=False)
        subprocess.run(["docker", "network", "rm", made.key.replace("/", "-")], capture_output=True, check=False)
