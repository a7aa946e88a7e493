# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server may evict, found in its own keys."""

from __future__ import annotations

from .conftest import Server


def test_keys_that_must_stay_are_named(server: Server) -> None:
    before = server.run("redis_memory_info")
    assert (before["policy"], before["findings"], before["limit"]) == ("noeviction", [], 0)
    foreseen = server.run("redis_memory_info", policy="allkeys-lru")
    assert [each["prefix"] for each in foreseen["exposed"]] == ["auth:refresh:", "payment:idem:"]
    assert "auth:refresh:1" in str(foreseen["warnings"])
    # Only what expires by itself may go then.
    assert server.run("redis_memory_info", policy="volatile-lru")["findings"] == []
    server.ask("-n", "3", "SET", "auth:refresh:\n2", "x", "EX", "100")
    volatile = server.run("redis_memory_info", policy="volatile-lru")
    assert volatile["exposed"] == [{"prefix": "auth:refresh:", "key": "auth:refresh:\\x0a2"}]


def test_one_that_expires_among_many_is_found(redis: Server) -> None:
    many = "for n = 1, 3000 do redis.call('SET', 'auth:refresh:many:' .. n, 'x') end redis.call('EXPIRE', 'auth:refresh:many:1777', 600)"
    redis.ask("EVAL", many, "0")
    [found] = redis.run("redis_memory_info", policy="volatile-lru")["exposed"]
    assert found == {"prefix": "auth:refresh:", "key": "auth:refresh:many:1777"}


def test_a_limit_that_is_near(redis: Server) -> None:
    used = redis.run("redis_memory_info")["used"]
    redis.ask("CONFIG", "SET", "maxmemory", str(int(used * 1.05)))
    [finding] = redis.run("redis_memory_info")["findings"]
    redis.ask("CONFIG", "SET", "maxmemory", "0")
    assert "noeviction" in finding
