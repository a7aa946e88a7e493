# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sample stack as the compose project that its authors run, on images of the tests."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import _tools
from _common import DATABASES, SEEDS, USER, answers, load, run, to_json, wait_for
from _process import Account
from _tools import StackError

IMAGES = _tools.REPOSITORY / "tests" / "images"
SERVICES = {"postgres": "postgres", "redis": "redis", "backend": "nickapp-backend"}


def _helper(script: str, *arguments: str) -> str:
    """What a script of tests/images prints; its errors already say what to do."""
    done = subprocess.run([sys.executable, str(IMAGES / script), *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise StackError(done.stderr.strip())
    return done.stdout


def _free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


class Docker:
    """PostgreSQL, Redis and the backend in containers of one compose project."""

    def __init__(self, state: dict[str, Any]) -> None:
        self.state = state
        self.directory = Path(state["directory"])

    @classmethod
    def plan(cls, name: str, environment: str, release: str, directory: Path | None) -> Docker:
        _helper("engine.py", "ensure")
        releases = sorted({"1", "2", release})
        images = json.loads(_helper("build.py", "postgres", "redis", *(f"backend-{each}" for each in releases)))
        home = directory or _tools.REPOSITORY / ".stack" / name
        # The names of the runbook, unless another stack stands beside the usual one.
        prefix = "" if name == "docker" else f"{name}-"
        port = _free_port()
        return cls(
            {
                "kind": "docker",
                "name": name,
                "environment": environment,
                "directory": str(home),
                "release": release,
                "releases": {each: images[f"backend-{each}"] for each in releases},
                "env_file": str(home / "backend.env"),
                "secrets_file": str(home / "secrets.json"),
                "health_url": f"http://127.0.0.1:{port}/api/health",
                "compose": {
                    "project_src": str(_tools.STACK),
                    "project_name": f"{prefix}amanat-{environment}",
                    "files": [f"docker-compose.{environment}.yml"],
                    "env_files": [str(home / "compose.env")],
                    "service": SERVICES["backend"],
                },
                "postgres": {
                    "container": f"{prefix}amanat-postgres",
                    "image": images["postgres"],
                    "user": USER,
                    "database": DATABASES[environment],
                },
                "redis": {"container": f"{prefix}nickapp-redis", "image": images["redis"]},
                "backend": {"container": f"{prefix}nickapp-backend", "host": "127.0.0.1", "port": port},
            }
        )

    def up(self) -> None:
        self._prepare()
        self._compose("up", "--detach", "--no-build", SERVICES["postgres"], SERVICES["redis"])
        self._wait("postgres", ["pg_isready", "--quiet", "--host=127.0.0.1", f"--dbname={self.state['postgres']['database']}"])
        image = self.state["releases"][self.state["release"]]
        network = f"--network=container:{self.state['postgres']['container']}"
        migrate = ["npx", "--no-install", "drizzle-kit", "migrate"]
        run(" ".join(migrate), ["docker", "run", "--rm", network, "--env-file", self.state["env_file"], image, *migrate])
        self._compose("up", "--detach", "--no-build", SERVICES["backend"])
        wait_for("The backend", lambda: answers(self.state["health_url"]), lambda: self._runs("backend"), lambda: self._log("backend"))

    def fill(self, megabytes: int) -> None:
        for seed in SEEDS:
            run(seed, ["docker", "exec", self.state["backend"]["container"], "node", "-e", f"require('./dist/seeds/{seed}.js')"])
        # In development Redis has none, and refuses clients that bring one.
        password = json.loads(Path(self.state["secrets_file"]).read_text(encoding="utf-8")).get("redis_password", "")
        postgres = self.state["postgres"]
        load(
            megabytes,
            ["docker", "exec", "-i", postgres["container"], "psql", "-X", "-q", "-U", postgres["user"], "-d", postgres["database"]],
            ["docker", "exec", "-i", *(["-e", "REDISCLI_AUTH"] if password else []), self.state["redis"]["container"], "redis-cli"],
            {**os.environ, "REDISCLI_AUTH": password},
        )

    def down(self) -> None:
        if self.directory.exists():
            self._compose("down", "--volumes", "--remove-orphans")
            shutil.rmtree(self.directory)

    def services(self) -> dict[str, bool]:
        return {name: self._runs(name) for name in SERVICES}

    def _prepare(self) -> None:
        self.directory.mkdir(mode=0o700, parents=True)
        production = self.state["environment"] == "production"
        names = ("postgres_password", "redis_password") if production else ("postgres_password",)
        passwords = {name: secrets.token_urlsafe(18) for name in names}
        user, database = USER, self.state["postgres"]["database"]
        redis = f":{passwords['redis_password']}@redis" if production else "redis"
        backend = {
            **{name.upper(): password for name, password in passwords.items()},
            "PG_URL": f"postgres://{user}:{passwords['postgres_password']}@postgres:5432/{database}",
            "REDIS_URL": f"redis://{redis}:6379",
            "NODE_ENV": self.state["environment"],
        }
        compose = {
            "STACK_PREFIX": self.state["postgres"]["container"].removesuffix("amanat-postgres"),
            "STACK_ENV_FILE": self.state["env_file"],
            "BACKEND_PORT": self.state["backend"]["port"],
            "POSTGRES_IMAGE": self.state["postgres"]["image"],
            "REDIS_IMAGE": self.state["redis"]["image"],
            "BACKEND_IMAGE": self.state["releases"][self.state["release"]],
        }
        me = Account(os.geteuid(), os.getegid())
        me.write(Path(self.state["secrets_file"]), to_json(passwords))
        me.write(Path(self.state["env_file"]), "".join(f"{key}={value}\n" for key, value in backend.items()))
        me.write(Path(self.state["compose"]["env_files"][0]), "".join(f"{key}={value}\n" for key, value in compose.items()))

    def _compose(self, *arguments: str) -> None:
        project = self.state["compose"]
        options = [f"--project-directory={project['project_src']}", f"--project-name={project['project_name']}"]
        options += [f"--file={project['project_src']}/{file}" for file in project["files"]]
        options += [f"--env-file={file}" for file in project["env_files"]]
        run(f"docker compose {arguments[0]}", ["docker", "compose", *options, *arguments])

    def _runs(self, name: str) -> bool:
        command = ["docker", "inspect", "--type=container", "--format={{.State.Running}}", self.state[name]["container"]]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() == "true"

    def _log(self, name: str) -> str:
        command = ["docker", "logs", "--tail=5", self.state[name]["container"]]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return (done.stdout + done.stderr).strip()

    def _wait(self, name: str, command: Sequence[str]) -> None:
        argv = ["docker", "exec", self.state[name]["container"], *command]

        def ready() -> bool:
            return subprocess.run(argv, capture_output=True, check=False).returncode == 0

        wait_for(name, ready, lambda: self._runs(name), lambda: self._log(name))
