# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys removed by their pattern, and nothing else: on real servers, with whatever names keys have, and with servers that refuse."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.plays import engine, play

from .conftest import SECRET, STACK, Server, audit

Own = Callable[..., Server]

TYPED = f"{STACK}/redis"
STAMP = "dbops:environment"
# Names that no line of text holds, and a database full of what may not go.
MORE_DATA = f"""
redis.call('SET', '{STAMP}', '{STACK}')
redis.call('MSET', 'cache:line\\n:1', 'x', 'cache:nul\\0:1', 'x', 'cache:\\255\\254:1', 'x', 'cache:' .. string.rep('k', 1048576), 'x')
for n = 1, 500 do redis.call('SET', 'cache:many:' .. n, n) end
"""
CACHED = 507


@pytest.fixture
def ask_to(tmp_path: Path) -> dict[str, Any]:
    """What every flush is told."""
    return {"state_dir": str(tmp_path), "pg_url": "postgres://nobody:nothing@postgres/none", "wait": 60}


def names(server: Server) -> set[str]:
    return set(server.ask("--scan").splitlines())


def stamped(server: Server) -> Server:
    assert server.ask("EVAL", MORE_DATA, "0") == ""
    return server


def test_what_matches_goes_and_the_rest_stays(server: Server, ask_to: dict[str, Any], tmp_path: Path) -> None:
    kept = {name for name in names(server) if not name.startswith("cache:")} | {STAMP}
    stamped(server)
    foreseen = server.run("redis_flush", check=True, pattern="cache:*", **ask_to)
    assert (foreseen["changed"], foreseen["removed"], foreseen["confirmation"]) == (True, CACHED, "")
    assert {one["prefix"]: one["keys"] for one in foreseen["prefixes"]} == {
        "cache:many:": 500,
        "cache:page:": 3,
        "cache:line\\x0a:": 1,
        "cache:nul\\x00:": 1,
        "cache:\\xff\\xfe:": 1,
        "": 1,
    }
    assert {one["type"] for one in foreseen["sample"]} == {"string"}
    assert audit(tmp_path) == []
    assert int(server.ask("DBSIZE")) > CACHED
    done = server.run("redis_flush", pattern="cache:*", **ask_to)
    assert (done["changed"], done["removed"], done["protected"], done["command"]) == (True, CACHED, 0, "UNLINK")
    # The names of several lines went with the others.
    assert names(server) == kept
    assert {key: audit(tmp_path)[-1][key] for key in ("event", "pattern", "removed")} == {
        "event": "flushed",
        "pattern": "cache:*",
        "removed": CACHED,
    }
    again = server.run("redis_flush", pattern="cache:*", **ask_to)
    assert (again["changed"], again["removed"]) == (False, 0)


def test_what_is_protected_is_counted_and_stays(redis: Server, ask_to: dict[str, Any]) -> None:
    stamped(redis)
    done = redis.run("redis_flush", pattern="*:idem:*", **ask_to)
    assert (done["changed"], done["removed"], done["protected"]) == (False, 0, 1)
    done = redis.run("redis_flush", pattern="*e*", protected_prefixes=["cache:"], **ask_to)
    assert {one["prefix"]: one["protected"] for one in done["prefixes"]}["cache:page:"] == 3
    assert names(redis) >= {STAMP, "cache:page:1", "cache:many:500"}
    assert not names(redis) & {"auth:refresh:1", "payment:idem:1", "session:user:1"}


def test_much_wants_to_be_typed(redis: Server, ask_to: dict[str, Any], tmp_path: Path) -> None:
    stamped(redis)
    few = {**ask_to, "pattern": "cache:*", "max_keys": 506}
    assert redis.run("redis_flush", check=True, **few)["confirmation"] == TYPED
    message = redis.refused("redis_flush", "confirm-missing", **few)
    assert "507 keys would be removed (500 cache:many:, 3 cache:page:, " in message
    redis.refused("redis_flush", "confirm-mismatch", confirm=STACK, **few)
    assert audit(tmp_path)[-1]["slug"] == "confirm-mismatch"
    assert len(names(redis)) > 500
    assert redis.run("redis_flush", confirm=TYPED, **few)["removed"] == CACHED


def test_what_names_nothing_is_for_development(redis: Server, ask_to: dict[str, Any]) -> None:
    stamped(redis)
    redis.refused("redis_flush", "stamp-mismatch", pattern="cache:*", stack="production/keys", **ask_to)
    redis.refused("redis_flush", "flush-everything", pattern="?*", stack="production/keys", confirm="production/keys/redis", **ask_to)
    redis.ask("SET", STAMP, "production/keys")
    redis.refused("redis_flush", "stamp-mismatch", pattern="*", confirm=TYPED, **ask_to)
    redis.ask("SET", STAMP, STACK)
    message = redis.refused("redis_flush", "confirm-missing", pattern="[^x]*", **ask_to)
    assert "FLUSHDB would remove 513 keys, 1 refresh tokens and 0 rate limit counters among them" in message
    redis.ask("-n", "3", "MSET", "auth:refresh:9", "x", "rl:9", "x")
    everything = {**ask_to, "pattern": "*", "confirm": TYPED}
    foreseen = redis.run("redis_flush", check=True, scope="server", **everything)
    assert foreseen["groups"] == {"refresh_tokens": 2, "rate_limit_counters": 1}
    done = redis.run("redis_flush", **everything)
    assert (done["command"], done["removed"], names(redis)) == ("FLUSHDB", 513, {STAMP})
    assert redis.ask("-n", "3", "DBSIZE") == "2"
    redis.ask("-n", "9", "SET", STAMP, "production/others")
    for check in (True, False):
        message = redis.refused("redis_flush", "stamp-mismatch", scope="server", _ansible_check_mode=check, **everything)
        assert "the stamp in database 9 of the same Redis says production/others" in message
    redis.ask("-n", "9", "SET", STAMP, STACK)
    done = redis.run("redis_flush", scope="server", **everything)
    assert (done["command"], done["removed"], redis.ask("-n", "3", "DBSIZE")) == ("FLUSHALL", 2, "0")
    assert redis.ask("GET", STAMP) == STACK
    assert not redis.run("redis_flush", scope="server", **everything)["changed"]


def test_without_a_stamp_the_database_is_asked(redis: Server, ask_to: dict[str, Any]) -> None:
    redis.refused("redis_flush", "container-unknown", pattern="cache:*", postgres_container="no-such-container", **ask_to)
    assert "cache:page:1" in names(redis)


def test_a_user_that_may_not_is_told_so(redis: Server, ask_to: dict[str, Any]) -> None:
    stamped(redis)
    for name, rules in (("noscripts", ("+@all", "-eval")), ("nounlink", ("+@all", "-unlink"))):
        redis.ask("ACL", "SETUSER", name, "on", ">of-nobody", "~*", *rules)
        login = {"redis_url": f"redis://{name}@redis", "redis_password": "of-nobody"}
        redis.refused("redis_flush", "redis-forbidden", pattern="cache:*", **ask_to, **login)
        assert len(names(redis)) > CACHED
        redis.ask("ACL", "DELUSER", name)


def test_another_port_is_another_server(own: Own, ask_to: dict[str, Any]) -> None:
    server = stamped(own("redis"))
    elsewhere = {**ask_to, "pattern": "cache:*", "redis_url": "redis://redis:6380"}
    assert "to port 6380, and what serves in" in server.refused("redis_flush", "redis-other-port", **elsewhere)
    assert int(server.ask("DBSIZE")) > 500
    server.ask("CONFIG", "SET", "port", "6380")
    server.cli += ["-p", "6380"]
    assert server.run("redis_flush", **elsewhere)["removed"] == CACHED - 3


def test_full_memory_is_no_obstacle(own: Own, ask_to: dict[str, Any]) -> None:
    server = stamped(own("redis"))
    server.ask("CONFIG", "SET", "maxmemory", "1")
    assert "OOM" in server.ask("SET", "one", "more")
    assert server.run("redis_flush", pattern="cache:*", **ask_to)["removed"] == CACHED - 3
    assert server.run("redis_flush", pattern="", confirm=TYPED, **ask_to)["changed"] is False


@pytest.mark.slow
@pytest.mark.parametrize("command", ["EVAL", "UNLINK"])
def test_a_renamed_command_is_told_as_such(own: Own, ask_to: dict[str, Any], command: str) -> None:
    server = own("redis", "--rename-command", command, '""')
    for key in (STAMP, "cache:page:1"):
        server.ask("SET", key, STACK)
    server.refused("redis_flush", "redis-command-unknown", pattern="cache:*", **ask_to)
    assert server.ask("DBSIZE") == "2"


@pytest.mark.slow
def test_a_replica_is_told_as_such(own: Own, ask_to: dict[str, Any]) -> None:
    server = stamped(own("redis"))
    server.ask("REPLICAOF", "127.0.0.1", "1")
    assert server.run("redis_flush", check=True, pattern="cache:*", **ask_to)["removed"] == CACHED - 3
    server.refused("redis_flush", "redis-replica", pattern="cache:*", **ask_to)
    assert int(server.ask("DBSIZE")) > 500


@pytest.mark.faults
def test_a_restart_in_the_middle_is_told_and_gone_on_from(own: Own, ask_to: dict[str, Any], tmp_path: Path) -> None:
    server = own("redis", "--save", "60", "1000000000")
    server.ask("SET", STAMP, STACK)
    server.ask("EVAL", "for n = 1, 200000 do redis.call('SET', 'cache:many:' .. n, n) end", "0")
    restart = threading.Timer(3, lambda: engine("restart", server.container))
    restart.start()
    # Slow enough to be at work when it comes.
    message = server.refused("redis_flush", "redis-connection-lost", pattern="cache:*", rate=20000, confirm=TYPED, **ask_to)
    restart.join()
    assert " keys were removed before that." in message
    line = audit(tmp_path)[-1]
    assert (line["event"], line["slug"]) == ("flushed", "redis-connection-lost")
    assert 0 < line["removed"] < 200_000
    assert f"{line['removed']:,} keys were removed before that." in message
    server.await_answer()
    # It saves when it is stopped, so what was removed stays removed.
    left = int(server.ask("DBSIZE"))
    assert 1 < left < 200_000
    assert server.run("redis_flush", pattern="cache:*", confirm=TYPED, **ask_to)["removed"] == left - 1
    assert names(server) == {STAMP}


def test_the_playbook_says_what_is_gone(redis: Server, tmp_path: Path) -> None:
    stamped(redis)
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "dbops_environment": "development",
        "dbops_state_dir": str(tmp_path / "state"),
        "dbops_redis_container": redis.container,
        "dbops_redis_password": SECRET,
        "dbops_max_keys": 500,
        "dbops_pg_url": "postgres://nobody:nothing@postgres/none",
    }
    inventory = tmp_path / "hosts.json"
    inventory.write_text(json.dumps({"all": {"hosts": {"keys": variables}}}), encoding="utf-8")

    def flush(*options: str) -> str:
        outcome = play("flush", "--inventory", str(inventory), *options)
        assert SECRET not in outcome.out
        return outcome.last_line_of(STACK)

    foreseen = flush("--check", "-e", "dbops_pattern=cache:*")
    assert foreseen.startswith(f"dbops flush {STACK} ok: UNLINK would remove 507 of 507 keys that match 'cache:*' (500 cache:many:, 3 ")
    assert foreseen.endswith(f"next: ansible-playbook playbooks/flush.yml -e dbops_pattern='cache:*' -e dbops_confirm={TYPED}")
    none = play("flush", "--inventory", str(inventory), "-e", '{"dbops_max_keys": 0, "dbops_pattern": "cache:page:1"}')
    assert "[confirm-missing] 1 keys would be removed (1 cache:page:), dbops_max_keys is 0" in none.out
    assert "UNLINK removed 507 of 507" in flush("-e", "dbops_pattern=cache:*", "-e", f"dbops_confirm={TYPED}")
    kept = flush("-e", "dbops_pattern=payment:idem:*")
    assert "removed 0 of 1 keys that match 'payment:idem:*' (1 payment:idem:), 1 protected ones stay" in kept
    assert kept.endswith("next: if those are meant, take their prefix out of redis_protected_prefixes")
