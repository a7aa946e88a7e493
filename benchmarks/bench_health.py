# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seconds that a health report takes in the server, for an application's schema and for a very large one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import _database
from _harness import Benchmark, seconds

SMALL, LARGE = 32, 10_000
BATCH = 500  # tables a transaction, so that the server's table of locks suffices
CONTAINER = f"{_database.CONTAINER}-health"

_path: list[Path] = []


@contextmanager
def database(tables: int) -> Iterator[None]:
    """A server with that many tables, each with a key, an index and a text column, so with a TOAST table."""
    # What autovacuum makes of ten thousand new tables is not what is measured.
    with _database.bare(CONTAINER, "autovacuum=off") as psql, _database.directory() as path:
        _path[:] = [path]
        for first in range(0, tables, BATCH):
            made = f"""
                DO $$ BEGIN FOR n IN {first}..{min(first + BATCH, tables) - 1} LOOP
                  EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, owner int, note text)', n);
                  EXECUTE format('INSERT INTO t%s SELECT i, i, repeat(''x'', 50) FROM generate_series(1, 20) i', n);
                  EXECUTE format('CREATE INDEX ON t%s (owner)', n);
                END LOOP; END $$"""
            _database.docker(*psql, stdin=made)
        _database.docker(*psql, stdin="CHECKPOINT")
        yield


def _ask() -> dict[str, Any]:
    result = _database.module("postgres_health_info", _path[0], postgres_container=CONTAINER, statement_timeout=60, wait=None)
    if not result["reachable"] or any(note["about"] != "slow queries" for note in result["notes"]):
        raise RuntimeError(f"the report is not whole: {result['notes']}")
    return result


def _benchmark(tables: int, goal: float) -> Benchmark:
    return Benchmark(
        name=f"health-{tables}",
        what=f"queries of a health report in the server, {tables} tables",
        unit="s",
        goal=goal,
        ours=lambda: _ask()["seconds"],
        around=partial(database, tables),
    )


BENCHMARKS = (
    _benchmark(SMALL, 1.0),
    _benchmark(LARGE, 5.0),
    Benchmark(
        name=f"health-{LARGE}-whole",
        what=f"the whole module, connection and judgement included, {LARGE} tables",
        unit="s",
        goal=7.0,
        ours=lambda: seconds(_ask),
        around=partial(database, LARGE),
    ),
)
