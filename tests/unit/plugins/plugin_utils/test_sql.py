# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a migration destroys, and on which line; what destroys nothing is not held up."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleError
from ansible_collections.amanat.dbops.plugins.plugin_utils import _sql
from ansible_collections.amanat.dbops.plugins.plugin_utils._sql import destructive_statements
from hypothesis import given
from hypothesis import strategies as st

BREAKPOINT = "--> statement-breakpoint"

DESTRUCTIVE = [
    ("TRUNCATE users", "truncates a table"),
    ("TRUNCATE users, payments RESTART IDENTITY CASCADE", "truncates a table"),
    ("DELETE FROM users", "deletes every row of users"),
    ('DELETE FROM "public"."users"', "deletes every row of users"),
    ("DELETE FROM users USING payments", "deletes every row of users"),
    ("DELETE FROM users WHERE true", "deletes every row of users"),
    ("DELETE FROM users WHERE 1 = 1", "deletes every row of users"),
    ("UPDATE users SET name = ''", "updates every row of users"),
    ("UPDATE users SET name = '' WHERE now() > '2020-01-01'", "updates every row of users"),
    ('ALTER TABLE "users" DROP COLUMN "name"', "drops column name of users"),
    ("ALTER TABLE users ADD COLUMN a int, DROP COLUMN name", "drops column name of users"),
    ("ALTER TABLE users DROP COLUMN a, DROP COLUMN b", "drops column a of users, drops column b of users"),
    ("ALTER TABLE users ALTER COLUMN name SET DATA TYPE varchar(10)", "changes the type of column name of users"),
    ("ALTER TABLE users ALTER name TYPE text", "changes the type of column name of users"),
    ("DROP TABLE users", "drops a table"),
    ("DROP TABLE IF EXISTS users CASCADE", "drops a table"),
    ("DROP SCHEMA app CASCADE", "drops a schema"),
    ("DROP TYPE mood", "drops a type"),
    ("DROP SEQUENCE numbers", "drops a sequence"),
    ("DROP EXTENSION hstore", "drops a extension"),
    ("DROP DATABASE amanat", "drops a database"),
    ("DROP OWNED BY app", "drops everything that a role owns"),
    ("ALTER TABLE users RENAME TO people", "renames what the running release may still use"),
    ("ALTER TABLE users RENAME COLUMN name TO title", "renames what the running release may still use"),
    ("ALTER TYPE mood RENAME VALUE 'a' TO 'b'", "renames what the running release may still use"),
    ("ALTER TABLE users SET SCHEMA archive", "moves what the running release may still use to another schema"),
    ("DO $$ BEGIN EXECUTE 'DROP TABLE users'; END $$", "runs code that nobody can judge beforehand (DO)"),
    ("CALL clean_up()", "runs code that nobody can judge beforehand (CALL)"),
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
    # What is only defined does nothing yet.
    "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DELETE FROM users'",
    "CREATE FUNCTION f() RETURNS void BEGIN ATOMIC DELETE FROM users; END",
    "CREATE RULE r AS ON DELETE TO users DO INSTEAD DELETE FROM archive",
]


@pytest.mark.parametrize(("statement", "reason"), DESTRUCTIVE)
def test_what_destroys_is_found(statement: str, reason: str) -> None:
    assert destructive_statements(statement) == [{"line": 1, "reason": reason}]


@pytest.mark.parametrize("statement", HARMLESS)
def test_what_destroys_nothing_is_not_held_up(statement: str) -> None:
    assert destructive_statements(statement) == []


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
    assert [found["line"] for found in destructive_statements(text)] == lines


def test_a_condition_behind_a_breakpoint_is_none() -> None:
    found = destructive_statements(f"DELETE FROM users {BREAKPOINT}\nWHERE id = 1;")
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
    (found,) = destructive_statements(text)
    assert found["line"] == line
    assert found["reason"].startswith("cannot be parsed: ")


SAFE_LINES = st.sampled_from(
    ["", "-- é; DROP TABLE x", "SELECT 1;", "/* a\n b */", "SELECT 'a\nb';", BREAKPOINT, "CREATE TABLE a (b int);"]
)


@given(before=st.lists(SAFE_LINES), after=st.lists(SAFE_LINES), choice=st.sampled_from(DESTRUCTIVE))
def test_whatever_stands_around_it(before: list[str], after: list[str], choice: tuple[str, str]) -> None:
    statement, reason = choice
    head = "".join(f"{line}\n" for line in before)
    found = destructive_statements(head + statement + ";\n" + "\n".join(after))
    assert found == [{"line": head.count("\n") + 1, "reason": reason}]


@given(st.text())
def test_any_text_is_judged(text: str) -> None:
    for found in destructive_statements(text):
        assert 1 <= found["line"] <= text.count("\n") + 1
        assert found["reason"]


def test_a_missing_parser_is_a_refusal_not_a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sql, "pglast", None)
    monkeypatch.setattr(_sql, "_IMPORT_ERROR", ImportError("No module named 'pglast'"))
    with pytest.raises(AnsibleError, match=r"^\[pglast-missing\] .*No module named 'pglast'.* Next: "):
        destructive_statements("SELECT 1")
