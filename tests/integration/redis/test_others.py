# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Redis that is another stack's, wholly or by one of its databases: who mistypes a name or a number changes nothing of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .conftest import STACK, Server, audit
from .places import Places

STAMP = "dbops:environment"
OTHER = "staging/other"
# What is done to a server is done to each of its databases.
SERVER: dict[str, dict[str, Any]] = {
    "redis_config": {"settings": {"maxmemory": "1mb"}},
    "redis_persistence": {"appendonly": True, "keep": False, "wait": 60.0},
    "redis_hold": {"state": "held", "seconds": 5},
    "redis_cleanup": {},
}
DATABASE: dict[str, dict[str, Any]] = {
    "redis_flush": {"pattern": "cache:*", "wait": 60.0, "pg_url": "postgres://u:p@127.0.0.1:9/d"},
    "redis_stale": {"entries": [{"prefix": "auth:"}], "remove": ["auth:"], "pg_url": "postgres://u:p@127.0.0.1:9/d"},
    "environment_stamp": {"service": "redis", "state": "present", "pg_url": "postgres://u:p@127.0.0.1:9/d"},
}


@pytest.fixture
def state(tmp_path: Path) -> dict[str, str]:
    return {"state_dir": str(tmp_path)}


@pytest.mark.parametrize("check", [True, False], ids=["check-mode", "run"])
@pytest.mark.parametrize(("module", "options"), [*SERVER.items(), *DATABASE.items()])
def test_beside_another_stack(
    redis: Server, tmp_path: Path, state: dict[str, str], module: str, options: dict[str, Any], check: bool
) -> None:
    """The own number is not used yet: nothing says whose it is but the numbers beside."""
    redis.ask("-n", "7", "SET", STAMP, OTHER)
    message = redis.refused(module, "stamp-mismatch", _ansible_check_mode=check, **state, **options)
    assert f"the stamp in database 7 of the same Redis says {OTHER}" in message
    assert redis.ask("CONFIG", "GET", "maxmemory", "appendonly").split()[1::2] in (["0", "no"], ["no", "0"])
    assert redis.ask("EXISTS", "cache:page:1", "auth:refresh:1", STAMP) == "2"
    log = audit(tmp_path)
    assert [line["slug"] for line in log] == ([] if check else ["stamp-mismatch"])


def test_a_backup_says_whose_it_is(redis: Server, tmp_path: Path) -> None:
    places = Places(tmp_path)
    redis.ask("SET", STAMP, OTHER)
    message = redis.refused("redis_backup", "stamp-mismatch", **places)
    assert f"The inventory says {STACK}, the stamp says {OTHER}." in message
    assert not list(tmp_path.glob("backups/*.rdb"))
    assert audit(tmp_path / "state")[-1]["state"] == "backup"
