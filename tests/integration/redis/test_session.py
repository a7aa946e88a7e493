# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One redis-cli for a whole task: any bytes both ways, and every way in which a server can say no, on real servers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._place import Engine, Place
from ansible_collections.amanat.dbops.plugins.module_utils._redis_cli import Redis
from ansible_collections.amanat.dbops.plugins.module_utils._redis_info import configuration, info, keys, product
from ansible_collections.amanat.dbops.plugins.module_utils._redis_line import Refusal, decoded

from tests.integration.plays import ROOT, engine

from .conftest import KEYS, SECRET, STACK, Server

Own = Callable[..., Server]


def client(server: Server) -> Redis:
    options = server.options
    place = Place(Engine(), options.get("redis_container", ""), options.get("redis_bin_dir", ""))
    return Redis.of(place, options.get("redis_url", ""), server.password)


def refusal(redis: Redis, *command: str | bytes, loading: float = 1) -> OperationError:
    with pytest.raises(OperationError) as caught, redis.session(loading) as session:
        session.ask(*command or ("PING",))
    assert SECRET not in caught.value.message
    return caught.value


def test_any_bytes_both_ways(server: Server) -> None:
    every = bytes(range(256))
    with client(server).session() as session:
        assert session.ask("SET", every, every[::-1]) == "OK"
        assert session.ask("GET", every).encode("utf-8", "surrogateescape") == every[::-1]
        assert session.ask("GET", decoded(every)) == decoded(every[::-1])
        long = "k\n" * 500_000
        session.ask("SET", long, "")
        assert (session.ask("GET", long), session.ask("GET", "nothing"), session.ask("STRLEN", long)) == ("", None, 0)
        assert session.ask("UNLINK", long, every) == 2
        cursor, found = session.ask("SCAN", 0, "COUNT", 1000)
        assert (cursor, len(found)) == ("0", KEYS)
        assert 'a"b\\c\0\udcff\n' in found
        assert session.ask("HGETALL", "session:user:1") == ["name", "Ann", "seen", "1"]
        # A refusal in the middle is one command's own affair.
        assert session.reply("LPUSH", "cache:page:1", "x") == "WRONGTYPE Operation against a key holding the wrong kind of value"
        nested = session.ask("EVAL", "return {1, {err = 'ERR \"in\" here'}, false, {'x'}}", 0)
        assert nested == [1, 'ERR "in" here', None, ["x"]]
        assert isinstance(nested[1], Refusal)
        assert session.ask("PING") == "PONG"


def test_what_a_server_says_of_itself(server: Server) -> None:
    with client(server).session() as session:
        told = info(session, "server", "keyspace", "persistence")
        assert keys(told) == KEYS
        assert told["db0"]["expires"] == 1
        assert isinstance(told["rdb_saves"], int)
        name, version = product(told)
        assert f"{name}{version[0]}" in {"redis8", "redis7", "valkey8"}
        assert "id=" in session.ask("CLIENT", "LIST")
        assert configuration(session, "maxmemory", "appendonly") == {"maxmemory": "0", "appendonly": "no"}


def test_refusals_are_told_apart(redis: Server, own: Own) -> None:
    right = client(redis)
    assert refusal(replace(right, password="")).slug == "redis-login-failed"
    assert refusal(replace(right, password="no")).slug == "redis-login-failed"
    assert refusal(replace(right, user="nobody")).slug == "redis-login-failed"
    assert "DB index is out of range" in refusal(replace(right, database=99)).what
    unknown = refusal(right, "NOSUCH", "s3cret")
    assert (unknown.slug, "s3cret" in unknown.message) == ("redis-command-unknown", False)
    redis.ask("ACL", "SETUSER", "reader", "on", ">" + SECRET, "~*", "+@read", "+ping")
    forbidden = refusal(replace(right, user="reader"), "SET", "cache:page:1", "x")
    assert (forbidden.slug, "SET" in forbidden.next_step) == ("redis-forbidden", True)
    # Which users may INFO, and which may not; neither may what ends its many lines.
    assert refusal(replace(right, user="reader"), "INFO").slug == "redis-forbidden"
    redis.ask("ACL", "SETUSER", "reader", "+info", "-echo")
    with replace(right, user="reader").session() as session:
        assert "used_memory" in info(session, "memory")
        assert session.ask("PING") == "PONG"
    redis.ask("ACL", "DELUSER", "reader")
    redis.ask("CONFIG", "SET", "maxmemory", "1mb")
    assert refusal(right, "SET", "cache:page:1", "x").slug == "redis-memory-full"
    redis.ask("CONFIG", "SET", "maxmemory", "0")
    other = own("redis", "--replicaof", "127.0.0.1", "9", "--rename-command", "CONFIG", "")
    assert refusal(client(other), "SET", "x", "1").slug == "redis-replica"
    assert refusal(client(other), "CONFIG", "SET", "requirepass", SECRET).slug == "redis-command-unknown"
    here = Place(Engine(), "", "")
    assert refusal(replace(right, place=here, address=("127.0.0.1", 9))).slug in {"redis-cli-missing", "redis-unreachable"}


def test_a_login_that_fails_is_told_before_anything_is_answered(redis: Server) -> None:
    """Where the server wants none, redis-cli would go on without: as somebody who may do everything."""
    wrong = replace(client(redis), user="nobody", password="no")
    redis.ask("ACL", "SETUSER", "default", "nopass")
    try:
        assert {refusal(wrong).slug for _time in range(10)} == {"redis-login-failed"}
    finally:
        redis.ask("ACL", "SETUSER", "default", "resetpass", f">{SECRET}")


def test_a_deployed_server_is_operated_as_it_was_started(own: Own, tmp_path: Path) -> None:
    """The inventory has the next password already, which waits for a restart."""
    config = tmp_path / STACK / "redis/config"
    config.mkdir(parents=True)
    (config / "user").write_text("\n", encoding="utf-8")
    (config / "password").write_text(f"{SECRET}\n", encoding="utf-8")
    server = own("redis", options=("--volume", f"{config}:/usr/local/etc/redis"))
    next_one = {"redis_password": "the next one", "state": "released"}
    assert server.run("redis_hold", state_dir=str(tmp_path), **next_one)["serves"]
    server.refused("redis_hold", "redis-login-failed", state_dir=str(tmp_path / "other"), **next_one)


def test_a_server_that_is_not_there(valkey8: Server) -> None:
    redis = client(valkey8)
    assert refusal(replace(redis, address=("127.0.0.1", 9))).slug == "redis-unreachable"
    missing = replace(redis, place=replace(redis.place, bin_dir=""))
    assert refusal(missing).slug == "redis-cli-missing"


def test_a_script_keeps_the_server_busy(redis: Server) -> None:
    before = redis.ask("CONFIG", "GET", "busy-reply-threshold").split()[-1]
    redis.ask("CONFIG", "SET", "busy-reply-threshold", "50")
    with subprocess.Popen([*redis.cli, "EVAL", "while true do end", "0"], env={**os.environ, "REDISCLI_AUTH": SECRET}, stdout=-1) as script:
        redis.await_ask("BUSY", "PING")
        assert refusal(client(redis)).slug == "redis-busy"
        redis.ask("SCRIPT", "KILL")
        script.wait(10)
    redis.ask("CONFIG", "SET", "busy-reply-threshold", before)


def test_a_connection_that_ended_is_not_made_anew(server: Server) -> None:
    with client(server).session() as session:
        session.ask("SELECT", 1)
        server.ask("CLIENT", "KILL", "TYPE", "normal")
        for _again in range(2):
            with pytest.raises(OperationError) as caught:
                session.ask("SET", "once", "x")
            assert caught.value.slug == "redis-connection-lost"
    assert server.ask("EXISTS", "once") == server.ask("-n", "1", "EXISTS", "once") == "0"


def test_no_answer_in_time(redis: Server) -> None:
    with client(redis).session() as session:
        started = time.monotonic()
        with pytest.raises(OperationError) as caught:
            session.ask("BLPOP", "nothing:here", 5, timeout=0.3)
        assert (caught.value.slug, time.monotonic() - started < 3) == ("redis-connection-lost", True)


def test_a_container_that_is_restarted(own: Own) -> None:
    server = own("redis")
    with client(server).session() as session:
        engine("restart", "--time", "1", server.container)
        with pytest.raises(OperationError) as caught:
            session.ask("INCR", "counter")
        assert caught.value.slug == "redis-connection-lost"
    server.await_answer()
    engine("stop", server.container)
    assert refusal(client(server)).slug == "redis-unreachable"


def test_it_ends_with_the_process_that_began_it(redis: Server, valkey8: Server) -> None:
    for server in (redis, valkey8):
        program = (
            "import sys, time; from tests.integration.redis.test_session import client, Server;"
            f"session = client(Server({server.options!r}, [])).session(); session.ask('CLIENT', 'SETNAME', 'tied');"
            "print('up', flush=True); time.sleep(60)"
        )
        env = {**os.environ, "PYTHONPATH": f"{ROOT / 'collections'}:{ROOT}"}
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=env) as child:
            assert child.stdout
            assert child.stdout.readline() == b"up\n"
            assert "name=tied" in server.ask("CLIENT", "LIST")
            child.send_signal(signal.SIGKILL)
        until = time.monotonic() + 10
        while "name=tied" in server.ask("CLIENT", "LIST"):
            assert time.monotonic() < until
            time.sleep(0.1)


@pytest.mark.slow
def test_a_server_that_loads_is_waited_for(own: Own) -> None:
    # Each key takes its time, and clients are answered in between.
    server = own("redis", "--key-load-delay", "300", "--loading-process-events-interval-bytes", "1024")
    server.ask("EVAL", "for i = 1, 20000 do redis.call('SET', 'key:' .. i, i) end", "0")
    assert server.ask("SAVE") == "OK"
    engine("restart", server.container)
    assert refusal(client(server), loading=0.1).slug == "redis-loading"
    with client(server).session() as session:
        assert session.ask("DBSIZE") == 20000
