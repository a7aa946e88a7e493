# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQL in, JSON out, and the common failures told apart. PostgreSQL's own grammar judges the quoting."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pglast
import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._command import Answer
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._place import Engine, Place
from ansible_collections.amanat.dbops.plugins.module_utils._psql import Server, as_json, failure, quote_identifier, quote_literal
from hypothesis import given
from hypothesis import strategies as st

# What a text in PostgreSQL may hold: anything but NUL, encodable as UTF-8.
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
TRICKY = st.text(alphabet="'\"\\$E;-/*\n\r\t :é")


@given(TEXT | TRICKY)
def test_a_literal_means_its_text_and_nothing_else(text: str) -> None:
    (statement,) = pglast.parse_sql(f"SELECT {quote_literal(text)}")
    (target,) = statement.stmt.targetList
    assert target.val.val.sval == text


@given(TEXT | TRICKY)
def test_a_literal_ends_where_it_should_with_the_old_meaning_of_backslashes_too(text: str) -> None:
    # standard_conforming_strings = off makes every constant an E'' one; then, too, it holds the whole text.
    quoted = quote_literal(text).strip()
    (statement,) = pglast.parse_sql(f"SELECT {quoted if quoted.startswith('E') else 'E' + quoted}")
    assert statement.stmt.targetList[0].val.val.sval == text


@given((TEXT | TRICKY).filter(lambda text: 0 < len(text.encode()) < 64))
def test_an_identifier_is_one_name(text: str) -> None:
    (statement,) = pglast.parse_sql(f"SELECT 1 AS {quote_identifier(text)}")
    assert statement.stmt.targetList[0].name == text


def test_a_query_answers_with_one_document() -> None:
    (statement,) = pglast.parse_sql(as_json("SELECT 1 AS a ORDER BY 1"))
    assert type(statement.stmt).__name__ == "SelectStmt"


@pytest.fixture
def server(tmp_path: Path) -> Callable[..., Server]:
    """A server whose psql is a script."""

    def make(script: str, **env: str) -> Server:
        psql = tmp_path / "psql"
        psql.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        psql.chmod(0o755)
        return Server(Place(Engine(), bin_dir=str(tmp_path)), {"PGDATABASE": "d", **env}, timeout=5)

    return make


@pytest.mark.parametrize(
    ("out", "rows"),
    [("[]", []), ('[{"a": 1}, {"a": null}]', [{"a": 1}, {"a": None}]), ('[{"a": "line\\\\nbreak"}]', [{"a": "line\nbreak"}])],
)
def test_rows(server: Callable[..., Server], out: str, rows: list[dict[str, Any]]) -> None:
    assert server(f"cat >/dev/null; printf '%s\\n' '{out}'".replace("\\\\", "\\")).rows("SELECT 1") == rows


def test_a_value(server: Callable[..., Server]) -> None:
    assert server("""echo '[{"size": 9007199254740993}]'""").value("SELECT 1 AS size") == 9007199254740993


def test_statements_go_to_standard_input_and_secrets_to_the_environment(server: Callable[..., Server]) -> None:
    asked = server('cat; echo "$@"; echo "$PGPASSWORD $PGAPPNAME $PGCONNECT_TIMEOUT"', PGPASSWORD="s3cret")
    out = asked.execute("SELECT 'statement'").splitlines()
    assert out[0].startswith("SELECT 'statement'")
    assert "s3cret" not in out[0]
    assert "ON_ERROR_STOP=1" in out[0]
    assert out[-1] == "s3cret amanat.dbops 10"
    assert "s3cret" not in repr(asked)


def test_options_are_added_to_those_of_the_url(server: Callable[..., Server]) -> None:
    asked = server("", PGOPTIONS="-c search_path=x")
    assert asked.environ()["PGOPTIONS"] == "-c search_path=x -c search_path=pg_catalog"
    for_users = Server(asked.place, asked.env, options={"lock_timeout": "5s", "statement_timeout": "0"}, search_path="")
    assert for_users.environ()["PGOPTIONS"] == "-c search_path=x -c lock_timeout=5s -c statement_timeout=0"


def test_another_database(server: Callable[..., Server]) -> None:
    asked = server("", PGUSER="u")
    assert asked.to("postgres").env == {"PGUSER": "u", "PGDATABASE": "postgres"}
    assert asked.database == "d"


SOCKET = 'psql: error: connection to server on socket "/var/run/postgresql/.s.PGSQL.5432" failed: '
HOST = 'psql: error: connection to server at "database" (172.18.0.2), port 5432 failed: '


@pytest.mark.parametrize(
    ("code", "err", "slug"),
    [
        (2, f"{HOST}Connection refused\n\tIs the server running on that host?", "postgres-unreachable"),
        (2, f"{SOCKET}No such file or directory\n\tIs the server running locally?", "postgres-unreachable"),
        (2, f"{SOCKET}FATAL:  the database system is starting up", "postgres-unreachable"),
        (2, 'psql: error: could not translate host name "pg" to address: Name or service not known', "postgres-unreachable"),
        (2, f"{HOST}timeout expired", "postgres-unreachable"),
        (2, f'{HOST}FATAL:  password authentication failed for user "u"', "postgres-login-failed"),
        (2, f'{HOST}FATAL:  role "u" does not exist', "postgres-login-failed"),
        (2, f'{HOST}FATAL:  no pg_hba.conf entry for host "1.2.3.4"', "postgres-login-failed"),
        (2, f"{HOST}fe_sendauth: no password supplied", "postgres-login-failed"),
        (2, f'{HOST}FATAL:  database "d" does not exist', "database-missing"),
        (3, 'ERROR:  relation "database_backups" does not exist', "sql-failed"),
        (3, 'ERROR:  could not open file "base/1": No such file or directory', "sql-failed"),
        (3, 'ERROR:  role "app" does not exist', "sql-failed"),
        (124, "no answer within 60 s", "psql-failed"),
        (127, "psql: not found", "psql-failed"),
        (1, "Error response from daemon: container 1 is not running", "psql-failed"),
    ],
)
def test_a_failure_says_which_it_was(code: int, err: str, slug: str) -> None:
    error = failure(Answer(code, "", err), "d")
    assert error.slug == slug
    assert error.next_step
    assert error.state


def test_a_failing_statement_raises(server: Callable[..., Server]) -> None:
    with pytest.raises(OperationError, match="division by zero") as caught:
        server("echo 'ERROR:  division by zero' >&2; exit 3").execute("SELECT 1/0")
    assert caught.value.slug == "sql-failed"
