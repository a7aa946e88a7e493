# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients of a window: what they have to find before it is closed, and who keeps them out meanwhile."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _journal

from tests.integration.faults import servers

from .conftest import Stack
from .guarded import ask, beside, run_sql, write_tasks
from .receiver import Receiver
from .test_interrupted import LONG, is_undone, killed_in_mid_operation, running, until


def hooks(directory: Path) -> dict[str, Any]:
    """Two commands that keep a file where clients would find a page of maintenance, and note what they were called for."""
    page, called = directory / "page", directory / "called"
    hold = ["sh", "-c", f"touch {page}; echo hold >> {called}"]
    release = ["sh", "-c", f"rm -f {page}; echo release >> {called}"]
    return {"dbops_hold": hold, "dbops_release": release}


def calls(directory: Path) -> list[str]:
    return (directory / "called").read_text(encoding="utf-8").split()


def test_with_clients_held_off_whatever_was_written_is_undone(embedded: Stack, tmp_path: Path) -> None:
    """The very case in which a window without a proxy would call a person."""
    tasks = write_tasks(tmp_path / "tasks.yml", run_sql(embedded, "CREATE TABLE half_done ()", "{{ maintenance_window_pg_url }}"))
    # What runs as a service after the start breaks the application, and has written by then; before the window it does nothing.
    marker = tmp_path / "runs"
    marker.touch()
    port, user = embedded.state["postgres"]["port"], embedded.state["postgres"]["user"]
    psql = f"{embedded.state['postgres']['bin']}/psql -Xq -h {embedded.state['postgres']['socket']} -p {port} -U {user}"
    breaks = f"{psql} -d {embedded.state['postgres']['database']} -c 'ALTER TABLE notifications RENAME TO gone'"
    passfile = tmp_path / "pgpass"
    secret = json.loads(Path(embedded.state["secrets_file"]).read_text(encoding="utf-8"))["postgres_password"]
    passfile.write_text(f"*:*:*:*:{secret}\n", encoding="utf-8")
    passfile.chmod(0o600)
    once = tmp_path / "broke"
    start = f"touch {marker}; test -e {once} || {{ touch {once}; PGPASSFILE={passfile} {breaks}; }}"
    worker = {
        "name": "worker",
        "kind": "command",
        "status": ["sh", "-c", f"test -e {marker} || exit 3"],
        "start": ["sh", "-c", start],
        "stop": ["rm", str(marker)],
    }
    backend = {
        "name": "backend",
        "kind": "command",
        **{verb: embedded.state["backend"][verb] for verb in ("start", "stop", "status", "log")},
    }
    variables = {"dbops_operation": "custom", "dbops_tasks": tasks, "dbops_services": [worker, backend]}
    outcome = embedded.play("maintenance", **variables, **hooks(tmp_path), maintenance_window_health_timeout=4)
    assert outcome.code == 2, outcome.out
    assert outcome.last_line.startswith(f"dbops maintenance {embedded.key} rolled_back: window "), outcome.last_line
    assert "[health-gate] The application is not healthy: " in outcome.last_line
    assert is_undone(embedded)
    assert calls(tmp_path) == ["hold", "release"]
    report = embedded.report()
    assert (report["clients"], report["rollback_point"]["state"]) == ("released", "returned")
    ask(embedded, f'DROP DATABASE "{report["rollback_point"]["failed_database"]}"', "postgres")


@pytest.mark.slow
def test_whoever_ends_a_killed_window_lets_clients_in(embedded: Stack, tmp_path: Path) -> None:
    with killed_in_mid_operation(embedded, tmp_path, **hooks(tmp_path)) as journal:
        assert (journal["clients"], (tmp_path / "page").exists()) == ("held", True)
        script = embedded.journal.parent / "dbops-window"
        subprocess.run([script, "abort", journal["id"]], check=True, stdout=subprocess.DEVNULL)
    assert calls(tmp_path) == ["hold", "release"]
    assert not (tmp_path / "page").exists()
    assert is_undone(embedded)


@pytest.mark.slow
def test_a_task_file_lets_clients_in_when_ansible_ends_the_window(embedded: Stack, tmp_path: Path) -> None:
    page = tmp_path / "page"
    (tmp_path / "hold.yml").write_text(f"- ansible.builtin.file: {{path: {page}, state: touch, mode: '0600'}}\n", encoding="utf-8")
    (tmp_path / "release.yml").write_text(f"- ansible.builtin.file: {{path: {page}, state: absent}}\n", encoding="utf-8")
    files = {f"dbops_{verb}": str(tmp_path / f"{verb}.yml") for verb in ("hold", "release")}
    with killed_in_mid_operation(embedded, tmp_path, **files) as journal:
        assert page.exists()
        script = embedded.journal.parent / "dbops-window"
        by_hand = subprocess.run([script, "abort", journal["id"]], capture_output=True, text=True, check=False)
        assert by_hand.returncode == 2
        assert "what lets them in is a task file, which Ansible alone runs" in by_hand.stdout, by_hand
        failed = json.loads(embedded.journal.read_text(encoding="utf-8"))
        assert (failed["state"], failed["clients"], page.exists()) == ("failed", "held", True)
        assert embedded.health()["release"] == "1"
        outcome = embedded.play("recover", dbops_window=journal["id"])
    assert outcome.code == 0, outcome.out
    assert not page.exists()
    assert is_undone(embedded)


def test_where_clients_cannot_be_held_off_nothing_is_stopped(embedded: Stack, tmp_path: Path) -> None:
    told = tmp_path / "told"
    worker = {"name": "worker", "kind": "command", "status": ["true"]}
    worker |= {verb: ["sh", "-c", f"echo {verb} >> {told}"] for verb in ("stop", "start")}
    hooks = {"dbops_hold": ["false"], "dbops_release": ["true"]}
    outcome = embedded.play("maintenance", dbops_operation="none", dbops_services=[worker], **hooks)
    assert (outcome.code, told.exists()) == (2, False), outcome.out
    assert outcome.last_line.startswith(f"dbops maintenance {embedded.key} rolled_back: "), outcome.last_line
    assert "[hook-failed] The command false" in outcome.last_line
    report = embedded.report()
    assert (report["stopping"], report["clients"], report["going"]) == (False, "released", "start_again")


@pytest.mark.slow
def test_a_proxy_that_is_gone_bars_no_window_for_ever(embedded: Stack, tmp_path: Path) -> None:
    """Who recovers and who acknowledges go by what lets clients in now; where that fails, the one says so, and the other warns."""
    gone = {**hooks(tmp_path), "dbops_release": ["false"]}
    for verb in ("recover", "acknowledge"):
        outcome = embedded.play("maintenance", dbops_operation="none", **gone)
        assert outcome.code == 2, outcome.out
        journal = json.loads(embedded.journal.read_text(encoding="utf-8"))
        assert (journal["state"], journal["clients"], embedded.health()["release"]) == ("failed", "releasing", "1")
        window = journal["id"]
        assert "The command false, which holds clients off or lets them in, failed: exit code 1." in outcome.last_line, outcome.last_line
        following = f"Then ansible-playbook playbooks/recover.yml -e dbops_window={window}: where dbops_release is set, it goes by that."
        assert following in outcome.last_line
        again = embedded.play(verb, dbops_window=window, dbops_release=["false"])
        if verb == "acknowledge":
            assert again.code == 0, again.out
            assert "the lock is free. The command false, which holds clients off or lets them in, failed: " in again.last_line
            assert "So clients may be held off: look at the proxy, and let them in by hand." in again.last_line
            break
        assert (again.code, following in again.last_line) == (2, True), again.out
        assert again.last_line.startswith(f"dbops recover {embedded.key} needs_a_person: window {window}, ")
        other = embedded.play(verb, dbops_window=window, dbops_release=hooks(tmp_path)["dbops_release"])
        assert other.code == 0, other.out
        assert f"window {window} ended as closed." in other.last_line
        assert (embedded.report()["clients"], (tmp_path / "page").exists()) == ("released", False)
    assert not embedded.journal.exists()
    assert embedded.report()["id"] == window


@pytest.mark.slow
@pytest.mark.parametrize("release", ["file", "command"])
def test_who_holds_clients_off_after_his_window_has_ended_lets_them_in_again(embedded: Stack, tmp_path: Path, release: str) -> None:
    """A task file goes on after somebody has ended the window: between two of its tasks there is nothing that could be ended for it."""
    page, begun, goes_on = tmp_path / "page", tmp_path / "begun", tmp_path / "goes-on"
    put = {"ansible.builtin.file": {"path": str(page), "state": "touch", "mode": "0600"}}
    begin = {"ansible.builtin.file": {"path": str(begun), "state": "touch", "mode": "0600"}}
    waits = {"ansible.builtin.debug": {"msg": "on"}, "until": f"'{goes_on}' is file", "retries": LONG, "delay": 1}
    away = {"ansible.builtin.file": {"path": str(page), "state": "absent"}}
    files = {
        "dbops_hold": write_tasks(tmp_path / "hold.yml", begin, waits, put),
        "dbops_release": write_tasks(tmp_path / "release.yml", away) if release == "file" else ["rm", "-f", str(page)],
    }
    with running(embedded, dbops_operation="none", **files) as controller:
        until(begun.exists)
        window = json.loads(embedded.journal.read_text(encoding="utf-8"))["id"]
        outcome = embedded.play("abort", dbops_window=window, **files)
        assert outcome.code == 0, outcome.out
        goes_on.touch()
        until(page.exists)
        assert controller.wait(LONG) == 2
    assert not page.exists()
    assert (embedded.health()["release"], embedded.journal.exists()) == ("1", False)


@pytest.mark.slow
def test_clients_whom_a_killed_run_left_out_are_told_of(embedded: Stack, tmp_path: Path) -> None:
    """The window had ended by then, and the run was to let them in."""
    page = tmp_path / "page"
    away = {"ansible.builtin.file": {"path": str(page), "state": "absent"}}
    files = {
        "dbops_hold": write_tasks(tmp_path / "hold.yml", {"ansible.builtin.debug": {"msg": "out"}}),
        "dbops_release": write_tasks(tmp_path / "release.yml", away),
    }
    assert embedded.play("maintenance", dbops_operation="none", **files).code == 0
    window = embedded.report()["id"]
    archived = embedded.journal.parent / "windows" / f"{window}.json"
    journal = _journal.read(str(archived))
    _journal.write(str(archived), {**journal, "clients": "held"})
    page.touch()
    lets_in = f"recover.yml -e dbops_window={window}"
    assert embedded.play("status").last_line.endswith(f"next: {lets_in}")
    assert f"Warning: Clients may be held off since window {window}" in embedded.play("maintenance", "--check", dbops_operation="none").out

    another = {**journal, "id": f"{window}2", "state": "open", "phase": "stopped", "clients": "held"}
    _journal.write(str(embedded.journal), another)
    try:
        refused = embedded.play("recover", dbops_window=window, **files)
    finally:
        embedded.journal.unlink()
    assert refused.last_line.startswith(f"dbops recover {embedded.key} refused: [clients-of-another] Window {window}2 is open"), refused.out
    assert page.exists()

    outcome = embedded.play("recover", dbops_window=window, **files)
    assert (outcome.code, page.exists()) == (0, False), outcome.out
    assert embedded.play("status").last_line.endswith(f"window is open, the last one, {window}, ended as closed · next: nothing")


@pytest.mark.slow
def test_a_task_file_that_holds_nobody_off_in_time_ends_its_window(embedded: Stack, tmp_path: Path) -> None:
    said = tmp_path / "said"
    hangs = {"name": "Hang", "ansible.builtin.shell": f"echo $DBOPS_WINDOW > {said}; sleep {LONG}", "changed_when": True}
    nothing = {"ansible.builtin.debug": {"msg": "in"}}
    files = {
        "dbops_hold": write_tasks(tmp_path / "hold.yml", hangs),
        "dbops_release": write_tasks(tmp_path / "release.yml", nothing),
    }
    outcome = embedded.play("maintenance", dbops_operation="none", maintenance_window_hook_timeout=2, **files)
    assert outcome.code == 2, outcome.out
    assert f"dbops maintenance {embedded.key} rolled_back: window " in outcome.last_line
    report = embedded.report()
    assert (said.read_text(encoding="utf-8").strip(), report["clients"]) == (report["id"], "released")


def redis(stack: Stack, **other: Any) -> dict[str, Any]:
    known = stack.state["redis"]
    secret = json.loads(Path(stack.state["secrets_file"]).read_text(encoding="utf-8"))["redis_password"]
    url = f"redis://:{secret}@{known['host']}:{other.get('port', known['port'])}"
    return {"dbops_redis_url": url, "dbops_redis_bin_dir": str(Path(known["cli"]).parent)}


def test_half_of_the_hooks_is_refused(embedded: Stack) -> None:
    outcome = embedded.play("maintenance", dbops_operation="none", dbops_hold=["true"])
    assert "refused: [hook-incomplete] Only dbops_hold is set" in outcome.last_line
    outcome = embedded.play("maintenance", dbops_operation="none", dbops_hold=["true"], dbops_release=["no-such-program"])
    assert "refused: [hook-unknown]" in outcome.last_line


def test_the_gate_asks_for_more_than_a_status(embedded: Stack) -> None:
    """Each demand of the gate on the real servers; what is not true beforehand is a reason not to begin."""
    wrong = {
        "maintenance_window_health_json": [{"path": "redis.ok", "equals": True}, {"path": "migrations.applied", "at_least": 99}],
        "maintenance_window_health_tables": ["users", "drizzle.__drizzle_migrations", "no_such_table"],
        **redis(embedded, port=9),
        "maintenance_window_preflight_timeout": 1,
    }
    refused = embedded.play("maintenance", dbops_operation="none", **wrong)
    assert "refused: [health-gate] The application is not healthy: " in refused.last_line, refused.out
    for expected in ("migrations.applied is 19, not at least 99", "there is no table no_such_table", "Redis is not there"):
        assert expected in refused.last_line
    assert "redis.ok" not in refused.last_line
    assert "no table users" not in refused.last_line
    assert f"-e dbops_accept_unhealthy={embedded.key}" in refused.last_line
    mistyped = embedded.play("maintenance", dbops_operation="none", dbops_accept_unhealthy="production/embedded", **wrong)
    assert "refused: [confirm-mismatch] dbops_accept_unhealthy is 'production/embedded'" in mistyped.last_line

    accepted = embedded.play(
        "maintenance", dbops_operation="none", dbops_accept_unhealthy=embedded.key, maintenance_window_health_timeout=2, **wrong
    )
    assert accepted.code == 0, accepted.out
    report = embedded.report()
    assert report["health"]["accepted"] is True
    assert len(report["health"]["before"]["flaws"]) == len(report["health"]["after"]["flaws"]) == 3
    assert any(warning.startswith("Before the window: The application is not healthy: ") for warning in report["warnings"])
    assert any(warning.startswith("As before the window: ") for warning in report["warnings"])


@pytest.mark.slow
def test_what_was_down_is_started_and_what_stays_down_is_told(embedded: Stack, receiver: Receiver) -> None:
    backend = embedded.state["backend"]
    commands = {verb: backend[verb] for verb in ("start", "stop", "status", "log")}
    broken = {"start": ["sh", "-c", "echo no disk >&2; exit 1"], "stop": ["true"], "status": ["sh", "-c", "exit 3"]}
    services = [{"name": "backend", "kind": "command", **commands}, {"name": "mailer", "kind": "command", **broken}]
    subprocess.run(backend["stop"], check=True, capture_output=True)
    outcome = embedded.play(
        "maintenance",
        dbops_operation="none",
        dbops_services=services,
        dbops_accept_unhealthy=embedded.key,
        dbops_announce=receiver.announce,
        maintenance_window_preflight_timeout=1,
    )
    assert outcome.code == 0, outcome.out
    assert "Service backend (command): is stopped, and is started at the end" in outcome.out
    assert embedded.health()["release"] == "1"
    ill = "The application is not healthy, as before"
    assert f"{ill} the window: mailer does not run. · next: Read the log of the application." in outcome.last_line
    assert receiver.told[-1]["text"].endswith(f"{ill}: mailer does not run.")
    report = embedded.report()
    assert (report["state"], report["health"]["after"]["flaws"]) == ("closed", ["mailer does not run"])
    assert [(each["running_before"], each["wanted"]) for each in report["services"]] == [(False, True)] * 2
    assert any("mailer was down before, and could not be started" in warning for warning in report["warnings"])
    assert any("backend, mailer did not run. As the application was not healthy" in warning for warning in report["warnings"])


@pytest.mark.slow
def test_where_nothing_is_done_in_it_the_database_may_be_down(embedded: Stack) -> None:
    known = {"dbops_operation": "none", "maintenance_window_preflight_timeout": 1, "maintenance_window_health_timeout": 2}
    gone = servers.kill(embedded, servers.POSTGRES)
    try:
        refused = embedded.play("maintenance", **known)
        assert "refused: [postgres-unreachable] " in refused.last_line, refused.out
        assert f"-e dbops_accept_unhealthy={embedded.key}" in refused.last_line
        outcome = embedded.play("maintenance", dbops_accept_unhealthy=embedded.key, **known)
    finally:
        servers.start(embedded, gone)
    assert outcome.code == 0, outcome.out
    assert " closed, none done, " in outcome.last_line
    assert " The application is not healthy, as before the window: " in outcome.last_line
    report = embedded.report()
    assert (report["state"], report["health"]["after"]["ok"], report["backup"]) == ("closed", False, {})
    assert any(warning.startswith("No backup is made: ") for warning in report["warnings"])


@pytest.mark.slow
def test_a_new_kind_of_error_in_the_log_ends_in_a_rollback(embedded: Stack, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("Error: order 1 is late\n", encoding="utf-8")
    running = tmp_path / "running"
    running.touch()
    says = f'echo "Error: order 2 is late" > {log}; test -z "$DBOPS_IMAGE" || echo "Error: $DBOPS_IMAGE, PASSWORD=S3cret" >> {log}'
    start = f"touch {running}; {says}"
    worker = {
        "name": "worker",
        "kind": "command",
        "status": ["sh", "-c", f"test -e {running} || exit 3"],
        "start": ["sh", "-c", start],
        "stop": ["rm", str(running)],
        "log": ["cat", str(log)],
    }
    fine = embedded.play("maintenance", dbops_operation="none", dbops_services=[worker], **redis(embedded))
    assert fine.code == 0, fine.out
    outcome = embedded.play("maintenance", dbops_operation="none", dbops_services=[{**worker, "image": "breaks"}])
    assert outcome.code == 2, outcome.out
    assert "rolled_back: window " in outcome.last_line
    assert "the log of worker has a new kind of error, Error: breaks, PASSWORD=…" in outcome.last_line
    report = embedded.report()
    assert report["logs"] == [{"service": "worker", "when": "finish", "lines": ["Error: order 2 is late", "Error: breaks, PASSWORD=…"]}]
    assert report["estimate"]["window"] in fine.last_line
    ticket = (embedded.reports / f"{report['id']}.md").read_text(encoding="utf-8")
    assert "```\nError: order 2 is late\nError: breaks, PASSWORD=…\n```" in ticket


@pytest.mark.slow
def test_what_is_well_after_all_is_closed(embedded: Stack, receiver: Receiver, tmp_path: Path) -> None:
    """A step after the operation fails, and the window's rescue finds that what it brought is well."""
    running, unread = tmp_path / "running", tmp_path / "unread"
    running.touch()
    left = beside(embedded)  # by windows that were rolled back
    worker = {
        "name": "worker",
        "kind": "command",
        "status": ["sh", "-c", f"test -e {running} || exit 3; echo 1"],
        "start": ["sh", "-c", f"touch {running} {unread}"],
        "stop": ["rm", str(running)],
        "log": ["sh", "-c", f"rm {unread} && echo 'Error: not ready yet' || :"],  # the first time after its start
    }
    tasks = write_tasks(tmp_path / "tasks.yml", run_sql(embedded, "CREATE TABLE brought ()", "{{ maintenance_window_pg_url }}"))
    outcome = embedded.play(
        "maintenance",
        dbops_operation="custom",
        dbops_tasks=tasks,
        dbops_services=[worker],
        dbops_announce=receiver.announce,
        **hooks(tmp_path),
        **redis(embedded),
    )
    assert outcome.code == 0, outcome.out
    report = embedded.report()
    assert f"dbops maintenance {embedded.key} changed: window {report['id']} closed, custom done, downtime " in outcome.last_line
    assert "Writers of Redis" not in outcome.last_line
    assert ask(embedded, "DROP TABLE brought") == ""
    assert (report["state"], report["epoch"], report["phase"], "error" in report) == ("closed", 2, "closed", False)
    (warning,) = report["warnings"]
    assert warning.startswith("[health-gate] The application is not healthy: the log of worker has a new kind of error")
    assert warning.endswith("What the window had brought is well, so it was closed.")
    assert report["taken_over"][0]["why"] == "a step of its controller failed"
    assert (report["door"]["state"], report["rollback_point"]["state"], report["clients"]) == ("open", "dropped", "released")
    assert (report["redis"]["held"], report["health"]["after"]["ok"], report["services"][0]["release_after"]) == (False, True, "1")
    assert (calls(tmp_path), beside(embedded)) == (["hold", "release"], left)
    assert receiver.events == ["planned", "phase", "starting", "phase", "finished"]
    assert receiver.told[-1]["text"].endswith("What the window had brought is well.")


# What of Ansible runs in the controller, and costs clients nothing that could be counted.
CONTROLLER = ("assert", "debug", "fail", "import_tasks", "include_role", "include_tasks", "set_fact", "validate_argument_spec")


def modules_between(stack: Stack, steps: Path, verb: str, **variables: Any) -> list[str]:
    """The modules that a window with Redis runs while its services are stopped."""
    environ = {
        "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).with_name("callbacks")),
        "ANSIBLE_CALLBACKS_ENABLED": "steps",
        "DBOPS_STEPS": str(steps),
    }
    outcome = stack.play(verb, environ=environ, **variables, **redis(stack))
    assert outcome.code == 0, outcome.out
    lines = [line.split(" ", 1) for line in steps.read_text(encoding="utf-8").splitlines()]
    names = [name for _action, name in lines]
    begins, ends = names.index("Stop the services, and shut the door behind them"), names.index("Open the door, and start the services")
    between = lines[begins : ends + 1]
    return [action.rpartition(".")[2] for action, _name in between if action.rpartition(".")[2] not in CONTROLLER]


@pytest.mark.slow
def test_clients_wait_for_six_tasks_at_most_when_data_are_restored(embedded: Stack, tmp_path: Path) -> None:
    assert embedded.play("backup").code == 0
    left = beside(embedded)
    restore = {"dbops_swap": True, "dbops_backup": "newest", "dbops_confirm": embedded.key}
    ran = modules_between(embedded, tmp_path / "restore", "restore", **restore)
    assert ran == ["window_quiesce", "redis_backup", "rollback_point", "redis_flush", "window_resume"]
    assert [each["prefix"] for each in embedded.report()["redis"]["stale"]] == ["auth:refresh:", "payment:idem:"], "looked for afterwards"
    (replaced,) = set(beside(embedded)) - set(left)
    ask(embedded, f'DROP DATABASE "{replaced}"', "postgres")


def test_clients_wait_for_six_tasks_at_most(embedded: Stack, tmp_path: Path) -> None:
    told = tmp_path / "told.json"
    see = {"ansible.builtin.command": {"argv": ["cp", str(embedded.journal), str(told)]}, "changed_when": True}
    custom = {"dbops_operation": "custom", "dbops_tasks": write_tasks(tmp_path / "tasks.yml", see)}
    ran = modules_between(embedded, tmp_path / "custom", "maintenance", **custom)
    assert ran == ["window_quiesce", "redis_backup", "rollback_point", "command", "window_resume"]
    journal = json.loads(told.read_text(encoding="utf-8"))
    assert (journal["phase"], journal["redis"]["held"], journal["door"]["state"]) == ("operated", True, "shut")
    assert journal["redis"]["snapshot"].endswith(".rdb")
    assert (journal["rollback_point"]["state"], journal["rollback_point"]["seconds"] > 0) == ("kept", True)


@pytest.mark.slow
def test_clients_wait_for_six_tasks_at_most_when_migrations_are_applied(embedded: Stack, tmp_path: Path) -> None:
    """The last test of this stack: afterwards it runs release 2."""
    migrate = {"dbops_operation": "migrate", "dbops_release_image": embedded.release("2")}
    ran = modules_between(embedded, tmp_path / "migrate", "maintenance", **migrate)
    assert ran == ["window_quiesce", "redis_backup", "rollback_point", "drizzle_migrate", "window_resume"]
