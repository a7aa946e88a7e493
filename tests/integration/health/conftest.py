# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server on which much is wrong at the same time, and roles that may see all of it, some of it and little of it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.backup.conftest import Caller, Postgres, remove, run_postgres
from tests.integration.plays import images

DATABASE = "shop"
MONITOR, PLAIN = "monitor", "plain"

TROUBLE = f"""
CREATE ROLE {MONITOR} LOGIN IN ROLE pg_monitor;
CREATE ROLE {PLAIN} LOGIN;
CREATE EXTENSION pg_stat_statements;
CREATE SCHEMA dbops;
CREATE TABLE dbops.environment (the_only_row boolean PRIMARY KEY DEFAULT true, environment text, name text);
INSERT INTO dbops.environment VALUES (true, 'development', 'backups');
GRANT USAGE ON SCHEMA dbops TO PUBLIC;
GRANT SELECT ON dbops.environment TO PUBLIC;
CREATE TABLE users (id int PRIMARY KEY, name text);
CREATE TABLE payments (id int PRIMARY KEY, user_id int, note text);
CREATE TABLE "Odd ""name" (id int) WITH (autovacuum_enabled = off);
ALTER TABLE payments SET (autovacuum_enabled = off);
INSERT INTO users SELECT n, 'user ' || n FROM generate_series(1, 500) n;
INSERT INTO payments SELECT n, n % 500, repeat(md5(n::text), 4) FROM generate_series(1, 60000) n;
INSERT INTO "Odd ""name" SELECT generate_series(1, 20000);
CREATE INDEX payments_user ON payments (user_id);
CREATE INDEX payments_user_again ON payments (user_id);
DELETE FROM payments WHERE id % 4 = 0;
ALTER SYSTEM SET max_connections = 77;
SELECT pg_reload_conf();
SELECT pg_create_physical_replication_slot('forgotten', true);
"""


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    server = run_postgres(
        images("postgres")["postgres"],
        "-c",
        "shared_preload_libraries=pg_stat_statements",
        "-c",
        "autovacuum_naptime=1h",
        "-c",
        "max_prepared_transactions=2",
    )
    server.sql("postgres", f"CREATE DATABASE {DATABASE}")
    server.sql(DATABASE, TROUBLE)
    # Fails half-way, as a unique index over what is not unique does, and leaves an invalid one.
    build = subprocess.run(
        server.psql(DATABASE, "-c", "CREATE UNIQUE INDEX CONCURRENTLY payments_broken ON payments (user_id)"),
        capture_output=True,
        check=False,
    )
    assert build.returncode != 0
    server.sql(DATABASE, "SELECT pg_stat_force_next_flush()")
    yield server
    remove(server)


@pytest.fixture
def caller(server: Postgres, tmp_path: Path) -> Caller:
    return Caller(server, tmp_path)


@contextmanager
def holding(server: Postgres, sql: str, application: str = "holder") -> Iterator[None]:
    """A transaction that has run this and stays open."""
    with subprocess.Popen(server.psql(DATABASE), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as session:
        assert session.stdin
        assert session.stdout
        session.stdin.write(f"SET application_name = '{application}';\nBEGIN;\n{sql}\n\\echo held\n")
        session.stdin.flush()
        assert session.stdout.readline().strip() == "held"
        try:
            yield
        finally:
            session.stdin.close()
