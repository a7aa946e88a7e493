# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._findings import judge
from ansible_collections.amanat.dbops.plugins.module_utils._redis_health import _command
from ansible_collections.amanat.dbops.plugins.module_utils._redis_health_readings import COUNTERS, Measured, difference
from ansible_collections.amanat.dbops.plugins.module_utils._redis_health_rules import RULES

GIB = 1024**3
NOW = 1_800_000_000
INFO: dict[str, Any] = {
    "run_id": "a",
    "server_time_usec": NOW * 1_000_000,
    "role": "master",
    "connected_clients": 10,
    "maxclients": 1000,
    "used_memory": GIB,
    "used_memory_rss": GIB,
    "maxmemory": 4 * GIB,
    "maxmemory_policy": "noeviction",
    "total_system_memory": 16 * GIB,
    "mem_fragmentation_ratio": 1.1,
    "mem_fragmentation_bytes": GIB // 10,
    "rdb_changes_since_last_save": 5,
    "rdb_last_save_time": NOW - 600,
    "rdb_last_bgsave_status": "ok",
    "aof_enabled": 0,
    "aof_last_bgrewrite_status": "ok",
    "aof_last_write_status": "ok",
    "latest_fork_usec": 900,
}
REPLICA = {"role": "slave", "master_host": "r", "master_port": 6379, "master_link_status": "up", "master_last_io_seconds_ago": 1}
RATES = {"seconds": 60.0, **dict.fromkeys(COUNTERS, 0), "keyspace_hits": 900, "keyspace_misses": 100}
TOLD: dict[str, Any] = {
    "info": INFO,
    "config": {"save": "3600 1"},
    "slowlog": [],
    "answers": {"number": 50, "median": 0.4, "worst": 2.0},
    "stamp": "production/shop",
    "rates": RATES,
}


def found(told: dict[str, Any], missing: dict[str, str] | None = None) -> dict[str, str]:
    """Findings by check, and checks that are unknown."""
    findings, checks = judge(RULES, Measured("production/shop", told, missing or {}))
    unknown = {check["check"]: "unknown" for check in checks if check["state"] == "unknown"}
    return {**{finding["check"]: finding["severity"] for finding in findings}, **unknown}


def with_info(**changed: Any) -> dict[str, Any]:
    return {**TOLD, "info": {**INFO, **changed}}


def test_nothing_is_found_where_all_is_well() -> None:
    assert found(TOLD) == {}
    assert found(with_info(**REPLICA, slave0={"ip": "10.0.0.2", "port": 6379, "state": "online", "lag": 1})) == {}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (with_info(used_memory=3.7 * GIB), {"redis_memory": "warning"}),
        (with_info(used_memory=3.95 * GIB), {"redis_memory": "critical"}),
        # A cache that evicts is meant to be full.
        (with_info(used_memory=4 * GIB, maxmemory_policy="allkeys-lru"), {}),
        (with_info(maxmemory=0, used_memory_rss=15 * GIB), {"redis_machine": "critical"}),
        (with_info(connected_clients=950), {"redis_clients": "warning"}),
        (with_info(rdb_last_bgsave_status="err"), {"redis_save_failed": "critical"}),
        (with_info(aof_last_write_status="err", aof_last_bgrewrite_status="err"), {"redis_save_failed": "critical"}),
        (with_info(rdb_last_save_time=NOW - 3 * 3600), {"redis_unsaved": "warning"}),
        (with_info(rdb_last_save_time=NOW - 3 * 86400), {"redis_unsaved": "critical"}),
        (with_info(rdb_last_save_time=NOW - 3 * 86400, rdb_changes_since_last_save=0), {}),
        (with_info(rdb_last_save_time=NOW - 3 * 86400, aof_enabled=1), {}),
        ({**TOLD, "config": {"save": ""}}, {"redis_no_persistence": "warning"}),
        ({**with_info(aof_enabled=1), "config": {"save": ""}}, {}),
        (with_info(mem_fragmentation_ratio=3.0), {"redis_fragmentation": "warning"}),
        (with_info(mem_fragmentation_ratio=30.0, mem_fragmentation_bytes=1000), {}),
        (with_info(latest_fork_usec=600_000), {"redis_forks": "warning"}),
        (with_info(**{**REPLICA, "master_link_status": "down", "master_link_down_since_seconds": 5}), {"redis_link_down": "critical"}),
        (with_info(**{**REPLICA, "master_last_io_seconds_ago": 70}), {"redis_lag": "critical"}),
        (with_info(slave0={"ip": "10.0.0.2", "port": 6379, "state": "online", "lag": 12}), {"redis_lag": "warning"}),
        ({**TOLD, "rates": {**RATES, "evicted_keys": 1}}, {"redis_evicted": "warning"}),
        ({**TOLD, "rates": {**RATES, "rejected_connections": 6}}, {"redis_rejected": "warning"}),
        ({**TOLD, "rates": {**RATES, "keyspace_misses": 1000}}, {"redis_hits": "warning"}),
        ({**TOLD, "rates": {**RATES, "keyspace_hits": 0}}, {"redis_hits": "unknown"}),
        ({**TOLD, "answers": {"number": 50, "median": 12.0, "worst": 90.0}}, {"redis_answer": "warning"}),
        ({**TOLD, "slowlog": [{"command": "KEYS …", "ms": 2000.0, "time": "x", "client": "y"}]}, {"redis_slow_commands": "critical"}),
        ({**TOLD, "stamp": ""}, {"redis_stamp": "warning"}),
        ({**TOLD, "stamp": "development/shop"}, {"redis_stamp": "critical"}),
    ],
)
def test_what_is_wrong_is_found(told: dict[str, Any], expected: dict[str, str]) -> None:
    assert found(told) == expected


def test_what_was_not_told_is_unknown_and_not_well() -> None:
    told = {probe: TOLD[probe] for probe in ("info", "answers", "rates")}
    assert found(told, {"config": "no", "slowlog": "no", "stamp": "no"}) == dict.fromkeys(
        ("redis_unsaved", "redis_no_persistence", "redis_slow_commands", "redis_stamp"), "unknown"
    )


def test_a_server_that_says_nothing_is_one_finding() -> None:
    findings, _checks = judge(RULES, Measured("production/shop", {}, {}, ("It is gone.", "docker start it")))
    assert [(one["check"], one["detail"], one["next"]) for one in findings] == [("redis_reachable", "It is gone.", "docker start it")]


def test_counters_of_another_run_are_no_sample() -> None:
    before = {"run_id": "a", **dict.fromkeys(COUNTERS, 10)}
    now = {"run_id": "a", **dict.fromkeys(COUNTERS, 15)}
    assert difference(now, before, 60)["keyspace_hits"] == 5
    assert difference({**now, "run_id": "b"}, before, 60) == {}
    assert difference({**now, "evicted_keys": 3}, before, 60) == {}
    assert difference(now, {}, 60) == {}
    assert difference(now, before, 0) == {}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["SAVE"], "SAVE"),
        (["set", "auth:refresh:7", "secret"], "SET auth:refresh:…"),
        (["SET", "plain", "secret"], "SET …"),
        (["EVAL", "local a = 'b:c:d'"], "EVAL …"),
        (["GET", "a b:c:d"], "GET …"),
    ],
)
def test_a_slow_command_is_told_without_its_values(words: list[str], expected: str) -> None:
    assert _command(words) == expected
