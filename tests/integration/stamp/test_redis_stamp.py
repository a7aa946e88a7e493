# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stamp of Redis, and which of its failures is told as what: on real servers."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.integration.backup.conftest import STACK, Caller
from tests.integration.plays import engine, images, play

from .conftest import audit

MakeDatabase = Callable[..., str]

# As a password may be.
SECRET = "p\"a's $wörd %41"


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    name = f"dbops-redis-{secrets.token_hex(4)}"
    engine("run", "--detach", "--name", name, images("redis")["redis"], "redis-server", "--requirepass", SECRET)
    until = time.monotonic() + 20
    while "PONG" not in ask(name, "PING") and time.monotonic() < until:
        time.sleep(0.1)
    yield name
    subprocess.run(["docker", "rm", "--force", "--volumes", name], capture_output=True, check=False)


def ask(container: str, *command: str) -> str:
    argv = ["docker", "exec", "--env", "REDISCLI_AUTH", container, "redis-cli", *command]
    return subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, "REDISCLI_AUTH": SECRET}).stdout.strip()


@pytest.fixture
def stamped(make_database: MakeDatabase, caller: Caller, redis: str) -> str:
    """A database that is stamped, and a Redis beside it that is not."""
    database = make_database()
    caller.run("environment_stamp", database, backup_dir=None, state="present", confirm=STACK)
    ask(redis, "FLUSHALL")
    ask(redis, "SET", "auth:refresh:1", "x")
    return database


def options(redis: str, **more: Any) -> dict[str, Any]:
    return {"backup_dir": None, "service": "redis", "redis_container": redis, "redis_password": SECRET, **more}


def test_where_redis_says_nothing_the_database_decides(stamped: str, caller: Caller, redis: str) -> None:
    checked = caller.run("environment_stamp", stamped, state="checked", **options(redis))
    assert (checked["changed"], checked["stamp"]) == (False, "")
    assert caller.run("environment_stamp", stamped, check=True, state="present", **options(redis))["changed"]
    assert ask(redis, "EXISTS", "dbops:environment") == "0"
    made = caller.run("environment_stamp", stamped, state="present", **options(redis))
    assert (made["changed"], made["old"], made["stamp"]) == (True, "", STACK)
    assert ask(redis, "GET", "dbops:environment") == STACK
    line = audit(caller)[-1]
    assert (line["event"], line["service"], line["new"]) == ("stamped", "redis", STACK)
    assert not caller.run("environment_stamp", stamped, state="present", **options(redis))["changed"]
    # One that would vanish by itself is written again.
    ask(redis, "EXPIRE", "dbops:environment", "60")
    assert caller.run("environment_stamp", stamped, state="present", **options(redis))["changed"]
    assert ask(redis, "TTL", "dbops:environment") == "-1"
    assert ask(redis, "GET", "auth:refresh:1") == "x"


def test_what_redis_says_goes_before_the_database(stamped: str, caller: Caller, redis: str) -> None:
    ask(redis, "SET", "dbops:environment", "production/backups")
    caller.refused("environment_stamp", stamped, "stamp-mismatch", state="checked", **options(redis))
    assert audit(caller)[-1]["slug"] == "stamp-mismatch"
    caller.refused("environment_stamp", stamped, "stamp-mismatch", state="present", **options(redis, confirm=STACK))
    assert ask(redis, "GET", "dbops:environment") == "production/backups"
    named = options(redis, confirm=STACK, old="production/backups")
    assert caller.run("environment_stamp", stamped, state="present", **named)["changed"]
    production = options(redis, stack="production/backups", confirm="production/backups")
    caller.refused("environment_stamp", stamped, "stamp-mismatch", state="checked", **production)


def test_without_any_stamp_it_is_a_no(make_database: MakeDatabase, caller: Caller, redis: str) -> None:
    ask(redis, "FLUSHALL")
    database = make_database()
    for state in ("checked", "present"):
        caller.refused("environment_stamp", database, "stamp-missing", state=state, **options(redis, confirm=STACK))
    assert ask(redis, "EXISTS", "dbops:environment") == "0"


def test_beside_a_new_database_only_another_stamp_is_refused(make_database: MakeDatabase, caller: Caller, redis: str) -> None:
    """Whoever has lost both restores both."""
    database = make_database("SELECT")
    ask(redis, "DEL", "dbops:environment")
    assert caller.run("environment_stamp", database, state="checked", **options(redis))["stamp"] == ""
    ask(redis, "SET", "dbops:environment", "staging/other")
    caller.refused("environment_stamp", database, "stamp-mismatch", state="checked", **options(redis))


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["LPUSH", "dbops:environment", "production/x"], id="a list"),
        pytest.param(["SET", "dbops:environment", "live/x"], id="an unknown environment", marks=pytest.mark.slow),
        pytest.param(["SET", "dbops:environment", f"{STACK}\nx"], id="two lines", marks=pytest.mark.slow),
    ],
)
def test_a_stamp_that_is_not_ours_counts_as_a_no(stamped: str, caller: Caller, redis: str, command: list[str]) -> None:
    ask(redis, *command)
    for state in ("read", "checked", "present"):
        caller.refused("environment_stamp", stamped, "stamp-unreadable", state=state, **options(redis, confirm=STACK))


def test_failures_are_told_apart(stamped: str, caller: Caller, redis: str) -> None:
    def refused(slug: str, **more: Any) -> str:
        return caller.refused("environment_stamp", stamped, slug, state="read", **options(redis, **more))

    assert "NOAUTH" in refused("redis-login-failed", redis_password="")
    assert "not-the-password" not in refused("redis-login-failed", redis_password="not-the-password")
    ask(redis, "ACL", "SETUSER", "reader", "on", ">r", "~*", "+ping")
    assert "NOPERM" in refused("redis-forbidden", redis_url="redis://reader:r@redis", redis_password="")
    refused("redis-url-malformed", redis_url=f"http://:{SECRET}@redis")
    refused("redis-url-malformed", redis_url="redis://redis:six")
    refused("container-unknown", redis_container="no-such-container")
    # Without a container it is the target's own redis-cli, by host and port of the URL.
    clients = caller.directory / "bin"
    clients.mkdir()
    (clients / "redis-cli").write_text(f'#!/bin/sh\nexec docker exec -i -e REDISCLI_AUTH {redis} redis-cli "$@"\n', encoding="utf-8")
    (clients / "redis-cli").chmod(0o755)
    here = {"redis_container": "", "redis_bin_dir": str(clients)}
    refused("redis-unreachable", redis_url="redis://127.0.0.1:9", **here)
    read = caller.run("environment_stamp", stamped, state="read", **options(redis, redis_url="redis://127.0.0.1:6379/0", **here))
    assert read["stamp"] == ""


def test_the_playbook_stamps_both(make_database: MakeDatabase, caller: Caller, redis: str) -> None:
    ask(redis, "FLUSHALL")
    database = make_database()
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "dbops_environment": "development",
        "dbops_state_dir": str(caller.directory / "state"),
        "dbops_postgres_container": caller.server.container,
        "dbops_pg_url": caller.server.url(database),
        "dbops_redis_container": redis,
        "dbops_redis_password": SECRET,
    }
    inventory = caller.directory / "hosts.json"
    inventory.write_text(json.dumps({"all": {"hosts": {"backups": variables}}}), encoding="utf-8")

    def stamp(*options: str) -> str:
        outcome = play("stamp", "--inventory", str(inventory), *options)
        assert "secret-of-pg" not in outcome.out
        assert SECRET not in outcome.out
        return outcome.last_line_of(STACK)

    assert "the database would carry development/backups, no stamp before" in stamp("--check")
    assert ask(redis, "EXISTS", "dbops:environment") == "0"
    done = stamp("-e", f"dbops_confirm={STACK}")
    for part in ("changed: the database carries development/backups, no stamp before; Redis carries", "; server 7", " · next: nothing"):
        assert part in done
    assert ask(redis, "GET", "dbops:environment") == STACK
    again = stamp("-e", f"dbops_confirm={STACK}")
    assert again.startswith(f"dbops stamp {STACK} ok: the database carries {STACK}; Redis carries {STACK}; server ")
    assert audit(caller)[-1]["by"]["controller"]


@pytest.mark.slow
def test_a_server_that_is_loading_is_waited_for(stamped: str, caller: Caller) -> None:
    name = f"dbops-redis-{secrets.token_hex(4)}"
    # Each key takes its time, and clients are answered in between.
    slow = ["--requirepass", SECRET, "--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024"]
    engine("run", "--detach", "--name", name, images("redis")["redis"], "redis-server", *slow)
    try:
        time.sleep(1)
        ask(name, "EVAL", "for i = 1, 20000 do redis.call('SET', 'key:' .. i, i) end", "0")
        assert ask(name, "SAVE") == "OK"
        engine("restart", name)
        assert ask(name, "PING").startswith("LOADING")
        read = caller.run("environment_stamp", stamped, state="read", **options(name))
        assert (read["stamp"], ask(name, "DBSIZE")) == ("", "20000")
    finally:
        engine("rm", "--force", "--volumes", name)
