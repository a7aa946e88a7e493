# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of the statements that hold a snapshot, and what happens when psql ends in the middle of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._command import Command
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._snapshot import Snapshot

# Answers as psql does: each query that wants JSON gets the next of the answers; one that is "die" ends it.
FAKE_PSQL = """
import json, pathlib, sys
log, answers = pathlib.Path(sys.argv[1]), json.loads(sys.argv[2])
with log.open("w") as stream:
    for line in sys.stdin:
        stream.write(line)
        stream.flush()
        if "AS __r;" in line:
            answer = answers.pop(0)
            if answer == "die":
                sys.stderr.write("FATAL:  terminating connection due to administrator command\\n")
                sys.exit(2)
            print(json.dumps(answer), flush=True)
    stream.write("END\\n")
"""

USERS = {"schema": "public", "table": "users", "condition": "", "columns": ["id"]}
ODD = {"schema": "Odd", "table": 'a"b', "condition": "WHERE NOT builtin", "columns": []}
Psql = Callable[..., Snapshot]


@pytest.fixture
def psql(tmp_path: Path) -> Psql:
    def make(*answers: Any) -> Snapshot:
        return Snapshot(Command([sys.executable, "-c", FAKE_PSQL, str(tmp_path / "log"), json.dumps(answers)]), "amanat")

    return make


def said(tmp_path: Path) -> str:
    return (tmp_path / "log").read_text(encoding="utf-8")


def test_tables_are_locked_before_the_snapshot_is_taken(psql: Psql, tmp_path: Path) -> None:
    with psql([USERS, ODD], [{"id": "0-1"}], [USERS, ODD]) as snapshot:
        snapshot.open()
        assert snapshot.identity == "0-1"
        assert snapshot.tables == [USERS, ODD]
    log = said(tmp_path)
    steps = [
        "SET row_security = off;",
        "FROM pg_class",
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;",
        "SET LOCAL lock_timeout",
        'LOCK TABLE ONLY "public"."users", ONLY "Odd"."a""b" IN ACCESS SHARE MODE;',
        "pg_export_snapshot()",
        "END\n",
    ]
    places = [log.index(step) for step in steps]
    assert places == sorted(places)
    assert log.count("BEGIN ISOLATION") == 1
    assert "COMMIT" not in log


def test_a_database_without_tables_locks_nothing(psql: Psql, tmp_path: Path) -> None:
    with psql([], [{"id": "0-1"}], []) as snapshot:
        snapshot.open()
        assert snapshot.tables == []
    assert "LOCK TABLE" not in said(tmp_path)


@pytest.mark.parametrize(("before", "after"), [([USERS], []), ([], [USERS]), ([USERS], [ODD])])
def test_a_schema_that_moves_is_no_moment_for_a_backup(psql: Psql, before: list[Any], after: list[Any]) -> None:
    with psql(before, [{"id": "0-1"}], after) as snapshot, pytest.raises(OperationError) as caught:
        snapshot.open()
    assert caught.value.slug == "backup-ddl"


@pytest.mark.parametrize("answers", [["die"], [[USERS], "die"], [[USERS], [{"id": "0-1"}], "die"]])
def test_the_end_of_psql_is_told_with_its_own_words(psql: Psql, answers: list[Any]) -> None:
    with psql(*answers) as snapshot, pytest.raises(OperationError, match="terminating connection"):
        snapshot.open()


def test_leaving_ends_psql_whatever_happened(psql: Psql) -> None:
    snapshot = psql([USERS])
    with pytest.raises(RuntimeError, match="elsewhere"), snapshot:
        raise RuntimeError("elsewhere")
    assert snapshot._psql.process.returncode == 0
