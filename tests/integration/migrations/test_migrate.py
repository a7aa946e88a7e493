# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations of drizzle-kit 0.x on a real server: what is foreseen is what is done, and a failure leaves nothing."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._migration_lock import SPACE

from tests.integration.backup.conftest import STACK, Postgres
from tests.integration.plays import engine

from .conftest import Migrator, Releases, in_background, journal

FIRST = ("0000_users", 1_700_000_000_000, 'CREATE TABLE "users" ("id" int PRIMARY KEY, "name" text);\n')
FILL = ("0001_fill", 1_700_000_001_000, "INSERT INTO users SELECT n, 'user ' || n FROM generate_series(1, 100) n;")
COLUMN = (
    "0002_column",
    1_700_000_002_000,
    'ALTER TABLE "users" ADD COLUMN "mail" text;--> statement-breakpoint\r\nCREATE INDEX "mails" ON "users" ("mail");\r\n',
)
LATE = ("0003_late", 1_700_000_001_500, 'CREATE TABLE "late" ();')
FUTURE = ("0004_future", 4_070_908_800_000, 'CREATE TABLE "future" ();')
BROKEN = (
    "0005_broken",
    1_700_000_005_000,
    'CREATE TABLE "half" ();\n--> statement-breakpoint\n\nALTER TABLE "users" ADD "x" missing;',
)


def applied(migrator: Migrator) -> list[str]:
    return migrator.sql("SELECT hash FROM drizzle.__drizzle_migrations ORDER BY id").splitlines()


def hashes(*migrations: tuple[str, int, str]) -> list[str]:
    return [hashlib.sha256(sql.encode()).hexdigest() for _name, _when, sql in migrations]


def apply(migrator: Migrator, *migrations: tuple[str, int, str]) -> None:
    """As drizzle does, without the seconds that it takes to start."""
    rows = "".join(
        f"INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ('{digest}', {each[1]});"
        for each, digest in zip(migrations, hashes(*migrations), strict=True)
    )
    table = "CREATE TABLE drizzle.__drizzle_migrations (id serial PRIMARY KEY, hash text NOT NULL, created_at bigint);"
    migrator.sql(f"CREATE SCHEMA drizzle; {table} {''.join(sql for _name, _when, sql in migrations)}; {rows}")


@pytest.mark.slow
def test_what_is_foreseen_is_what_is_applied(migrator: Migrator, releases: Releases) -> None:
    """Over several states: a new database, one more, nothing, and one with CRLF."""
    states = [[FIRST], [FIRST, FILL, COLUMN], [FIRST, FILL, COLUMN]]
    known: list[str] = []
    for state in states:
        release = releases.image(journal(*state))
        before = migrator.content()
        foreseen = migrator.foresee(release)
        assert foreseen == [name for name, _when, _sql in state if name not in known]
        assert migrator.content() == before
        done = migrator.run(release, expected_tables=1)
        assert done["migrated"] == foreseen
        assert done["changed"] == bool(foreseen)
        assert applied(migrator) == hashes(*state)
        compared = migrator.compare(release)
        known = compared["applied"]
        assert (compared["layout"], compared["pending"], compared["edited_after_apply"]) == ("journal", [], [])
    assert migrator.sql("SELECT count(*) FROM users") == "100"


@pytest.mark.parametrize(
    ("migrations", "slug", "named"),
    [
        ([FIRST, LATE, COLUMN], "migrations-skipped", "0003_late"),
        ([FIRST, (*FILL[:2], "SELECT 1;"), COLUMN], "migrations-edited", "0001_fill"),
        ([FIRST, COLUMN], "migrations-unknown", hashes(FILL)[0][:12]),
        ([FIRST, FILL, COLUMN, FUTURE], "migrations-future", "0004_future"),
        (
            [FIRST, FILL, COLUMN, ("0006_a", 1_700_000_009_000, "SELECT 1;"), ("0006_b", 1_700_000_009_000, "SELECT 2;")],
            "migrations-duplicate",
            "0006_a, 0006_b",
        ),
    ],
    ids=["skipped", "edited", "unknown", "2099", "duplicated when"],
)
def test_what_would_go_wrong_without_a_word_is_refused(
    migrator: Migrator, releases: Releases, migrations: list[tuple[str, int, str]], slug: str, named: str
) -> None:
    apply(migrator, FIRST, FILL, COLUMN)
    before = migrator.content()
    release = releases.directory(journal(*migrations))
    for check in (True, False):
        assert named in migrator.refused(release, slug, check=check)
    assert migrator.content() == before


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda files: {**files, "meta/_journal.json": b"{ no JSON"}, "meta/_journal.json"),
        (
            lambda files: {name: content for name, content in files.items() if name != "0001_fill.sql"},
            "0001_fill.sql stands in",
        ),
    ],
    ids=["journal", "missing .sql"],
)
def test_a_folder_that_is_not_whole_is_refused(migrator: Migrator, releases: Releases, spoil: Any, said: str) -> None:
    before = migrator.content()
    assert said in migrator.refused(releases.directory(spoil(journal(FIRST, FILL))), "migrations-unreadable")
    assert migrator.content() == before


def test_what_was_not_judged_is_not_applied(migrator: Migrator, releases: Releases) -> None:
    """A directory may have another migration, or another text of one, than when the plan was made."""
    apply(migrator, FIRST)
    before = migrator.content()
    judged = migrator.compare(releases.directory(journal(FIRST, FILL)))["pending_sha256"]
    assert judged == dict(zip([FILL[0]], hashes(FILL), strict=True))
    for now in ([FIRST, (*FILL[:2], "DELETE FROM users;")], [FIRST, FILL, COLUMN]):
        message = migrator.refused(releases.directory(journal(*now)), "migrations-changed", judged=judged)
        assert now[-1][0] in message
    assert migrator.content() == before


def test_a_migration_that_fails_halfway_leaves_nothing(migrator: Migrator, releases: Releases) -> None:
    apply(migrator, FIRST, FILL)
    before = migrator.content()
    message = migrator.refused(releases.image(journal(FIRST, FILL, COLUMN, BROKEN)), "migration-failed")
    assert 'The server\'s log says: type "missing" does not exist, at 0005_broken.sql line 4.' in message
    assert "None of the pending migrations was applied" in message
    assert migrator.content() == before


@pytest.mark.slow
def test_what_no_transaction_allows_fails_with_its_cause(migrator: Migrator, releases: Releases) -> None:
    """A window refuses it beforehand; whoever calls the module alone is told why."""
    apply(migrator, FIRST)
    before = migrator.content()
    concurrent = ("0001_index", 1_700_000_001_000, "CREATE INDEX CONCURRENTLY names ON users (name);")
    message = migrator.refused(releases.image(journal(FIRST, concurrent)), "migration-failed")
    assert "CREATE INDEX CONCURRENTLY cannot run inside a transaction block, at 0001_index.sql line 1" in message
    assert migrator.content() == before


@contextmanager
def holding(migrator: Migrator, sql: str) -> Iterator[None]:
    """A transaction of somebody else's that holds what it took until the block ends."""
    command = migrator.caller.server.psql(migrator.database)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        if holder.stdin and holder.stdout:
            holder.stdin.write(f"BEGIN; {sql}; \\echo held\n")
            holder.stdin.flush()
            while holder.stdout.readline() not in ("held\n", ""):
                pass
        try:
            yield
        finally:
            holder.communicate()


def test_a_lock_that_somebody_holds_ends_the_run(migrator: Migrator, releases: Releases) -> None:
    apply(migrator, FIRST, FILL)
    before = migrator.content()
    with holding(migrator, "LOCK TABLE users"):
        message = migrator.refused(releases.image(journal(FIRST, FILL, COLUMN)), "migration-failed", lock_timeout=1)
    assert "The server's log says: canceling statement due to lock timeout, at 0002_column.sql line 1." in message
    assert migrator.content() == before


@pytest.mark.slow
def test_time_outs_hold_for_this_run_alone_and_beat_those_of_the_url(migrator: Migrator, releases: Releases) -> None:
    sleeper = ("0000_sleep", 1_700_000_000_000, "SELECT pg_sleep(30);")
    url = f"{migrator.caller.server.url(migrator.database)}?options=-c%20statement_timeout%3D60s&application_name=shop"
    message = migrator.refused(releases.image(journal(sleeper)), "migration-failed", statement_timeout=0.5, pg_url=url)
    assert "canceling statement due to statement timeout" in message
    assert migrator.sql("SHOW statement_timeout") == "0"
    # drizzle makes its table before the transaction; nothing else stays.
    assert migrator.sql("SELECT count(*) FROM drizzle.__drizzle_migrations") == "0"


def test_a_wrong_password_is_found_before_anything_runs(migrator: Migrator, releases: Releases) -> None:
    """The socket asks for none, so the comparison succeeds; drizzle-kit would say nothing."""
    before = migrator.content()
    url, release = f"postgres://amanat:wrong@postgres:5432/{migrator.database}", releases.image(journal(FIRST))
    for check in (True, False):
        message = migrator.refused(release, "postgres-login-failed", pg_url=url, check=check)
        assert "wrong@" not in message
    assert migrator.content() == before


@pytest.mark.slow
def test_two_runs_at_once(migrator: Migrator, releases: Releases, postgres: Postgres) -> None:
    """The second is refused and names the first; the database can be copied as ever; nothing of the lock stays."""
    waiting = ("0001_waiting", 1_700_000_001_000, "SELECT pg_advisory_xact_lock(7);")
    slow = releases.image(journal(FIRST, waiting))
    with holding(migrator, "SELECT pg_advisory_xact_lock(7)"):
        first = in_background(lambda: migrator.run(slow, lock_timeout=120))
        working = "EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE 'dbops-migrate-%' AND wait_event_type = 'Lock')"
        postgres.await_sql(migrator.database, working, seconds=60)
        for check in (True, False):
            message = migrator.refused(slow, "migrations-running", check=check)
            assert f"amanat from socket (dbops lock {STACK}, since " in message
        in_it = f"locktype = 'advisory' AND objsubid = 1 AND classid = {SPACE}"
        where = postgres.sql("postgres", f"SELECT datname FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE {in_it}")
        assert where == "postgres"
    assert first()["migrated"] == ["0000_users", "0001_waiting"]
    assert postgres.sql("postgres", "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == "0"
    assert migrator.foresee(slow) == []


@pytest.mark.slow
def test_a_number_of_tables_that_nobody_expected(migrator: Migrator, releases: Releases) -> None:
    message = migrator.refused(releases.image(journal(FIRST)), "tables-unexpected", expected_tables=32)
    assert "has 1 tables, and 32 are expected" in message
    assert "The run applied 0000_users." in message


def test_where_migrations_are_read_from(migrator: Migrator, releases: Releases, tmp_path: Path) -> None:
    """An image, a directory, a container that runs, a service of Compose, and one of commands."""
    files = journal(FIRST, FILL)
    image, directory = releases.image(files), releases.directory(files)
    project = tmp_path / "shop"
    project.mkdir()
    compose = {"services": {"backend": {"image": image, "command": ["sleep", "600"], "network_mode": "none", "init": True}}}
    (project / "compose.yaml").write_text(json.dumps(compose), encoding="utf-8")
    up = ["docker", "compose", "--project-directory", str(project)]
    subprocess.run([*up, "up", "--detach", "--pull", "never"], capture_output=True, check=True)
    try:
        container = engine("ps", "--quiet", "--filter", "label=com.docker.compose.project=shop")
        command = {"kind": "command", "start": ["true"], "stop": ["true"], "status": ["echo", directory]}
        services = [
            {"name": "backend", "kind": "compose", "project_src": str(project)},
            {"name": "process", **command},
            {"name": "nothing", **command, "status": ["true"]},
        ]
        whence: list[dict[str, Any]] = [{"release": image}, {"release": directory}, {"release": None, "container": container}]
        whence += [{"release": None, "service": name, "services": services} for name in ("backend", "process")]
        found = [migrator.compare(**options) for options in whence]
        assert [each["pending"] for each in found] == [["0000_users", "0001_fill"]] * 5
        assert [each["release"] for each in found] == [image, directory, container, image, directory]
        nothing = {"release": None, "service": "nothing", "services": services}
        assert migrator.compare(**nothing, missing_ok=True)["layout"] == "none"
        migrator.caller.refused("drizzle_migrations_info", migrator.database, "migrations-missing", **migrator.options(**nothing))
    finally:
        subprocess.run([*up, "down", "--timeout", "0"], capture_output=True, check=True)


def test_which_functions_change_nothing_is_asked_of_the_server(migrator: Migrator, releases: Releases) -> None:
    """Its own and those of extensions; neither what anybody else defined, nor a name that such a one shares."""
    void = "RETURNS void LANGUAGE sql AS 'SELECT'"
    migrator.sql(f"CREATE EXTENSION pgcrypto; CREATE FUNCTION wipe() {void} STABLE; CREATE FUNCTION upper(int) {void} STABLE;")
    called = "count(*), lower('A'), upper('A'), wipe(), nextval('s'), setval('s', 1), lo_unlink(1), gen_salt('bf'), digest('a', 'sha1')"
    release = releases.directory(journal(("0000_calls", 1_700_000_000_000, f"SELECT {called};")))
    assert migrator.compare(release)["to_judge"]["harmless"] == ["count", "digest", "gen_salt", "lower", "nextval"]
