# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a schema is made of, the database that is restored from it has the same one, and another one is seen."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Callable

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _pg_digest

from tests.integration.backup.conftest import USER, Caller, Postgres

MakeDatabase = Callable[..., str]

# Each in a schema of its own. The server writes some of these otherwise once it has read its own words.
CASES = {
    "check_in": "CREATE TABLE o (s varchar(20) CHECK (s IN ('a', 'b')));",
    "check_in_text": "CREATE TABLE o (s text CHECK (s IN ('a', 'b')));",
    "check_not_in": "CREATE TABLE o (s char(2) CHECK (s NOT IN ('a', 'b')));",
    "partial_index": "CREATE TABLE o (id int, s varchar(20)); CREATE INDEX ON o (id) WHERE s IN ('a', 'b');",
    "view_in": "CREATE TABLE o (id int, s varchar(20)); CREATE VIEW v AS SELECT * FROM o WHERE s IN ('a', 'b');",
    "policy_in": """
        CREATE TABLE o (s varchar(20)); ALTER TABLE o ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON o USING (s IN ('a', 'b'));""",
    "domain_in": "CREATE DOMAIN d AS varchar CHECK (VALUE IN ('a', 'b'));",
    "nested_and": """
        CREATE TABLE o (a int, b int, c int, CHECK (a > 0 AND (b > 0 AND c > 0)),
          CHECK (a BETWEEN 1 AND 2 AND b BETWEEN 1 AND 2), CHECK (a BETWEEN 1 AND 2 AND b BETWEEN 1 AND 2 OR (c > 0 OR a > 3)));""",
    "view_nested": """
        CREATE TABLE o (a int, b int, c varchar); CREATE VIEW v AS SELECT a, b FROM o
          WHERE a > 0 AND (b BETWEEN 1 AND 2 AND c = 'x' OR (c LIKE 'y%' AND NOT a IN (1, 2)));""",
    "expressions": """
        CREATE TABLE o (a varchar(5), b int, c text DEFAULT 'it''s; ) -- (' || E'\\\\ \\n :: x');
        CREATE VIEW v AS SELECT CASE a WHEN 'x' THEN 1 WHEN 'y' THEN 2 END AS z, coalesce(a, 'n') AS y, a || 'z' AS q,
          a::varchar(3) AS w, nullif(a, '') AS u, a = ANY ('{a,b}') AS p, a = ANY (ARRAY['x', 'y']::varchar[]) AS r,
          substring(a FROM 1 FOR 2), trim(a), extract(year FROM now()), now() AT TIME ZONE 'utc' AS tz, -1 AS minus,
          interval '1' day AS i, '1 02:00:00'::interval day to second(3) AS d, '12:00'::time(3) with time zone AS t FROM o;""",
    "joins": """
        CREATE TABLE o (a int, b int); CREATE TABLE q (a int, c int);
        CREATE VIEW v AS SELECT * FROM o JOIN q USING (a) LEFT JOIN (SELECT a AS d FROM q) x ON x.d = o.b;
        CREATE VIEW w AS WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r;
        CREATE VIEW y AS SELECT a, count(*) FILTER (WHERE b > 1) OVER (PARTITION BY a ORDER BY b) FROM o GROUP BY GROUPING SETS ((a, b),
        (a));
        CREATE VIEW z AS SELECT DISTINCT ON (a) * FROM o ORDER BY a, b DESC;""",
    "renamed": """
        CREATE TABLE o (a int PRIMARY KEY, b int); CREATE VIEW v AS SELECT *, count(*) FROM o GROUP BY a;
        ALTER TABLE o RENAME b TO bb; ALTER TABLE o ADD c int;
        CREATE OR REPLACE VIEW v AS SELECT a, bb AS b, count(*), c FROM o GROUP BY a; ALTER VIEW v RENAME count TO n;""",
    "not_null": """
        CREATE TABLE p (a int NOT NULL, b int PRIMARY KEY); CREATE TABLE ch (c int) INHERITS (p);
        ALTER TABLE p RENAME a TO z; ALTER TABLE p RENAME TO pp; CREATE TABLE n2 (a int);
        ALTER TABLE n2 ADD CONSTRAINT xx NOT NULL a NO INHERIT;
        CREATE TABLE n3 (a int); ALTER TABLE n3 ADD CONSTRAINT n3n NOT NULL a NOT VALID;""",
    "inherits": """
        CREATE TABLE p (a int DEFAULT 1 CHECK (a > 0), b int); CREATE TABLE c (b int, a int DEFAULT 2, c int) INHERITS (p);
        ALTER TABLE c DROP COLUMN c; ALTER TABLE p ADD COLUMN d int NOT NULL DEFAULT 5; CREATE TABLE g () INHERITS (c);
        ALTER TABLE g NO INHERIT c;""",
    "partitions": """
        CREATE TABLE par (id bigint GENERATED ALWAYS AS IDENTITY, b text, c int, PRIMARY KEY (id, c)) PARTITION BY RANGE (c);
        CREATE TABLE p1 (c int NOT NULL, junk int, b text, id bigint NOT NULL); ALTER TABLE p1 DROP junk;
        ALTER TABLE par ATTACH PARTITION p1 FOR VALUES FROM (1) TO (5); CREATE TABLE p2 PARTITION OF par DEFAULT PARTITION BY HASH (id);
        CREATE TABLE p21 PARTITION OF p2 FOR VALUES WITH (MODULUS 1, REMAINDER 0); CREATE INDEX bi ON par (b); CREATE INDEX ON ONLY par (c);
        CREATE FUNCTION tf() RETURNS trigger LANGUAGE plpgsql AS 'begin return new; end';
        CREATE TRIGGER t AFTER INSERT ON par FOR EACH ROW EXECUTE FUNCTION tf(); ALTER TABLE p1 DISABLE TRIGGER t;
        CREATE TABLE fk (id bigint, c int, FOREIGN KEY (id, c) REFERENCES par); ALTER TABLE par DETACH PARTITION p1;""",
    "privileges": """
        CREATE TABLE t (a int, b int); GRANT SELECT ON t TO schemas_1 WITH GRANT OPTION; GRANT USAGE ON SCHEMA privileges TO schemas_1;
        SET ROLE schemas_1; GRANT SELECT ON t TO schemas_2; RESET ROLE; REVOKE INSERT ON t FROM amanat; GRANT UPDATE (a) ON t TO schemas_2;
        ALTER TABLE t OWNER TO schemas_3; GRANT ALL ON SCHEMA public TO schemas_3 WITH GRANT OPTION;
        REVOKE ALL ON SCHEMA public FROM PUBLIC;
        ALTER SCHEMA public OWNER TO schemas_3; COMMENT ON SCHEMA public IS NULL;
        ALTER DEFAULT PRIVILEGES FOR ROLE schemas_3 IN SCHEMA public GRANT SELECT ON TABLES TO schemas_1;
        ALTER DEFAULT PRIVILEGES FOR ROLE schemas_1 REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
        CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'select 1'; REVOKE ALL ON FUNCTION f() FROM PUBLIC;
        REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC; REVOKE EXECUTE ON FUNCTION pg_read_file(text) FROM PUBLIC;
        GRANT EXECUTE ON FUNCTION pg_ls_dir(text) TO schemas_1;""",
    "functions": """
        CREATE TABLE t (a int, b varchar);
        CREATE FUNCTION f(x varchar DEFAULT 'q') RETURNS SETOF t BEGIN ATOMIC SELECT * FROM t WHERE b IN ('a', 'b') AND t.b = x; END;
        CREATE FUNCTION f2(x int DEFAULT 1 + 1, VARIADIC y text[] DEFAULT '{}') RETURNS TABLE (a int, b text) LANGUAGE sql AS
          E'select 1,\\n -- Dumped from database version 3\\n''x'' '; CREATE AGGREGATE ag(int) (sfunc = int4pl, stype = int);""",
    "extensions": """
        CREATE EXTENSION pg_trgm; CREATE SCHEMA e; ALTER EXTENSION pg_trgm SET SCHEMA e; COMMENT ON EXTENSION pg_trgm IS 'mine';
        CREATE EXTENSION hstore; CREATE EXTENSION pg_stat_statements; REVOKE ALL ON pg_stat_statements FROM PUBLIC;
        CREATE EXTENSION citext; CREATE TABLE x (a citext); CREATE EXTENSION btree_gist;
        CREATE TABLE ex (r int4range, k int, EXCLUDE USING gist (k WITH =, r WITH &&));""",
    "types": """
        CREATE TYPE c AS (a int, b int, d text); ALTER TYPE c DROP ATTRIBUTE b; CREATE TABLE tt OF c (PRIMARY KEY (a));
        CREATE TYPE en AS ENUM ('a', 'c'); ALTER TYPE en ADD VALUE 'b' BEFORE 'c'; CREATE TYPE "Sch""ema" AS ENUM ('x)');
        CREATE TABLE o (e en CHECK (e IN ('a', 'c')), f "Sch""ema" DEFAULT 'x)', x text STORAGE EXTERNAL, y text COMPRESSION lz4, a int,
        b int);
        CREATE STATISTICS st ON a, b FROM o; CREATE STATISTICS st2 ON (a + b) FROM o; ALTER STATISTICS st SET STATISTICS 50;
        CREATE INDEX ix ON o ((a + b)); ALTER INDEX ix ALTER COLUMN 1 SET STATISTICS 7; ALTER TABLE o CLUSTER ON ix;
        ALTER TABLE o SET (autovacuum_enabled = false, fillfactor = 50); CREATE RULE ru AS ON INSERT TO o DO ALSO NOTIFY x;
        CREATE COLLATION cc (provider = icu, locale = 'de'); CREATE TABLE col (a text COLLATE cc);
        CREATE SEQUENCE sq AS smallint INCREMENT -1; CREATE TABLE se (i serial, j int GENERATED BY DEFAULT AS IDENTITY (START 5));
        ALTER TABLE se RENAME TO ses; ALTER SEQUENCE se_i_seq OWNED BY NONE;
        CREATE OPERATOR === (leftarg = int, rightarg = int, function = int4eq);
        CREATE CAST (c AS text) WITH INOUT; CREATE TEXT SEARCH CONFIGURATION ts (COPY = english);""",
    "of_18": """
        CREATE TABLE a (i int PRIMARY KEY); CREATE TABLE b (i int REFERENCES a NOT ENFORCED, j int CHECK (j > 0) NOT ENFORCED);
        CREATE TABLE vg (a int, v int GENERATED ALWAYS AS (a * 2) VIRTUAL, s varchar GENERATED ALWAYS AS (a::varchar || 'x') STORED);
        CREATE EXTENSION IF NOT EXISTS btree_gist; CREATE TABLE wo (id int4range, p daterange, PRIMARY KEY (id, p WITHOUT OVERLAPS));""",
}
ALL = "".join(f"CREATE SCHEMA {name}; SET search_path = {name}, public, extensions; {sql}\n" for name, sql in CASES.items())


@pytest.fixture(scope="module", autouse=True)
def roles(postgres: Postgres) -> Iterator[None]:
    """Dropped after every database that knows them."""
    postgres.sql("postgres", "CREATE ROLE schemas_1; CREATE ROLE schemas_2; CREATE ROLE schemas_3;")
    yield
    postgres.sql("postgres", "DROP ROLE schemas_1, schemas_2, schemas_3;")


def schema(postgres: Postgres, database: str) -> str:
    return subprocess.run(postgres.program(database, *_pg_digest.SCHEMA), capture_output=True, check=True).stdout.decode()


def test_a_schema_is_the_same_after_a_restore(postgres: Postgres, make_database: MakeDatabase) -> None:
    """Statement by statement, so that what differs is seen here."""
    database, again = make_database(ALL), make_database("SELECT 1", options="TEMPLATE template0")
    dump = subprocess.run(postgres.program(database, "pg_dump", "--schema-only"), capture_output=True, check=True).stdout
    subprocess.run(postgres.psql(again), input=dump, capture_output=True, check=True)
    before, after = schema(postgres, database), schema(postgres, again)
    assert before != after, "of no use as a test where the text is the same"
    assert set(_pg_digest.statements_of(before)) ^ set(_pg_digest.statements_of(after)) == set()
    assert _pg_digest.schema_digest(before) == _pg_digest.schema_digest(after)


UNHURRIED = "SET statement_timeout = 0; SET transaction_timeout = 0;"


def restored_and_drilled(postgres: Postgres, caller: Caller, database: str, sql: str = "SELECT 1") -> str:
    """What a query says in the database that was restored from a backup, which a drill then proves."""
    name = caller.backup(database)["name"]
    restored = caller.run("postgres_restore", database, wait=120.0)["database"]
    answer = postgres.sql(restored, sql)
    postgres.sql("postgres", f'{UNHURRIED} DROP DATABASE "{restored}"')
    caller.run("postgres_drill", database, wait=120.0)
    newest = caller.manifest(name)["checks"][-1]
    assert (newest["check"], "passed" in newest) == ("drilled", True)
    return answer


def test_it_can_be_restored_and_drilled(postgres: Postgres, make_database: MakeDatabase, caller: Caller) -> None:
    restored_and_drilled(postgres, caller, make_database(ALL))


@pytest.mark.slow
def test_what_every_new_database_has_need_not_be_there(postgres: Postgres, make_database: MakeDatabase, caller: Caller) -> None:
    database = make_database("DROP SCHEMA public; DROP EXTENSION plpgsql; CREATE SCHEMA app; CREATE TABLE app.t (n) AS SELECT 1;")
    left = "SELECT to_regnamespace('public') IS NULL, (SELECT count(*) FROM pg_extension), (SELECT count(*) FROM app.t)"
    assert restored_and_drilled(postgres, caller, database, left) == "t|0|1"


@pytest.mark.slow
def test_foreign_keys_without_a_check_are_as_they_were(postgres: Postgres, make_database: MakeDatabase, caller: Caller) -> None:
    """A key that is NOT VALID, or NOT ENFORCED, on the live server is none of the backup's faults."""
    database = make_database("""
        CREATE TABLE a (i int PRIMARY KEY); CREATE TABLE b (i int); INSERT INTO b VALUES (5);
        ALTER TABLE b ADD CONSTRAINT later FOREIGN KEY (i) REFERENCES a NOT VALID; CREATE TABLE c (i int REFERENCES a NOT ENFORCED);
    """)
    unchecked = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND NOT convalidated"
    assert restored_and_drilled(postgres, caller, database, unchecked) == "2"


@pytest.mark.slow
def test_a_login_leaves_no_trace_in_a_copy(postgres: Postgres, make_database: MakeDatabase, caller: Caller) -> None:
    database = make_database("""
        CREATE TABLE logins (at timestamptz DEFAULT now(), who text);
        CREATE FUNCTION noted() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
          BEGIN INSERT INTO public.logins (who) VALUES (session_user); END $$;
        CREATE EVENT TRIGGER noted ON login EXECUTE FUNCTION noted(); ALTER EVENT TRIGGER noted ENABLE ALWAYS;
        CREATE TABLE t (n) AS SELECT 1;
    """)
    restored_and_drilled(postgres, caller, database)


@pytest.mark.slow
def test_the_tablespace_of_a_database_is_its_own(postgres: Postgres, make_database: MakeDatabase, caller: Caller) -> None:
    postgres.sql("postgres", "SET allow_in_place_tablespaces = on; CREATE TABLESPACE \"own space\" LOCATION '';")
    try:
        database = make_database("CREATE TABLE t (n) AS SELECT 1", options='TABLESPACE "own space"')
        where = "SELECT spcname FROM pg_tablespace t JOIN pg_database d ON d.dattablespace = t.oid WHERE datname = current_database()"
        assert restored_and_drilled(postgres, caller, database, where) == "own space"
        postgres.sql("postgres", f"DROP DATABASE {database}")
    finally:
        postgres.sql("postgres", 'DROP TABLESPACE "own space"')


@pytest.mark.slow
def test_time_outs_of_a_role_do_not_end_our_work(postgres: Postgres, make_database: MakeDatabase, caller: Caller) -> None:
    """The operator's role may have any: it is the application's, too."""
    database = make_database("CREATE TABLE t AS SELECT n, repeat(md5(n::text), 20) FROM generate_series(1, 30000) n; CREATE INDEX ON t (n)")
    short = {"statement_timeout": 150, "lock_timeout": 20, "transaction_timeout": 150, "idle_in_transaction_session_timeout": 20}
    short["idle_session_timeout"] = 2000
    postgres.sql("postgres", ";".join(f"ALTER ROLE {USER} SET {name} = {milliseconds}" for name, milliseconds in short.items()))
    try:
        restored_and_drilled(postgres, caller, database)
        moment = {"moment": "20261122T170102Z", "backup_dir": None, "wait": 120.0}
        caller.run("postgres_door", database, state="shut", password="abc", backup_dir=None)
        for state in ("prepared", "taken", "returned"):
            caller.run("rollback_point", database, state=state, **moment)
        caller.run("postgres_door", database, state="open", backup_dir=None)
    finally:
        postgres.sql("postgres", f"{UNHURRIED} ALTER ROLE {USER} RESET ALL")
        left = postgres.sql("postgres", f"SELECT string_agg(datname, ' ') FROM pg_database WHERE datname LIKE '{database}__%'")
        for name in left.split():
            postgres.sql("postgres", f'DROP DATABASE "{name}"')


TABLE = """
CREATE TABLE t (a int NOT NULL DEFAULT 1, b varchar(20) CHECK (b IN ('x', 'y')), c numeric(5, 2)); CREATE TABLE u (d int);
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT (1)::int';
"""


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE t ALTER a SET DEFAULT 2",
        "ALTER TABLE t ALTER a DROP NOT NULL",
        "ALTER TABLE t DROP CONSTRAINT t_b_check; ALTER TABLE t ADD CHECK (b IN ('x', 'z'))",
        "ALTER TABLE t DROP CONSTRAINT t_b_check; ALTER TABLE t ADD CHECK (b IN ('x', '(y'))",
        "ALTER TABLE t ALTER c TYPE numeric(6, 2)",
        "ALTER TABLE t ALTER b TYPE varchar(21)",
        "ALTER TABLE t DROP c; ALTER TABLE u ADD c numeric(5, 2)",
        "DROP TABLE t; CREATE TABLE t (b varchar(20) CHECK (b IN ('x', 'y')), a int NOT NULL DEFAULT 1, c numeric(5, 2))",
        "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE INDEX ON u (d)",
    ],
)
def test_another_schema_is_seen(postgres: Postgres, make_database: MakeDatabase, change: str) -> None:
    database = make_database(TABLE)
    before = schema(postgres, database)
    postgres.sql(database, change)
    assert _pg_digest.schema_digest(before) != _pg_digest.schema_digest(schema(postgres, database))
