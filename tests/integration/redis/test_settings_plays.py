# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploy, configure, persistence and memory as an operator types them, one after the other on one server."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.integration import modules
from tests.integration.plays import Outcome, engine, images, play

from .conftest import KEYS, SECRET, Server


@dataclass
class Stack:
    """A Redis that deploy makes, in directories of its own."""

    directory: Path
    image: str
    name: str = field(default_factory=lambda: f"dbops-redis-{secrets.token_hex(4)}")

    def play(self, verb: str, *options: str, **variables: Any) -> Outcome:
        known = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "dbops_environment": "development",
            "dbops_name": self.name,
            "dbops_state_dir": str(self.directory / "state"),
            "dbops_redis_container": self.name,
            "dbops_redis_password": SECRET,
            "redis_image": self.image,
            **variables,
        }
        inventory = self.directory / "hosts.json"
        inventory.write_text(json.dumps({"all": {"hosts": {"keys": known}}}), encoding="utf-8")
        outcome = play(verb, "--inventory", str(inventory), *options)
        assert SECRET not in outcome.out
        return outcome

    @contextlib.contextmanager
    def window(self) -> Iterator[None]:
        """One is open meanwhile."""
        state = {"stack": f"development/{self.name}", "state_dir": str(self.directory / "state")}
        opened, _printed = modules.call("window_state", {**state, "state": "open", "operation": "custom"})
        yield
        closed, _printed = modules.call("window_state", {**state, "state": "close", "result": "aborted", "window": opened["journal"]["id"]})
        assert closed["changed"], closed

    @property
    def config(self) -> str:
        return (self.directory / "state/development" / self.name / "redis/config/redis.conf").read_text(encoding="utf-8")

    @property
    def server(self) -> Server:
        return Server({}, ["docker", "exec", "--interactive", "--env", "REDISCLI_AUTH", self.name, "redis-cli"], container=self.name)


@pytest.fixture
def stack() -> Iterator[Stack]:
    if os.geteuid() != 0:
        pytest.skip("deploy makes what belongs to root on its target, and the target is this machine")
    with tempfile.TemporaryDirectory(prefix="dbops-") as path:
        stack = Stack(Path(path), images("redis")["redis"])
        yield stack
        subprocess.run(["docker", "rm", "--force", "--volumes", stack.name], capture_output=True, check=False)
        subprocess.run(["docker", "network", "rm", f"development-{stack.name}"], capture_output=True, check=False)


@pytest.mark.slow
def test_settings_from_the_inventory_to_the_server(stack: Stack) -> None:
    deployed = stack.play("deploy")
    assert deployed.code == 0, deployed.out
    server = stack.server
    server.fill()
    begun = engine("inspect", "--format", "{{.State.StartedAt}}", stack.name)
    wish = {"redis_settings": {"maxmemory": "100mb", "maxmemory-policy": "allkeys-lru", "databases": 4, "appendonly": True}}

    reserved = stack.play("configure", redis_settings={"requirepass": "of nobody"})
    assert "refused: [setting-reserved] " in reserved.last_line
    assert server.ask("DBSIZE") == str(KEYS)

    with stack.window():
        for verb in ("deploy", "persistence", "flush"):
            meanwhile = stack.play(verb, **wish, dbops_pattern="cache:*", redis_may_restart=True)
            assert "refused: [window-open] " in meanwhile.last_line, meanwhile.out
    assert server.ask("DBSIZE") == str(KEYS)

    foreseen = stack.play("configure", "--check", "--diff", **wish)
    assert "+databases 16 # by a restart: 4" in foreseen.out
    assert "+maxmemory 100mb" in foreseen.out
    assert "would set maxmemory, maxmemory-policy in the server" in foreseen.last_line
    assert "waiting for a restart: databases" in foreseen.last_line

    switched = stack.play("persistence", **wish)
    assert f"changed: set appendonly by switch, rewrite, keep; {KEYS} keys before, {KEYS} after" in switched.last_line, switched.out
    assert "appendonly yes\n" in stack.config
    assert "maxmemory" not in stack.config
    waiting = stack.play("configure", redis_settings={"appendonly": True, "databases": 4})
    assert re.search(r"next: ansible-playbook playbooks/maintenance.yml .*/tasks/apply_waiting.yml$", waiting.last_line), waiting.out

    limited = stack.play("memory", **wish)
    assert "changed: set maxmemory, maxmemory-policy; allkeys-lru, " in limited.last_line, limited.out
    assert "auth:refresh:* (for example auth:refresh:1), payment:idem:* (for example payment:idem:1)" in limited.last_line
    assert "maxmemory 100mb\n" in stack.config

    again = stack.play("deploy", **wish)
    assert "ok: everything is as described, waiting for a restart: setting databases" in again.last_line, again.out
    assert begun == engine("inspect", "--format", "{{.State.StartedAt}}", stack.name)

    # The start that brings the rest finds every key.
    forced = stack.play("deploy", **wish, redis_may_restart=True)
    assert "changed: Redis: settings, container" in forced.last_line, forced.out
    assert server.ask("CONFIG", "GET", "databases").split()[-1] == "4"
    assert server.ask("DBSIZE") == str(KEYS)
    assert "everything is as described" in stack.play("deploy", **wish).last_line

    # Its keys are in the append-only files alone, and no server runs that could save them.
    server.ask("CONFIG", "SET", "save", "")
    engine("stop", stack.name)
    refused = stack.play("deploy", redis_settings={**wish["redis_settings"], "appendonly": False})
    assert "refused: [aof-empty-start] " in refused.last_line, refused.out
    assert stack.play("deploy", **wish).code == 0
    assert server.ask("DBSIZE") == str(KEYS)

    # What was switched off holds what was there then: nothing starts from it.
    off = stack.play("persistence", redis_settings={**wish["redis_settings"], "appendonly": False})
    assert "set appendonly by save, keep, switch; " in off.last_line, off.out
    engine("stop", stack.name)
    refused = stack.play("deploy", **wish)
    assert "refused: [aof-empty-start] " in refused.last_line
    assert "Redis would start with what is old" in refused.last_line


@pytest.mark.slow
def test_a_server_that_cannot_save_is_not_stopped(stack: Stack) -> None:
    """Asked to stop, this one would save nothing by itself."""
    settings = {"save": ""}
    assert stack.play("deploy", redis_settings=settings).code == 0
    server = stack.server
    server.fill()
    begun = engine("inspect", "--format", "{{.State.StartedAt}}", stack.name)
    data = stack.directory / "state/development" / stack.name / "redis/data"
    os.chown(data, 0, 0)
    wish = {"redis_settings": {**settings, "databases": 4}, "dbops_redis_password": "the next one", "redis_may_restart": True}
    refused = stack.play("deploy", **wish)
    assert "failed: [redis-save-failed] " in refused.last_line, refused.out
    assert "Permission denied" in refused.last_line
    assert begun == engine("inspect", "--format", "{{.State.StartedAt}}", stack.name)
    assert server.ask("SET", "writers", "are held no more") == "OK"

    os.chown(data, 999, 0)
    done = stack.play("deploy", **wish)
    assert "changed: Redis: password, container" in done.last_line, done.out
    server.password = "the next one"
    assert server.ask("CONFIG", "GET", "databases").split()[-1] == "4"
    assert server.ask("DBSIZE") == str(KEYS + 1)


@pytest.mark.slow
def test_users_who_may_do_what_they_are_there_for(stack: Stack) -> None:
    users = {
        "redis_users": [
            {"name": "nickapp", "role": "application", "password": "of the app"},
            {"name": "dbops", "role": "operator"},
            {"name": "exporter", "role": "exporter", "password": "of the exporter"},
        ],
        "redis_default_user": False,
    }
    refused = stack.play("deploy", **users)
    assert "refused: [users-malformed] " in refused.last_line
    others = [{"name": "dbops", "role": "operator", "password": "of nobody who operates"}]
    locked_out = stack.play("deploy", redis_users=others, dbops_redis_user="dbops")
    assert "refused: [users-malformed] " in locked_out.last_line, locked_out.out
    assert "of nobody who operates" not in locked_out.out
    named = {**users, "dbops_redis_user": "dbops"}
    deployed = stack.play("deploy", **named)
    assert deployed.code == 0, deployed.out
    assert "of the app" not in deployed.out
    server = stack.server

    def may(user: str, password: str, *command: str) -> str:
        server.password = password
        return server.ask("--no-auth-warning", "--user", user, *command)

    assert may("dbops", SECRET, "SET", "auth:refresh:1", "token") == "OK"
    assert may("nickapp", "of the app", "GET", "auth:refresh:1") == "token"
    assert "redis_version" in may("nickapp", "of the app", "INFO", "server")
    for command in (["FLUSHALL"], ["KEYS", "*"], ["CONFIG", "GET", "save"], ["ACL", "LIST"], ["SHUTDOWN"]):
        assert "NOPERM" in may("nickapp", "of the app", *command)
    assert "maxmemory" in may("exporter", "of the exporter", "CONFIG", "GET", "maxmemory")
    assert "NOPERM" in may("exporter", "of the exporter", "GET", "auth:refresh:1")
    assert SECRET not in may("exporter", "of the exporter", "CONFIG", "GET", "*")
    assert "WRONGPASS" in may("default", SECRET, "PING")
    assert "of the app" not in engine("inspect", stack.name)

    # Operated as that user from now on, and back.
    assert "everything is as described" in stack.play("deploy", **named).last_line
    assert "ok: server and file are as described" in stack.play("configure", **named).last_line
    waiting = stack.play("deploy")
    assert "waiting for a restart: password, container healthcheck" in waiting.last_line, waiting.out

    # The server writes its own settings, and starts with them and the same users.
    assert may("dbops", SECRET, "CONFIG", "REWRITE") == "OK"
    engine("restart", stack.name)
    server.password = ""
    with pytest.raises(AssertionError, match="NOAUTH"):
        server.await_answer(5)
    assert may("nickapp", "of the app", "GET", "auth:refresh:1") == "token"

    back = stack.play("deploy", redis_may_restart=True)
    assert back.code == 0, back.out
    assert may("default", SECRET, "GET", "auth:refresh:1") == "token"
    # One who may read settings reads no password in them, whoever it is of.
    assert SECRET not in may("default", SECRET, "CONFIG", "GET", "*")


@pytest.fixture
def adopted(stack: Stack) -> Stack:
    """A server that somebody else has started, and whose keys are known."""
    engine("run", "--detach", "--name", stack.name, stack.image, "redis-server", "--requirepass", SECRET)
    stack.server.await_answer()
    stack.server.fill()
    return stack


@pytest.mark.slow
def test_verbs_of_backups_on_one_that_somebody_else_has_started(adopted: Stack) -> None:
    where: dict[str, Any] = {"dbops_service": "redis", "dbops_policy": {"keep_last": 1}}
    where |= {"dbops_backup_dir": str(adopted.directory / "backups"), "dbops_report_dir": str(adopted.directory / "reports")}
    planned = adopted.play("backup_and_rotate", "--check", **where)
    assert "ok: would make " in planned.last_line, planned.out
    made = adopted.play("backup_and_rotate", **where)
    assert re.search(rf"changed: made .*/{adopted.name}_redis_.*[.]rdb, .*kept.* next: nothing$", made.last_line), made.out
    read = adopted.play("verify", **where)
    assert f", {KEYS} keys, " in read.last_line, read.out
    drilled = adopted.play("drill", **where)
    assert f"was restored and compared, {KEYS} keys, RTO " in drilled.last_line, drilled.out
    assert list((adopted.directory / "reports").glob("*drill*")), drilled.out
    rotated = adopted.play("rotate", **where)
    assert rotated.last_line.startswith(f"dbops rotate development/{adopted.name} ok: "), rotated.out
    assert len(list((adopted.directory / "backups").glob("*.rdb"))) == 1

    # What it is started with, nobody but them can write.
    waiting = adopted.play("configure", redis_settings={"databases": 4}, redis_keep_settings=False)
    assert "waiting for a restart: databases · next: write them where the server is started from" in waiting.last_line, waiting.out
    adopted.server.ask("-n", "1", "SET", "dbops:environment", "staging/other")
    for verb in ("configure", "memory", "persistence"):
        refused = adopted.play(verb, redis_settings={"maxmemory": "1mb", "appendonly": True}, redis_keep_settings=False)
        assert f"dbops {verb} development/{adopted.name} refused: [stamp-mismatch] " in refused.last_line, refused.out
