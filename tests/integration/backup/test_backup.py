# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of real databases: what the manifest says of them is what they held."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any, Callable

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _manifest, _pg_digest
from ansible_collections.amanat.dbops.plugins.module_utils._command import Command, run
from ansible_collections.amanat.dbops.plugins.module_utils._session import Session

from .conftest import PASSWORD, SOME_DATA, STACK, Caller, Postgres

Make = Callable[..., str]

ODD_NAMES = """
CREATE SCHEMA "Größe 1";
CREATE TABLE "Größe 1"."it's ""quoted"" " ("Wer?" int, "a.b" text);
CREATE TABLE "Größe 1"."select" ("from" int);
CREATE TABLE "two
lines" (x int);
CREATE SEQUENCE "Größe 1"."Zähler";
INSERT INTO "Größe 1"."it's ""quoted"" " VALUES (1, 'é'), (2, E'back\\\\slash\\tand\\nline');
INSERT INTO "two
lines" VALUES (1), (2), (3);
SELECT nextval('"Größe 1"."Zähler"');
"""

ALL_KINDS = """
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TABLE hashed (m mood, n int) PARTITION BY HASH (m);
CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO hashed SELECT (ARRAY['sad', 'ok'])[1 + n % 2]::mood, n FROM generate_series(1, 100) n;
CREATE TABLE ranged (n int, d date) PARTITION BY RANGE (n);
CREATE TABLE ranged_0 PARTITION OF ranged FOR VALUES FROM (0) TO (50);
CREATE TABLE ranged_1 (d date, n int);
ALTER TABLE ranged ATTACH PARTITION ranged_1 FOR VALUES FROM (50) TO (101);
INSERT INTO ranged SELECT n, '2026-01-01'::date + n FROM generate_series(1, 100) n;
CREATE TABLE parent (a int);
CREATE TABLE child (x text) INHERITS (parent);
ALTER TABLE parent ADD COLUMN b int;
INSERT INTO parent VALUES (1, 1);
INSERT INTO child VALUES (2, 'x', 2), (3, NULL, NULL);
CREATE TABLE kinds (
  f float8, r real, t timestamptz, i interval, b bytea, m money, j json, jb jsonb, x xml, a text[], u uuid, n numeric, bit varbit, net inet,
  range tstzrange, regclass regclass, generated text GENERATED ALWAYS AS (upper(u::text)) STORED);
INSERT INTO kinds SELECT random(), random(), now() - n * interval '1 hour 0.1 second', n * interval '1 day 1 second',
  sha256(n::text::bytea), n::money, format('{"b": %s,  "a": "\\"x\\""}', n)::json, format('{"b": %s, "a": 1}', n)::jsonb,
  '<a>&amp;</a>', ARRAY[n::text, NULL, 'a,"b'],
  gen_random_uuid(), n / 7.0, B'1010', '10.0.0.1/8', tstzrange(now(), now() + interval '1 day'), 'parent' FROM generate_series(1, 200) n;
CREATE TABLE no_columns ();
INSERT INTO no_columns DEFAULT VALUES;
CREATE TABLE empty (id int);
CREATE UNLOGGED TABLE unlogged AS SELECT 1 AS n;
CREATE MATERIALIZED VIEW view AS SELECT count(*) FROM kinds;
CREATE SEQUENCE unused;
CREATE SEQUENCE used START 5;
SELECT nextval('used');
SELECT lo_from_bytea(900001, 'large'), lo_from_bytea(900002, convert_to(repeat('é', 3000), 'UTF8')), lo_create(900003);
SELECT lo_put(900003, 10000, 'after a hole');
COMMENT ON TABLE kinds IS 'one, two,';
"""


def restored(caller: Caller, name: str, make_database: Make) -> str:
    """A backup loaded into a new database by PostgreSQL's own means."""
    database = make_database("", options="TEMPLATE template0 " + encoding_of(caller.manifest(name)))
    archive = caller.backups / name
    postgres = caller.server
    run(Command(["docker", "cp", "--quiet", str(archive), f"{postgres.container}:/tmp/{name}"]))
    run(Command(["docker", "exec", "--user", "root", postgres.container, "chmod", "-R", "a+rX", f"/tmp/{name}"]))
    # Its --dbname takes connection strings; an empty one leaves the name to the environment.
    answer = run(Command(postgres.program(database, "pg_restore", "--dbname=", "--exit-on-error", f"/tmp/{name}")))
    assert answer.ok, answer.err
    return database


def encoding_of(manifest: dict[str, Any]) -> str:
    properties = manifest["properties"]
    return f"ENCODING '{properties['encoding']}' LC_COLLATE '{properties['lc_collate']}' LC_CTYPE '{properties['lc_ctype']}'"


def facts(postgres: Postgres, database: str, like: dict[str, Any]) -> dict[str, Any]:
    schema = run(Command(postgres.program(database, *_pg_digest.SCHEMA)))
    assert schema.ok, schema.err
    with Session(Command(postgres.psql(database)), database) as session:
        return _pg_digest.facts_of(session, like, schema.out)


def tables(manifest: dict[str, Any]) -> dict[str, int]:
    return {f"{table['schema']}.{table['table']}": table["rows"] for table in manifest["tables"]}


@pytest.mark.parametrize("form", ["directory", "custom"])
def test_a_backup_says_what_it_holds(caller: Caller, make_database: Make, form: str) -> None:
    database = make_database()
    result = caller.backup(database, format=form)
    assert caller.names() == [*_manifest.parts_of(result["name"])]
    assert (result["tables"], result["rows"], result["verified"]) == (2, 2500, True)
    manifest = _manifest.require_usable(result["name"], caller.manifest(result["name"]))
    assert tables(manifest) == {"public.payments": 2000, "public.users": 500}
    assert all(table["digest"].isdigit() for table in manifest["tables"])
    assert [check["check"] for check in manifest["checks"]] == ["complete", "verified"]
    assert _manifest.state_of(manifest) == ("verified", "")
    assert manifest["properties"]["owner"] == "amanat"
    assert manifest["roles"] == ["amanat"]
    assert manifest["format"] == form
    data, roles, described = (caller.backups / name for name in _manifest.parts_of(result["name"]))
    assert [path.stat().st_mode & 0o777 for path in (data, roles, described)] == [0o700 if form == "directory" else 0o600, 0o600, 0o600]
    assert "CREATE ROLE amanat;" in roles.read_text(encoding="utf-8")
    assert "SCRAM-SHA-256" not in roles.read_text(encoding="utf-8")
    for file in manifest["files"]:
        path = data / file["path"] if file["path"] else data
        assert hashlib.sha256(path.read_bytes()).hexdigest() == file["sha256"]
        assert path.stat().st_mode & 0o777 == 0o600
    assert PASSWORD not in json.dumps(manifest)


def test_a_directory_that_is_a_link_is_refused(caller: Caller, make_database: Make) -> None:
    caller.backups.mkdir()
    link = caller.directory / "link"
    link.symlink_to(caller.backups)
    told = caller.refused("postgres_backup", make_database(), "backup-dir-link", backup_dir=f"{link}/")
    assert str(caller.backups) in told


def test_only_what_a_killed_backup_of_this_series_left_is_removed(caller: Caller, make_database: Make) -> None:
    caller.backups.mkdir()
    database = make_database()
    own, other = (f".{series}_2026-01-01T000000Z.dump.partial" for series in (f"{database}_pg", f"{database}_pg_x"))
    for name in (own, other):
        (caller.backups / name).touch()
    caller.backup(database)
    assert (own in caller.names(), other in caller.names()) == (False, True)


def test_check_mode_only_tells(caller: Caller, make_database: Make) -> None:
    result = caller.run("postgres_backup", make_database(), check=True)
    assert result["changed"]
    assert result["bytes"] > 0
    assert caller.names() == []


def test_the_same_content_has_the_same_facts_after_a_restore(caller: Caller, make_database: Make) -> None:
    """Whatever the settings of the database are, and though partitions, inherited columns and large objects are made anew."""
    database = make_database(ALL_KINDS)
    settings = {"DateStyle": "German", "TimeZone": "Asia/Tehran", "IntervalStyle": "iso_8601", "bytea_output": "escape"}
    settings |= {"extra_float_digits": "-5", "search_path": "nowhere", "statement_timeout": "400ms", "quote_all_identifiers": "on"}
    for name, value in settings.items():
        caller.server.sql("postgres", f"ALTER DATABASE {database} SET {name} = '{value}'")
    name = caller.backup(database)["name"]
    manifest = caller.manifest(name)
    assert manifest["large_objects"]["count"] == 3
    assert tables(manifest)["public.hashed_0"] + tables(manifest)["public.hashed_1"] == 100
    copy = restored(caller, name, make_database)
    found = facts(caller.server, copy, manifest)
    assert _pg_digest.differences(manifest, found) == []


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ("UPDATE users a SET name = b.name FROM users b WHERE a.id + b.id = 3", "table public.users has another content, in as many rows"),
        ("ALTER TABLE users ALTER name DROP NOT NULL", "the schema is another one"),
        ("SELECT nextval('payments_id_seq')", "sequence public.payments_id_seq stands at 2001 instead of 2000"),
        ("SELECT lo_from_bytea(0, 'x')", "1 large objects instead of 0"),
    ],
)
def test_what_is_not_the_same_is_told(
    caller: Caller, make_database: Make, change: str, difference: str, described: tuple[str, dict[str, Any]]
) -> None:
    template, manifest = described
    database = make_database(change, options=f"TEMPLATE {template}")
    assert difference in _pg_digest.differences(manifest, facts(caller.server, database, manifest))


@pytest.fixture(scope="module")
def described(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, Any]]]:
    """A database and the manifest of a backup of it."""
    postgres.sql("postgres", "CREATE DATABASE described")
    postgres.sql("described", SOME_DATA)
    caller = Caller(postgres, tmp_path_factory.mktemp("described"))
    yield "described", caller.manifest(caller.backup("described")["name"])
    postgres.sql("postgres", "DROP DATABASE described")


@pytest.mark.parametrize(
    "encoding", ["LATIN1", *(pytest.param(encoding, marks=pytest.mark.faults) for encoding in ("UTF8", "EUC_JP", "SQL_ASCII"))]
)
def test_names_may_hold_anything_in_any_encoding(caller: Caller, make_database: Make, encoding: str) -> None:
    sql = ODD_NAMES.replace("é", "e").replace("ö", "oe").replace("ß", "ss").replace("ä", "ae") if encoding == "EUC_JP" else ODD_NAMES
    options = f"TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
    database = make_database(f"SET client_encoding = 'UTF8';{sql}", name='It\'s "a" Töst, 1=1', options=options)
    result = caller.backup(database)
    assert result["series"] == "It_s_a_T_st_1_1_pg"
    manifest = caller.manifest(result["name"])
    assert manifest["properties"]["encoding"] == encoding
    size = "Groesse 1" if encoding == "EUC_JP" else "Größe 1"
    assert tables(manifest) == {f'{size}.it\'s "quoted" ': 2, f"{size}.select": 0, "public.two\nlines": 3}
    copy = restored(caller, result["name"], make_database)
    assert _pg_digest.differences(manifest, facts(caller.server, copy, manifest)) == []


def test_what_equal_counts_hide_is_in_the_digest(caller: Caller, make_database: Make) -> None:
    database = make_database()
    first = caller.manifest(caller.backup(database)["name"])
    caller.server.sql(database, "UPDATE users SET name = name || '!' WHERE id = 3")
    changed = caller.manifest(caller.backup(database)["name"])
    assert tables(changed) == tables(first)
    assert first["schema_sha256"] == changed["schema_sha256"]
    assert [a["table"] for a, b in zip(changed["tables"], first["tables"]) if a["digest"] != b["digest"]] == ["users"]


def test_digests_may_be_left_out_of_large_tables(caller: Caller, make_database: Make) -> None:
    database = make_database(SOME_DATA + "CREATE TABLE large AS SELECT repeat('x', 1000) FROM generate_series(1, 1000);")
    manifest = caller.manifest(caller.backup(database, digest_max_bytes="500K")["name"])
    assert {table["table"]: table["digest"] is None for table in manifest["tables"]} == {"large": True, "payments": False, "users": False}
    assert tables(manifest)["public.large"] == 1000
    none = caller.manifest(caller.backup(database, digest_max_bytes="0")["name"])
    assert [table["digest"] for table in none["tables"]] == [None] * 3


def test_a_backup_that_was_not_read_through_is_not_verified(caller: Caller, make_database: Make) -> None:
    result = caller.backup(make_database(), verify=False)
    assert result["verified"] is False
    assert _manifest.state_of(caller.manifest(result["name"])) == ("complete", "")


def test_password_hashes_are_kept_only_where_asked_for(caller: Caller, make_database: Make) -> None:
    result = caller.backup(make_database(), password_hashes=True)
    text = (caller.backups / (result["name"] + _manifest.GLOBALS)).read_text(encoding="utf-8")
    assert "SCRAM-SHA-256" in text
    assert caller.manifest(result["name"])["globals"]["password_hashes"] is True
    assert "SCRAM" not in json.dumps(caller.manifest(result["name"]))


def test_roles_and_tablespaces_that_a_restore_needs_are_named(caller: Caller, make_database: Make) -> None:
    server = caller.server
    roles = ["owner 1", "reader", "limited", "configured"]
    server.sql("postgres", "".join(f'CREATE ROLE "{role}";' for role in roles))
    run(Command(["docker", "exec", "--user", "postgres", server.container, "mkdir", "-p", "/var/lib/postgresql/space"]))
    server.sql("postgres", "CREATE TABLESPACE \"fast disk\" LOCATION '/var/lib/postgresql/space'")
    try:
        database = make_database(
            """
            CREATE TABLE a (n int) TABLESPACE "fast disk"; ALTER TABLE a OWNER TO "owner 1"; GRANT SELECT ON a TO reader;
            CREATE POLICY p ON a TO limited USING (true); CREATE EXTENSION pg_stat_statements;
            """
        )
        server.sql("postgres", f"ALTER ROLE configured IN DATABASE {database} SET work_mem = '5MB'")
        manifest = caller.manifest(caller.backup(database)["name"])
        assert manifest["roles"] == sorted(["amanat", *roles])
        assert manifest["tablespaces"] == ["fast disk"]
        server.sql("postgres", f"DROP DATABASE {database}")
    finally:
        server.sql("postgres", 'DROP TABLESPACE "fast disk";' + "".join(f'DROP ROLE "{role}";' for role in roles))


def test_a_role_that_only_owns_its_database_can_back_it_up(caller: Caller, make_database: Make) -> None:
    """No superuser is needed; what such a role cannot read of large objects is said to be left out."""
    server = caller.server
    server.sql("postgres", f"CREATE ROLE plain LOGIN PASSWORD '{PASSWORD}'")
    database = make_database("", options="OWNER plain")
    try:
        server.sql(database, "SET ROLE plain; CREATE TABLE t AS SELECT 1 AS n; SELECT lo_from_bytea(0, 'x')")
        url = server.url(database).replace("amanat:", "plain:")
        manifest = caller.manifest(caller.backup(database, pg_url=url)["name"])
        assert tables(manifest) == {"public.t": 1}
        assert manifest["large_objects"] == {"count": 1, "digest": None}
        assert manifest["roles"] == ["plain"]
    finally:
        server.sql("postgres", f"DROP DATABASE {database}; DROP ROLE plain")


def test_rows_that_a_policy_hides_are_an_error_not_a_smaller_backup(caller: Caller, make_database: Make) -> None:
    server = caller.server
    server.sql("postgres", f"CREATE ROLE hidden LOGIN PASSWORD '{PASSWORD}' IN ROLE pg_read_all_data, pg_monitor")
    database = make_database("CREATE TABLE t AS SELECT n FROM generate_series(1, 9) n; ALTER TABLE t ENABLE ROW LEVEL SECURITY")
    try:
        url = server.url(database).replace("amanat:", "hidden:")
        result = caller.call("postgres_backup", caller.arguments(database, pg_url=url, wait=60.0))
        assert result.get("failed")
        assert "row-level security" in result["msg"]
        assert caller.names() == []
    finally:
        server.sql("postgres", "DROP ROLE hidden")


def test_a_second_backup_in_the_same_second_gets_a_name_of_its_own(caller: Caller, make_database: Make) -> None:
    database = make_database("")
    names = [caller.backup(database, verify=False)["name"] for _ in range(2)]
    assert len(set(names)) == 2
    label = f"label=amanat.dbops.stack={STACK}"
    assert run(Command(["docker", "ps", "--all", "--quiet", "--filter", label])).out == "", "a client container was left"
    assert all(re.fullmatch(rf"{database}_pg_[0-9T-]+Z\.pgdir", name) for name in names)
