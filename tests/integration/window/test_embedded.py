# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows on the application's own processes: a target without containers."""

from __future__ import annotations

import json
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.gates import pythons
from tests.integration.plays import ROOT, play

from .conftest import Stack
from .receiver import Receiver

PHASES = ["preflight", "opened", "backed_up", "stopped", "operated", "started", "verified", "closed"]


def test_check_mode_prints_the_plan_and_changes_nothing(embedded: Stack, receiver: Receiver) -> None:
    before = sorted(embedded.directory.rglob("*.json"))
    release = embedded.release("2")
    variables = {"dbops_operation": "migrate", "dbops_release_image": release, "dbops_announce": receiver.announce}
    outcome = embedded.play("maintenance", "--check", **variables)
    assert outcome.code == 0, outcome.out
    assert receiver.told == []
    for expected in ("Service backend (command): runs", f"then {release}", "MiB free", "Pending migrations: 0019_", "Estimate: "):
        assert expected in outcome.out
    assert outcome.last_line.startswith(f"dbops maintenance {embedded.key} ok: check mode")
    assert "changed=0" in outcome.recap
    assert sorted(embedded.directory.rglob("*.json")) == before
    assert embedded.health()["release"] == "1"


def test_a_failing_migration_leaves_the_old_release_running(embedded: Stack, receiver: Receiver, tmp_path: Path) -> None:
    modules = tmp_path / "modules"
    variables = {"dbops_operation": "migrate", "dbops_release_image": embedded.release("2-failing"), "ansible_remote_tmp": str(modules)}
    outcome = embedded.play("maintenance", dbops_announce=receiver.announce, **variables)
    assert outcome.code == 2, outcome.out
    assert outcome.last_line.startswith(f"dbops maintenance {embedded.key} rolled_back: window ")
    assert "[migration-failed]" in outcome.last_line
    assert 'column \\"settlement_refrence\\" does not exist, at 0019_payment_settlement.sql line 2.' in outcome.out
    assert "None of the pending migrations was applied" in outcome.last_line
    assert embedded.health()["release"] == "1"
    assert embedded.health()["migrations"]["applied"] == 19
    assert not embedded.journal.exists()
    assert not embedded.half_written()
    report = embedded.report()
    assert report["state"] == "rolled_back"
    assert report["error"]["slug"] == "migration-failed"
    assert receiver.events == ["planned", "phase", "starting", "rolled_back"]
    assert not modules.exists(), "a module that lay there for a moment would stay with its secrets when the controller is killed"


def test_operation_custom_runs_the_users_tasks_while_the_backend_is_down(embedded: Stack, tmp_path: Path) -> None:
    tasks = tmp_path / "tasks.yml"
    seen = tmp_path / "seen"
    tasks.write_text(
        "---\n"
        "- name: See that nobody answers\n"
        "  ansible.builtin.uri:\n"
        '    url: "{{ dbops_health_url }}"\n'
        "    status_code: [-1]\n"
        "- name: Leave a trace\n"
        "  ansible.builtin.copy:\n"
        "    content: down\n"
        f"    dest: {seen}\n"
        "    mode: '0600'\n",
        encoding="utf-8",
    )
    # The oldest Python that a target may have runs the modules of this one.
    python = pythons.oldest()
    outcome = embedded.play("maintenance", dbops_operation="custom", dbops_tasks=str(tasks), ansible_python_interpreter=python)
    assert outcome.code == 0, outcome.out
    assert seen.read_text(encoding="utf-8") == "down"
    assert embedded.health()["release"] == "1"


@pytest.mark.slow
def test_a_step_of_the_users_that_fails_is_named(embedded: Stack, tmp_path: Path) -> None:
    (tmp_path / "custom.yml").write_text("- ansible.builtin.include_tasks: more/steps.yml\n", encoding="utf-8")
    (tmp_path / "more").mkdir()
    step = "- name: Shrink what is large\n  ansible.builtin.command: {argv: [sh, -c, 'echo no room >&2; exit 1']}\n  changed_when: true\n"
    (tmp_path / "more" / "steps.yml").write_text(step, encoding="utf-8")
    outcome = embedded.play("maintenance", dbops_operation="custom", dbops_tasks=str(tmp_path / "custom.yml"))
    assert outcome.code == 2, outcome.out
    assert "rolled_back: window " in outcome.last_line
    assert "[step-failed] Task 'Shrink what is large': " in outcome.last_line
    assert embedded.health()["release"] == "1"


def worker(directory: Path) -> dict[str, Any]:
    """A service that is a file. Started as release `ends`, it is gone at once, and its start complains of nothing."""
    directory.mkdir()
    running = directory / "running"
    running.write_text("lasts", encoding="utf-8")
    return {
        "name": "worker",
        "kind": "command",
        "status": ["sh", "-c", f"cat {running} 2>/dev/null || exit 3"],
        "start": ["sh", "-c", f'test "$DBOPS_IMAGE" = ends || echo lasts > {running}'],
        "stop": ["rm", str(running)],
    }


@pytest.mark.slow
def test_a_worker_that_ends_after_its_start_is_seen_though_the_health_url_answers(embedded: Stack, tmp_path: Path) -> None:
    service = worker(tmp_path / "worker")
    outcome = embedded.play("maintenance", dbops_operation="none", dbops_services=[{**service, "image": "ends"}])
    assert outcome.code == 2, outcome.out
    assert outcome.last_line.startswith(f"dbops maintenance {embedded.key} rolled_back: window ")
    assert "[service-failed] worker ran before, was started, and does not run now." in outcome.last_line
    assert (tmp_path / "worker" / "running").read_text(encoding="utf-8").strip() == "lasts"


# A play of the user's, in which the failure of one host is the failure of all.
FATAL = """
- hosts: all
  gather_facts: false
  any_errors_fatal: true
  tasks:
    - ansible.builtin.include_role:
        name: amanat.dbops.maintenance_window
"""


@pytest.mark.slow
def test_the_failure_of_one_stack_leaves_the_others_window_alone(embedded: Stack, tmp_path: Path) -> None:
    hosts = {}
    for name, image in (("good", ""), ("bad", "ends")):
        services = [{**worker(tmp_path / name), "image": image}]
        hosts[name] = {"dbops_name": name, "dbops_services": services, "dbops_state_dir": str(tmp_path / "state")}
    children = {"demo": {"hosts": hosts}}
    inventory = tmp_path / "hosts.json"
    inventory.write_text(json.dumps({"all": {"children": children}}), encoding="utf-8")
    (tmp_path / "group_vars").symlink_to(ROOT / "inventories/demo/group_vars")
    playbook = tmp_path / "both.yml"
    playbook.write_text(FATAL, encoding="utf-8")
    variables = {
        "demo_stack": embedded.state,
        "dbops_postgres_bin_dir": embedded.state["postgres"]["bin"],
        "dbops_operation": "none",
        "dbops_report_dir": str(tmp_path / "reports"),
    }
    outcome = play(str(playbook), "-i", str(inventory), "-e", json.dumps(variables))
    assert outcome.code == 2, outcome.out
    assert outcome.last_line_of("development/good").startswith("dbops maintenance development/good changed: window ")
    assert outcome.last_line_of("development/bad").startswith("dbops maintenance development/bad rolled_back: window ")
    for name in hosts:
        assert (tmp_path / name / "running").read_text(encoding="utf-8").strip() == "lasts"


@pytest.mark.slow
def test_a_second_window_is_told_who_and_since_when(embedded: Stack, tmp_path: Path) -> None:
    tasks = tmp_path / "wait.yml"
    goes_on = tmp_path / "goes-on"
    tasks.write_text(f"- ansible.builtin.wait_for: {{path: {goes_on}, timeout: 60}}\n", encoding="utf-8")
    outcomes = []
    first = threading.Thread(target=lambda: outcomes.append(embedded.play("maintenance", dbops_operation="custom", dbops_tasks=str(tasks))))
    first.start()
    try:
        wait_until_operated(embedded)
        journal = json.loads(embedded.journal.read_text(encoding="utf-8"))
        second = embedded.play("maintenance", dbops_operation="none")
        status = embedded.play("status")
    finally:
        goes_on.touch()
        first.join()
    assert second.code == 2
    assert f"refused: [window-open] Another window holds the lock: window {journal['id']} (custom)" in second.last_line
    assert f"opened {journal['opened']} by" in second.last_line
    assert f"window {journal['id']} (custom) is open in phase operated" in status.last_line
    assert status.last_line.endswith(f"next: Wait for it; its time ends {journal['deadline']}.")
    assert outcomes[0].code == 0, outcomes[0].out
    assert "no window is open" in embedded.play("status").last_line


def wait_until_operated(stack: Stack) -> None:
    wait = "import json, sys, time\nwhile True:\n  try:\n    assert json.load(open(sys.argv[1]))['phase'] == 'operated'; break\n"
    wait += "  except (OSError, ValueError, AssertionError): time.sleep(0.1)\n"
    subprocess.run(["python3", "-c", wait, str(stack.journal)], timeout=60, check=True)


def test_a_window_brings_the_new_release(embedded: Stack, receiver: Receiver) -> None:
    """The last test of this stack: afterwards it runs release 2."""
    announce = [{"kind": "webhook", "url": receiver.url(path)} for path in ("broken", "ok")]
    variables = {"dbops_operation": "migrate", "dbops_release_image": embedded.release("2")}
    # What a backup of every day may leave out, one that an operation goes back to may not.
    outcome = embedded.play("maintenance", dbops_announce=announce, postgres_backup_verify=False, **variables)
    assert outcome.code == 0, outcome.out
    assert "migrate done, downtime " in outcome.last_line
    assert embedded.health()["release"] == "2"
    assert embedded.health()["migrations"] == {"applied": 20, "expected": 20}

    report = embedded.report()
    assert report["state"] == "closed"
    assert [phase["name"] for phase in report["phases"]] == PHASES
    assert {phase["result"] for phase in report["phases"]} == {"ok"}
    assert report["migrations"]["applied"] == report["migrations"]["pending"]
    assert 0 < report["downtime"]["seconds"] < 60
    assert report["backup"]["rows"] == report["backup"]["verified_rows"] > 1000
    assert report["services"][0]["release_before"] == embedded.state["releases"]["1"]
    assert report["services"][0]["release_after"] == embedded.state["releases"]["2"]

    assert receiver.events == ["planned", "phase", "starting", "phase", "finished"]
    assert [(each["event"], each["ok"]) for each in report["announcements"]][:2] == [("planned", False), ("planned", True)]
    assert "planned was not announced by webhook" in report["warnings"][0]

    page = embedded.reports / f"{report['id']}.html"
    assert "production" not in page.read_text(encoding="utf-8")
    backup = Path(report["backup"]["path"])
    manifest = json.loads(Path(f"{backup}.manifest.json").read_text(encoding="utf-8"))
    assert manifest["complete"]
    assert backup.stat().st_mode & 0o777 == 0o700
    assert not embedded.half_written()
    secrets = json.loads(Path(embedded.state["secrets_file"]).read_text(encoding="utf-8"))
    for secret in secrets.values():
        assert secret not in outcome.out
        assert not subprocess.run(
            ["grep", "-rlF", "--", secret, str(embedded.directory / "dbops"), str(embedded.backups), str(embedded.reports)],
            capture_output=True,
            check=False,
            cwd=ROOT,
        ).stdout
