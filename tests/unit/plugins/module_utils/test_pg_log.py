# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of a server's log in each of its formats, and what a migrator is told by its environment."""

from __future__ import annotations

import csv
import io
import json

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _drizzle_env, _drizzle_run
from ansible_collections.amanat.dbops.plugins.module_utils._command import Answer
from ansible_collections.amanat.dbops.plugins.module_utils._drizzle import Migration
from ansible_collections.amanat.dbops.plugins.module_utils._pg_log import Entry, from_csv, from_json, from_stderr
from hypothesis import given
from hypothesis import strategies as st

STDERR = """\
>the rest of a line that began before
2026-11-22 10:00:00.123 UTC [71] LOG:  checkpoint starting: time
2026-11-22 10:00:01.001 UTC [90] ERROR:  column "nmae" does not exist at character 31
2026-11-22 10:00:01.001 UTC [90] HINT:  Perhaps you meant to reference the column "users.name".
2026-11-22 10:00:01.002 UTC [90] STATEMENT:  ALTER TABLE users
>  ADD CHECK (nmae = '');
2026-11-22 10:00:02.000 UTC [91] ERROR:  duplicate key value violates unique constraint "users_pkey"
2026-11-22 10:00:02.000 UTC [91] DETAIL:  Key (id)=(7) already exists.
2026-11-22 10:00:02.000 UTC [92] STATEMENT:  of somebody else
""".replace(">", "\t")


def test_plain_lines() -> None:
    first, second = from_stderr(STDERR)
    assert first.message == 'column "nmae" does not exist at character 31'
    assert first.hint == 'Perhaps you meant to reference the column "users.name".'
    assert first.statement == "ALTER TABLE users\n  ADD CHECK (nmae = '');"
    assert (second.message, second.statement) == ('duplicate key value violates unique constraint "users_pkey"', "")


def test_json() -> None:
    record = {"error_severity": "ERROR", "message": "m", "hint": "h", "statement": "s", "application_name": "a", "detail": "secret"}
    lines = ["the rest of a line", json.dumps(record), json.dumps({"error_severity": "LOG", "message": "m"}), "[]"]
    assert from_json("\n".join(lines)) == [Entry("m", "h", "s", "a")]


def test_csv() -> None:
    row = [""] * 26
    row[11], row[13], row[15], row[19], row[22] = "FATAL", "m", "h", "two\nlines, quoted", "a"
    out = io.StringIO()
    csv.writer(out).writerows([["short"], row, [*row[:11], "LOG", *row[12:]]])
    assert from_csv(out.getvalue()) == [Entry("m", "h", "two\nlines, quoted", "a")]


@given(st.text())
def test_any_log_is_read(text: str) -> None:
    for read in (from_stderr, from_json, from_csv):
        read(text.replace("\0", ""))


URL = "postgres://amanat:s3cr%40t-pw@postgres:5432/amanat?application_name=x&sslmode=disable"
PENDING = [Migration("0001_a", "0001_a.sql", 1, "", "SELECT 1;\n--> statement-breakpoint\n\nALTER TABLE users\n  ADD CHECK (nmae = '');\n")]


class Log:
    def __init__(self, *entries: Entry) -> None:
        self.entries = list(entries)

    def errors(self) -> list[Entry]:
        return self.entries


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([Entry("no", statement="of somebody else")], "The server's log names no statement of it."),
        ([], "The server's log names no statement of it."),
        (
            from_stderr(STDERR),
            'column "nmae" does not exist (Perhaps you meant to reference the column "users.name".), at 0001_a.sql line 4.',
        ),
        ([Entry("no", application="x [1] dbops-migrate-1 ")], "The server's log says: no."),
        ([Entry("no", statement='insert into "drizzle"."__drizzle_migrations" …')], "The server's log says: no."),
    ],
)
def test_the_cause_is_that_of_the_run(entries: list[Entry], said: str) -> None:
    assert _drizzle_run.cause(Log(*entries), "dbops-migrate-1", PENDING, URL).words.endswith(said)  # type: ignore[arg-type]


def test_a_migration_is_to_be_corrected_only_where_one_is_named() -> None:
    named, unnamed = (_drizzle_run.cause(Log(*entries), "dbops-migrate-1", PENDING, URL) for entries in (from_stderr(STDERR), []))  # type: ignore[arg-type]
    assert named.cure.startswith("Correct the migration that is named")
    assert "Correct the migration" not in unnamed.cure


A, B = "0001_a", "0002_b"


def test_a_file_that_changed_under_the_run_is_no_success() -> None:
    before = {"applied": ["0000_old"], "pending": [A]}
    after = {"applied": ["0000_old", A], "pending": [], "unknown_in_database": [], "edited_after_apply": ["0000_old", A]}
    outcome = _drizzle_run.outcome(Answer(0, "", ""), before, after, URL)
    assert outcome.said == "The files of 0001_a were not applied as they were when they were judged."
    assert outcome.state.startswith("Applied: 0001_a;")


@pytest.mark.parametrize(
    ("code", "applied", "unknown", "said", "state"),
    [
        (0, [A, B], [], "", ""),
        (1, [], [], "drizzle-kit ended with 1: it gave no reason.", "None of the pending migrations was applied: they are one transaction"),
        (1, [A], [], "drizzle-kit ended with 1: it gave no reason.", "Applied: 0001_a; still pending: 0002_b."),
        (0, [A], [], "drizzle-kit reported success", "Applied: 0001_a; still pending: 0002_b."),
        # Who reports success may have worked elsewhere.
        (0, [], [], "drizzle-kit reported success", "This database has seen none of them. Whether another one was changed is not known."),
        (0, [A, B], ["c of 3"], "Meanwhile the database has seen c of 3", "Applied: 0001_a, 0002_b; still pending: none."),
    ],
)
def test_what_a_run_came_to(code: int, applied: list[str], unknown: list[str], said: str, state: str) -> None:
    before = {"applied": ["0000_old"], "pending": [A, B]}
    left = [name for name in (A, B) if name not in applied]
    after = {"applied": ["0000_old", *applied], "pending": left, "unknown_in_database": unknown, "edited_after_apply": []}
    outcome = _drizzle_run.outcome(Answer(code, "", ""), before, after, "postgres://a:b@c/d")
    assert outcome.said.startswith(said)
    assert outcome.state.startswith(state)
    assert outcome.ok == (not state)


def test_the_cause_holds_no_secret() -> None:
    """Not even in part, where it stood at the place where the text is cut."""
    for filling in range(280, 300):
        entry = Entry(f"{'x' * filling} s3cr@t-pw", hint=f"{'y' * filling} s3cr%40t-pw", statement='"__drizzle_migrations"')
        said = _drizzle_run.cause(Log(entry), "dbops-migrate-1", PENDING, URL).words  # type: ignore[arg-type]
        assert "s3c" not in said


@pytest.mark.parametrize(
    ("url", "left", "options"),
    [
        ("postgres://a:b@c/d", "postgres://a:b@c/d", "-c lock_timeout=1ms"),
        (
            "postgres://a:p%40@c:5/d?sslmode=require&application_name=x&options=-c%20work_mem%3D1MB",
            "postgres://a:p%40@c:5/d?sslmode=require",
            "-c work_mem=1MB -c lock_timeout=1ms",
        ),
    ],
)
def test_what_the_url_says_of_a_session_does_not_win(url: str, left: str, options: str) -> None:
    env = _drizzle_env.environment(url, "name", {"lock_timeout": "1ms"}, ["DATABASE_URL"])
    assert env == {"PG_URL": left, "DATABASE_URL": left, "PGAPPNAME": "name", "PGOPTIONS": options}


def test_the_last_words_of_drizzle_kit() -> None:
    out = "Reading config file '/app/x'\n[⣷] applying migrations...\x1b[2K\x1b[1G[⣯] applying migrations...\nError: at postgres://a:b@c/d\n"
    assert _drizzle_run._last_words(Answer(1, out, "npm warn x"), "postgres://a:b@c/d") == "Error: at ***"
    assert _drizzle_run._last_words(Answer(1, "", ""), "x") == "it gave no reason"


@pytest.mark.parametrize(
    "said",
    [
        '{"level":50,"code":"23505","detail":"Key (email)=(anna@example.org) already exists.","table":"users"}',
        "error: duplicate key\n  detail: 'Key (email)=(anna@example.org) already exists.',\n  code: '23505'",
        "ERROR:  duplicate key\nDETAIL:  Key (email)=(anna@example.org) already exists.",
    ],
)
def test_the_last_words_hold_no_rows(said: str) -> None:
    """They go into announcements."""
    words = _drizzle_run._last_words(Answer(1, said, ""), URL)
    assert "anna" not in words
    assert "23505" in words or "duplicate key" in words


def test_the_last_words_hold_no_secret() -> None:
    """What the run was given is another URL than PG_URL, and a driver tells the password alone."""
    given = _drizzle_env.environment(URL, "name", {}, [])["PG_URL"]
    assert given != URL
    said = _drizzle_run._last_words(Answer(1, "", f"Error: Invalid URL '{given}', password s3cr@t-pw"), URL)
    assert said == "Error: Invalid URL 'postgres://amanat:***@postgres:5432/amanat?sslmode=disable', password ***"
