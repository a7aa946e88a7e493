# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _pg_health_readings as read
from ansible_collections.amanat.dbops.plugins.module_utils._findings import NotMeasured, judge
from ansible_collections.amanat.dbops.plugins.module_utils._pg_health import ask, free_space, growth
from ansible_collections.amanat.dbops.plugins.module_utils._pg_health_probes import PROBES, Answers, parse, script
from ansible_collections.amanat.dbops.plugins.module_utils._pg_health_readings import Measured, ancestors, roots
from ansible_collections.amanat.dbops.plugins.module_utils._pg_health_rules import RULES
from ansible_collections.amanat.dbops.plugins.module_utils._place import Engine, Place
from ansible_collections.amanat.dbops.plugins.module_utils._psql import Server

COUNTERS = {"commits": 0, "rollbacks": 0, "blks_hit": 0, "blks_read": 0, "deadlocks": 0, "temp_bytes": 0, "stats_reset": None}


def measured(rows: dict[str, list[dict[str, Any]]], **more: Any) -> Measured:
    return Measured(stack="staging/a", rows={"server": [{"monitor": True, "usable_connections": 97, "database": "a"}], **rows}, **more)


def waiting(pid: int, *blocked_by: int) -> dict[str, Any]:
    return {"pid": pid, "blocked_by": list(blocked_by), "waiting": 5.0 if blocked_by else None, "mode": "ShareLock", "object": "t"}


# -- the script and its answers ------------------------------------------------------------------------------------


def test_every_query_is_a_read_only_transaction_with_its_own_limits() -> None:
    text = script(5, 0.25)
    for command in ("BEGIN READ ONLY;", "SET LOCAL statement_timeout = 5000;", "SET LOCAL lock_timeout = 250;", "ROLLBACK;"):
        assert text.count(command) == len(PROBES)
    assert text.count("\\if") == text.count("\\endif") == 2 * len(PROBES)


def test_queries_only_read() -> None:
    words = {word for probe in PROBES for word in re.findall(r"[a-z_]+", re.sub(r"'[^']*'", "", probe.sql.lower()))}
    assert not words & {"insert", "update", "delete", "truncate", "drop", "create", "alter", "lock", "reset", "pg_terminate_backend"}


def test_answers_are_read_as_far_as_they_came() -> None:
    printed = '{"probe": "a", "rows": [{"x": 1}], "seconds": 0.01}\ndbops-failed b 55P03 canceling statement: lock\n{"probe": "c", "ro'
    answers = parse(printed)
    assert answers == Answers({"a": [{"x": 1}]}, {"b": ("55P03", "canceling statement: lock")}, {"a": 0.01})


def server(tmp_path: Path, program: str, host: str = "127.0.0.1") -> Server:
    (tmp_path / "psql").write_text(f"#!/bin/sh\ncat > /dev/null\n{program}\n")
    (tmp_path / "psql").chmod(0o755)
    return Server(Place(Engine(), bin_dir=str(tmp_path)), {"PGDATABASE": "a", "PGHOST": host})


def test_a_connection_that_ends_half_way_keeps_what_was_answered(tmp_path: Path) -> None:
    program = """echo '{"probe": "connections", "rows": [], "seconds": 0.1}'; echo 'FATAL: terminating connection' >&2; exit 2"""
    answers, missing = ask(server(tmp_path, program), 5, 1)
    assert answers.rows == {"connections": []}
    assert "terminating connection" in missing["tables"]


@pytest.mark.parametrize(("state", "words"), [("57014", "took longer"), ("55P03", "lock"), ("42501", "GRANT pg_monitor"), ("XX000", "odd")])
def test_why_a_query_failed_is_told(tmp_path: Path, state: str, words: str) -> None:
    _answers, missing = ask(server(tmp_path, f"echo 'dbops-failed tables {state} odd'"), 5, 1)
    assert words in missing["tables"]
    assert missing["statements"] == "the extension pg_stat_statements is not installed in this database"


@pytest.mark.parametrize("host", ["db.example", "10.0.0.5"])
def test_the_space_of_another_machine_is_not_ours(tmp_path: Path, host: str) -> None:
    missing: dict[str, str] = {}
    answers = Answers({"server": [{"data_directory": "/"}]}, {}, {})
    assert free_space(server(tmp_path, "", host), answers, missing) is None
    assert missing["space"] == "the server is on another machine"
    assert free_space(server(tmp_path, ""), answers, missing) is not None


def test_growth_needs_both_reports() -> None:
    now = {"database": [{"bytes": 50}], "tables": [{"name": "a", "bytes": 30}, {"name": "new", "bytes": 9}]}
    before = {"database": [{"bytes": 40}], "tables": [{"name": "a", "bytes": 25}, {"name": "gone", "bytes": 9}]}
    assert growth(now, before, "then", 60) == {"since": "then", "seconds": 60, "bytes": 10, "tables": {"a": 5}}
    assert growth(now, {}, "then", 60) == growth({}, before, "then", 60) == {}


# -- readings ------------------------------------------------------------------------------------------------------


def test_with_nothing_measured_only_what_is_certain_is_said() -> None:
    findings, checks = judge(RULES, Measured(stack="staging/a", rows={}, unreachable=("It is gone.", "start it")))
    assert [(one["check"], one["detail"], one["next"]) for one in findings] == [("reachable", "It is gone.", "start it")]
    assert {one["state"] for one in checks if one["check"] != "reachable"} == {"unknown"}


def test_rules_have_names_of_their_own_and_a_source() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(rule.source and rule.meaning and (rule.warning is not None or rule.critical is not None) for rule in RULES)
    for rule in RULES:
        if rule.warning is not None and rule.critical is not None:
            assert (rule.warning > rule.critical) == rule.lower, rule.name


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([waiting(1), waiting(2, 1), waiting(3, 2)], [1]),
        ([waiting(1), waiting(2), waiting(3, 1, 2)], [1, 2]),
        ([waiting(1, 2), waiting(2, 1)], [1]),  # a deadlock that PostgreSQL has not yet ended
        ([waiting(0), waiting(4, 0)], [0]),  # behind a prepared transaction
        ([], []),
    ],
)
def test_who_is_in_front(rows: list[dict[str, Any]], expected: list[int]) -> None:
    assert [row["pid"] for row in roots(rows)] == expected


def test_everybody_that_is_waited_for() -> None:
    rows = [waiting(1), waiting(2, 1), waiting(3, 2), waiting(4, 5), waiting(5, 4)]
    assert ancestors(rows, 3) == {1, 2}
    assert ancestors(rows, 4) == {4, 5}


def test_the_one_in_front_is_told_with_its_queue() -> None:
    [reading] = read.blocked(measured({"locks": [waiting(1), waiting(2, 1), waiting(3, 2)]}))
    assert (reading.value, reading.object, reading.next_step) == (5.0, "pid 1", "SELECT pg_terminate_backend(1);")
    assert "pid 2 for ShareLock on t, pid 3" in reading.detail


def test_rates_count_from_the_last_report_unless_counters_began_anew() -> None:
    now = {**COUNTERS, "deadlocks": 30, "counted_for": 36_000.0}
    before = {"database": [{**COUNTERS, "deadlocks": 28}]}
    [since_last] = read.deadlocks(measured({"database": [now]}, previous=before, since=7200.0))
    assert since_last.value == pytest.approx(1.0)
    reset = {"database": [{**COUNTERS, "deadlocks": 31}]}
    for previous, since in (
        (reset, 7200.0),
        ({"database": [{**before["database"][0], "stats_reset": "x"}]}, 7200.0),
        (before, 5.0),
        ({}, 0.0),
    ):
        [all_time] = read.deadlocks(measured({"database": [now]}, previous=previous, since=since))
        assert all_time.value == pytest.approx(3.0)


def test_a_ratio_of_little_says_nothing() -> None:
    with pytest.raises(NotMeasured, match="3 transactions"):
        list(read.rollbacks(measured({"database": [{**COUNTERS, "commits": 2, "rollbacks": 1, "counted_for": 60.0}]})))


def test_unused_indexes_need_a_week() -> None:
    index = {"name": "i", "on_table": "t", "flaw": "unused", "bytes": 2**30, "twin": None, "scans": 0, "being_built": False}
    rows = {"indexes": [index], "database": [{**COUNTERS, "counted_for": 86400.0 * 6}]}
    with pytest.raises(NotMeasured, match="7 days"):
        list(read.unused_indexes(measured(rows)))
    rows["database"][0]["counted_for"] = 86400.0 * 8
    [reading] = read.unused_indexes(measured(rows))
    assert "8 days" in reading.detail
    assert "replica" in reading.detail


@pytest.mark.parametrize(("stamps", "value"), [([], 1), ([("staging", "a")], 0), ([("production", "a")], 2), ([("staging", "a")] * 2, 2)])
def test_the_stamp_agrees_or_not(stamps: list[tuple[str, str]], value: int) -> None:
    [reading] = read.stamp(measured({"stamp": [{"environment": one, "name": other} for one, other in stamps]}))
    assert reading.value == value


def test_days_left_follow_from_the_growth_of_all_databases() -> None:
    rows = {"sizes": [{"name": "a", "bytes": 120}, {"name": "new", "bytes": 900}, {"name": "hidden", "bytes": None}]}
    before = {"sizes": [{"name": "a", "bytes": 100}, {"name": "hidden", "bytes": None}]}
    [reading] = read.days_left(measured(rows, previous=before, since=86400.0, space={"free": 200, "total": 1000}))
    assert reading.value == pytest.approx(10.0)
    shrunk = {"sizes": [{"name": "a", "bytes": 130}]}
    assert list(read.days_left(measured(rows, previous=shrunk, since=86400.0, space={"free": 200, "total": 1000}))) == []
    with pytest.raises(NotMeasured):
        list(read.days_left(measured(rows, previous=before, since=60.0, space={"free": 200, "total": 1000})))


def series(**changes: Any) -> dict[str, Any]:
    newest = {"name": "a_pg_1.dump", "state": "verified", "reason": ""}
    return {"series": {"series": "a_pg", "newest": "a_pg_1.dump", "rpo": 60, "gaps": [], "drill": {}, "backups": [newest], **changes}}


@pytest.mark.parametrize(
    ("backups", "expected"),
    [
        (series(drill={"name": "a_pg_1.dump", "passed": True, "age": 60.0, "rto": 3.0}), set()),
        (series(), {("drill_failed", "warning")}),
        (series(drill={"name": "a_pg_1.dump", "passed": False, "age": 60.0, "rto": None}), {("drill_failed", "critical")}),
        (
            series(rpo=100 * 3600, drill={"name": "b", "passed": True, "age": 86400 * 40.0, "rto": 1.0}),
            {("backup_age", "critical"), ("drill_age", "warning")},
        ),
        (series(newest="", rpo=None, backups=[], gaps=[]), {("no_backup", "critical"), ("drill_failed", "warning")}),
        (
            series(
                backups=[{"name": "x", "state": "invalid", "reason": "cut off"}],
                drill={"name": "b", "passed": True, "age": 1.0, "rto": 1.0},
            ),
            {("backup_flaws", "critical")},
        ),
        (
            series(
                gaps=[{"from": "a", "to": "b", "seconds": 99}, {"from": "b", "to": "now", "seconds": 60}],
                drill={"name": "b", "passed": True, "age": 1.0, "rto": 1.0},
            ),
            {("backup_gaps", "warning")},
        ),
        ({"reason": "There is no directory /b."}, {("no_backup", "critical")}),
    ],
)
def test_backups_and_drills(backups: dict[str, Any], expected: set[tuple[str, str]]) -> None:
    findings, _checks = judge(RULES, measured({}, backups=backups))
    found = {(one["check"], one["severity"]) for one in findings if one["check"].startswith(("backup", "drill", "no_backup"))}
    assert found == expected
