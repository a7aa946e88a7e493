# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stack in containers of an engine of its own: a Compose project, and workers that such an engine would bring back."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tests.integration.machine import free_port
from tests.integration.plays import ROOT, images
from tests.integration.window.conftest import Stack
from tests.integration.window.guarded import password, url

from .engine import Engine
from .site import Site, until
from .writer import KEY, ask

sys.path.insert(0, str(ROOT / "examples" / "stack"))
from _common import answers, state_file, to_json
from _docker import Docker

NAME = "faults-docker"

# By restart policy. They end badly when they are stopped, as everything does that is no good first process of its container.
WORKERS = {"always": "faults-docker-always", "on-failure:3": "faults-docker-failing"}


@contextmanager
def _asked_by_default(engine: Engine) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DOCKER_HOST", engine.socket)
        yield


@contextmanager
def stack(engine: Engine, directory: Path) -> Iterator[Stack]:
    """The production stack, whose servers can be reached from here, and whose state says so as that of an embedded one does."""
    tags = images("postgres", "redis", "backend-1", "backend-2")
    engine.load(*tags.values())
    with _asked_by_default(engine):
        docker = Docker.plan(NAME, "production", "1", directory / "stack")
    _describe(docker.state, engine, directory / "ports.json")
    (directory / "reports").mkdir()
    state_file(NAME).parent.mkdir(exist_ok=True)
    state_file(NAME).write_text(to_json(docker.state), encoding="utf-8")
    try:
        with _asked_by_default(engine):
            docker.up()
            docker.fill(10)
        for policy, name in WORKERS.items():
            options = ["--restart", policy, "--network", "none", "--stop-signal", "KILL", "--entrypoint", "sleep"]
            engine.ask("run", "--detach", "--name", name, *options, tags["redis"], "infinity")
        yield Stack("docker", NAME, directory / "reports")
    finally:
        with _asked_by_default(engine):
            docker.down()
        state_file(NAME).unlink()


def _describe(state: dict[str, Any], engine: Engine, override: Path) -> None:
    """Where it is reached, by ports that its Compose file does not publish, and how its services are started."""
    published = {}
    for name, inside in {"postgres": 5432, "redis": 6379}.items():
        state[name].update(host="127.0.0.1", port=free_port())
        published[name] = {"ports": [f"127.0.0.1:{state[name]['port']}:{inside}"]}
    override.write_text(json.dumps({"services": published}), encoding="utf-8")
    state["compose"]["files"].append(os.path.relpath(override, state["compose"]["project_src"]))
    state["engine_socket"] = engine.socket
    services = [state["backend"]["container"], *WORKERS.values()]
    running = " ".join(engine.argv("inspect", "--format", "'{{.State.Running}}'", *services))
    state["backend"].update(start=engine.argv("start", *services), status=["sh", "-c", f"! {running} | grep -q false"])


class ContainerSite(Site):
    """Windows on that stack; its engine is named to them, as nothing in their environment does."""

    @property
    def target(self) -> dict[str, str]:
        return {**super().target, "engine_socket": self.stack.state["engine_socket"], "engine": self._engine()}

    def _engine(self) -> str:
        """A client of the engine by which the start of containers can be made to wait."""
        path = self.directory / "engine"
        if not path.exists():
            gate = shlex.join(self.gates.command("start the backend", "docker"))
            # Before a restart policy is put back: from then on an engine that is started anew brings the container back.
            begins = f'*" --restart no "*) exec docker "$@" ;; *" update "* | *" start "*) exec {gate} "$@" ;; *) exec docker "$@" ;;'
            path.write_text(f'#!/bin/sh\ncase " $* " in {begins} esac\n', encoding="utf-8")
            path.chmod(0o755)
        return str(path)

    @property
    def services(self) -> list[dict[str, Any]]:
        compose = self.stack.state["compose"]
        workers = [{"name": name, "kind": "container"} for name in WORKERS.values()]
        return [{"name": "backend", "kind": "compose", **compose}, *workers]

    @property
    def postgres(self) -> dict[str, str]:
        state = self.stack.state["postgres"]
        # As the application calls it.
        url = f"postgres://{state['user']}:{password(self.stack)}@postgres:5432/{state['database']}"
        return {"pg_url": url, "postgres_container": state["container"]}

    @property
    def redis(self) -> dict[str, str]:
        return {"redis_container": self.stack.state["redis"]["container"], "redis_password": self.secrets[1]}

    def _client(self, *arguments: str) -> list[str]:
        return ["docker", "--host", self.stack.state["engine_socket"], *arguments]

    @property
    def psql(self) -> list[str]:
        return self._client("exec", "--env", "PGPASSWORD", self.stack.state["postgres"]["container"], "psql")

    def started(self) -> dict[str, str]:
        """When each service was started the last time, and whether it runs."""
        names = [self.stack.state["backend"]["container"], *WORKERS.values()]
        looked = self._client("inspect", "--format", "{{.State.StartedAt}} {{.State.Running}}", *names)
        answer = subprocess.run(looked, stdout=subprocess.PIPE, text=True, check=True).stdout
        return dict(zip(names, answer.splitlines()))

    def await_servers(self) -> None:
        """The engine brings them back, and they take their time."""
        until(self._is_served, "the servers answer")

    def _is_served(self) -> bool:
        with contextlib.suppress(psycopg2.Error, OSError):
            return bool(ask(url(self.stack, "postgres"), "SELECT 1") and self.keeper.ask("EXISTS", KEY) == "1")
        return False

    def await_health(self) -> None:
        """Of a backend that was running, too."""
        until(lambda: answers(self.stack.state["health_url"]), "the backend answers")
