# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of real servers: made, read again, rehearsed; and what stops one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import KEYS, STACK, Server
from .places import Places

Own = Callable[..., Server]

# What the manifest of SOME_DATA says; the key that breaks the convention has no prefix.
PREFIXES = {
    "": (1, 0),
    "auth:refresh:": (1, 0),
    "cache:page:": (3, 1),
    "payment:idem:": (1, 0),
    "queue:mail:": (1, 0),
    "rate:ip:": (1, 0),
    "session:user:": (1, 0),
}


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


def test_a_backup_is_made_read_again_and_rehearsed(server: Server, places: Places) -> None:
    server.ask("-n", "3", "SET", "cache:page:3", "x")
    foreseen = server.run("redis_backup", check=True, **places)
    assert (foreseen["keys"], foreseen["sha256"], places.names()) == (KEYS + 1, "", [])
    made = server.run("redis_backup", **places)
    assert (made["format"], made["keys"], made["verified"], made["series"]) == ("rdb", KEYS + 1, True, "keys_redis")
    assert places.names() == [made["name"], f"{made['name']}.manifest.json"]
    assert Path(made["path"]).stat().st_mode & 0o777 == 0o600
    manifest = places.manifest(made["name"])
    counted = {(entry["database"], entry["prefix"]): (entry["keys"], entry["volatile"]) for entry in manifest["prefixes"]}
    assert counted == {**{(0, prefix): counts for prefix, counts in PREFIXES.items()}, (3, "cache:page:"): (1, 0)}
    assert (manifest["stack"], manifest["kind"]) == (STACK, "redis")
    # What expires may be gone by the time of a drill, and nothing else may.
    verified = server.run("redis_verify", **places)
    assert (verified["name"], verified["keys"], verified["sha256"]) == (made["name"], KEYS + 1, made["sha256"])
    drilled = server.run("redis_drill", **places)
    assert (drilled["backup"], drilled["keys"], drilled["rto"] > 0) == (made["name"], KEYS + 1, True)
    assert [check["check"] for check in places.manifest(made["name"])["checks"]] == ["complete", "verified", "drilled"]


def test_append_only_files_are_backed_up_as_they_are(own: Own, places: Places) -> None:
    server = own("redis", "--appendonly", "yes", "--auto-aof-rewrite-percentage", "77")
    server.fill()
    made = server.run("redis_backup", **places)
    assert (made["name"].endswith(".aof.tar"), made["format"], made["keys"]) == (True, "aof", KEYS)
    assert server.ask("CONFIG", "GET", "auto-aof-rewrite-percentage").split() == ["auto-aof-rewrite-percentage", "77"]
    assert server.run("redis_verify", **places)["name"] == made["name"]
    assert server.run("redis_drill", **places)["keys"] == KEYS
