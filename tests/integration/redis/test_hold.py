# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writers held back while their server saves, and let go."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

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
