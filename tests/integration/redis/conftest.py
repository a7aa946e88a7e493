# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis 8 and 7 in containers and Valkey 8 on this machine itself, and the collection's modules called on them as Ansible calls them."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.integration import modules
from tests.integration.machine import free_port
from tests.integration.plays import ROOT, engine, images

sys.path.insert(0, str(ROOT / "examples" / "stack"))
import _tools

STACK = "development/keys"
# As a password may be.
SECRET = "p\"a's $wörd %41"
# Keys of every kind that the runbook names, and one that is hard to write.
SOME_DATA = """
redis.call('MSET', 'cache:page:1', 'one', 'cache:page:2', 'two', 'payment:idem:1', 'paid', 'auth:refresh:1', 'token')
redis.call('SET', 'a"b\\\\c\\0\\255\\n', 'odd')
redis.call('SET', 'cache:page:3', 'three', 'EX', 3600)
redis.call('HSET', 'session:user:1', 'name', 'Ann', 'seen', '1')
redis.call('RPUSH', 'queue:mail:1', 'a', 'b', 'c')
redis.call('INCRBY', 'rate:ip:1', 7)
"""
KEYS = 9


def audit(directory: Path) -> list[dict[str, Any]]:
    """What the audit log of the stack says, oldest first, where this is the state's directory."""
    path = directory / STACK / "audit.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


@dataclass
class Server:
    """A server whose data live no longer than it does. options: what the modules are told to reach it."""

    options: dict[str, Any]
    cli: list[str]
    password: str = SECRET
    container: str = ""
    image: str = ""
    data: Path | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def ask(self, *command: str, text: str = "") -> str:
        """What the server's own client says, without any of the collection's code. text: its standard input."""
        env = {**os.environ, "REDISCLI_AUTH": self.password}
        done = subprocess.run([*self.cli, *command], input=text, capture_output=True, text=True, errors="replace", env=env, check=False)
        return (done.stdout + done.stderr).strip()

    def fill(self) -> None:
        """The same few keys as at the beginning of every test, and nothing else."""
        assert self.ask("FLUSHALL") == "OK"
        assert self.ask("EVAL", SOME_DATA, "0") == ""

    def await_answer(self, seconds: float = 20) -> None:
        until = time.monotonic() + seconds
        while (said := self.ask("PING")) != "PONG":
            assert time.monotonic() < until, said
            time.sleep(0.05)

    def await_ask(self, wanted: str, *command: str, seconds: float = 20) -> None:
        """Until a command's answer holds this."""
        until = time.monotonic() + seconds
        while wanted not in (said := self.ask(*command)):
            assert time.monotonic() < until, said
            time.sleep(0.05)

    def restart_policy(self) -> str:
        return engine("inspect", "--format", "{{.HostConfig.RestartPolicy.Name}}", self.container).strip()

    def remove(self) -> None:
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        else:
            subprocess.run(["docker", "rm", "--force", "--volumes", self.container], capture_output=True, check=False)

    # -- the collection's modules ------------------------------------------------------------------------------------

    def arguments(self, **more: Any) -> dict[str, Any]:
        """The options that reach this server, and more; None takes one away."""
        known = {"stack": STACK, **self.options, **more}
        return {name: value for name, value in known.items() if value is not None}

    def run(self, module: str, *, check: bool = False, diff: bool = False, **more: Any) -> dict[str, Any]:
        """The result of one module, which has to succeed and to keep the password to itself."""
        modes = {"_ansible_check_mode": check, "_ansible_diff": diff}
        result, printed = modules.call(module, {**self.arguments(**more), **modes})
        assert not result.get("failed"), result.get("msg") or result
        assert self.password not in printed
        return result

    def refused(self, module: str, slug: str, **more: Any) -> str:
        """The message of one module that has to refuse for this reason."""
        result, printed = modules.call(module, self.arguments(**more))
        assert result.get("failed"), result
        assert result["msg"].startswith(f"[{slug}] "), result["msg"]
        assert self.password not in printed
        return str(result["msg"])


def run_redis(image: str, *settings: str, password: str = SECRET, config: str = "", options: tuple[str, ...] = ()) -> Server:
    """image: `redis` or `redis7`. settings: of the server, after those of its file, config; options: of the container."""
    name, tag = f"dbops-redis-{secrets.token_hex(4)}", images(image)[image]
    login = ["--requirepass", password] if password else []
    file = [config] if config else []
    engine("run", "--detach", "--name", name, *options, tag, "redis-server", *file, *login, *settings)
    # An empty password is one as well to redis-cli.
    cli = ["docker", "exec", "--interactive", *(["--env", "REDISCLI_AUTH"] if password else []), name, "redis-cli"]
    server = Server({"redis_container": name, "redis_password": password}, cli, password, name, tag)
    server.await_answer()
    return server


def run_valkey(directory: Path, *settings: str, password: str = SECRET, config: str = "") -> Server:
    """On this machine itself, as without an engine. directory: of its data."""
    program = _tools.valkey()
    port = free_port()
    file = [config] if config else []
    argv = [str(program / "valkey-server"), *file, "--port", str(port), "--dir", str(directory), "--requirepass", password, *settings]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    options = {"redis_bin_dir": str(program), "redis_url": f"redis://127.0.0.1:{port}", "redis_password": password}
    cli = [str(program / "valkey-cli"), "-p", str(port)]
    server = Server(options, cli, password, data=directory, process=process)
    server.await_answer()
    return server


@pytest.fixture(scope="session")
def redis8() -> Iterator[Server]:
    server = run_redis("redis")
    yield server
    server.remove()


@pytest.fixture(scope="session")
def redis7() -> Iterator[Server]:
    server = run_redis("redis7")
    yield server
    server.remove()


@pytest.fixture(scope="session")
def valkey8(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = run_valkey(tmp_path_factory.mktemp("valkey"))
    yield server
    server.remove()


@pytest.fixture
def redis(redis8: Server) -> Server:
    """Redis 8 with the few keys of SOME_DATA: leave its settings as they were found."""
    redis8.fill()
    return redis8


@pytest.fixture(params=["redis8", "redis7", "valkey8"])
def server(request: pytest.FixtureRequest) -> Server:
    """Each of the three in turn, with the few keys of SOME_DATA: leave its settings as they were found."""
    server: Server = request.getfixturevalue(request.param)
    server.fill()
    return server


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """A function that starts a server of the test's own: `own("redis", "--maxmemory", "1mb")`, `own("valkey")`."""
    made: list[Server] = []

    def start(kind: str = "redis", *settings: str, **how: Any) -> Server:
        if kind == "valkey":
            directory = tmp_path / secrets.token_hex(4)
            directory.mkdir()
            made.append(run_valkey(directory, *settings, **how))
        else:
            made.append(run_redis(kind, *settings, **how))
        return made[-1]

    yield start
    for server in made:
        server.remove()
