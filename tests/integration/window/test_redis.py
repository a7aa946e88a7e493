# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis in windows of the stack in containers: nobody writes to it meanwhile, and it is led back or restored like the database."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _window

from tests.integration import modules
from tests.integration.plays import engine

from .conftest import Stack
from .guarded import ask, beside, run_sql, url, write_tasks

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


OPERATOR = {"dbops_redis_user": "operator", "dbops_redis_password": "of the operator"}


@pytest.fixture
def operator(docker: Stack) -> Iterator[dict[str, Any]]:
    """Windows log in as a user whose rights their own task files can change."""
    redis(docker, "ACL", "SETUSER", "operator", "reset", "on", ">of the operator", "~*", "&*", "+@all")
    yield {**OPERATOR, **connection(docker)}
    redis(docker, "CLIENT", "UNPAUSE")
    redis(docker, "ACL", "DELUSER", "operator")


def test_a_right_that_the_operation_has_taken_keeps_no_service_down(docker: Stack, operator: dict[str, Any], tmp_path: Path) -> None:
    """Nobody can be let go by it any more. The server does that by itself."""
    tasks = write_tasks(tmp_path / "tasks.yml", command(docker, "ACL", "SETUSER", "operator", "-client"))
    outcome = docker.play("maintenance", dbops_operation="custom", dbops_tasks=tasks, **operator)
    assert outcome.code == 0, outcome.out
    report = docker.report()
    assert (report["state"], report["redis"]["held"]) == ("closed", True)
    until = f"ten minutes after {report['deadline']}"
    assert any("[redis-forbidden]" in warning and f"by itself {until}" in warning for warning in report["warnings"])
    assert f"Writers of Redis wait until {until}" in outcome.last_line
    assert docker.health()["release"] == "1"


def waits(stack: Stack) -> bool:
    """Whether somebody who writes would wait."""
    argv = ["docker", "exec", stack.state["redis"]["container"], "timeout", "1", "redis-cli", "SET", "auth:refresh:2", "x"]
    return subprocess.run(argv, capture_output=True, check=False).returncode != 0


def test_who_waits_for_a_failed_window_is_let_go_when_it_is_acknowledged(docker: Stack, operator: dict[str, Any], tmp_path: Path) -> None:
    """Without its rollback point nobody can say what the data are."""
    gone = run_sql(docker, 'DROP DATABASE "{{ __maintenance_window_point.name }}"', url(docker, "postgres"))
    tasks = write_tasks(tmp_path / "tasks.yml", gone, {"name": "Fail", "ansible.builtin.fail": {"msg": "half done"}})
    outcome = docker.play("maintenance", dbops_operation="custom", dbops_tasks=tasks, **operator)
    assert " needs_a_person: window " in outcome.last_line, outcome.out
    journal = json.loads(docker.journal.read_text(encoding="utf-8"))
    assert (journal["state"], journal["redis"]["held"]) == ("failed", True)
    let_go = _window.stamp(_window.deadline(journal) + _window.SLACK)
    assert f"Writers of Redis wait until {let_go}" in outcome.last_line
    assert waits(docker)
    acknowledged = docker.play("acknowledge", dbops_window=journal["id"], **operator)
    assert acknowledged.last_line.endswith("is acknowledged, the lock is free · next: nothing"), acknowledged.out
    assert not waits(docker)
    redis(docker, "DEL", "auth:refresh:2")
    engine("start", docker.state["backend"]["container"])
    drop(docker)


def test_a_window_is_acknowledged_even_where_nobody_can_be_let_go(docker: Stack, operator: dict[str, Any]) -> None:
    """As after its rights or its password have changed."""
    redis(docker, "ACL", "SETUSER", "operator", "-client")
    state = {"stack": docker.key, "state_dir": str(docker.directory / "dbops")}
    journal = modules.call("window_state", {**state, "state": "open", "operation": "custom"})[0]["journal"]
    window = journal["id"]
    for phase in ("backed_up", "stopped"):
        held = {"redis": {"held": True}}
        modules.call("window_state", {**state, "state": "advance", "window": window, "phase": phase, "record": held})
    modules.call("window_state", {**state, "state": "close", "window": window, "result": "failed"})
    outcome = docker.play("acknowledge", dbops_window=window, **operator)
    assert outcome.code == 0, outcome.out
    assert "the lock is free. Who writes to Redis could not be let go: [redis-forbidden] " in outcome.last_line
    assert f"by itself ten minutes after {journal['deadline']}" in outcome.last_line
    assert not docker.journal.exists()


def test_a_redis_that_cannot_take_part_is_found_out_before(docker: Stack, tmp_path: Path) -> None:
    container = docker.state["redis"]["container"]
    tasks = write_tasks(tmp_path / "tasks.yml", {"name": "Say something", "ansible.builtin.debug": {"msg": "done"}})
    plan = {"dbops_operation": "custom", "dbops_tasks": tasks, **connection(docker)}
    both = [{"name": "backend", "kind": "container", "container": docker.state["backend"]["container"]}]
    both.append({"name": "redis", "kind": "container", "container": container})
    itself = docker.play("maintenance", "--check", **plan, dbops_services=both)
    assert f"refused: [service-redis] dbops_services names {container}, which is Redis itself" in itself.last_line, itself.out
    # The health gate asks it as well, and says so first.
    idle = engine("create", docker.state["redis"]["image"])
    try:
        plan["dbops_accept_unhealthy"] = docker.key
        down = docker.play("maintenance", "--check", **{**plan, "dbops_redis_container": idle})
        assert "refused: [container-stopped] " in down.last_line, down.out
        way_out = json.loads(re.search(r"leave Redis alone, .*: -e '(.*)'$", down.last_line)[1])
        assert docker.play("maintenance", "--check", **{**plan, **way_out}).code == 0
    finally:
        engine("rm", "--volumes", idle)


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
    custom = {"dbops_operation": "custom", "dbops_tasks": tasks, "dbops_writes_redis": True}
    for verb, variables, stamp in [
        ("maintenance", custom, "the stamp"),
        ("restore", {"dbops_backup": name, "dbops_confirm": docker.key}, "the stamp in database 0 of the same Redis"),
    ]:
        outcome = docker.play(verb, **variables, **connection(docker))
        assert outcome.code == 2, outcome.out
        assert f"refused: [stamp-mismatch] The inventory says {docker.key}, {stamp} says staging/other" in outcome.last_line
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
    assert "failed: window " in outcome.last_line, outcome.out
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
