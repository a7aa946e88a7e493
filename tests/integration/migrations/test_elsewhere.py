# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations whose release leads to another database, to another record, or through a pooler: none is taken for rolled back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Callable

import pytest

from tests.integration.backup.conftest import Postgres, pooled, remove, run_postgres
from tests.integration.plays import engine, images

from .conftest import CONFIG, Migrator, Releases, journal

FILES = journal(("0000_users", 1_700_000_000_000, 'CREATE TABLE "users" ();'))
TABLES = "SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class WHERE relname IN ('users', '__drizzle_migrations')"


@pytest.mark.parametrize(
    "config",
    [
        CONFIG.replace("PG_URL", "DATABASE_URL"),
        CONFIG.replace("dbCredentials", 'migrations: { table: "seen", schema: "public" }, dbCredentials'),
    ],
    ids=["another variable", "another table"],
)
def test_a_configuration_that_leads_elsewhere_is_refused(migrator: Migrator, releases: Releases, config: str) -> None:
    before = migrator.content()
    release = releases.directory(FILES, config)
    for check in (True, False):
        assert "drizzle.config.ts" in migrator.refused(release, "migrations-elsewhere", check=check)
    assert migrator.content() == before


@pytest.mark.slow
def test_an_address_in_the_image_leads_to_the_database_that_is_meant(
    migrator: Migrator, releases: Releases, make_database: Callable[..., str]
) -> None:
    other = make_database("")
    config = CONFIG.replace("process.env.PG_URL", "process.env.LIVE_DATABASE ?? process.env.PG_URL")
    release = releases.image(FILES, config, LIVE_DATABASE=migrator.caller.server.url(other))
    assert migrator.run(release)["migrated"] == ["0000_users"]
    assert migrator.sql(TABLES) == "__drizzle_migrations,users"
    assert migrator.caller.server.sql(other, TABLES) == ""


@pytest.mark.slow
def test_what_became_of_another_database_is_not_known(migrator: Migrator, releases: Releases, make_database: Callable[..., str]) -> None:
    """The configuration makes up an address by itself, and drizzle-kit reports success."""
    other = make_database("")
    before = migrator.content()
    release = releases.image(FILES, CONFIG.replace('process.env.PG_URL ?? ""', f"process.env.PG_URL!.replace(/[^/]+$/, {other!r})"))
    message = migrator.refused(release, "migration-failed")
    assert "drizzle-kit reported success" in message
    assert "Whether another one was changed is not known." in message
    assert "rolled back" not in message
    assert "Correct the migration" not in message
    assert migrator.content() == before
    assert migrator.caller.server.sql(other, TABLES) == "__drizzle_migrations,users"


@pytest.fixture(params=["", "ignore_startup_parameters = options\n"], ids=["refuses settings", "drops settings"])
def pooler(postgres: Postgres, request: pytest.FixtureRequest) -> Iterator[str]:
    """Its name on the server's network, where it listens on the server's own port."""
    network = engine("inspect", "--format", "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}", postgres.container)
    with pooled(postgres, network, request.param) as name:
        yield name


@pytest.mark.slow
def test_a_pooler_is_no_way_to_migrate(migrator: Migrator, releases: Releases, pooler: str) -> None:
    before = migrator.content()
    release = releases.image(FILES)
    url = migrator.caller.server.url(migrator.database).replace("@postgres:", f"@{pooler}:")
    for check in (True, False):
        assert "Name the server itself" in migrator.refused(release, "pg-url-pooler", pg_url=url, check=check)
    assert migrator.content() == before


ADDRESS = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"


def test_the_server_is_looked_for_from_where_a_directory_is_run(migrator: Migrator, releases: Releases, postgres: Postgres) -> None:
    """drizzle-kit of a directory runs on the target, with its resolver, and not beside the server's clients."""
    release = releases.directory(FILES)
    own = migrator.caller.server.url(migrator.database)
    migrator.refused(release, "postgres-unreachable", check=True, pg_url=own)
    address = engine("inspect", "--format", ADDRESS, postgres.container)
    assert migrator.caller.run(
        "drizzle_migrate", migrator.database, check=True, **migrator.options(release, pg_url=own.replace("@postgres:", f"@{address}:"))
    )["migrated"]


@pytest.mark.slow
def test_another_server_behind_the_name_on_the_target_is_refused(migrator: Migrator, releases: Releases) -> None:
    other = run_postgres(images("postgres")["postgres"])
    try:
        other.sql("postgres", f"CREATE DATABASE {migrator.database}")
        address = engine("inspect", "--format", ADDRESS, other.container)
        url = migrator.caller.server.url(migrator.database).replace("@postgres:", f"@{address}:")
        for check in (True, False):
            assert address in migrator.refused(releases.directory(FILES), "pg-url-elsewhere", check=check, pg_url=url)
    finally:
        remove(other)
