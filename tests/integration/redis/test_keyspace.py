# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies in a database, by prefix: on real servers, while somebody else writes, and with names that no line holds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.plays import play

from .conftest import KEYS, STACK, Server

Own = Callable[..., Server]

MORE_DATA = """
for n = 1, 1000 do redis.call('SET', 'cache:many:' .. n, string.rep('x', 100), 'EX', 1000) end
redis.call('RPUSH', 'queue:jobs:1', string.rep('y', 50000))
redis.call('SET', string.rep('k', 1048576), 'x')
redis.call('SET', 'dbops:environment', 'development/keys')
"""


def filled(server: Server) -> Server:
    assert server.ask("EVAL", MORE_DATA, "0") == ""
    return server


def look(server: Server, directory: Path, **options: Any) -> dict[str, Any]:
    return server.run("redis_keyspace_info", state_dir=str(directory), wait=60, **options)


def test_keys_are_told_by_prefix(server: Server, tmp_path: Path) -> None:
    found = look(filled(server), tmp_path, sample=0)
    prefixes = {one["prefix"]: one for one in found["prefixes"]}
    assert (found["changed"], found["keys"], found["seen"], found["sampled"]) == (False, 1012, 1012, False)
    assert {prefix: one["keys"] for prefix, one in prefixes.items()} == {
        "cache:many:": 1000,
        "cache:page:": 3,
        "payment:idem:": 1,
        "auth:refresh:": 1,
        "session:user:": 1,
        "queue:mail:": 1,
        "queue:jobs:": 1,
        "rate:ip:": 1,
        "": 3,
    }
    assert (prefixes["cache:many:"]["without_ttl"], prefixes["cache:page:"]["without_ttl"]) == (0, 0.6667)
    assert prefixes["cache:many:"]["idle"] in range(100)
    assert 100_000 < prefixes["cache:many:"]["bytes"] < 300_000
    assert [(one["key"][:12], one["type"]) for one in found["biggest"][:2]] == [("k" * 12, "string"), ("queue:jobs:1", "list")]
    # The stamp is named as it is by ourselves.
    assert sorted(name[:20] for name in found["unconventional"]["sample"]) == ['a"b\\x5cc\\x00\\xff\\x0a', "k" * 20]


def test_a_sample_is_scaled_up(redis: Server, tmp_path: Path) -> None:
    found = look(filled(redis), tmp_path, sample=200)
    assert found["sampled"]
    assert 200 <= found["seen"] < 1012
    assert 900 < {one["prefix"]: one["keys"] for one in found["prefixes"]}["cache:many:"] < 1100


def test_an_lfu_policy_knows_no_idleness(own: Own, tmp_path: Path) -> None:
    server = own("redis", "--maxmemory-policy", "allkeys-lfu")
    server.fill()
    assert {one["idle"] for one in look(server, tmp_path)["prefixes"]} == {None}


CHANGING = """
for n = 1, 2000 do
  local key = 'cache:many:' .. (n % 1000 + 1)
  redis.call('UNLINK', key)
  if n % 2 == 0 then redis.call('RPUSH', key, n) else redis.call('HSET', key, n, n) end
end
"""


def test_keys_that_change_their_type_meanwhile_are_no_matter(redis: Server, tmp_path: Path) -> None:
    filled(redis)
    env = {**os.environ, "REDISCLI_AUTH": redis.password}
    # It ends by itself: a client in a container outlives the command that started it.
    with subprocess.Popen([*redis.cli, "-r", "1000", "EVAL", CHANGING, "0"], stdout=subprocess.DEVNULL, env=env) as writer:
        found = look(redis, tmp_path, sample=0)
        assert writer.poll() is None, "it ended before it was in the way"
    assert {one["prefix"]: one["keys"] for one in found["prefixes"]}["cache:many:"] == pytest.approx(1000, rel=0.05)
    assert redis.ask("TYPE", "cache:many:1") in ("list", "hash")


def test_the_playbook_tells_what_is_there(redis: Server, tmp_path: Path) -> None:
    known = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "dbops_environment": "development",
        "dbops_name": "keys",
        "dbops_state_dir": str(tmp_path),
        "dbops_redis_container": redis.container,
        "dbops_redis_password": redis.password,
    }
    told = play("keyspace", "--inventory", "keys,", "-e", json.dumps(known))
    assert redis.password not in told.out
    assert "cache:page:: 3 keys, 0.0 MiB, 66.7 % live for ever, the idlest not used for" in told.out
    assert f"dbops keyspace {STACK} ok: {KEYS} keys, 0.0 MiB, 7 prefixes, 1 keys not named" in told.last_line
