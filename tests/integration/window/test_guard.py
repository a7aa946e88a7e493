# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What guards an operation: nobody else writes meanwhile, and a failure leads back to what was there."""

from __future__ import annotations

import json
import re
import shlex
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.modules import call

from .conftest import Stack
from .guarded import argv_of_psql, ask, beside, run_sql, see_database_replaced, see_destruction_undone, url, write_tasks
from .receiver import Receiver

# What the pending migration of release 2-destructive drops, and the comment above it.
DROPPED = "0019_payment_settlement.sql line 4 "
SILENCED = "0019_payment_settlement.sql line 3 squawk-ignore ban-drop-column"


def test_an_operation_that_destroys_data_and_fails_is_undone(embedded: Stack, tmp_path: Path) -> None:
    see_destruction_undone(embedded, tmp_path)


@pytest.mark.slow
def test_after_an_operation_that_went_well_nothing_of_its_guard_is_left(embedded: Stack, tmp_path: Path) -> None:
    made = "CREATE TABLE made_by_window ()"
    tasks = write_tasks(tmp_path / "tasks.yml", run_sql(embedded, made, "{{ maintenance_window_pg_url }}"))
    outcome = embedded.play("maintenance", dbops_operation="custom", dbops_tasks=tasks)
    assert outcome.code == 0, outcome.out
    assert beside(embedded) == []
    assert ask(embedded, "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'made_by_window'") == "amanat"
    report = embedded.report()
    assert report["rollback_point"]["state"] == "dropped"
    assert report["rollback_point"]["bytes"] > 1_000_000
    assert report["door"]["state"] == "open"
    ask(embedded, "DROP TABLE made_by_window")


def feed_sql(embedded: Stack, script: str) -> dict[str, Any]:
    """A task that feeds a script to psql, in the database postgres."""
    elsewhere = "{{ dbops_pg_url | regex_replace('/[^/]*$', '/postgres') }}"
    return {
        "name": "Feed a script",
        "ansible.builtin.command": {"argv": [f"{embedded.state['postgres']['bin']}/psql", "-XAtq", elsewhere], "stdin": script},
        "changed_when": True,
        "no_log": True,
    }


@pytest.mark.slow
def test_a_rollback_point_that_cannot_be_dropped_is_a_warning(embedded: Stack, tmp_path: Path) -> None:
    keep = "SELECT format('ALTER DATABASE %I IS_TEMPLATE true', datname) FROM pg_database WHERE datname ~ '__old_' \\gexec"
    outcome = embedded.play(
        "maintenance", dbops_operation="custom", dbops_tasks=write_tasks(tmp_path / "tasks.yml", feed_sql(embedded, keep))
    )
    assert outcome.code == 0, outcome.out
    (kept,) = beside(embedded)
    (warning,) = embedded.report()["warnings"]
    assert warning.startswith(f"The rollback point {kept} could not be dropped: ")
    assert embedded.report()["rollback_point"]["state"] == "kept"
    ask(embedded, f'ALTER DATABASE "{kept}" IS_TEMPLATE false', "postgres")
    ask(embedded, f'DROP DATABASE "{kept}"', "postgres")


@pytest.mark.slow
def test_a_failed_return_leaves_the_door_shut_until_a_person_acknowledges(embedded: Stack, tmp_path: Path, receiver: Receiver) -> None:
    """Whoever takes the rollback point away leaves data of which nobody can say what they are."""
    gone = "SELECT format('DROP DATABASE %I', datname) FROM pg_database WHERE datname ~ '__old_' \\gexec"
    fail = {"name": "Fail", "ansible.builtin.fail": {"msg": "half done"}, "no_log": True}
    tasks = write_tasks(tmp_path / "tasks.yml", feed_sql(embedded, gone), fail)
    hooks = {"dbops_hold": ["true"], "dbops_release": ["true"]}
    outcome = embedded.play("maintenance", dbops_operation="custom", dbops_tasks=tasks, dbops_announce=receiver.announce, **hooks)
    assert outcome.code == 2, outcome.out
    assert outcome.last_line.startswith(f"dbops maintenance {embedded.key} needs_a_person: window ")
    assert "There is no database" in outcome.last_line
    assert receiver.events == ["planned", "phase", "starting", "needs_a_person"]
    told = receiver.told[-1]["text"]
    assert "needs a person NOW. [step-failed] Task 'Fail': It has failed, and its words are kept back (no_log). " in told
    assert "half done" not in json.dumps([json.loads(embedded.journal.read_text(encoding="utf-8")), receiver.told, embedded.report()])
    with pytest.raises(subprocess.CalledProcessError):
        ask(embedded, "SELECT 1")
    window = json.loads(embedded.journal.read_text(encoding="utf-8"))["id"]
    other = embedded.play("acknowledge", dbops_window="2026-01-01T000000Z-0000")
    assert other.code == 2
    with pytest.raises(subprocess.CalledProcessError):
        ask(embedded, "SELECT 1")
    assert "would be acknowledged" in embedded.play("acknowledge", "--check", dbops_window=window).last_line
    with pytest.raises(subprocess.CalledProcessError):
        ask(embedded, "SELECT 1")
    assert "acknowledged" not in embedded.report()
    assert embedded.play("acknowledge", dbops_window=window).code == 0
    assert ask(embedded, "SELECT 1") == "1"
    report = embedded.report()
    assert (report["door"]["state"], report["clients"]) == ("open", "released")
    assert report["attended"]["by"] == report["acknowledged"]["by"] == report["opened_by"]
    assert f"acknowledged | {report['opened_by']['user']}" in (embedded.reports / f"{window}.md").read_text(encoding="utf-8")
    start = embedded.state["backend"]["start"]
    subprocess.run(start, check=True)


def worker(stack: Stack, tmp_path: Path, fails: int, before_it: str = "") -> list[dict[str, Any]]:
    """The stack's services, and a worker that comes up only after `fails` attempts, each of which does `before_it`."""
    runs, tries = tmp_path / "runs", tmp_path / "tries"
    runs.touch()
    start = f"{before_it or ':'}; echo >> {tries}; test $(wc -l < {tries}) -le {fails} || touch {runs}"
    worker = {"status": ["sh", "-c", f"test -e {runs} || exit 3"], "stop": ["rm", "-f", str(runs)], "start": ["sh", "-c", start]}
    backend = {verb: stack.state["backend"][verb] for verb in ("start", "stop", "status")}
    return [{"name": "backend", "kind": "command", **backend}, {"name": "worker", "kind": "command", **worker}]


def drop_legacy(stack: Stack, tmp_path: Path) -> str:
    """An operation that destroys data and succeeds."""
    ask(stack, "CREATE TABLE legacy (n int)")
    return write_tasks(tmp_path / "tasks.yml", run_sql(stack, "DROP TABLE legacy", "{{ maintenance_window_pg_url }}"))


@pytest.mark.slow
def test_an_operation_after_which_the_application_does_not_come_up_is_undone(embedded: Stack, tmp_path: Path) -> None:
    """It is tried once more; then, as nobody has written, the database is as it was and the services run on that."""
    tasks = drop_legacy(embedded, tmp_path)
    services = worker(embedded, tmp_path, fails=2)
    outcome = embedded.play("maintenance", dbops_operation="custom", dbops_tasks=tasks, dbops_services=services)
    assert outcome.code == 2, outcome.out
    assert outcome.last_line.startswith(f"dbops maintenance {embedded.key} rolled_back: window ")
    assert ask(embedded, "SELECT to_regclass('legacy') IS NOT NULL") == "t"
    (failed,) = beside(embedded)
    assert f"what the operation left is kept as {failed}." in outcome.last_line
    assert embedded.report()["rollback_point"]["state"] == "returned"
    ask(embedded, "DROP TABLE legacy")
    ask(embedded, f'DROP DATABASE "{failed}"', "postgres")


def test_what_was_written_since_the_start_is_never_undone(embedded: Stack, tmp_path: Path) -> None:
    tasks = drop_legacy(embedded, tmp_path)
    write = shlex.join(argv_of_psql(embedded, "-c", "CREATE TABLE IF NOT EXISTS written ()", url(embedded)))
    services = worker(embedded, tmp_path, fails=2, before_it=write)
    outcome = embedded.play("maintenance", dbops_operation="custom", dbops_tasks=tasks, dbops_services=services)
    assert outcome.code == 2, outcome.out
    assert outcome.last_line.startswith(f"dbops maintenance {embedded.key} needs_a_person: window ")
    # The backend answers without the worker, and was left running.
    assert "worker ran before, was started, and does not run now. It answers, so it was left running." in outcome.last_line
    assert embedded.health()["release"] == "1"
    assert ask(embedded, "SELECT to_regclass('written') IS NOT NULL, to_regclass('legacy') IS NULL") == "t|t"
    (point,) = beside(embedded)
    assert f"The database of before is kept as {point}." in outcome.last_line
    # What stood against it is mended: the worker would come up now.
    window = embedded.report()["id"]
    recovered = embedded.play("recover", dbops_window=window)
    assert recovered.code == 0, recovered.out
    assert f"window {window} ended as closed." in recovered.last_line
    assert ask(embedded, "SELECT to_regclass('written') IS NOT NULL") == "t"
    assert point not in beside(embedded)
    ask(embedded, "DROP TABLE written")


@pytest.mark.slow
def test_no_service_is_started_on_a_database_that_lost_a_migration(embedded: Stack, tmp_path: Path) -> None:
    """What a task file did to the database, the database alone knows; what ran before the window runs again where it has all of them."""
    count = "SELECT count(*) FROM drizzle.__drizzle_migrations"
    forget = "DELETE FROM drizzle.__drizzle_migrations WHERE id = (SELECT max(id) FROM drizzle.__drizzle_migrations)"
    tasks = write_tasks(tmp_path / "tasks.yml", run_sql(embedded, forget, "{{ maintenance_window_pg_url }}"))
    backend = {verb: embedded.state["backend"][verb] for verb in ("start", "stop", "status")}
    seen = tmp_path / "seen"
    look = shlex.join(argv_of_psql(embedded, "-c", count, url(embedded)))
    start = ["sh", "-c", f"{look} >> {seen}; exec {shlex.join(backend['start'])}"]
    services = [{"name": "backend", "kind": "command", **backend, "start": start}]
    applied = ask(embedded, count)
    outcome = embedded.play("maintenance", dbops_operation="custom", dbops_tasks=tasks, dbops_services=services)
    assert outcome.code == 2, outcome.out
    assert outcome.last_line.startswith(f"dbops maintenance {embedded.key} rolled_back: window ")
    assert "[migrations-pending] backend would start on a database that lacks migrations of its release " in outcome.last_line
    assert ": 0018_payment_idempotency_and_request_search. State: It was not started." in outcome.last_line
    assert seen.read_text(encoding="utf-8").split() == [applied], "started once, on the database of before the operation"
    assert embedded.health()["migrations"] == {"applied": int(applied), "expected": int(applied)}
    (failed,) = beside(embedded)
    assert ask(embedded, count, failed) == str(int(applied) - 1)
    ask(embedded, f'DROP DATABASE "{failed}"', "postgres")


@pytest.mark.slow
def test_what_works_in_the_database_without_logging_in_is_named(embedded: Stack, tmp_path: Path) -> None:
    """One that the server has itself, in place of an extension's: it waits for a publisher that never answers."""
    target = {"stack": embedded.key, "state_dir": str(tmp_path), "postgres_bin_dir": embedded.state["postgres"]["bin"]}
    door = {**target, "pg_url": url(embedded), "state": "shut", "password": "not-used", "_ansible_check_mode": True}
    assert call("postgres_door", door)[0]["workers"] == []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        publisher = f"host=127.0.0.1 port={silent.getsockname()[1]} user=x password=x dbname=x"
        ask(embedded, f"CREATE SUBSCRIPTION waits CONNECTION '{publisher}' PUBLICATION p WITH (connect = false)")
        try:
            ask(embedded, "ALTER SUBSCRIPTION waits ENABLE")
            end = time.monotonic() + 30
            while not (workers := call("postgres_door", door)[0]["workers"]) and time.monotonic() < end:
                time.sleep(0.2)
            assert workers == ["logical replication apply worker"]
        finally:
            ask(embedded, "ALTER SUBSCRIPTION waits DISABLE")
            ask(embedded, "ALTER SUBSCRIPTION waits SET (slot_name = NONE)")
            ask(embedded, "DROP SUBSCRIPTION waits")


@pytest.mark.slow
def test_a_door_that_cannot_be_shut_is_a_warning_unless_data_would_be_destroyed(embedded: Stack, tmp_path: Path) -> None:
    rules = Path(embedded.state["postgres"]["data"]) / "pg_hba.conf"
    before = rules.read_bytes()
    owner = rules.stat()
    rules.write_bytes(before + b"host nonsense\n")
    try:
        tasks = write_tasks(tmp_path / "tasks.yml", run_sql(embedded, "SELECT 1", "{{ maintenance_window_pg_url }}"))
        custom = {"dbops_operation": "custom", "dbops_tasks": tasks}
        outcome = embedded.play("maintenance", **custom)
        assert outcome.last_line.startswith(f"dbops maintenance {embedded.key} refused: [confirm-missing] No rollback point can be taken")
        outcome = embedded.play("maintenance", "--check", **custom)
        assert f"To run it without a way back: -e dbops_without_rollback_point={embedded.key}" in outcome.out
        outcome = embedded.play("maintenance", dbops_without_rollback_point=embedded.key, **custom)
        assert outcome.code == 0, outcome.out
        (warning,) = embedded.report()["warnings"]
        assert warning.startswith("The database's door cannot be shut: ")
        assert embedded.report()["door"] == embedded.report()["rollback_point"] == {}
        destructive = {"dbops_operation": "migrate", "dbops_release_image": embedded.release("2-destructive")}
        outcome = embedded.play("maintenance", **destructive)
        assert outcome.code == 2, outcome.out
        assert outcome.last_line.startswith(f"dbops maintenance {embedded.key} refused: [migration-destructive]")
    finally:
        rules.write_bytes(before)
    assert (rules.stat().st_uid, rules.stat().st_mode) == (owner.st_uid, owner.st_mode)


@pytest.mark.slow
def test_a_restore_replaces_the_database_by_the_backup_that_was_chosen(embedded: Stack) -> None:
    see_database_replaced(embedded)


@pytest.mark.slow
def test_what_was_restored_in_vain_is_dropped(embedded: Stack) -> None:
    """Services that cannot be stopped end a window after the load and before the swap."""
    assert embedded.play("backup").code == 0
    commands = {verb: embedded.state["backend"][verb] for verb in ("start", "status")}
    backend = {"name": "backend", "kind": "command", **commands, "stop": ["false"]}
    outcome = embedded.play("restore", dbops_swap=True, dbops_confirm=embedded.key, dbops_services=[backend])
    assert outcome.code == 2, outcome.out
    assert outcome.last_line.startswith(f"dbops maintenance {embedded.key} rolled_back: window ")
    assert "Restore the backup and compare it" in outcome.out
    assert embedded.report()["warnings"] == []
    assert beside(embedded) == []


@pytest.mark.slow
def test_a_swap_whose_job_dies_after_its_renames_is_undone(embedded: Stack, tmp_path: Path) -> None:
    """The task fails, and the work is done all the same: only the server knows."""
    assert embedded.play("backup").code == 0
    ask(embedded, "CREATE TABLE written_since ()")
    programs, killed = tmp_path / "bin", tmp_path / "killed"
    programs.mkdir()
    real = Path(embedded.state["postgres"]["bin"])
    for program in real.iterdir():
        if program.name != "psql":
            (programs / program.name).symlink_to(program)
    database = embedded.state["postgres"]["database"]
    script = f"""#!/bin/bash
input=$(mktemp)
tee "$input" | {real}/psql "$@"
code=${{PIPESTATUS[1]}}
if grep -q 'RENAME TO "{database}"' "$input" && [ ! -e {killed} ]; then touch {killed}; kill -9 $PPID; fi
rm "$input"
exit $code
"""
    (programs / "psql").write_text(script, encoding="utf-8")
    (programs / "psql").chmod(0o755)
    restore = {"dbops_swap": True, "dbops_confirm": embedded.key, "dbops_backup": "newest"}
    outcome = embedded.play("restore", dbops_postgres_bin_dir=str(programs), **restore)
    assert killed.exists()
    assert outcome.code == 2, outcome.out
    assert outcome.last_line.startswith(f"dbops maintenance {embedded.key} rolled_back: window ")
    assert ask(embedded, "SELECT to_regclass('written_since') IS NOT NULL") == "t"
    (failed,) = beside(embedded)
    assert f"what the operation left is kept as {failed}." in outcome.last_line
    point = embedded.report()["rollback_point"]
    assert (point["state"], point["failed_database"]) == ("returned", failed)
    ask(embedded, "DROP TABLE written_since")
    ask(embedded, f'DROP DATABASE "{failed}"', "postgres")


@pytest.mark.slow
def test_a_damaged_database_is_replaced_although_it_can_be_neither_used_nor_dumped(embedded: Stack) -> None:
    assert embedded.play("backup").code == 0
    users = ask(embedded, "SELECT count(*) FROM users")
    ask(embedded, "ALTER TABLE notifications RENAME TO gone")  # the application is not healthy without it
    ask(embedded, "CHECKPOINT", "postgres")
    file = Path(embedded.state["postgres"]["data"]) / ask(embedded, "SELECT pg_relation_filepath('users')")
    file.rename(file.with_name(f"{file.name}.away"))
    restore = {"dbops_swap": True, "dbops_backup": "newest", "maintenance_window_preflight_timeout": 2}
    huge = embedded.backups / "amanat_dev_pg_2098-01-01T000000Z.pgdir.manifest.json"
    try:
        plan = embedded.play("restore", "--check", **restore)
        assert plan.code == 0, plan.out
        assert "Warning: Before the window: " in plan.out
        assert "Warning: What was written since the backup cannot be counted: " in plan.out
        wrong = embedded.play("restore", dbops_confirm=embedded.key, dbops_without_backup="production/other", **restore)
        assert "refused: [confirm-mismatch] dbops_without_backup is 'production/other'" in wrong.last_line
        aborted = embedded.play("restore", dbops_confirm=embedded.key, **restore)
        assert aborted.last_line.startswith(f"dbops maintenance {embedded.key} failed: window "), aborted.out
        assert f"-e dbops_without_backup={embedded.key}" in aborted.last_line
        assert beside(embedded) == []
        # By its size, which no disk has, the next one is foreseen to find no room.
        huge.write_text('{"bytes": 1e18}', encoding="utf-8")
        refused = embedded.play("restore", dbops_confirm=embedded.key, **restore)
        assert refused.last_line.startswith(f"dbops maintenance {embedded.key} refused: [backup-no-space] "), refused.out
        assert f"-e dbops_without_backup={embedded.key}" in refused.last_line
        outcome = embedded.play("restore", dbops_confirm=embedded.key, dbops_without_backup=embedded.key, **restore)
        assert outcome.code == 0, outcome.out
    finally:
        file.with_name(f"{file.name}.away").rename(file)
        huge.unlink(missing_ok=True)
    assert ask(embedded, "SELECT count(*) FROM users") == users
    assert embedded.health()["release"] == "1"
    assert embedded.report()["backup"] == {}
    assert any(warning.startswith("No backup is made of the database that is replaced: ") for warning in embedded.report()["warnings"])
    (replaced,) = beside(embedded)
    ask(embedded, f'DROP DATABASE "{replaced}"', "postgres")


def test_a_lost_database_is_restored_without_a_window(embedded: Stack) -> None:
    assert embedded.play("backup").code == 0
    users = ask(embedded, "SELECT count(*) FROM users")
    subprocess.run(embedded.state["backend"]["stop"], check=True)
    ask(embedded, f"DROP DATABASE {embedded.state['postgres']['database']} WITH (FORCE)", "postgres")
    at = embedded.state["redis"]
    secret = json.loads(Path(embedded.state["secrets_file"]).read_text(encoding="utf-8"))["redis_password"]

    def redis(*command: str) -> str:
        argv = [at["cli"], "-h", at["host"], "-p", str(at["port"]), *command]
        return subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True, env={"REDISCLI_AUTH": secret}).stdout.strip()

    redis("MSET", "cache:stats:all", "old", "auth:refresh:lost", "token", "payment:idem:never", "x")
    where = {"dbops_redis_bin_dir": str(Path(at["cli"]).parent), "dbops_redis_url": f"redis://:{secret}@{at['host']}:{at['port']}"}
    foreseen = embedded.play("restore", "--check", dbops_swap=True, **where)
    assert foreseen.code == 0, foreseen.out
    assert (beside(embedded), redis("EXISTS", "cache:stats:all")) == ([], "1")
    refused = embedded.play("restore", dbops_swap=True)
    assert "refused: [confirm-missing]" in refused.last_line
    outcome = embedded.play("restore", dbops_swap=True, dbops_confirm=embedded.key, dbops_remove_stale="payment:idem:", **where)
    assert outcome.code == 0, outcome.out
    # What Redis has of the lost one is no longer true, or may not be.
    assert redis("EXISTS", "cache:stats:all", "payment:idem:never") == "0"
    assert redis("DEL", "auth:refresh:lost") == "1"
    assert re.search(r"Redis holds \d+ keys auth:refresh:\* that may be newer than the database: ", outcome.out), outcome.out
    assert secret not in outcome.out
    assert outcome.last_line.endswith(", and gave it the name of the lost database · next: start the services")
    assert beside(embedded) == []
    assert ask(embedded, "SELECT count(*) FROM users") == users
    subprocess.run(embedded.state["backend"]["start"], check=True)


@pytest.mark.slow
def test_a_restore_starts_no_release_that_is_ahead_of_its_data(embedded: Stack) -> None:
    """It ends before anything is stopped; with the release that fits it goes through."""
    assert embedded.play("backup").code == 0
    backup = max(path.name for path in embedded.backups.glob("*.pgdir"))
    assert embedded.play("migrate", dbops_release_image=embedded.release("2")).code == 0
    restore = {"dbops_swap": True, "dbops_backup": backup, "dbops_confirm": embedded.key}
    outcome = embedded.play("restore", **restore)
    assert outcome.code == 2, outcome.out
    assert outcome.last_line.startswith(f"dbops maintenance {embedded.key} failed: window ")
    assert "[migrations-pending] backend would start on a database that lacks migrations" in outcome.last_line
    assert "State: Nothing was stopped." in outcome.last_line
    assert beside(embedded) == []
    assert embedded.health()["migrations"]["applied"] == 20
    outcome = embedded.play("restore", dbops_release_image=embedded.release("1"), **restore)
    assert outcome.code == 0, outcome.out
    assert embedded.health()["migrations"]["applied"] == 19
    for database in beside(embedded):
        ask(embedded, f'DROP DATABASE "{database}"', "postgres")


def test_what_destroys_data_is_told_and_outside_development_confirmed(embedded: Stack, receiver: Receiver) -> None:
    """The last test of this stack: afterwards it runs release 2."""
    destructive = {"dbops_operation": "migrate", "dbops_release_image": embedded.release("2-destructive")}
    staging = {"dbops_environment": "staging"}
    assert embedded.play("stamp", dbops_confirm="staging/embedded", dbops_old_stamp=embedded.key, **staging).code == 0
    outcome = embedded.play("maintenance", **destructive, **staging)
    assert outcome.last_line.startswith(
        "dbops maintenance staging/embedded refused: [confirm-missing] The release's pending migrations destroy data: "
    )
    outcome = embedded.play("maintenance", "--check", **destructive, **staging)
    assert outcome.code == 0, outcome.out
    assert f"Destroys data: {DROPPED}" in outcome.out
    assert f"Not obeyed: {SILENCED}" in outcome.out
    assert "Rollback point: " in outcome.out
    assert "To run it: -e dbops_confirm=staging/embedded" in outcome.out
    assert embedded.play("stamp", dbops_confirm=embedded.key, dbops_old_stamp="staging/embedded").code == 0
    outcome = embedded.play("maintenance", dbops_announce=receiver.announce, **destructive)
    assert outcome.code == 0, outcome.out
    assert beside(embedded) == []
    assert receiver.events[0] == "planned"
    assert f" They destroy data: {DROPPED}" in receiver.told[0]["text"]
    report = embedded.report()
    (destroyed,), suppressed = report["migrations"]["destructive"], report["migrations"]["suppressed"]
    assert destroyed.startswith(DROPPED)
    assert suppressed == [SILENCED]
    page = (embedded.reports / f"{report['id']}.html").read_text(encoding="utf-8")
    assert f"<h3>Destroyed data</h3><ul><li>{DROPPED}" in page
    assert f"<h3>Comments that were not obeyed</h3><ul><li>{SILENCED}" in page
