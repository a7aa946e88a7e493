# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of a real server, wherever it writes it to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._pg_log import ServerLog
from ansible_collections.amanat.dbops.plugins.module_utils._place import Engine, Place
from ansible_collections.amanat.dbops.plugins.module_utils._psql import Server

from tests.integration.backup.conftest import USER, Postgres, remove, run_postgres
from tests.integration.plays import images


@pytest.fixture(scope="module")
def collecting() -> Iterator[Postgres]:
    """A server whose collector takes its log, so that the engine has none."""
    server = run_postgres(images("postgres")["postgres"], "-c", "logging_collector=on")
    yield server
    remove(server)


def asked(server: Postgres, user: str = USER) -> Server:
    return Server(Place(Engine(), server.container), {"PGUSER": user, "PGDATABASE": "postgres"})


@pytest.mark.parametrize("destination", ["stderr", "csvlog", "jsonlog", "stderr,csvlog,jsonlog"])
def test_each_format_of_the_collector(collecting: Postgres, destination: str) -> None:
    collecting.sql("postgres", f"ALTER SYSTEM SET log_destination = '{destination}'")
    collecting.sql("postgres", "SELECT pg_reload_conf()")
    collecting.await_sql("postgres", f"pg_current_logfile('{destination.rpartition(',')[2]}') IS NOT NULL")
    server = asked(collecting)
    server.ask("SELECT before_it;")
    log = ServerLog(server)
    server.ask("SELECT 1,\n  'é', no_such_column;")
    (entry,) = log.errors()
    assert entry.message.startswith('column "no_such_column" does not exist')
    assert entry.statement == "SELECT 1,\n  'é', no_such_column;"
    assert log.errors() == [entry]


def test_the_log_of_the_engine(postgres: Postgres) -> None:
    server = asked(postgres)
    server.ask("SELECT before_it;")
    log = ServerLog(server)
    server.ask("SELECT 1,\n  no_such_column;")
    assert [entry.statement for entry in log.errors()] == ["SELECT 1,\n  no_such_column;"]


def test_a_role_that_may_not_read_it_gets_an_engines_log_or_none(collecting: Postgres) -> None:
    """The collector's file is closed to it, and what the engine has of the server's start is no error."""
    collecting.sql("postgres", "CREATE ROLE app LOGIN")
    log = ServerLog(asked(collecting, "app"))
    asked(collecting, "app").ask("SELECT no_such_column;")
    assert log.errors() == []
