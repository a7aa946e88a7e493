# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a program did to a whole server is read out of what the servers themselves say of it."""

from __future__ import annotations

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._seed_beyond import calls_in, commands_in


def logged(statement: str, how: str = "statement") -> str:
    lines = statement.replace("\n", "\n\t")
    return f"2026-11-22 10:00:00.000 GMT [7] ERROR:  no\n2026-11-22 10:00:00.000 GMT [8] LOG:  {how}: {lines}\n2026-11-22 GMT [9] LOG:  x\n"


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("DROP DATABASE IF EXISTS analytics", ["DROP DATABASE"]),
        ("alter role current_user set statement_timeout = 0;", ["ALTER ROLE"]),
        ("create user ann", ["CREATE USER"]),
        ("ALTER SYSTEM SET work_mem = '1GB'", ["ALTER SYSTEM"]),
        ("ALTER DATABASE shop SET timezone = 'UTC'", ["ALTER DATABASE"]),
        ("CREATE TEMP TABLE t (n int); -- first\n/* then */ drop\n  tablespace fast", ["DROP TABLESPACE"]),
        ("DROP ROLE a; DROP ROLE b; CREATE ROLE a", ["CREATE ROLE", "DROP ROLE"]),
        ("create user mapping for ann server s", []),
        ("CREATE TABLE t (note text DEFAULT 'x; DROP DATABASE shop')", []),
        ("CREATE TABLE database (n int)", []),
        ("-- DROP DATABASE shop\nCREATE TABLE t (n int)", []),
    ],
)
@pytest.mark.parametrize("how", ["statement", "execute <unnamed>", "execute seed_1"])
def test_what_concerns_the_server(statement: str, found: list[str], how: str) -> None:
    assert commands_in(logged(statement, how)) == found


def test_what_redis_was_asked_for() -> None:
    lines = ["# Commandstats", "cmdstat_flushall:calls=2,usec=3", "cmdstat_config|set:calls=1,usec=3", "cmdstat_get:calls=9,usec=1"]
    calls = calls_in("\r\n".join(lines))
    assert {command: number for command, number in calls.items() if number} == {"flushall": 2, "config|set": 1}
