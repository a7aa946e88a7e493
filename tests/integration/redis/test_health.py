# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis asked how it is: when it is well, when much is wrong, and when it does not answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.integration import modules
from tests.integration.plays import engine

from .conftest import STACK, Server

Own = Callable[..., Server]


def ask(server: Server, directory: Path, **options: Any) -> dict[str, Any]:
    return server.run("redis_health_info", state_dir=str(directory), interval=0.2, **options)


def found(health: dict[str, Any]) -> dict[str, str]:
    return {one["check"]: one["severity"] for one in health["findings"]}


def report(directory: Path, *parts: dict[str, Any]) -> str:
    """The page that is written of these parts."""
    written, _text = modules.call("health_report", {"stack": STACK, "state_dir": str(directory), "parts": list(parts)})
    assert not written.get("failed"), written
    return Path(written["html_path"]).read_text(encoding="utf-8")


# Of this machine, whatever else runs on it.
OF_THE_MACHINE = {"redis_answer", "redis_machine", "redis_slow_commands", "redis_forks"}


def test_a_server_that_is_well(server: Server, tmp_path: Path) -> None:
    server.ask("SET", "dbops:environment", STACK)
    server.ask("SAVE")
    health = ask(server, tmp_path)
    assert (health["reachable"], health["notes"], health["measured"]["stamp"]) == (True, [], STACK)
    assert not set(found(health)) - OF_THE_MACHINE
    assert health["measured"]["rates"]["total_commands_processed"] >= 1
    unknown = {one["check"]: one["reason"] for one in health["checks"] if one["state"] == "unknown"}
    assert set(unknown) == {"redis_hits"}
    assert health["title"] in report(tmp_path, health)


def test_much_that_is_wrong(own: Own, tmp_path: Path) -> None:
    server = own("redis", "--save", "", "--slowlog-log-slower-than", "100000")
    server.fill()
    server.ask("SET", "dbops:environment", "production/other")
    server.ask("EVAL", "local key = 0 for n = 1, 3e7 do key = key + n end return redis.call('GET', KEYS[1])", "1", "cache:page:1")
    server.ask("CONFIG", "SET", "maxmemory", server.ask("INFO", "memory").split("used_memory:")[1].split()[0])
    server.ask("REPLICAOF", "127.0.0.1", "1")
    health = ask(server, tmp_path, thresholds={"redis_slow_commands": {"warning": 1}})
    assert set(found(health)) - OF_THE_MACHINE == {"redis_memory", "redis_link_down", "redis_no_persistence", "redis_stamp"}
    assert (health["worst"], found(health)["redis_stamp"]) == ("critical", "critical")
    [slow] = [one for one in health["findings"] if one["check"] == "redis_slow_commands"]
    # A script is not told: it may hold anything.
    assert slow["object"] == "EVAL …"
    page = report(tmp_path, health)
    assert "Slow commands of Redis" in page
    assert "redis-cli INFO replication" in page


def test_rates_are_counted_since_the_last_report(redis: Server, tmp_path: Path) -> None:
    before = ask(redis, tmp_path)
    assert before["measured"]["rates"]["seconds"] < 10
    report(tmp_path, before)
    [kept] = (tmp_path / STACK / "reports").glob("health_*.json")
    kept.rename(kept.with_name("health_2026-01-01T000000Z.json"))
    rates = ask(redis, tmp_path)["measured"]["rates"]
    assert rates["seconds"] > 86400
    assert rates["total_connections_received"] >= 1
    redis.ask("CONFIG", "RESETSTAT")
    assert ask(redis, tmp_path)["measured"]["rates"]["seconds"] < 10


def test_what_a_user_may_not_ask_is_a_note(redis: Server, tmp_path: Path) -> None:
    redis.ask("ACL", "SETUSER", "exporter", "on", ">of-nobody", "+ping", "+info")
    try:
        health = ask(redis, tmp_path, redis_url="redis://exporter@redis", redis_password="of-nobody")
    finally:
        redis.ask("ACL", "DELUSER", "exporter")
    assert [note["about"] for note in health["notes"]] == [
        "Redis: settings",
        "Redis: slow commands",
        "Redis: events of the latency monitor",
        "Redis: the environment stamp",
    ]
    states = {one["check"]: one["state"] for one in health["checks"]}
    assert (states["redis_slow_commands"], states["redis_no_persistence"], states["redis_clients"]) == ("unknown", "unknown", "ok")


def test_a_server_that_does_not_answer_is_a_finding(own: Own, tmp_path: Path) -> None:
    server = own("redis")
    wrong = ask(server, tmp_path, redis_password="not-the-password")
    assert (wrong["reachable"], wrong["findings"][0]["check"]) == (False, "redis_reachable")
    engine("stop", "--time", "1", server.container)
    gone = ask(server, tmp_path)
    assert (gone["reachable"], gone["worst"], gone["findings"][0]["next"]) == (False, "critical", f"docker start {server.container}")
    assert "docker start" in report(tmp_path, gone)
