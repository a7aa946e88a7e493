# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stopping and starting services: real commands, and an engine's client that is a script."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _services
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._place import Engine
from ansible_collections.amanat.dbops.plugins.module_utils._services import Context, Service, service_of, services_of


def sh(script: str) -> list[str]:
    return ["sh", "-c", script]


@pytest.fixture
def command(tmp_path: Path) -> Service:
    """A service that is a file: while it is there, the service runs, and it says which release."""
    spec = {
        "name": "api",
        "kind": "command",
        "status": sh(f"cat {tmp_path}/running 2>/dev/null || exit 3"),
        "start": sh(f'echo "${{DBOPS_IMAGE:-old}}" > {tmp_path}/running'),
        "stop": sh(f"rm {tmp_path}/running"),
    }
    return service_of(spec, Context(Engine(), str(tmp_path)))


def test_a_command_service_starts_and_stops(command: Service) -> None:
    nothing = {"release": "", "image_id": "", "restart_policy": "", "restarting": False}
    stopped = {"name": "api", "kind": "command", "running": False, **nothing}
    assert command.look() == stopped
    command.start("", "")
    assert command.look() == {**stopped, "running": True, "release": "old", "image_id": "old"}
    command.stop()
    assert command.look() == stopped
    command.start("/srv/release-2", "")
    assert command.look()["release"] == "/srv/release-2"


def test_what_a_task_file_starts_by_a_command_is_not_taken_for_its_own_work(
    command: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever takes the window over, or opens its door, would end the service as well."""
    for name in ("DBOPS_WINDOW", "PGAPPNAME", "HOME"):
        monkeypatch.setenv(name, "of a window")
    command.spec["start"] = sh(f"env > {tmp_path}/running")
    command.start("", "")
    given = command.look()["release"]
    assert "HOME=of a window" in given
    assert "DBOPS_WINDOW" not in given
    assert "PGAPPNAME" not in given


def test_a_command_that_fails_says_which_and_why(command: Service) -> None:
    with pytest.raises(OperationError) as caught:
        command.stop()
    assert caught.value.slug == "service-failed"
    assert "'api'" in caught.value.what
    assert "running" in caught.value.what


@pytest.mark.parametrize("status", [["/no/such/status"], sh("echo broken >&2; exit 1"), sh("exit 4")])
def test_a_status_that_is_no_answer_is_not_taken_for_stopped(tmp_path: Path, status: list[str]) -> None:
    spec = {"name": "api", "kind": "command", "status": status, "start": ["true"], "stop": ["true"]}
    with pytest.raises(OperationError) as caught:
        service_of(spec, Context(Engine(), str(tmp_path))).look()
    assert caught.value.slug == "service-unknown"


def test_a_start_that_leaves_its_service_behind_does_not_hang(tmp_path: Path) -> None:
    spec = {"name": "api", "kind": "command", "status": ["true"], "start": sh("sleep 3 &"), "stop": ["true"]}
    service_of(spec, Context(Engine(), str(tmp_path))).start("", "")


@pytest.mark.parametrize(
    ("started", "finished", "begins"),
    [
        ("2026-11-22T17:01:02.123456789Z", "0001-01-01T00:00:00Z", "2026-11-22T17:01:01.123456Z"),
        ("2026-11-22T17:01:02.5Z", "2026-11-22T17:01:02.3Z", "2026-11-22T17:01:02.400000Z"),
        ("2026-11-22T17:01:02Z", "2026-11-22T17:01:30Z", "2026-11-22T17:01:02.000000Z"),
        ("2026-11-22T18:01:02.5+01:00", "0001-01-01T00:00:00Z", "2026-11-22T17:01:01.500000Z"),
    ],
)
def test_a_run_begins_before_the_engine_has_noted_it_and_after_the_one_before(started: str, finished: str, begins: str) -> None:
    assert _services.begins({"StartedAt": started, "FinishedAt": finished}) == begins


def test_of_a_long_log_the_beginning_and_the_end_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_services, "_LOG_BYTES", 8)
    spec = {"name": "one", "kind": "command", "log": ["sh", "-c", "echo begins; seq 100; echo ends"]}
    assert service_of(spec, Context(Engine(), str(tmp_path))).log(10) == "begins\n1\n00\nends\n"


# Answers from a file: {"<kind> <name>": facts}, and for `ps` the ids that the filters select; notes what it was asked.
FAKE_ENGINE = """#!{python}
import json, pathlib, sys
root, arguments = pathlib.Path({root!r}), sys.argv[1:]
with (root / "asked").open("a") as asked:
    asked.write(" ".join(arguments) + "\\n")
known = json.loads((root / "known").read_text())
if arguments[0] == "inspect":
    kind, name = arguments[2:]
    if (facts := known.get(f"{{kind}} {{name}}")) is None:
        sys.exit(f"Error response from daemon: No such {{kind}}: {{name}}")
    print(json.dumps([facts]))
if arguments[0] == "ps":
    wanted = {{argument for argument in arguments if argument.startswith("label=")}}
    print("\\n".join(id for id, labels in known["ps"].items() if wanted <= set(labels)))
if arguments[:2] == ["compose", "--project-directory"] and "config" in arguments:
    print(json.dumps({{"name": "nickapp"}}))
"""


class Stack:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.known: dict[str, Any] = {"ps": {}}
        binary = root / "docker"
        binary.write_text(FAKE_ENGINE.format(python=sys.executable, root=str(root)), encoding="utf-8")
        binary.chmod(0o755)
        self.context = Context(Engine(str(binary)), str(root / "state"))

    def container(self, name: str, *, running: bool, policy: str = "no", image: str = "sha256:1") -> None:
        self.known[f"container {name}"] = {
            "Id": f"id-{name}",
            "Name": f"/{name}",
            "Image": image,
            "State": {"Running": running},
            "Config": {"Image": "nickapp:1", "Env": ["PG_URL=postgres://u:s3cret@h/d", "PORT=1"]},
            "HostConfig": {"RestartPolicy": dict(zip(("Name", "MaximumRetryCount"), policy.split(":"))), "AutoRemove": False},
        }

    def compose_container(self, name: str, *, running: bool, oneoff: bool = False) -> None:
        self.container(name, running=running)
        labels = {"project": "nickapp", "service": "backend", "oneoff": str(oneoff)}
        self.known["ps"][name] = [f"label=com.docker.compose.{key}={value}" for key, value in labels.items()]

    def service(self, **spec: Any) -> Service:
        (self.root / "known").write_text(json.dumps(self.known), encoding="utf-8")
        return service_of({"name": "backend", "image": "", **spec}, self.context)

    def asked(self) -> list[str]:
        """What changed something."""
        reading = ("inspect", "ps ")
        lines = (self.root / "asked").read_text(encoding="utf-8").splitlines()
        return [line for line in lines if not line.startswith(reading) and " config " not in line]


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack(tmp_path)


def test_a_container_is_looked_at_and_its_secrets_are_not(stack: Stack) -> None:
    stack.container("nickapp-backend", running=True, policy="unless-stopped")
    facts = stack.service(kind="container", container="nickapp-backend").look()
    assert facts == {
        "name": "backend",
        "kind": "container",
        "running": True,
        "restarting": False,
        "release": "nickapp:1",
        "image_id": "sha256:1",
        "restart_policy": "unless-stopped",
        "environment_names": ["PG_URL", "PORT"],
        "containers": ["id-nickapp-backend"],
        "stop_timeout": 0,
    }


@pytest.mark.parametrize("kind", ["container", "compose"])
def test_a_service_without_a_container_is_unknown(stack: Stack, kind: str) -> None:
    with pytest.raises(OperationError) as caught:
        stack.service(kind=kind, project_src="/srv", project_name="nickapp").look()
    assert caught.value.slug == "service-unknown"


def test_a_container_that_a_stop_would_remove_is_refused(stack: Stack) -> None:
    stack.container("backend", running=True)
    stack.known["container backend"]["HostConfig"]["AutoRemove"] = True
    with pytest.raises(OperationError) as caught:
        stack.service(kind="container").look()
    assert caught.value.slug == "service-not-stoppable"


@pytest.mark.parametrize(
    ("policy", "stop", "start"),
    [
        ("unless-stopped", ["stop id-backend"], ["start id-backend"]),
        ("no", ["stop id-backend"], ["start id-backend"]),
        # These would bring it back in the middle of the window, when the engine is started anew.
        *(
            (policy, ["update --restart no id-backend", "stop id-backend"], [f"update --restart {policy} id-backend", "start id-backend"])
            for policy in ("always", "on-failure", "on-failure:3")
        ),
    ],
)
def test_a_restart_policy_is_set_aside_and_put_back(stack: Stack, policy: str, stop: list[str], start: list[str]) -> None:
    stack.container("backend", running=True, policy=policy)
    service = stack.service(kind="container")
    service.stop()
    assert stack.asked() == stop
    service.start("", policy)
    assert stack.asked() == stop + start


@pytest.mark.parametrize(
    ("policy", "now", "asked"),
    [
        ("always", "no", ["update --restart always id-backend"]),
        ("on-failure:3", "no", ["update --restart on-failure:3 id-backend"]),
        ("on-failure:3", "on-failure:3", []),
        ("unless-stopped", "unless-stopped", []),
    ],
)
def test_a_policy_that_a_stop_which_failed_had_set_aside_is_put_back(stack: Stack, policy: str, now: str, asked: list[str]) -> None:
    stack.container("backend", running=True, policy=now)
    stack.service(kind="container").keep(policy)
    assert stack.asked() == asked


def test_the_release_that_stands_there_is_only_started(stack: Stack) -> None:
    stack.container("backend", running=False)
    stack.known["image nickapp:1"] = {"Id": "sha256:1"}
    stack.service(kind="container").start("nickapp:1", "no")
    assert stack.asked() == ["start id-backend"]


def test_the_predecessor_comes_back_as_it_was(stack: Stack) -> None:
    stack.container("backend", running=False, image="sha256:2")
    stack.container("backend__replaced", running=False, image="sha256:1")
    stack.known["image nickapp:1"] = {"Id": "sha256:1"}
    stack.service(kind="container").start("nickapp:1", "always")
    assert stack.asked() == ["rm --force backend", "rename backend__replaced backend", "update --restart always backend", "start backend"]


@pytest.mark.parametrize("release", ["", "nickapp:1"])
def test_a_predecessor_that_lost_its_name_to_nobody_gets_it_back(stack: Stack, release: str) -> None:
    """Whoever gave the service another image was killed between two renames."""
    stack.container("backend__replaced", running=False, image="sha256:1")
    stack.known["image nickapp:1"] = {"Id": "sha256:1"}
    service = stack.service(kind="container")
    assert (service.look()["running"], service.look()["image_id"]) == (False, "sha256:1")
    service.start(release, "no")
    assert stack.asked() == ["rename backend__replaced backend", "start id-backend__replaced"]


@pytest.mark.parametrize(("first", "second", "running"), [(True, True, True), (True, False, True), (False, False, False)])
def test_one_replica_that_runs_is_a_service_that_writes(stack: Stack, first: bool, second: bool, running: bool) -> None:
    stack.compose_container("one", running=first)
    stack.compose_container("two", running=second)
    facts = stack.service(kind="compose", project_src="/srv", project_name="nickapp").look()
    assert facts["running"] is running
    assert facts["containers"] == ["id-one", "id-two"]


def test_what_compose_run_left_behind_is_not_the_service(stack: Stack) -> None:
    stack.compose_container("one", running=True)
    stack.compose_container("leftover", running=False, oneoff=True)
    service = stack.service(kind="compose", project_src="/srv", project_name="nickapp")
    assert service.look()["containers"] == ["id-one"]
    service.start("", "")
    assert stack.asked() == ["start id-one"]


@pytest.mark.parametrize(
    ("present", "spec", "files"),
    [
        (["docker-compose.yml"], {}, ["docker-compose.yml"]),
        (["compose.yaml", "docker-compose.yml"], {}, ["compose.yaml"]),
        (["docker-compose.yml", "docker-compose.yaml"], {}, ["docker-compose.yml"]),
        # Compose reads it by itself, but not once files are named on the command line.
        (["docker-compose.yml", "docker-compose.override.yml"], {}, ["docker-compose.yml", "docker-compose.override.yml"]),
        (["compose.yml", "compose.override.yaml", "notes"], {}, ["compose.yml", "compose.override.yaml"]),
        (["docker-compose.yml", "docker-compose.override.yml"], {"files": ["docker-compose.yml"]}, ["docker-compose.yml"]),
        ([], {"files": ["a.yml", "b.yml"]}, ["a.yml", "b.yml"]),
    ],
)
def test_a_compose_service_gets_its_release_by_one_more_file(
    stack: Stack, tmp_path: Path, present: list[str], spec: dict[str, Any], files: list[str]
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    for name in present:
        (project / name).touch()
    stack.compose_container("one", running=False)
    stack.service(kind="compose", project_src=str(project), **spec).start("nickapp:2", "")
    override = tmp_path / "state" / "compose" / "backend.yml"
    assert json.loads(override.read_text(encoding="utf-8")) == {"services": {"backend": {"image": "nickapp:2"}}}
    named = " ".join(f"--file {path}" for path in [*(project / name for name in files), override])
    assert stack.asked() == [f"compose --project-directory {project} {named} up --detach --no-deps --no-build --pull never backend"]


def test_replicas_that_somebody_added_by_hand_are_kept(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "compose.yml").touch()
    stack.compose_container("one", running=False)
    stack.compose_container("two", running=False)
    stack.service(kind="compose", project_src=str(tmp_path)).start("nickapp:2", "")
    assert stack.asked()[0].endswith("up --detach --no-deps --no-build --pull never --scale backend=2 backend")


def test_a_project_without_a_file_is_unknown(stack: Stack, tmp_path: Path) -> None:
    with pytest.raises(OperationError) as caught:
        stack.service(kind="compose", project_src=str(tmp_path / "nowhere")).look()
    assert caught.value.slug == "service-unknown"


def test_what_a_project_is_made_of_is_told_to_compose(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "compose.yml").touch()
    stack.compose_container("one", running=False)
    spec = {"project_src": str(tmp_path), "project_name": "nickapp", "env_files": ["production.env"], "profiles": ["web"]}
    stack.service(kind="compose", **spec).start("nickapp:2", "")
    assert f"--project-name nickapp --file {tmp_path}/compose.yml" in stack.asked()[0]
    assert f"--env-file {tmp_path}/production.env --profile web up " in stack.asked()[0]


@pytest.mark.parametrize(("names", "told"), [([], "no service"), (["api", "web", "api"], "'api' more than once")])
def test_services_that_cannot_be_told_apart_or_are_none_are_refused(tmp_path: Path, names: list[str], told: str) -> None:
    with pytest.raises(OperationError) as caught:
        services_of([{"name": name, "kind": "systemd"} for name in names], Context(Engine(), str(tmp_path)))
    assert caught.value.slug == "services-malformed"
    assert told in caught.value.what


@pytest.mark.parametrize(("means", "reference"), [("sha256:2", "nickapp:2"), ("sha256:3", "sha256:2"), (None, "sha256:2")])
def test_an_image_is_started_by_its_name_while_that_means_it(stack: Stack, means: str | None, reference: str) -> None:
    if means:
        stack.known["image nickapp:2"] = {"Id": means}
    assert stack.service(kind="container").reference("nickapp:2", "sha256:2") == reference
