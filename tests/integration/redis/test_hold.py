# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writers held back while their server saves, and let go."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.integration import modules
from tests.integration.plays import engine

from .conftest import KEYS, Server


def test_what_is_saved_is_what_there_is_until_they_are_let_go(redis: Server) -> None:
    assert "rdb_changes_since_last_save:0" not in redis.ask("INFO", "persistence")
    redis.run("redis_hold", state="held", save=True, seconds=60)
    with ThreadPoolExecutor(max_workers=1) as pool:
        writing = pool.submit(redis.ask, "SET", "auth:refresh:2", "late")
        time.sleep(1)
        assert not writing.done()
        assert redis.ask("DBSIZE") == str(KEYS)
        assert "rdb_changes_since_last_save:0" in redis.ask("INFO", "persistence")
        redis.run("redis_hold", state="released")
        assert writing.result() == "OK"


def test_one_whose_file_does_not_know_its_append_only_files_starts_with_all(own: Callable[..., Server]) -> None:
    server = own("redis", "--save", "")
    server.ask("CONFIG", "SET", "appendonly", "yes")
    server.fill()
    server.run("redis_hold", state="held", save=True, seconds=60)
    engine("restart", server.container)
    server.await_answer()
    assert server.ask("CONFIG", "GET", "appendonly").split() == ["appendonly", "no"]
    assert server.ask("DBSIZE") == str(KEYS)


def test_an_extended_window_holds_them_as_long_and_nobody_once_they_are_let_go(redis: Server, tmp_path: Path) -> None:
    stack = {"stack": "development/keys", "state_dir": str(tmp_path)}
    at = {"container": redis.container, "bin_dir": redis.options.get("redis_bin_dir", ""), "user": "", "password_file": ""}
    undo = {"engine": {"binary": "docker", "socket": ""}, "services": [], "redis": {**at, "restores": False, "writes": False}}
    private = {"redis_url": redis.options.get("redis_url", ""), "redis_password": redis.password}

    def window(state: str, **how: Any) -> dict[str, Any]:
        result, printed = modules.call("window_state", {**stack, "state": state, "window": "w1", **how})
        assert redis.password not in printed
        return result

    window("open", operation="custom", record={"undo": undo}, private=private)
    for phase in ("backed_up", "stopped"):
        window("advance", phase=phase)
    redis.run("redis_hold", **stack, fence="w1/1", state="held", seconds=1)
    assert "[hold-too-long]" in window("extend", minutes=1440)["msg"]
    assert not window("extend", minutes=30).get("failed")
    time.sleep(1.5)  # the hold of before has ended by itself
    with ThreadPoolExecutor(max_workers=1) as pool:
        writing = pool.submit(redis.ask, "SET", "auth:refresh:2", "late")
        time.sleep(1)
        assert not writing.done()
        for phase in ("operated", "started"):
            window("advance", phase=phase)
        redis.run("redis_hold", state="released")
        assert writing.result() == "OK"
    assert not window("extend", minutes=30).get("failed")
    with ThreadPoolExecutor(max_workers=1) as pool:
        assert pool.submit(redis.ask, "SET", "auth:refresh:2", "served").result(timeout=5) == "OK"
    window("close", result="rolled_back")


def test_a_window_holds_them_until_a_while_after_its_deadline(own: Callable[..., Server], tmp_path: Path) -> None:
    server = own("valkey")  # which says how long it holds
    stack = {"stack": "development/keys", "state_dir": str(tmp_path)}
    modules.call("window_state", {**stack, "state": "open", "window": "w1", "operation": "custom", "minutes": 20})
    server.run("redis_hold", **stack, fence="w1/1", state="held")
    left = next(line for line in server.ask("INFO", "clients").split() if line.startswith("paused_timeout_milliseconds:"))
    assert 1700 < int(left.partition(":")[2]) / 1000 <= 1800
    server.run("redis_hold", state="released")
