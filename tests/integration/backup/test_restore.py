# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is restored is what was backed up, or nothing is."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _manifest
from ansible_collections.amanat.dbops.plugins.module_utils._door import verifier
from ansible_collections.amanat.dbops.plugins.module_utils._psql import quote_identifier, quote_literal

from tests.integration.backup.conftest import SOME_DATA, USER, Caller, Postgres, remove, run_postgres
from tests.integration.backup.damage import cut, flipped
from tests.integration.backup.jobs import killed_when
from tests.integration.plays import engine, images, play

MakeDatabase = Callable[..., str]

AWKWARD = r"""Aw\kw "ard'; Ünï=x"""
ROLES = """
CREATE ROLE "own er's" LOGIN; CREATE ROLE "gran""tor"; CREATE ROLE reader LOGIN; CREATE ROLE "no body";
"""
EVERYTHING = r"""
ALTER DATABASE :"d" OWNER TO "own er's"; REVOKE ALL ON DATABASE :"d" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"d" TO "gran""tor" WITH GRANT OPTION;
SET ROLE "gran""tor"; GRANT CONNECT ON DATABASE :"d" TO reader; RESET ROLE;
ALTER DATABASE :"d" SET search_path TO "$user", 'od"d, one', public;
ALTER DATABASE :"d" SET default_transaction_read_only TO on;
ALTER ROLE reader IN DATABASE :"d" SET statement_timeout TO '1ms';
ALTER DATABASE :"d" CONNECTION LIMIT 5; COMMENT ON DATABASE :"d" IS E'it''s\n\\ here';
SET default_transaction_read_only = off; SET search_path = public;

CREATE EXTENSION pg_trgm; CREATE EXTENSION citext; CREATE EXTENSION pg_stat_statements;
CREATE SCHEMA "Sch ema"; CREATE TYPE mood AS ENUM ('sad', 'so so', 'glad');
CREATE TABLE "Sch ema"."T.a""ble ü" ("Col umn" citext, m mood DEFAULT 'glad', n int GENERATED ALWAYS AS IDENTITY,
  seven int GENERATED ALWAYS AS (7) STORED);
INSERT INTO "Sch ema"."T.a""ble ü" ("Col umn") SELECT 'x' || n FROM generate_series(1, 100) n;
ALTER TABLE "Sch ema"."T.a""ble ü" OWNER TO "own er's"; GRANT SELECT ON "Sch ema"."T.a""ble ü" TO reader;
CREATE TABLE events (at date NOT NULL, what text, amount numeric, took interval, data jsonb, raw bytea) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-07-01');
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2026-07-01') TO ('2027-01-01');
INSERT INTO events SELECT '2026-01-01'::date + n, 'tab	nl
' || n, n / 3.0, n * interval '1 hour', jsonb_build_object('n', n), decode(md5(n::text), 'hex') FROM generate_series(0, 360) n;
CREATE TABLE hashed (m mood, n int) PARTITION BY HASH (m);
CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO hashed SELECT (enum_range(NULL::mood))[1 + n % 3], n FROM generate_series(1, 90) n;
CREATE TABLE users (id int PRIMARY KEY, name text); INSERT INTO users SELECT n, 'u' || n FROM generate_series(1, 50) n;
CREATE TABLE orders (id serial PRIMARY KEY, user_id int REFERENCES users);
INSERT INTO orders (user_id) SELECT 1 + n % 50 FROM generate_series(1, 200) n;
ALTER TABLE orders ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON orders TO reader USING (user_id = 1);
CREATE MATERIALIZED VIEW totals AS SELECT user_id, count(*) FROM orders GROUP BY 1;
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'must not run'; END $$; ALTER FUNCTION f() OWNER TO "own er's";
CREATE TRIGGER t BEFORE INSERT ON users EXECUTE FUNCTION f();
CREATE SEQUENCE "od d" START 5 INCREMENT 3; SELECT nextval('"od d"'), nextval('"od d"'); CREATE SEQUENCE unused;
ALTER DEFAULT PRIVILEGES FOR ROLE "own er's" IN SCHEMA public GRANT SELECT ON TABLES TO reader;
SELECT lo_from_bytea(0, decode(repeat('ab', 5000), 'hex')); SELECT lo_from_bytea(0, 'small');
CREATE PUBLICATION p FOR TABLE users; CREATE SUBSCRIPTION s CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false);
"""
LOCALE = "TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'und' ICU_RULES '&a < g'"

PROPERTIES = """
SELECT json_build_object('limit', datconnlimit, 'icu', datlocale, 'rules', daticurules, 'collate', datcollate,
  'acl', (SELECT json_agg(item::text ORDER BY item::text) FROM unnest(datacl) item),
  'comment', shobj_description(oid, 'pg_database'),
  'settings', (SELECT json_agg(json_build_array(setrole::regrole, setconfig) ORDER BY setrole)
                 FROM pg_db_role_setting WHERE setdatabase = d.oid))
FROM pg_database d WHERE datname = current_database()
"""
# A database with a subscription cannot be dropped, and one that is read-only by default cannot be rid of it.
UNSUBSCRIBE = "SET default_transaction_read_only = off; ALTER SUBSCRIPTION s SET (slot_name = NONE); DROP SUBSCRIPTION s;"


def databases(postgres: Postgres) -> set[str]:
    return set(postgres.sql("postgres", "SELECT datname FROM pg_database").splitlines())


def roles(postgres: Postgres) -> set[str]:
    return set(postgres.sql("postgres", "SELECT rolname FROM pg_roles").splitlines())


@pytest.fixture
def clean(postgres: Postgres) -> Iterator[None]:
    """Databases and roles that a test or a restore makes are gone after it."""
    known, known_roles = databases(postgres), roles(postgres)
    yield
    for name in databases(postgres) - known:
        subprocess.run(postgres.psql(name), input=UNSUBSCRIBE, text=True, capture_output=True, check=False)
        postgres.sql("postgres", f"DROP DATABASE {quote_identifier(name)} WITH (FORCE)")
    for name in roles(postgres) - known_roles:
        postgres.sql("postgres", f"DROP ROLE {quote_identifier(name)}")


def restore(caller: Caller, database: str, **options: Any) -> dict[str, Any]:
    return caller.run("postgres_restore", database, **{"wait": 120.0, **options})


@dataclass(frozen=True)
class Kept:
    """A database and a backup of it that tests make copies of."""

    database: str
    name: str
    directory: Path

    def lend(self, caller: Caller) -> str:
        """Let a test have the backup as its own; its name."""
        shutil.copytree(self.directory, caller.backups)
        return self.name


@pytest.fixture(scope="module")
def kept(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    caller = Caller(postgres, tmp_path_factory.mktemp("kept"))
    database = "kept"
    postgres.sql("postgres", f"CREATE DATABASE {database}")
    postgres.sql(database, SOME_DATA)
    yield Kept(database, caller.backup(database)["name"], caller.backups)
    postgres.sql("postgres", f"DROP DATABASE {database} WITH (FORCE)")


@pytest.mark.usefixtures("clean")
def test_everything_comes_back(postgres: Postgres, caller: Caller) -> None:
    """Names that nobody should choose, and whatever a dump forgets."""
    postgres.sql("postgres", ROLES)
    postgres.sql("postgres", f"CREATE DATABASE {quote_identifier(AWKWARD)} {LOCALE}")
    done = subprocess.run(postgres.psql(AWKWARD, "--set", f"d={AWKWARD}"), input=EVERYTHING, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    caller.backup(AWKWARD, series="odd")
    made = restore(caller, AWKWARD, series="odd")
    assert made["left_behind"] == ["subscription s"]
    assert (made["stamped"], made["notes"], made["changes"]) == (True, [], [])
    assert postgres.sql(made["database"], PROPERTIES) == postgres.sql(AWKWARD, PROPERTIES)
    assert (
        postgres.sql(made["database"], "SELECT n_distinct IS NOT NULL FROM pg_stats WHERE tablename = 'users' AND attname = 'name'") == "t"
    )


def test_check_mode_says_what_would_be_lost(postgres: Postgres, make_database: MakeDatabase, caller: Caller) -> None:
    database = make_database()
    name = caller.backup(database)["name"]
    postgres.sql(
        database, "INSERT INTO users SELECT n, 'late' FROM generate_series(501, 510) n; DROP TABLE payments; CREATE TABLE fresh (); "
    )
    before = databases(postgres)
    told = caller.run("postgres_restore", database, check=True, backup=name)
    assert (told["backup"], told["changed"], told["tables"], told["rows"]) == (name, True, 2, 2500)
    assert [(entry["table"], entry["then"], entry["now"]) for entry in told["since"]] == [
        ("fresh", None, 0),
        ("payments", 2000, None),
        ("users", 500, 510),
    ]
    assert databases(postgres) == before


@pytest.mark.usefixtures("clean")
def test_a_server_without_the_database(postgres: Postgres, kept: Kept, caller: Caller) -> None:
    """Disaster recovery: there is nothing to restore beside, and nothing asks for a stamp."""
    name = kept.lend(caller)
    assert caller.run("postgres_restore", "gone", check=True, backup=name)["since"] == []
    made = restore(caller, "gone", backup=name)
    assert made["database"].startswith("gone__new_")
    assert postgres.sql(made["database"], "SELECT count(*) FROM payments") == "2000"


@pytest.mark.usefixtures("clean")
def test_some_tables_go_beside(postgres: Postgres, make_database: MakeDatabase, caller: Caller) -> None:
    database = make_database(
        SOME_DATA
        + """CREATE TABLE parts (id int, "o.k" text) PARTITION BY LIST (id); CREATE SCHEMA "s p";
        CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1); CREATE TABLE "s p"."parts 2" PARTITION OF parts FOR VALUES IN (2);
        INSERT INTO parts SELECT 1 + n % 2, n FROM generate_series(1, 20) n;"""
    )
    caller.backup(database)
    made = restore(caller, database, tables=["public.payments", 'public."parts"'])
    assert (made["tables"], made["rows"]) == (3, 2020)
    beside = made["database"]
    assert beside.startswith(f"{database}__tables_")
    counts = ", ".join(f"(SELECT count(*) FROM {table})" for table in ("payments", "parts", '"s p"."parts 2"', "users"))
    assert postgres.sql(beside, f"SELECT {counts}") == "2000|20|10|0"
    before = databases(postgres)
    assert "public.nothing" in caller.refused("postgres_restore", database, "tables-unknown", tables=["public.nothing"], wait=120.0)
    caller.refused("postgres_restore", database, "tables-unknown", tables=["elsewhere.users"])
    caller.refused("postgres_restore", database, "tables-unknown", tables=["users"])
    assert databases(postgres) == before


@pytest.mark.usefixtures("clean")
def test_another_environment_needs_a_transformation(postgres: Postgres, make_database: MakeDatabase, caller: Caller) -> None:
    database = make_database()
    production = {"backup": caller.backup(database, stack="production/shop")["name"]}
    before = databases(postgres)
    assert "it is of production/shop" in caller.refused("postgres_restore", database, "backup-none")  # the newest is its own newest
    assert "production" in caller.refused("postgres_restore", database, "restore-environment", **production)
    wrong = [{"name": "wrong.sql", "sql": "DELETE FROM payments; DELETE FROM nothing;"}]
    assert "wrong.sql" in caller.refused("postgres_restore", database, "transform-failed", transform=wrong, wait=120.0, **production)
    assert databases(postgres) == before

    anonymise = [{"name": "anonymise.sql", "sql": "UPDATE users SET name = 'nobody'; DELETE FROM payments WHERE id > 10;"}]
    made = restore(caller, database, transform=anonymise, **production)
    assert made["changes"] == [
        "table public.payments has 10 rows instead of 2000",
        "table public.users has another content, in as many rows",
    ]
    assert postgres.sql(made["database"], "SELECT environment, name FROM dbops.environment") == "development|backups"
    assert postgres.sql(database, "SELECT count(DISTINCT name) FROM users") == "500"


@pytest.mark.usefixtures("clean")
@pytest.mark.slow
def test_another_stack_has_its_own_newest_and_only_gives_what_is_named(make_database: MakeDatabase, caller: Caller) -> None:
    """Two stacks in one directory, whose databases have one name, and so their backups one series."""
    database = make_database()
    own = caller.backup(database)["name"]
    other = caller.backup(database, stack="development/other")["name"]
    assert caller.run("postgres_restore", database, check=True)["backup"] == own
    assert caller.run("postgres_verify", database, wait=60.0)["name"] == own
    foreign = dict.fromkeys(("stack", "postgres_container", "pg_url", "backup_dir"))
    rotated = caller.run("backup_rotate", database, path=str(caller.backups), keep_last=1, **foreign)
    assert {entry["name"] for entry in rotated["kept"]} == {own, other}
    assert "development/other" in caller.refused("postgres_restore", database, "restore-stack", backup=other)
    meant = {"backup": other, "old_stamp": "development/other"}
    assert restore(caller, database, **meant)["backup"] == other


@pytest.mark.slow
@pytest.mark.usefixtures("clean")
def test_a_stamp_in_the_data_counts(postgres: Postgres, make_database: MakeDatabase, caller: Caller) -> None:
    """Production's data in a database of development: the backup says development, the data say what they are."""
    database = make_database(SOME_DATA)
    caller.run("environment_stamp", database, stack="production/shop", state="present", confirm="production/shop", backup_dir=None)
    caller.backup(database)
    before = databases(postgres)
    caller.refused("postgres_restore", database, "restore-environment", wait=120.0)
    assert databases(postgres) == before


@pytest.mark.usefixtures("clean")
def test_missing_roles_are_named_or_made(postgres: Postgres, make_database: MakeDatabase, caller: Caller) -> None:
    database = make_database(
        SOME_DATA
        + """CREATE ROLE lost1 LOGIN CREATEDB; CREATE ROLE "lost 2"; GRANT "lost 2" TO lost1; ALTER ROLE lost1 SET work_mem = '3MB';
        ALTER TABLE users OWNER TO lost1; GRANT SELECT ON payments TO "lost 2";"""
    )
    caller.backup(database)
    postgres.sql("postgres", f'DROP DATABASE {database}; DROP ROLE lost1, "lost 2"')
    assert "lost 2, lost1" in caller.refused("postgres_restore", database, "roles-missing")
    made = restore(caller, database, create_roles=True, role_passwords={"lost1": "the-secret"})
    assert (made["created_roles"], made["notes"]) == (["lost 2", "lost1"], [])
    login = ["docker", "exec", "--env", "PGPASSWORD=the-secret", postgres.container, "psql", "-h", "127.0.0.1", "-U", "lost1", "-At"]
    asked = [
        *login,
        "-d",
        made["database"],
        "-c",
        "SELECT current_setting('work_mem'), pg_has_role('lost 2', 'member'), count(*) FROM users",
    ]
    assert subprocess.run(asked, capture_output=True, text=True, check=True).stdout == "3MB|t|500\n"


@pytest.mark.slow
@pytest.mark.usefixtures("clean")
def test_passwords_come_from_the_inventory(postgres: Postgres, make_database: MakeDatabase, caller: Caller, tmp_path: Path) -> None:
    """Those of the roles that deploy makes, where a restore has to make one."""
    database = make_database(SOME_DATA + "CREATE ROLE lost1 LOGIN; ALTER TABLE users OWNER TO lost1;")
    caller.backup(database)
    postgres.sql("postgres", f"DROP DATABASE {database}; DROP ROLE lost1")
    stack = {
        **described(caller, database),
        "postgres_roles": [{"name": "lost1", "password": "of-the-inventory"}],
        "postgres_restore_create_roles": True,
    }
    inventory = tmp_path / "hosts.json"
    inventory.write_text(json.dumps({"all": {"hosts": {"here": stack}}}), encoding="utf-8")
    restored = play("restore", "-i", str(inventory))
    assert restored.code == 0, restored.out
    assert "of-the-inventory" not in restored.out
    login = ["docker", "exec", "--env", "PGPASSWORD=of-the-inventory", postgres.container, "psql", "-h", "127.0.0.1", "-U", "lost1"]
    subprocess.run([*login, "-d", "postgres", "-c", "SELECT 1"], capture_output=True, check=True)


@pytest.mark.slow
@pytest.mark.usefixtures("clean")
def test_a_failed_restore_takes_its_roles_along(postgres: Postgres, make_database: MakeDatabase, caller: Caller) -> None:
    database = make_database(SOME_DATA + "CREATE ROLE lost1; ALTER TABLE users OWNER TO lost1;")
    name = caller.backup(database)["name"]
    postgres.sql("postgres", f"DROP DATABASE {database}; DROP ROLE lost1")
    forge(caller, name, lambda manifest: manifest["tables"][0].update(rows=7))
    before = databases(postgres)
    caller.refused("postgres_restore", database, "restore-differs", create_roles=True, wait=120.0)
    assert databases(postgres) == before
    assert "lost1" not in roles(postgres)


@pytest.mark.usefixtures("clean")
def test_a_role_that_somebody_else_made_stays(postgres: Postgres, make_database: MakeDatabase, caller: Caller) -> None:
    """Between the look at the server and our own attempt, which fails at it."""
    database = make_database(SOME_DATA + "CREATE ROLE lost1; ALTER TABLE users OWNER TO lost1;")
    caller.backup(database)
    postgres.sql("postgres", f"DROP DATABASE {database}; DROP ROLE lost1")
    # The files are read after the look; a lock on the roles holds ours up until the other one is there.
    other = subprocess.Popen(postgres.psql("postgres"), stdin=subprocess.PIPE, text=True)
    assert other.stdin
    other.stdin.write("BEGIN; CREATE ROLE lost1;\n")
    other.stdin.flush()
    with ThreadPoolExecutor(max_workers=1) as pool:
        called = pool.submit(caller.refused, "postgres_restore", database, "sql-failed", create_roles=True, wait=60.0)
        try:
            postgres.await_sql("postgres", "EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock')", 60)
        finally:
            other.communicate("COMMIT;\n")
        assert "already exists" in called.result() or "duplicate key" in called.result()
    assert "lost1" in roles(postgres)


@pytest.mark.usefixtures("clean")
def test_any_password_of_a_role_that_was_made_logs_in(postgres: Postgres) -> None:
    """As libpq writes it: composed, without what is invisible, and as it is where that cannot be done."""
    postgres.sql("postgres", "CREATE ROLE passwords LOGIN")
    address = engine("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", postgres.container)
    login = ["docker", "exec", "--env", "PGPASSWORD", postgres.container, "psql", "-h", address, "-U", "passwords", "-d", "postgres"]
    for password in ("pässwörd\"'$", "n\u00a0b", "\ufb01x", "e\u0301", "\u00ad", "a\u0007\ufb01", "\u0627\ufb01"):
        postgres.sql("postgres", f"ALTER ROLE passwords PASSWORD {quote_literal(verifier(password, os.urandom(16)))}")
        done = subprocess.run([*login, "-c", "SELECT 1"], env={**os.environ, "PGPASSWORD": password}, capture_output=True, check=False)
        assert done.returncode == 0, (password, done.stderr)


@pytest.mark.usefixtures("clean")
def test_newer_backups_that_cannot_be_used_are_named(make_database: MakeDatabase, caller: Caller) -> None:
    database = make_database()
    good = caller.backup(database)["name"]
    bad = caller.backup(database)["name"]
    (caller.backups / bad / "toc.dat").unlink()
    done = caller.run("postgres_restore", database, check=True)
    assert (done["backup"], done["notes"]) == (good, [f"Newer, but of no use: {bad}: toc.dat is missing."])


def forge(caller: Caller, name: str, change: Callable[[dict[str, Any]], object]) -> None:
    """A manifest that says something else, with a seal that fits."""
    manifest = caller.manifest(name)
    change(manifest)
    (caller.backups / f"{name}.manifest.json").write_text(json.dumps(_manifest.sealed(manifest)))


@pytest.mark.parametrize(
    ("slug", "change"),
    [
        ("backup-newer-major", lambda manifest: manifest.update(server_version="19.1")),
        ("extensions-missing", lambda manifest: manifest["properties"]["extensions"].append({"name": "postgis", "version": "3"})),
        ("tablespaces-missing", lambda manifest: manifest["tablespaces"].append("fast disk")),
        ("roles-missing", lambda manifest: manifest["roles"].append("nobody there")),
        ("restore-no-space", lambda manifest: manifest.update(database_bytes=1 << 60)),
        ("backup-not-complete", lambda manifest: manifest.update(complete=False)),
        ("manifest-newer", lambda manifest: manifest.update(version=2)),
    ],
)
def test_what_cannot_be_restored_is_refused(
    slug: str, change: Callable[[dict[str, Any]], object], postgres: Postgres, kept: Kept, caller: Caller
) -> None:
    """Before a byte is loaded, and each for its own reason; check mode refuses alike."""
    database, name = kept.database, kept.lend(caller)
    forge(caller, name, change)
    before = databases(postgres)
    caller.refused("postgres_restore", database, slug, backup=name)
    assert caller.call("postgres_restore", caller.arguments(database, backup=name), check=True)["slug"] == slug
    assert databases(postgres) == before


@pytest.mark.parametrize("how", ["cut", "flipped", "swapped", "globals"])
def test_damaged_files_are_refused(how: str, postgres: Postgres, kept: Kept, caller: Caller) -> None:
    database, name = kept.database, kept.lend(caller)
    rows = sorted((caller.backups / name).glob("*.dat.zst"))
    if how == "swapped":
        first, second = (path.read_bytes() for path in rows)
        rows[0].write_bytes(second)
        rows[1].write_bytes(first)
    else:
        {"cut": cut, "flipped": flipped, "globals": cut}[how](caller.backups / f"{name}.globals.sql" if how == "globals" else rows[0])
    before = databases(postgres)
    slug = {"cut": "backup-not-complete", "flipped": "backup-damaged", "swapped": "backup-not-complete", "globals": "globals-damaged"}[how]
    caller.refused("postgres_restore", database, slug, backup=name, create_roles=True, wait=120.0)
    assert databases(postgres) == before


@pytest.mark.parametrize("how", [pytest.param("cut", marks=pytest.mark.slow), "flipped"])
def test_the_comparison_sees_what_pg_restore_does_not(how: str, postgres: Postgres, kept: Kept, caller: Caller) -> None:
    """Zstandard in the directory format says nothing of damage; where the manifest agrees with the file, the content tells."""
    database, name = kept.database, kept.lend(caller)
    path = next((caller.backups / name).glob("*.dat.zst"))
    {"cut": cut, "flipped": flipped}[how](path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    told = {"path": path.name, "bytes": path.stat().st_size, "sha256": digest}
    forge(caller, name, lambda manifest: manifest.update(files=[told if file["path"] == path.name else file for file in manifest["files"]]))
    before = databases(postgres)
    result = caller.call("postgres_restore", caller.arguments(database, backup=name, wait=120.0))
    assert result["slug"] in ("restore-differs", "restore-failed"), result
    assert databases(postgres) == before


@pytest.mark.usefixtures("clean")
def test_names_in_use_and_leftovers(postgres: Postgres, kept: Kept, caller: Caller) -> None:
    database, _name = kept.database, kept.lend(caller)
    left = [f"{database}__load_20200101T000000Z", f"{database}x__load_20200101T000000Z"]
    for name in left:
        postgres.sql("postgres", f'CREATE DATABASE "{name}"')
    made = restore(caller, database, moment="20261122T170102Z")
    assert made["database"] == f"{database}__new_20261122T170102Z"
    assert databases(postgres) & set(left) == {left[1]}, "what a killed restore of this database left is swept, and nothing else"
    assert made["database"] in caller.refused("postgres_restore", database, "restore-name-taken", moment="20261122T170102Z")


@pytest.mark.slow
@pytest.mark.usefixtures("clean")
def test_a_killed_restore_leaves_no_session(postgres: Postgres, make_database: MakeDatabase, caller: Caller) -> None:
    """The programs in the client container end with the job, and with them their sessions; the next restore sweeps the rest."""
    # The row is written quickly, and the index over it is made slowly.
    sleepy = """CREATE FUNCTION sleepy(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
      BEGIN PERFORM pg_sleep(nullif(current_setting('s.s', true), '')::int); RETURN $1; END $$;"""
    database = make_database(f"{sleepy} CREATE TABLE t AS SELECT 1 AS n; CREATE INDEX ON t (sleepy(n));")
    caller.backup(database)
    of_it = f"EXISTS (SELECT FROM pg_stat_activity WHERE datname ^@ '{database}__load' AND query ^@ 'CREATE INDEX')"
    postgres.sql("postgres", "ALTER SYSTEM SET s.s = '60'; SELECT pg_reload_conf();")
    try:
        result = killed_when(lambda: postgres.sql("postgres", f"SELECT {of_it}") == "t", caller, "postgres_restore", database)
        postgres.await_sql("postgres", f"NOT {of_it}")
    finally:
        postgres.sql("postgres", "ALTER SYSTEM RESET s.s; SELECT pg_reload_conf();")
    assert result["slug"] == "job-died"
    made = restore(caller, database)
    assert {name for name in databases(postgres) if name.startswith(f"{database}__")} == {made["database"]}


@pytest.mark.slow
@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("locale", ["ENCODING 'LATIN1' LOCALE 'C'", "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'"])
def test_other_encodings_and_locales(locale: str, postgres: Postgres, make_database: MakeDatabase, caller: Caller) -> None:
    sql = """CREATE TABLE "größe" (t text); INSERT INTO "größe" SELECT 'ä' || n FROM generate_series(1, 10) n; CREATE TABLE other (n int)"""
    database = make_database(sql, options=f"TEMPLATE template0 {locale}")
    caller.backup(database, format="custom")
    assert restore(caller, database)["rows"] == 10
    beside = restore(caller, database, tables=["public.größe"])["database"]
    assert postgres.sql(beside, """SELECT count(*) FROM "größe" WHERE t ^@ 'ä'""") == "10"


@pytest.mark.slow
def test_a_server_of_an_older_major(kept: Kept, caller: Caller) -> None:
    """PostgreSQL 17 cannot hold what 18 dumped, nor does its pg_restore read it."""
    older = run_postgres(images("postgres17")["postgres17"])
    try:
        elsewhere = replace(caller, server=older)
        name = kept.lend(elsewhere)
        assert "PostgreSQL 17" in elsewhere.refused("postgres_restore", "new", "backup-newer-major", backup=name)
        dump = elsewhere.directory / "by_hand.dump"
        with dump.open("wb") as stream:
            argv = ["docker", "exec", caller.server.container, "pg_dump", "-U", USER, "-Fc", kept.database]
            subprocess.run(argv, stdout=stream, check=True)
        elsewhere.refused("backup_import", "new", "backup-newer-major", source=str(dump))
    finally:
        remove(older)


def described(caller: Caller, database: str) -> dict[str, Any]:
    """The caller's stack as a host of an inventory."""
    return {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "dbops_environment": "development",
        "dbops_name": "backups",
        "dbops_postgres_container": caller.server.container,
        "dbops_pg_url": caller.server.url(database),
        "dbops_state_dir": str(caller.directory / "state"),
        "dbops_backup_dir": str(caller.backups),
        "dbops_report_dir": str(caller.directory / "reports"),
    }


@pytest.mark.usefixtures("clean")
def test_the_playbooks(postgres: Postgres, kept: Kept, caller: Caller, tmp_path: Path) -> None:
    """As an operator types them: the roles hand everything over, and the last line says what was done."""
    name = kept.lend(caller)
    stack = described(caller, kept.database)
    inventory = tmp_path / "inventory" / "hosts.json"
    inventory.parent.mkdir()
    inventory.write_text(json.dumps({"all": {"hosts": {"here": stack}}}), encoding="utf-8")
    (inventory.parent / "anonymise.sql").write_text("DELETE FROM payments;", encoding="utf-8")

    drilled = play("drill", "-i", str(inventory))
    assert f"changed: {name} was restored and compared, 2500 rows, RTO " in drilled.last_line
    assert drilled.last_line.endswith(" s · next: nothing")
    assert [path.name.startswith(f"drill_{name}_") for path in (caller.directory / "reports").iterdir()] == [True]

    restored = play("restore", "-i", str(inventory), "-e", "dbops_transform=anonymise.sql", "-e", f"dbops_backup={name}")
    assert f"changed: loaded {name} into {kept.database}__new_" in restored.last_line
    assert "Transformed: table public.payments has 0 rows instead of 2000" in restored.out

    told = play("restore", "-i", str(inventory), "--check")
    assert f"ok: would load {name} into" in told.last_line
    refused = play("restore", "-i", str(inventory), "-e", "dbops_tables=nowhere.users", "--check")
    assert (refused.code, "refused: [tables-unknown]" in refused.last_line) == (2, True)

    dump = tmp_path / "by_hand.dump"
    with dump.open("wb") as stream:
        argv = ["docker", "exec", postgres.container, "pg_dump", "-U", USER, "-Fc", kept.database]
        subprocess.run(argv, stdout=stream, check=True)
    how = {"dbops_source": str(dump), "dbops_time": "2026-06-06T030000Z", "dbops_series": "old"}
    imported = play("backup_import", "-i", str(inventory), "-e", json.dumps(how))
    assert f"changed: made {caller.backups}/old_2026-06-06T030000Z.dump, 2 tables, 2500 rows of development/backups" in imported.last_line
    assert "\n" not in imported.last_line
