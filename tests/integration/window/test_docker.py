# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows on containers, and on a Compose project that the collection did not deploy."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.plays import ROOT, engine, play

from .conftest import STACK, Stack
from .guarded import see_database_replaced, see_destruction_undone, write_tasks
from .receiver import Receiver


def identities(state: dict[str, Any]) -> list[str]:
    """The containers of the servers, which no window may touch."""
    return [engine("inspect", "--format", "{{.Id}} {{.State.StartedAt}}", state[server]["container"]) for server in ("postgres", "redis")]


def left_behind(stack: str) -> str:
    """Containers that the collection started for a while, for this stack."""
    return engine("ps", "--all", "--quiet", "--filter", "label=amanat.dbops.run", "--filter", f"label=amanat.dbops.stack={stack}")


@pytest.mark.parametrize(
    ("slug", "variables"),
    [
        pytest.param("container-unknown", {"dbops_operation": "none", "dbops_postgres_container": "no-such-container"}, id="unknown"),
        pytest.param(
            "release-image-missing",
            {
                "dbops_operation": "migrate",
                "dbops_release_image": "localhost:1/no/such:image",
            },
            id="a release image that does not exist",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_bad_input_is_refused(docker: Stack, slug: str, variables: dict[str, Any]) -> None:
    outcome = docker.play("maintenance", **variables)
    assert outcome.code == 2, outcome.out
    assert outcome.last_line.startswith(f"dbops maintenance {docker.key} refused: [{slug}]")
    assert docker.health()["release"] == "1"
    assert not docker.journal.exists()


@pytest.mark.slow
def test_a_stopped_database_is_refused(docker: Stack) -> None:
    container = docker.state["postgres"]["container"]
    engine("stop", container)
    try:
        outcome = docker.play("maintenance", dbops_operation="none")
    finally:
        engine("start", container)
    assert outcome.code == 2
    assert "refused: [container-stopped]" in outcome.last_line


@pytest.fixture
def elsewhere(docker: Stack) -> Iterator[str]:
    """The PG_URL of another server on the application's network, with a database and a role of the same names."""
    postgres, name = docker.state["postgres"], "window-docker-elsewhere"
    network = engine("inspect", "--format", "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}", postgres["container"])
    variables = {"POSTGRES_USER": postgres["user"], "POSTGRES_PASSWORD": "elsewhere", "POSTGRES_DB": postgres["database"]}
    flags = [part for key, value in variables.items() for part in ("--env", f"{key}={value}")]
    engine("run", "--detach", "--name", name, "--network", network, *flags, postgres["image"])
    try:
        ready = f"until pg_isready --quiet --host=127.0.0.1 --dbname={postgres['database']}; do sleep 0.2; done"
        engine("exec", name, "timeout", "30", "sh", "-c", ready)
        yield f"postgres://{postgres['user']}:elsewhere@{name}:5432/{postgres['database']}"
    finally:
        engine("rm", "--force", "--volumes", name)


def test_a_pg_url_that_leads_to_another_server_is_refused(docker: Stack, elsewhere: str) -> None:
    outcome = docker.play("maintenance", dbops_operation="none", dbops_pg_url=elsewhere)
    assert outcome.code == 2, outcome.out
    assert outcome.last_line.startswith(f"dbops maintenance {docker.key} refused: [pg-url-elsewhere]")
    assert "changed=0" in outcome.recap
    assert not docker.journal.exists()


@pytest.mark.slow
def test_obsolete_variables_are_a_warning(docker: Stack) -> None:
    name = "window-docker-worker"
    image = docker.state["releases"]["1"]
    engine("run", "--detach", "--name", name, "--env", "MONGODB_URI=mongodb://nowhere", "--entrypoint", "sleep", image, "600")
    try:
        services = [{"name": "worker", "kind": "container", "container": name}]
        outcome = docker.play("maintenance", "--check", dbops_operation="none", dbops_services=services)
    finally:
        engine("rm", "--force", name)
    assert outcome.code == 0, outcome.out
    assert "Warning: The environment of worker still has MONGODB_URI; MongoDB is gone and they are ignored." in outcome.out
    assert "mongodb://nowhere" not in outcome.out


@pytest.mark.slow
def test_a_release_that_is_not_healthy_is_taken_back(docker: Stack) -> None:
    before = engine("inspect", "--format", "{{.Image}}", docker.state["backend"]["container"])
    variables = {"dbops_operation": "none", "maintenance_window_health_timeout": 5}
    outcome = docker.play("maintenance", dbops_release_image=docker.release("1-unhealthy"), **variables)
    assert outcome.code == 2, outcome.out
    assert outcome.last_line.startswith(f"dbops maintenance {docker.key} rolled_back: ")
    assert "[health-gate]" in outcome.last_line
    assert docker.health()["release"] == "1"
    assert engine("inspect", "--format", "{{.Image}}", docker.state["backend"]["container"]) == before


@pytest.fixture
def moving_tag(docker: Stack) -> Iterator[str]:
    """A tag that means release 2, for now."""
    tag = "window-docker-moving:latest"
    engine("tag", docker.release("2"), tag)
    try:
        yield tag
    finally:
        engine("rmi", tag)


def test_a_window_brings_the_new_release_even_if_its_tag_moves(docker: Stack, receiver: Receiver, moving_tag: str) -> None:
    servers = identities(docker.state)
    wanted = engine("inspect", "--format", "{{.Id}}", moving_tag)
    # Engines are named by URLs, too.
    socket = engine("context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
    # The first that anybody hears of the window, and from then on the tag means another release.
    receiver.hook = lambda event: event == "planned" and engine("tag", docker.release("1-unhealthy"), moving_tag)
    variables = {"dbops_release_image": moving_tag, "dbops_announce": receiver.announce, "dbops_engine_socket": socket}
    outcome = docker.play("maintenance", dbops_operation="migrate", **variables)
    assert outcome.code == 0, outcome.out
    assert docker.health()["release"] == "2"
    assert docker.health()["migrations"] == {"applied": 20, "expected": 20}
    report = docker.report()
    assert report["state"] == "closed"
    service = report["services"][0]
    assert service["image_before"] != service["image_after"] == wanted
    assert service["release_after"] == moving_tag
    assert engine("inspect", "--format", "{{.Image}}", docker.state["backend"]["container"]) == wanted
    assert identities(docker.state) == servers
    assert not left_behind(docker.key)
    assert not docker.half_written()


@pytest.mark.slow
def test_a_backup_is_foreseen_as_a_change_and_in_a_window_as_none(docker: Stack) -> None:
    assert "changed=1" in docker.play("backup", "--check").recap
    assert "changed=0" in docker.play("maintenance", "--check", dbops_operation="none").recap


@pytest.fixture
def adopted() -> Iterator[dict[str, Any]]:
    """The production Compose project, started by somebody else."""
    name = "window-adopted"
    try:
        subprocess.run([*STACK, "up", "--kind", "docker", "--environment", "production", "--name", name], cwd=ROOT, check=True)
        yield json.loads((ROOT / f".stack/{name}.json").read_text(encoding="utf-8"))
    finally:
        subprocess.run([*STACK, "down", "--name", name], cwd=ROOT, check=True)


@pytest.mark.slow
def test_a_stack_that_runs_is_adopted_by_a_few_lines(adopted: dict[str, Any], tmp_path: Path) -> None:
    password = json.loads(Path(adopted["secrets_file"]).read_text(encoding="utf-8"))["postgres_password"]
    project = {key: adopted["compose"][key] for key in ("project_src", "project_name", "files", "env_files", "service")}
    host = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "dbops_environment": "production",
        "dbops_postgres_container": adopted["postgres"]["container"],
        "dbops_pg_url": f"postgres://amanat:{password}@postgres:5432/amanat",
        "dbops_health_url": adopted["health_url"],
        "dbops_services": [{"name": "backend", "kind": "compose", **project}],
        "dbops_state_dir": str(tmp_path / "state"),
        "dbops_backup_dir": str(tmp_path / "backups"),
        "dbops_report_dir": str(tmp_path / "reports"),
    }
    inventory = tmp_path / "hosts.json"
    inventory.write_text(json.dumps({"all": {"hosts": {"nickapp": host}}}), encoding="utf-8")
    servers = identities(adopted)
    for verb, *arguments in (["backup"], ["maintenance", "-e", "dbops_operation=none", "-e", "dbops_confirm=production/nickapp"]):
        outcome = play(verb, "-i", str(inventory), *arguments)
        assert outcome.code == 0, outcome.out
    assert identities(adopted) == servers
    assert len(list((tmp_path / "backups").glob("amanat_pg_*.manifest.json"))) == 2
    assert not left_behind("production/nickapp")


@pytest.mark.slow
def test_an_operation_that_destroys_data_and_fails_is_undone(docker: Stack, tmp_path: Path) -> None:
    see_destruction_undone(docker, tmp_path)


@pytest.mark.slow
def test_a_restore_replaces_the_database_by_the_backup_that_was_chosen(docker: Stack) -> None:
    servers = identities(docker.state)
    see_database_replaced(docker)
    assert identities(docker.state) == servers
    assert not left_behind(docker.key)


@pytest.mark.slow
def test_a_restart_policy_that_brings_a_service_back_waits_for_the_window(docker: Stack, tmp_path: Path) -> None:
    name = "window-docker-always"
    looked = "{{.State.Running}} {{.HostConfig.RestartPolicy.Name}}"
    engine("run", "--detach", "--name", name, "--restart", "always", "--entrypoint", "sleep", docker.state["releases"]["1"], "600")
    try:
        started = engine("inspect", "--format", "{{.State.StartedAt}}", name)
        seen = tmp_path / "seen"
        look = f"docker inspect --format '{looked}' {name} > {seen}"
        tasks = [{"name": "Look", "ansible.builtin.shell": "{% raw %}" + look + "{% endraw %}", "changed_when": False}]
        services = [{"name": "worker", "kind": "container", "container": name}]
        operation = {"dbops_operation": "custom", "dbops_tasks": write_tasks(tmp_path / "tasks.yml", *tasks)}
        outcome = docker.play("maintenance", dbops_services=services, **operation)
        assert outcome.code == 0, outcome.out
        assert seen.read_text(encoding="utf-8").split() == ["false", "no"]
        assert engine("inspect", "--format", looked, name) == "true always"
        assert engine("inspect", "--format", "{{.State.StartedAt}}", name) != started
    finally:
        engine("rm", "--force", name)
