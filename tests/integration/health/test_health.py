# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server asked how it is: by whom, in what state, and what its report says."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration import modules
from tests.integration.backup.conftest import PASSWORD, STACK, Caller, Postgres, remove, run_postgres
from tests.integration.health.conftest import DATABASE, MONITOR, PLAIN, holding
from tests.integration.plays import engine, images, play
from tests.integration.redis.conftest import run_redis

PROBES = {
    *("server", "stamp", "connections", "transactions", "locks", "prepared", "database", "databases", "oldest", "sizes", "tables"),
    *("indexes", "replication", "slots", "recovery", "wal", "archiver", "checkpoints", "settings", "collations", "statements"),
}


def ask(caller: Caller, **options: Any) -> dict[str, Any]:
    return caller.run("postgres_health_info", DATABASE, **options)


def found(health: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {finding["check"]: finding for finding in health["findings"]}


def state(health: dict[str, Any], check: str) -> str:
    return next(one["state"] for one in health["checks"] if one["check"] == check)


def report(caller: Caller, health: dict[str, Any], *, check: bool = False, **options: Any) -> dict[str, Any]:
    arguments = {"stack": STACK, "state_dir": str(caller.directory / "state"), "parts": [health], "_ansible_check_mode": check, **options}
    result, _text = modules.call("health_report", arguments)
    assert not result.get("failed"), result
    return result


def test_what_hurts_is_found_and_nothing_else(caller: Caller) -> None:
    health = ask(caller)
    assert set(health["measured"]) == PROBES
    assert health["notes"] == []
    expected = {"no_backup", "unsafe_settings", "slots_inactive", "dead_rows", "invalid_indexes", "never_analyzed", "pending_restart"}
    # How full this machine's disk is, and how quick it is, is not this test's business.
    assert set(found(health)) - {"disk_used", "slow_queries", "cache_hit"} == expected
    assert health["worst"] == "critical"
    assert found(health)["dead_rows"]["object"] == "public.payments"
    assert found(health)["dead_rows"]["value"] == pytest.approx(0.25, abs=0.01)
    assert found(health)["dead_rows"]["next"] == "VACUUM (VERBOSE, ANALYZE) public.payments;"
    assert found(health)["invalid_indexes"]["next"] == "REINDEX INDEX CONCURRENTLY public.payments_broken;"
    assert found(health)["slots_inactive"]["object"] == "forgotten"
    assert found(health)["pending_restart"]["object"] == "max_connections"
    assert found(health)["unsafe_settings"]["object"] == "fsync"  # as the test's own server runs
    assert {row["name"] for row in health["measured"]["tables"]} >= {'public."Odd ""name"', "public.users", "dbops.environment"}
    flaws = {(row["name"], row["flaw"]) for row in health["measured"]["indexes"]}
    assert flaws == {("public.payments_broken", "invalid"), ("public.payments_user_again", "duplicate")}
    assert health["seconds"] < 1


def test_membership_in_pg_monitor_is_enough(caller: Caller) -> None:
    health, full = ask(caller, login_user=MONITOR), ask(caller)
    assert health["notes"] == []
    assert set(found(health)) == set(found(full))
    assert {one["check"]: one["state"] for one in health["checks"]} == {one["check"]: one["state"] for one in full["checks"]}
    assert health["measured"]["server"][0]["role"] == MONITOR


def test_what_a_role_may_not_see_is_said(caller: Caller, server: Postgres) -> None:
    with holding(server, "LOCK TABLE users IN ACCESS SHARE MODE;"):
        health = ask(caller, login_user=PLAIN)
    assert health["reachable"]
    assert health["notes"][0]["next"] == f"GRANT pg_monitor TO {PLAIN};"
    assert state(health, "longest_transaction") == state(health, "idle_in_transaction") == state(health, "disk_used") == "unknown"
    assert state(health, "dead_rows") == "warning"
    assert sum(row["count"] for row in health["measured"]["connections"]) >= 1, "hidden sessions use connections too"


def test_a_table_that_is_locked_holds_nothing_up(caller: Caller, server: Postgres) -> None:
    with holding(server, "LOCK TABLE payments IN ACCESS EXCLUSIVE MODE;"):
        started = time.monotonic()
        health = ask(caller)
        assert time.monotonic() - started < 5
        left = "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE a.application_name = 'amanat.dbops'"
        assert server.sql(DATABASE, left) == "0"
    tables = {row["name"]: row for row in health["measured"]["tables"]}
    assert tables["public.payments"]["estimated"]
    assert not tables["public.users"]["estimated"]
    assert [note["about"] for note in health["notes"]] == ["public.payments"]


def test_who_waits_for_whom(caller: Caller, server: Postgres) -> None:
    waits = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    queued = server.psql(DATABASE, "-c", "UPDATE users SET name = 'other secret' WHERE id = 1")
    with (
        holding(server, "UPDATE users SET name = 'secret of a person' WHERE id = 1;", "web"),
        subprocess.Popen(queued, **waits) as waiting,
    ):
        server.await_sql(DATABASE, "EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        time.sleep(0.3)
        health = ask(caller, thresholds={"blocked": {"warning": 0.2}, "idle_in_transaction": {"critical": 0.1}})
        server.sql(DATABASE, "SELECT pg_cancel_backend(pid) FROM pg_locks WHERE NOT granted")
        waiting.wait(10)
    [root] = [row for row in health["measured"]["locks"] if not row["blocked_by"]]
    assert root["application"] == "web"
    assert root["query"] == "UPDATE users SET name = ? WHERE id = ?;"
    assert found(health)["blocked"]["next"] == f"SELECT pg_terminate_backend({root['pid']});"
    assert found(health)["blocked"]["severity"] == "warning"
    assert found(health)["idle_in_transaction"]["severity"] == "critical"
    assert "secret" not in json.dumps(health["measured"])


def test_a_prepared_transaction_that_others_wait_for(caller: Caller, server: Postgres) -> None:
    server.sql(DATABASE, "BEGIN; UPDATE users SET name = 'x' WHERE id = 2; PREPARE TRANSACTION 'left ''behind';")
    queued = server.psql(DATABASE, "-c", "UPDATE users SET name = 'y' WHERE id = 2")
    try:
        with subprocess.Popen(queued, stdin=subprocess.DEVNULL) as waiting:
            server.await_sql(DATABASE, "EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
            health = ask(caller, thresholds={"blocked": {"warning": 0}, "prepared_transactions": {"warning": 0}})
            server.sql(DATABASE, found(health)["prepared_transactions"]["next"])
            waiting.wait(10)
    finally:
        assert server.sql(DATABASE, "SELECT count(*) FROM pg_prepared_xacts") == "0"
    assert found(health)["blocked"]["next"] == "SELECT * FROM pg_prepared_xacts;"


def test_a_collation_that_changed_is_critical(caller: Caller, server: Postgres) -> None:
    recorded = server.sql(DATABASE, f"SELECT datcollversion FROM pg_database WHERE datname = '{DATABASE}'")
    server.sql(DATABASE, f"UPDATE pg_database SET datcollversion = '1.0' WHERE datname = '{DATABASE}'")
    try:
        finding = found(ask(caller))["collation_version"]
    finally:
        server.sql(DATABASE, f"UPDATE pg_database SET datcollversion = '{recorded}' WHERE datname = '{DATABASE}'")
    assert (finding["severity"], finding["object"]) == ("critical", f"database {DATABASE}")
    assert finding["detail"] == f"recorded 1.0, now {recorded}"
    assert f"ALTER DATABASE {DATABASE} REFRESH COLLATION VERSION;" in finding["next"]


@pytest.mark.parametrize(
    ("limits", "reason"),
    [({"lock_timeout": 0.2}, "somebody holds a lock"), ({"lock_timeout": 10.0, "statement_timeout": 0.7}, "took longer than 0.7 s")],
    ids=["lock", "statement"],
)
def test_one_query_that_fails_is_a_note(caller: Caller, server: Postgres, limits: dict[str, float], reason: str) -> None:
    with holding(server, "LOCK TABLE dbops.environment IN ACCESS EXCLUSIVE MODE;"):
        health = ask(caller, **limits)
    notes = {note["about"]: note["reason"] for note in health["notes"]}
    assert reason in notes["the environment stamp"]
    assert state(health, "stamp") == "unknown"
    assert set(health["measured"]) == PROBES - {"stamp"}


def test_no_text_of_a_query_holds_a_secret(caller: Caller, server: Postgres) -> None:
    server.sql(DATABASE, "SELECT pg_stat_statements_reset()")  # else the slowest of other tests may leave these no place
    server.sql(DATABASE, "ALTER ROLE plain PASSWORD 'Geheim-1'; CREATE ROLE shown LOGIN PASSWORD $$Geheim-2$$; DROP ROLE shown;")
    server.sql(
        DATABASE, "SELECT count(*) /* Geheim-3 */ FROM users WHERE name = 'Geheim-4'; SET work_mem = '4MB'; SET dbops.key TO Geheim5;"
    )
    server.sql(DATABASE, "DO $do$ BEGIN PERFORM set_config('dbops.key', 'Geheim-6', true); END $do$")
    health = ask(caller)
    made = report(caller, health)
    assert any("ALTER ROLE plain PASSWORD ?" in row["query"] for row in health["measured"]["statements"])
    for text in (json.dumps(health), Path(made["json_path"]).read_text(), Path(made["html_path"]).read_text()):
        assert "Geheim" not in text
        assert PASSWORD not in text.replace(health["invocation"]["module_args"]["pg_url"], "")


def test_a_slow_query_statistics_extension_that_is_missing(caller: Caller) -> None:
    health = caller.run("postgres_health_info", "postgres")
    [note] = [note for note in health["notes"] if note["about"] == "slow queries"]
    assert "CREATE EXTENSION pg_stat_statements" in note["next"]
    assert found(health)["stamp"]["next"].endswith(f"dbops_confirm={STACK}")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"postgres_container": "dbops-no-such-container"}, "knows no container"),
        ({"pg_url": f"postgres://amanat:{PASSWORD}@postgres/missing"}, "no database 'missing'"),
        ({"login_user": "nobody"}, "refuses the login"),
        ({"engine_socket": "/nowhere/docker.sock"}, "does not answer"),
    ],
    ids=["container", "database", "login", "engine"],
)
def test_a_server_that_does_not_answer_is_the_worst_finding(caller: Caller, options: dict[str, str], why: str) -> None:
    health = ask(caller, **options)
    assert not health["reachable"]
    assert health["findings"][0]["check"] == "reachable"
    assert why in health["findings"][0]["detail"]
    assert "no_backup" in found(health)
    assert state(health, "connections") == "unknown"
    assert "critical" in report(caller, health)["verdict"]


def test_growth_is_told_since_the_last_report(caller: Caller, server: Postgres) -> None:
    first = report(caller, ask(caller))
    path = Path(first["json_path"])
    # As if it were of an hour ago.
    earlier = path.with_name(f"health_{time.strftime('%Y-%m-%dT%H%M%SZ', time.gmtime(time.time() - 3600))}.json")
    path.rename(earlier)
    server.sql(DATABASE, "CREATE TABLE grows AS SELECT repeat('x', 500) FROM generate_series(1, 20000)")
    try:
        health = ask(caller)
    finally:
        server.sql(DATABASE, "DROP TABLE grows")
    assert health["growth"]["bytes"] > 10_000_000
    assert health["growth"]["seconds"] == pytest.approx(3600, abs=60)
    assert health["growth"]["tables"]["public.users"] == 0
    assert [point["bytes"] for point in health["trend"]] == [
        health["measured"]["database"][0]["bytes"] - health["growth"]["bytes"],
        health["measured"]["database"][0]["bytes"],
    ]
    # One that does not answer now still has its history.
    gone = ask(caller, login_user="nobody")
    assert (gone["growth"], len(gone["trend"])) == ({}, 1)
    # The history of another server of the same name is not this one's.
    other = json.loads(earlier.read_text())
    other["parts"][0]["measured"]["server"][0]["system_identifier"] = "1"
    earlier.write_text(json.dumps(other))
    assert ask(caller)["growth"] == {}


def test_a_report_is_private_and_old_ones_go(caller: Caller) -> None:
    health = ask(caller)
    folder = caller.directory / "state" / STACK / "reports"
    assert report(caller, health, check=True)["json_path"] == ""
    assert not folder.exists()
    folder.mkdir(parents=True)
    kept = {folder / name for name in ("drill_2026-11-22T030000Z.json", "health_notes.json", "2026-11-22T170102Z-7f3a.json")}
    old = {folder / f"health_2026-11-{day:02}T030000Z.{kind}" for day in (1, 2, 3) for kind in ("json", "html")}
    for path in kept | old:
        path.write_text("{}")
    made = report(caller, health, keep=2)
    pages = {Path(made["json_path"]), Path(made["html_path"])}
    assert set(folder.iterdir()) == kept | pages | {path for path in old if "-03T" in path.name}
    assert {stat.S_IMODE(path.stat().st_mode) for path in pages} == {0o600}
    assert made["summary"][0] == made["verdict"]


@pytest.mark.parametrize("thresholds", [{"no_such_check": {"warning": 1}}, {"connections": {"warning": "many"}}, {"connections": 5}])
def test_thresholds_that_mean_nothing_are_refused(caller: Caller, thresholds: dict[str, Any]) -> None:
    caller.refused("postgres_health_info", DATABASE, "thresholds-malformed", thresholds=thresholds)


def run_playbook(caller: Caller, *options: str, **variables: Any) -> Any:
    known = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "dbops_environment": "development",
        "dbops_name": "backups",
        "dbops_state_dir": str(caller.directory / "state"),
        "dbops_backup_dir": str(caller.backups),
        "dbops_report_dir": str(caller.directory / "fetched"),
        "dbops_postgres_container": caller.server.container,
        "dbops_postgres_user": MONITOR,
        "dbops_pg_url": caller.server.url(DATABASE),
        **variables,
    }
    return play("report", "-i", "nickapp,", "-e", json.dumps(known), *options)


def test_the_playbook_tells_the_worst_and_where_it_stands(caller: Caller) -> None:
    redis = run_redis("redis")
    try:
        done = run_playbook(caller, dbops_redis_container=redis.container, dbops_redis_password=redis.password)
    finally:
        redis.remove()
    assert done.code == 0, done.out
    assert redis.password not in done.out
    assert " ok: critical, " in done.last_line
    assert "changed=0" in done.recap
    fetched = sorted((caller.directory / "fetched").iterdir())
    assert [path.suffix for path in fetched] == [".html", ".json"]
    assert f"report {fetched[0]} · next: " in done.last_line
    written = json.loads(fetched[1].read_text())
    assert (written["worst"], [part["name"] for part in written["parts"]]) == ("critical", ["postgresql", "redis"])
    assert "Memory of Redis" in fetched[0].read_text()


def test_the_playbook_fails_where_it_is_asked_to_and_writes_nothing_in_check_mode(caller: Caller) -> None:
    failed = run_playbook(caller, "--check", dbops_fail_on="critical")
    assert failed.code == 2
    assert " failed: [health-findings] " in failed.last_line
    assert not (caller.directory / "state").exists()
    assert not (caller.directory / "fetched").exists()


@pytest.mark.slow
def test_every_query_works_on_the_major_version_before(tmp_path: Path) -> None:
    older = run_postgres(images("postgres17")["postgres17"], "-c", "shared_preload_libraries=pg_stat_statements")
    try:
        older.sql("postgres", "CREATE EXTENSION pg_stat_statements")
        health = Caller(older, tmp_path).run("postgres_health_info", "postgres")
        assert set(health["measured"]) == PROBES - {"stamp"}
        assert health["notes"] == []
    finally:
        remove(older)


@pytest.mark.slow
def test_a_server_that_was_stopped(tmp_path: Path) -> None:
    server = run_postgres(images("postgres")["postgres"])
    try:
        engine("stop", "--time", "1", server.container)
        health = Caller(server, tmp_path).run("postgres_health_info", "postgres")
        assert health["findings"][0]["next"] == f"docker start {server.container}"
    finally:
        remove(server)
