# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis in windows of the stack in containers: nobody writes to it meanwhile, and it is led back or restored like the database."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.integration.plays import engine

from .conftest import Stack
from .guarded import ask, beside, write_tasks

pytestmark = pytest.mark.slow


def redis(stack: Stack, *command: str) -> str:
    argv = ["docker", "exec", stack.state["redis"]["container"], "redis-cli", *command]
    return subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def connection(stack: Stack) -> dict[str, Any]:
    return {"dbops_redis_container": stack.state["redis"]["container"]}


def drop(stack: Stack) -> None:
    for database in beside(stack):
        ask(stack, f'DROP DATABASE "{database}"', "postgres")


def command(stack: Stack, *words: str, **more: Any) -> dict[str, Any]:
    argv = ["docker", "exec", stack.state["redis"]["container"], "redis-cli", *words]
    return {"name": "Ask", "ansible.builtin.command": {"argv": argv}, "changed_when": True, **more}


def test_nobody_writes_while_the_operation_works_and_everybody_is_let_go(docker: Stack, tmp_path: Path) -> None:
    assert docker.play("stamp", dbops_confirm=docker.key, **connection(docker)).code == 0
    redis(docker, "SET", "auth:refresh:1", "before")
    held = command(docker, "SET", "auth:refresh:1", "meanwhile", timeout=2, ignore_errors=True, register="held")
    reads = command(docker, "GET", "auth:refresh:1", register="read", failed_when="read.stdout != 'before' or held is not failed")
    tasks = write_tasks(tmp_path / "tasks.yml", held, reads)
    redis(docker, "DEL", "dbops:environment")  # as an eviction does
    outcome = docker.play("maintenance", dbops_operation="custom", dbops_tasks=tasks, **connection(docker))
    assert outcome.code == 0, outcome.out
    record = docker.report()["redis"]
    assert (record["held"], record["snapshot"].endswith(".rdb")) == (False, True)
    assert (docker.backups / record["snapshot"]).is_file()
    assert redis(docker, "SET", "auth:refresh:1", "after") == "OK"
    assert redis(docker, "GET", "dbops:environment") == docker.key, "a window stamps it again"


# Every key and its value.
CONTENT = """
local keys, all = redis.call('KEYS', '*'), ''
table.sort(keys)
for _, key in ipairs(keys) do all = all .. key .. redis.call('DUMP', key) end
return redis.sha1hex(all)
"""


def test_nothing_is_done_to_the_redis_of_another_stack(docker: Stack, tmp_path: Path) -> None:
    assert docker.play("backup", dbops_service="redis", **connection(docker)).code == 0
    name = max(path.name for path in docker.backups.glob("*.rdb"))
    redis(docker, "MSET", "auth:refresh:1", "not ours", "dbops:environment", "staging/other")
    content = redis(docker, "EVAL", CONTENT, "0")
    tasks = write_tasks(tmp_path / "tasks.yml", command(docker, "DEL", "auth:refresh:1"))
    for verb, variables in {
        "maintenance": {"dbops_operation": "custom", "dbops_tasks": tasks, "dbops_writes_redis": True},
        "restore": {"dbops_backup": name, "dbops_confirm": docker.key},
    }.items():
        outcome = docker.play(verb, **variables, **connection(docker))
        assert outcome.code == 2, outcome.out
        assert f"refused: [stamp-mismatch] The inventory says {docker.key}, the stamp says staging/other" in outcome.last_line
        assert "changed=0" in outcome.recap
        assert not docker.journal.exists()
        assert redis(docker, "EVAL", CONTENT, "0") == content
        log = docker.directory / "dbops" / docker.key / "audit.jsonl"
        line = json.loads(log.read_text(encoding="utf-8").splitlines()[-1])
        assert (line["event"], line["slug"], line["service"]) == ("refused", "stamp-mismatch", "redis")
    redis(docker, "SET", "dbops:environment", docker.key)


def test_a_task_file_that_writes_and_fails_is_led_back(docker: Stack, tmp_path: Path) -> None:
    redis(docker, "SET", "auth:refresh:1", "before")
    tasks = write_tasks(
        tmp_path / "tasks.yml", command(docker, "DEL", "auth:refresh:1"), {"name": "Fail", "ansible.builtin.fail": {"msg": "on purpose"}}
    )
    outcome = docker.play("maintenance", dbops_operation="custom", dbops_tasks=tasks, dbops_writes_redis=True, **connection(docker))
    assert outcome.code == 2, outcome.out
    assert "rolled_back: window " in outcome.last_line
    assert "Redis has the data of before the operation again" in outcome.last_line
    assert redis(docker, "GET", "auth:refresh:1") == "before"
    assert docker.health()["release"] == "1"
    drop(docker)


def test_a_backup_of_redis_is_restored_and_the_database_left_alone(docker: Stack) -> None:
    redis(docker, "SET", "auth:refresh:1", "before")
    assert docker.play("backup", dbops_service="redis", **connection(docker)).code == 0
    name = max(path.name for path in docker.backups.glob("*.rdb"))
    redis(docker, "SET", "auth:refresh:1", "since")
    plan = docker.play("restore", "--check", dbops_backup=name, **connection(docker))
    assert f"Restores {name}, taken " in plan.out
    engine("stop", docker.state["redis"]["container"])
    down = docker.play("restore", "--check", dbops_backup=name, **connection(docker))
    engine("start", docker.state["redis"]["container"])
    assert f"Restores {name}, taken " in down.out, "one that says nothing is not asked for its stamp"
    refused = docker.play("restore", dbops_backup=name, **connection(docker))
    assert "refused: [confirm-missing]" in refused.last_line
    outcome = docker.play("restore", dbops_backup=name, dbops_confirm=docker.key, **connection(docker))
    assert outcome.code == 0, outcome.out
    assert redis(docker, "GET", "auth:refresh:1") == "before"
    kept = docker.report()["redis"]["kept"]
    assert redis(docker, "SET", "auth:refresh:1", "after") == "OK"
    assert kept in docker.play("cleanup", dbops_service="redis", **connection(docker)).out
    typed = {"dbops_names": [kept], "dbops_confirm": [kept]}
    assert f"removed {kept}" in docker.play("cleanup", dbops_service="redis", **typed, **connection(docker)).last_line


def test_after_a_restore_of_the_database_redis_agrees_with_it(docker: Stack) -> None:
    assert docker.play("backup").code == 0
    redis(docker, "MSET", "cache:stats:all", "old", "auth:refresh:1", "token", "payment:idem:never", "x", "auth:revoked:1", "1")
    # It can be evicted. The database says the same, and only the window itself gets through its door to ask.
    redis(docker, "DEL", "dbops:environment")
    restore = {"dbops_swap": True, "dbops_confirm": docker.key, "dbops_remove_stale": "payment:idem:", **connection(docker)}
    assert "refused: [hold-too-long]" in docker.play("restore", "--check", dbops_window_minutes=1441, **restore).last_line
    outcome = docker.play("restore", **restore)
    assert outcome.code == 0, outcome.out
    assert redis(docker, "EXISTS", "cache:stats:all", "payment:idem:never") == "0"
    assert redis(docker, "EXISTS", "auth:refresh:1", "auth:revoked:1") == "2"
    assert any("keys auth:refresh:* that may be newer than the database" in warning for warning in docker.report()["warnings"])
    drop(docker)


def test_a_restore_of_the_database_that_is_given_up_removes_no_keys(docker: Stack) -> None:
    newest = "SELECT max(id) FROM drizzle.__drizzle_migrations"
    ask(docker, f"CREATE TABLE applied AS SELECT * FROM drizzle.__drizzle_migrations WHERE id = ({newest})")
    ask(docker, "DELETE FROM drizzle.__drizzle_migrations WHERE id IN (SELECT id FROM applied)")
    assert docker.play("backup").code == 0
    ask(docker, "INSERT INTO drizzle.__drizzle_migrations SELECT * FROM applied; DROP TABLE applied")
    redis(docker, "MSET", "cache:stats:all", "kept", "payment:idem:never", "x")
    restore = {"dbops_swap": True, "dbops_confirm": docker.key, "dbops_remove_stale": "payment:idem:", **connection(docker)}
    outcome = docker.play("restore", **restore)
    assert "rolled_back: window " in outcome.last_line, outcome.out
    assert "[migrations-pending]" in outcome.last_line
    assert redis(docker, "EXISTS", "cache:stats:all", "payment:idem:never") == "2"
    assert redis(docker, "SET", "payment:idem:later", "x") == "OK"
    redis(docker, "DEL", "payment:idem:never", "payment:idem:later")
    drop(docker)


def test_a_redis_that_does_not_serve_is_restored(docker: Stack) -> None:
    redis(docker, "SET", "auth:refresh:1", "before")
    assert docker.play("backup", dbops_service="redis", **connection(docker)).code == 0
    name = max(path.name for path in docker.backups.glob("*.rdb"))
    subprocess.run(["docker", "stop", docker.state["redis"]["container"]], stdout=subprocess.DEVNULL, check=True)
    outcome = docker.play("restore", dbops_backup=name, dbops_confirm=docker.key, **connection(docker))
    assert outcome.code == 0, outcome.out
    assert redis(docker, "GET", "auth:refresh:1") == "before"
    kept = docker.report()["redis"]["kept"]
    typed = {"dbops_names": [kept], "dbops_confirm": [kept]}
    assert docker.play("cleanup", dbops_service="redis", **typed, **connection(docker)).code == 0
