# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a migration destroys, and on which line; what destroys nothing is not held up."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible_collections.amanat.dbops.plugins.plugin_utils import _sql, _squawk
from ansible_collections.amanat.dbops.plugins.plugin_utils._sql import judge
from ansible_collections.amanat.dbops.plugins.plugin_utils._sql_reading import Reading
from ansible_collections.amanat.dbops.plugins.plugin_utils._sql_rules import KINDS, UNTOLD, kind_of_squawk
from hypothesis import given
from hypothesis import strategies as st

BREAKPOINT = "--> statement-breakpoint"

# What a server says of its functions; "setval" and "query_to_xml" stand here to show that no server is believed on those.
HARMLESS_FUNCTIONS = frozenset({"now", "count", "generate_series", "gen_random_uuid", "lower", "max", "setval", "query_to_xml"})


def parsed(text: str) -> list[dict[str, Any]]:
    return _sql.parsed(text, Reading(HARMLESS_FUNCTIONS))


def destroyed(text: str) -> list[dict[str, Any]]:
    """Line and reason of what PostgreSQL's grammar alone finds in it, without what no transaction allows."""
    mine = [finding for finding in parsed(text) if KINDS.get(finding["rule"]) != "impossible"]
    return [{"line": finding["line"], "reason": finding["reason"]} for finding in mine]


DESTRUCTIVE = [
    ("TRUNCATE users", "truncates a table"),
    ("TRUNCATE users, payments RESTART IDENTITY CASCADE", "truncates a table and all that refer to it"),
    ("DELETE FROM users", "deletes every row of users"),
    ('DELETE FROM "public"."users"', "deletes every row of users"),
    ("DELETE FROM users USING payments", "deletes every row of users"),
    ("DELETE FROM users WHERE true", "deletes every row of users"),
    ("DELETE FROM users WHERE 1 = 1", "deletes every row of users"),
    ("UPDATE users SET name = ''", "updates every row of users"),
    ("UPDATE users SET name = '' WHERE now() > '2020-01-01'", "updates every row of users"),
    ('ALTER TABLE "users" DROP COLUMN "name"', "drops column name of users"),
    ("ALTER TABLE users ADD COLUMN a int, DROP COLUMN name", "drops column name of users"),
    ("ALTER TABLE users ALTER COLUMN name SET DATA TYPE varchar(10)", "changes the type of column name of users"),
    ("ALTER TABLE users ALTER name TYPE text", "changes the type of column name of users"),
    ("DROP TABLE users", "drops a table"),
    ("DROP TABLE IF EXISTS users CASCADE", "drops a table"),
    ("DROP SCHEMA app CASCADE", "drops a schema"),
    ("DROP TYPE mood", "drops a type"),
    ("DROP SEQUENCE numbers", "drops a sequence"),
    ("DROP EXTENSION hstore", "drops an extension"),
    ("DROP DATABASE amanat", "drops a database"),
    ("DROP OWNED BY app", "drops everything that a role owns"),
    ("ALTER TABLE users RENAME TO people", "renames what the running release may still use"),
    ("ALTER TABLE users RENAME COLUMN name TO title", "renames what the running release may still use"),
    ("ALTER TYPE mood RENAME VALUE 'a' TO 'b'", "renames what the running release may still use"),
    ("ALTER TABLE users SET SCHEMA archive", "moves what the running release may still use to another schema"),
    ("DO $$ BEGIN EXECUTE 'DROP TABLE users'; END $$", "runs SQL that is made only at run time, so that nobody can judge it beforehand"),
    (
        "DO $$ DECLARE r record; BEGIN FOR r IN EXECUTE 'DELETE FROM users RETURNING *' LOOP END LOOP; END $$",
        "runs SQL that is made only at run time, so that nobody can judge it beforehand",
    ),
    ("DO $$ BEGIN IF true THEN DELETE FROM users; END IF; END $$", "deletes every row of users"),
    ("DO $$ BEGIN PERFORM 1; EXCEPTION WHEN others THEN DROP TABLE users; END $$", "drops a table"),
    ("DO LANGUAGE plpython3u $$ plpy.execute('DROP TABLE users') $$", "runs code that nobody can judge beforehand (DO)"),
    ("DO $$ no PL/pgSQL $$", "runs code that nobody can judge beforehand (DO)"),
    *(
        (statement, "calls clean_up(), which nobody can judge beforehand")
        for statement in (
            "CALL clean_up()",
            "SELECT clean_up()",
            "SELECT * FROM app.clean_up() AS c",
            "INSERT INTO users SELECT clean_up(id) FROM old",
            "CREATE MATERIALIZED VIEW m AS SELECT clean_up()",
            "ALTER TABLE users ADD COLUMN a int DEFAULT clean_up()",
            "ALTER TABLE users ADD CHECK (clean_up())",
            "DO $$ BEGIN CALL clean_up(); END $$",
            "DO $$ BEGIN PERFORM clean_up(); END $$",
            "DO $$ DECLARE n int; BEGIN n := clean_up(); END $$",
            "DO $$ DECLARE n int := clean_up(); BEGIN END $$",
            "DO $$ BEGIN IF clean_up() THEN NULL; END IF; END $$",
            "DO $$ BEGIN FOR i IN 1..clean_up() LOOP NULL; END LOOP; END $$",
            # Defined by the same migration, in whatever language.
            "CREATE FUNCTION clean_up() RETURNS void LANGUAGE sql AS 'DELETE FROM users'; SELECT clean_up()",
            "CREATE FUNCTION clean_up() RETURNS int BEGIN ATOMIC DELETE FROM users; SELECT 1; END; SELECT clean_up()",
        )
    ),
    # Its name alone is that of a harmless one.
    (
        "CREATE FUNCTION lower(users) RETURNS void LANGUAGE sql AS 'DELETE FROM users'; SELECT lower(u) FROM users u",
        "calls lower(), which nobody can judge beforehand",
    ),
    *(
        (f"{attach}; {change}", "changes levels, where these migrations themselves attach code that nobody can judge beforehand")
        for attach, change in (
            ("CREATE RULE r AS ON INSERT TO levels DO ALSO DELETE FROM users", "INSERT INTO levels VALUES (1)"),
            ("CREATE TRIGGER t BEFORE INSERT ON levels EXECUTE FUNCTION f()", "INSERT INTO levels VALUES (1)"),
            ("CREATE TRIGGER t AFTER UPDATE ON app.levels EXECUTE FUNCTION f()", "UPDATE app.levels SET a = 1 WHERE id = 1"),
            ("CREATE TRIGGER t AFTER DELETE ON levels EXECUTE FUNCTION f()", "DELETE FROM levels WHERE id = 1"),
            ("CREATE TRIGGER t AFTER INSERT ON levels EXECUTE FUNCTION f()", "COPY levels FROM '/data.csv'"),
        )
    ),
    ("MERGE INTO users u USING old o ON true WHEN MATCHED THEN DELETE", "deletes those rows of users that other rows decide on"),
    ("MERGE INTO users u USING old o ON o.id = u.id WHEN MATCHED THEN DELETE", "deletes those rows of users that other rows decide on"),
    (
        "MERGE INTO users u USING old o ON o.id = u.id WHEN MATCHED THEN UPDATE SET name = ''",
        "updates those rows of users that other rows decide on",
    ),
    (
        "MERGE INTO users u USING old o ON o.id = u.id WHEN NOT MATCHED BY SOURCE THEN DELETE",
        "deletes those rows of users that other rows decide on",
    ),
    ("DELETE FROM users WHERE id IS NOT NULL", "deletes perhaps every row of users"),
    ("DELETE FROM users WHERE NOT (id IS NULL)", "deletes perhaps every row of users"),
    ("DELETE FROM users WHERE id = id", "deletes perhaps every row of users"),
    ("DELETE FROM users WHERE true AND id IS NOT NULL", "deletes perhaps every row of users"),
    ("DELETE FROM users WHERE id = users.id", "deletes perhaps every row of users"),
    ("DELETE FROM users WHERE public.users.id = users.id", "deletes perhaps every row of users"),
    ("UPDATE users u SET name = '' WHERE u.id::text = id::text", "updates perhaps every row of users"),
    ("UPDATE users SET name = '' WHERE id IS NOT DISTINCT FROM users.id", "updates perhaps every row of users"),
    ("ALTER TABLE users SET UNLOGGED", "makes users unlogged, so that a crash empties it"),
    ("ALTER TABLE users NO INHERIT people", "takes the rows of users out of people"),
    ("ALTER TABLE users DETACH PARTITION old", "takes the rows of old out of users"),
    ("CREATE RULE r AS ON DELETE TO users DO INSTEAD NOTHING", "lets DELETE do nothing on users, without an error"),
    ("CREATE RULE r AS ON INSERT TO users WHERE id > 1 DO INSTEAD NOTHING", "lets INSERT do nothing on users, without an error"),
    ("CREATE RULE r AS ON DELETE TO users DO INSTEAD DELETE FROM archive", "lets DELETE do something else on users, without an error"),
    *(
        (f"INSERT INTO users {source} ON CONFLICT (id) DO UPDATE SET name = excluded.name{where}", "updates perhaps every row of users")
        for source, where in (
            ("SELECT id, '' FROM users", ""),
            ("SELECT id, '' FROM users u", " WHERE users.id = excluded.id OR true"),
            ("SELECT n, '' FROM generate_series(1, 9) n", " WHERE true"),
            ("(SELECT 1, '' UNION SELECT id, '' FROM users)", ""),
            ("TABLE old", ""),
        )
    ),
    ("UPDATE users SET name = '' WHERE id = 1 OR 1 = 1", "updates perhaps every row of users"),
    ("UPDATE users SET name = NULL WHERE name IS NOT NULL", "updates perhaps every row of users"),
    *(
        (statement, "runs SQL that is made only at run time, so that nobody can judge it beforehand")
        for statement in (
            "SELECT query_to_xml('DELETE FROM users', true, false, '')",
            "SELECT query_to_xml_and_xmlschema('DELETE FROM users', true, false, '')",
            "SELECT set_config(name, '0', false) FROM settings",
        )
    ),
    ("SELECT lo_unlink(oid) FROM pg_largeobject_metadata", "deletes or overwrites a large object"),
    *(
        (statement, "sets a sequence, which may give numbers twice")
        for statement in (
            "SELECT setval('users_id_seq', 1)",
            "ALTER SEQUENCE users_id_seq RESTART",
            "ALTER TABLE users ALTER COLUMN id RESTART WITH 1",
        )
    ),
    ("COPY users FROM PROGRAM 'curl x'", "runs a program beside the server"),
    ("COPY users TO PROGRAM 'curl x'", "runs a program beside the server"),
    ("COPY (SELECT 1) TO '/etc/x'", "writes a file beside the server"),
    ("ALTER TABLE users DISABLE TRIGGER ALL", "disables the triggers, those of foreign keys too, of users"),
    ("ALTER TABLE users DISABLE TRIGGER USER", "disables the triggers of users"),
    ("ALTER TABLE users DISABLE TRIGGER t", "disables a trigger of users"),
    ("ALTER TABLE users DISABLE RULE r", "disables a rule of users"),
    ("ALTER TABLE users ENABLE REPLICA TRIGGER t", "disables a trigger of users"),
    ("DELETE FROM pg_attribute WHERE attrelid = 1", "changes PostgreSQL's own pg_attribute"),
    ("UPDATE pg_catalog.pg_class SET relname = '' WHERE oid = 1", "changes PostgreSQL's own pg_class"),
    ("UPDATE pg_settings SET setting = '0' WHERE name = 'lock_timeout'", "changes PostgreSQL's own pg_settings"),
    ("INSERT INTO pg_depend VALUES (1)", "changes PostgreSQL's own pg_depend"),
    # What guards the run itself.
    *(
        (statement, "sets lock_timeout, by which the run is guarded")
        for statement in (
            "SET lock_timeout = 0",
            "SET LOCAL lock_timeout TO '1h'",
            "SET SESSION LOCK_TIMEOUT FROM CURRENT",
            "SELECT set_config('lock_timeout', '0', false)",
            "SELECT pg_catalog.set_config('Lock_Timeout', '0', true)",
            "DO $$ BEGIN SET LOCAL lock_timeout = 0; END $$",
            "DO $$ BEGIN PERFORM set_config('lock_timeout', '0', true); END $$",
            "ALTER ROLE amanat SET lock_timeout = 0",
        )
    ),
    ("SET statement_timeout = 0", "sets statement_timeout, by which the run is guarded"),
    ("SET session_replication_role = replica", "sets session_replication_role, by which the run is guarded"),
    ("SET ROLE other", "sets role, by which the run is guarded"),
    ("SET SESSION AUTHORIZATION other", "sets session_authorization, by which the run is guarded"),
    ("SET application_name = 'x'", "sets application_name, by which the run is guarded"),
    # Inside of something harmless.
    ("WITH gone AS (DELETE FROM users RETURNING *) SELECT count(*) FROM gone", "deletes every row of users"),
    ("WITH gone AS (DELETE FROM users RETURNING *) INSERT INTO archive SELECT * FROM gone", "deletes every row of users"),
    ("DELETE FROM a WHERE id IN (WITH b AS (DELETE FROM b RETURNING id) SELECT id FROM b)", "deletes every row of b"),
    ("EXPLAIN ANALYZE UPDATE users SET name = ''", "updates every row of users"),
    ("PREPARE p AS DELETE FROM users", "deletes every row of users"),
    ("CREATE TABLE x AS WITH a AS (DELETE FROM users RETURNING *) SELECT * FROM a", "deletes every row of users"),
    ("CREATE SCHEMA s; DROP TABLE users", "drops a table"),
]

HARMLESS = [
    *("", "-- only a comment", "/* DROP TABLE users; */", ";;"),
    'CREATE TABLE "users" ("id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL)',
    *("CREATE INDEX i ON users (name)", "CREATE UNIQUE INDEX CONCURRENTLY i ON users USING btree (name)"),
    *("CREATE TYPE mood AS ENUM ('a')", "ALTER TYPE mood ADD VALUE 'b'", "CREATE EXTENSION IF NOT EXISTS hstore"),
    *('ALTER TABLE "users" ADD COLUMN "name" text', "ALTER TABLE users ALTER COLUMN name SET NOT NULL"),
    *("ALTER TABLE users DROP CONSTRAINT users_pkey", "ALTER TABLE users ALTER COLUMN name DROP DEFAULT"),
    *("DROP INDEX i", "DROP VIEW v", "DROP TRIGGER t ON users", "DROP RULE r ON users", "ALTER INDEX a RENAME TO b"),
    *("DELETE FROM users WHERE id = 1", "UPDATE users SET name = '' WHERE name IS NULL", "DELETE FROM users USING b WHERE b.id = users.id"),
    *("INSERT INTO users VALUES ('DROP TABLE users')", "SELECT 'TRUNCATE users;'", "COMMENT ON TABLE users IS 'DELETE FROM users'"),
    *("WITH gone AS (DELETE FROM users WHERE id = 1 RETURNING *) SELECT * FROM gone", "GRANT SELECT ON users TO app"),
    *("DELETE FROM users WHERE id = 1 AND name IS NOT NULL", "DELETE FROM users WHERE id = 1 OR id IS NULL"),
    *("DELETE FROM users WHERE NOT (id = 1)", "DELETE FROM users WHERE id = other", "DELETE FROM users WHERE id <> id"),
    "MERGE INTO users u USING new n ON n.id = u.id WHEN NOT MATCHED THEN INSERT VALUES (n.id) WHEN MATCHED THEN DO NOTHING",
    *("SELECT count(*) FROM users", "INSERT INTO users SELECT n, lower('A') FROM generate_series(1, 9) n", "SELECT max(id) FROM users"),
    *("SELECT EXTRACT(epoch FROM a), TRIM(b), a AT TIME ZONE 'UTC', coalesce(b, ''), CURRENT_TIMESTAMP FROM users",),
    *("SET search_path = app", "SET LOCAL work_mem = '1GB'", "SELECT set_config('search_path', '', false)", "SET CONSTRAINTS ALL DEFERRED"),
    *("RESET lock_timeout", "SET lock_timeout TO DEFAULT", "RESET ALL", "SET TRANSACTION READ ONLY", "SHOW lock_timeout"),
    *("ALTER TABLE users ENABLE TRIGGER t", "ALTER SEQUENCE s OWNED BY users.id", "ALTER TABLE users ALTER id SET INCREMENT BY 2"),
    *("COPY users FROM '/data.csv'", "DELETE FROM app.pg_orders WHERE id = 1"),
    # As older versions of drizzle-kit write it.
    "DO $$ BEGIN CREATE TYPE mood AS ENUM ('a'); EXCEPTION WHEN duplicate_object THEN null; END $$",
    "DO $$ BEGIN ALTER TABLE a ADD CONSTRAINT b FOREIGN KEY (x) REFERENCES c(y); EXCEPTION WHEN duplicate_object THEN null; END $$",
    "DO $$ DECLARE n int := 1; BEGIN n := n + 1; IF n = 2 THEN RAISE NOTICE '%', lower('A'); END IF; END $$",
    # What is only defined does nothing yet.
    "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DELETE FROM users'",
    "CREATE FUNCTION f() RETURNS void BEGIN ATOMIC DELETE FROM users; END",
    "CREATE RULE r AS ON DELETE TO users DO ALSO DELETE FROM archive",
    "CREATE RULE r AS ON SELECT TO users DO INSTEAD SELECT * FROM people",
    "INSERT INTO levels VALUES (1, 'a'), (2, 'b') ON CONFLICT (id) DO UPDATE SET name = excluded.name",
    "INSERT INTO levels SELECT 1, 'a' ON CONFLICT DO NOTHING",
    "INSERT INTO users SELECT id, '' FROM users WHERE id = 1 ON CONFLICT (id) DO UPDATE SET name = excluded.name",
    "INSERT INTO users SELECT id, '' FROM users ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE users.name IS NULL",
    "UPDATE users SET name = '' FROM people p WHERE p.id = users.id",
    "DELETE FROM users WHERE id <> users.id",
    "ALTER TABLE users SET LOGGED",
    "ALTER TABLE users INHERIT people",
    "CREATE TRIGGER t BEFORE INSERT ON users FOR EACH ROW WHEN (f()) EXECUTE FUNCTION f()",
    "INSERT INTO users VALUES (1); CREATE TRIGGER t BEFORE INSERT ON users EXECUTE FUNCTION f()",
    *("CREATE TABLE a (b int DEFAULT f() CHECK (g(b)))", "ALTER TABLE a ALTER COLUMN b SET DEFAULT f()", "CREATE VIEW v AS SELECT f()"),
    *("CREATE INDEX i ON a (f(b))", "CREATE POLICY p ON a USING (f())", "CREATE FUNCTION f() RETURNS int SET lock_timeout = 0 RETURN 1"),
]


@pytest.mark.parametrize(("statement", "reason"), DESTRUCTIVE)
def test_what_destroys_is_found(statement: str, reason: str) -> None:
    assert destroyed(statement) == [{"line": 1, "reason": reason}]


@pytest.mark.parametrize("statement", HARMLESS)
def test_what_destroys_nothing_is_not_held_up(statement: str) -> None:
    assert destroyed(statement) == []


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("DROP TABLE a;", [1]),
        ("\n\nDROP TABLE a;", [3]),
        ("-- why\n\n/* and\nhow */\n  DROP TABLE a;", [5]),
        ("SELECT 1; DROP TABLE a;", [1]),
        ("SELECT 1;\n-- why\nDROP TABLE a;\nDROP TABLE b;", [3, 4]),
        ("SELECT\n  1;\nDROP\nTABLE\na;", [3]),
        ("SELECT 1;\r\n\r\nDROP TABLE a;\r\n", [3]),
        # Characters of more than one byte before it.
        ("-- é ü 漢字 🙂\nSELECT 'é';\n-- ñ\n\nDROP TABLE a;", [5]),
        (f"DROP TABLE a;{BREAKPOINT}\nSELECT 1;{BREAKPOINT}\n\n-- é\nDROP TABLE b;", [1, 5]),
        (f"DROP TABLE a;\n{BREAKPOINT}\nDROP TABLE b;\n", [1, 3]),
        # drizzle cuts there, comment or not: no semicolon is needed, and the rest is a statement of its own.
        (f"DROP TABLE a\n{BREAKPOINT}\nDROP TABLE b", [1, 3]),
        (f"SELECT 1;{BREAKPOINT}\n{BREAKPOINT}\nDROP TABLE b", [3]),
    ],
)
def test_the_line_is_the_one_that_the_statement_begins_on(text: str, lines: list[int]) -> None:
    assert [found["line"] for found in destroyed(text)] == lines


def test_each_thing_that_a_statement_destroys_is_told() -> None:
    reasons = ["drops column a of users", "drops column b of users"]
    assert [found["reason"] for found in parsed("ALTER TABLE users DROP COLUMN a, DROP COLUMN b")] == reasons


IMPOSSIBLE = [
    ("CREATE INDEX CONCURRENTLY i ON users (name)", "creates index i and works CONCURRENTLY, which no transaction allows"),
    ("DROP INDEX CONCURRENTLY i", "drops an index and works CONCURRENTLY, which no transaction allows"),
    ("REINDEX TABLE CONCURRENTLY users", "reindexes and works CONCURRENTLY, which no transaction allows"),
    (
        "ALTER TABLE users DETACH PARTITION old CONCURRENTLY",
        "detaches a partition and works CONCURRENTLY, which no transaction allows",
    ),
    ("VACUUM users", "VACUUM cannot run inside a transaction"),
    ("ALTER SYSTEM SET work_mem = '1GB'", "ALTER SYSTEM cannot run inside a transaction"),
    ("CREATE DATABASE x", "CREATE DATABASE cannot run inside a transaction"),
    ("DISCARD ALL", "DISCARD ALL cannot run inside a transaction"),
    ("BEGIN", "begins or ends a transaction inside of drizzle's"),
    ("COMMIT", "begins or ends a transaction inside of drizzle's"),
    ("ROLLBACK", "begins or ends a transaction inside of drizzle's"),
    ("DO $$ BEGIN COMMIT; END $$", "ends a transaction inside of drizzle's"),
]


@pytest.mark.parametrize(("statement", "reason"), IMPOSSIBLE)
def test_what_drizzles_transaction_does_not_bear_is_found(statement: str, reason: str) -> None:
    found = parsed(f"SELECT 1;\n{statement};")
    assert [(each["line"], each["reason"], KINDS[each["rule"]]) for each in found] == [(2, reason, "impossible")]


@pytest.mark.parametrize(
    "statement", ["ANALYZE users", "SAVEPOINT a", "ROLLBACK TO a", "DISCARD PLANS", "REINDEX TABLE users", "DROP INDEX i"]
)
def test_what_a_transaction_bears_is_let_through(statement: str) -> None:
    assert parsed(statement) == []


def test_a_condition_behind_a_breakpoint_is_none() -> None:
    found = destroyed(f"DELETE FROM users {BREAKPOINT}\nWHERE id = 1;")
    assert found[0] == {"line": 1, "reason": "deletes every row of users"}
    assert found[1]["line"] == 2


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("SELEC 1", 1),
        ("SELECT 1;\n\nSELEC 2", 3),
        (f"SELECT 1;{BREAKPOINT}\n-- é\nSELEC 2", 3),
        ("SELECT (", 1),
        ("SELECT 1;\n/* no end", 2),
    ],
)
def test_what_cannot_be_parsed_counts_as_destructive(text: str, line: int) -> None:
    (found,) = destroyed(text)
    assert found["line"] == line
    assert found["reason"].startswith("cannot be parsed: ")


SAFE_LINES = st.sampled_from(
    ["", "-- é; DROP TABLE x", "SELECT 1;", "/* a\n b */", "SELECT 'a\nb';", BREAKPOINT, "CREATE TABLE a (b int);"]
)


@given(before=st.lists(SAFE_LINES), after=st.lists(SAFE_LINES), choice=st.sampled_from(DESTRUCTIVE))
def test_whatever_stands_around_it(before: list[str], after: list[str], choice: tuple[str, str]) -> None:
    statement, reason = choice
    head = "".join(f"{line}\n" for line in before)
    found = destroyed(head + statement + ";\n" + "\n".join(after))
    assert found == [{"line": head.count("\n") + 1, "reason": reason}]


@given(st.text())
def test_any_text_is_judged(text: str) -> None:
    for found in destroyed(text):
        assert 1 <= found["line"] <= text.count("\n") + 1
        assert found["reason"]


def test_a_missing_parser_is_a_refusal_not_a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sql, "pglast", None)
    monkeypatch.setattr(_sql, "IMPORT_ERROR", ImportError("No module named 'pglast'"))
    with pytest.raises(AnsibleError, match=r"^\[pglast-missing\] .*No module named 'pglast'.* Next: "):
        parsed("SELECT 1")


def judged(*texts: str) -> dict[str, list[dict[str, Any]]]:
    migrations = [{"name": f"000{n}", "file": f"000{n}.sql", "sql": text} for n, text in enumerate(texts)]
    return judge(migrations, 18, HARMLESS_FUNCTIONS)


def test_both_tools_tell_of_a_statement_once() -> None:
    found = judged("SELECT 1;\nDROP TABLE a; DROP TABLE b;", f"TRUNCATE a\n{BREAKPOINT}\nCREATE INDEX i ON a (b)")
    assert [(each["file"], each["line"], each["rule"], each["tools"]) for each in found["destructive"]] == [
        ("0000.sql", 2, "ban-drop-table", ["pglast", "squawk"]),
        ("0000.sql", 2, "ban-drop-table", ["pglast", "squawk"]),
        ("0001.sql", 1, "truncate", ["pglast"]),
    ]
    assert [(each["file"], each["line"], each["rule"], each["tools"]) for each in found["locking"]] == [
        ("0001.sql", 3, "require-concurrent-index-creation", ["squawk"])
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "comment",
    ["-- squawk-ignore ban-drop-table", "-- squawk-ignore-file", "/* squawk-ignore-file */", "-- SQUAWK-IGNORE-FILE", "--squawk-ignore"],
)
def test_a_comment_silences_nobody_and_is_listed(comment: str, end: str) -> None:
    found = judged(f"SELECT 'é';{end}{comment}{end}CREATE INDEX i ON a (b);{end}DROP TABLE users;{end}")
    assert [(each["line"], each["tools"]) for each in found["destructive"]] == [(4, ["pglast", "squawk"])]
    assert [each["line"] for each in found["locking"]] == [3]
    assert [each["line"] for each in found["suppressed"]] == [2]


def test_what_drizzle_sends_is_judged_not_what_the_file_looks_like() -> None:
    """A breakpoint in a comment ends the comment: drizzle cuts there."""
    found = judged(f"-- nothing {BREAKPOINT} ALTER TABLE a DROP COLUMN b")
    assert [(each["line"], each["rule"], each["tools"]) for each in found["destructive"]] == [(1, "ban-drop-column", ["pglast", "squawk"])]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("CREATE FUNCTION lower(users) RETURNS void LANGUAGE sql AS 'DELETE FROM users'", "SELECT lower(u) FROM users u"),
        ("CREATE TRIGGER t BEFORE INSERT ON levels EXECUTE FUNCTION f()", "INSERT INTO levels VALUES (1)"),
    ],
)
def test_what_an_earlier_migration_makes_a_later_one_sets_off(earlier: str, later: str) -> None:
    assert [(each["file"], each["rule"]) for each in judged(earlier, later)["destructive"]] == [("0001.sql", "dynamic-code")]
    assert judged(later, earlier)["destructive"] == []


def test_nothing_pending_needs_no_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sql, "pglast", None)
    assert not any(judged().values())


def test_no_rule_is_both_told_and_untold() -> None:
    assert not UNTOLD & KINDS.keys()
    assert kind_of_squawk("a-rule-of-tomorrow") == "locking"


def test_squawk_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_squawk.shutil, "which", lambda *_args, **_options: None)
    with pytest.raises(AnsibleError, match=r"^\[squawk-missing\] .* Next: "):
        judged("SELECT 1")


def test_a_squawk_that_fails_is_a_refusal_not_a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_squawk.shutil, "which", lambda *_args, **_options: "false")
    with pytest.raises(AnsibleError, match=r"^\[squawk-failed\] "):
        judged("SELECT 1")
