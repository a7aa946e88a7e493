# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows whose controller is killed: what on the target, or a person, brings the service back."""

from __future__ import annotations

import contextlib
import json
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _journal
from ansible_collections.amanat.dbops.plugins.module_utils._stack import Stack as Key

from tests.integration.plays import ROOT

from .conftest import Stack
from .guarded import argv_of_psql, ask, run_sql, write_tasks

LONG = 240  # seconds; a test that waits for so long has failed


def until(is_true: Callable[[], Any]) -> None:
    end = time.monotonic() + LONG
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.1)


@contextmanager
def running(stack: Stack, **variables: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A window that is under way; its controller, which does not outlive the test."""
    extra = {"demo_name": stack.name, "dbops_report_dir": str(stack.reports), **variables}
    command = ["ansible-playbook", "-i", "inventories/demo", "--limit", stack.kind, "playbooks/maintenance.yml", "-e", json.dumps(extra)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True) as controller:
        try:
            yield controller
        finally:
            controller.kill()


def killed_when(stack: Stack, is_time: Callable[[], Any], by: signal.Signals = signal.SIGKILL, **variables: Any) -> None:
    """Begin a window, and end its controller as soon as it is time."""
    with running(stack, **variables) as controller:
        until(is_time)
        controller.send_signal(by)
        controller.wait(LONG)


@contextmanager
def killed_in_mid_operation(stack: Stack, tmp_path: Path, by: signal.Signals = signal.SIGKILL, **more: Any) -> Iterator[dict[str, Any]]:
    """A window whose operation has changed the database when its controller is killed; its journal."""
    begun, goes_on = tmp_path / "begun", tmp_path / "goes-on"
    # It does not stop either, and knows the window's password: whoever returns has to keep it out of what it returns to.
    again = shlex.join(argv_of_psql(stack, "-c", "CREATE TABLE IF NOT EXISTS half_done ()"))
    loop = f"until [ -e {goes_on} ]; do {again} {{{{ maintenance_window_pg_url | quote }}}}; sleep 0.02; done"
    tasks = write_tasks(
        tmp_path / "tasks.yml",
        {"name": "Begin", "ansible.builtin.shell": loop, "async": LONG, "poll": 0, "changed_when": True, "no_log": True},
        run_sql(stack, "CREATE TABLE IF NOT EXISTS half_done ()", "{{ maintenance_window_pg_url }}"),
        {"ansible.builtin.file": {"path": str(begun), "state": "touch", "mode": "0600"}},
        {"ansible.builtin.wait_for": {"path": str(goes_on), "timeout": LONG}},
    )
    killed_when(stack, begun.exists, by, dbops_operation="custom", dbops_tasks=tasks, **more)
    try:
        yield _journal.read(str(stack.journal))
    finally:
        goes_on.touch()


def let_time_pass(stack: Stack, window: str) -> None:
    """As if the window's hour were over: the dead man's switch ends it."""
    key = Key.parse(stack.key, str(stack.journal.parents[2]))
    _journal.change(key, window, lambda held: {**held, "seconds": 1})


def goes_on(tmp_path: Path) -> list[str]:
    """What the operation has started, and nobody has ended."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            argv = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if argv.startswith("/bin/sh -c until") and f"{tmp_path}/goes-on" in argv:
                found.append(argv)
    return found


def is_undone(stack: Stack) -> bool:
    """The operation is, the application runs, and of the window there is only what its journal names."""
    left = [name for name in ("window.json", "window.private.json") if (stack.journal.parent / name).exists()]
    tables = ask(stack, "SELECT count(*) FROM pg_tables WHERE tablename = 'half_done'")
    roles = ask(stack, "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'dbops_window%'")
    return (left, tables, roles, stack.health()["release"]) == ([], "0", "0", "1")


@pytest.mark.slow
def test_a_killed_window_is_aborted_and_its_operation_undone(embedded: Stack, tmp_path: Path) -> None:
    said = tmp_path / "said"
    words = "{{ maintenance_window_message.event }} {{ maintenance_window_message.text }} ({{ maintenance_window_sender.password }})"
    note = {"name": "Tell", "ansible.builtin.lineinfile": {"path": str(said), "line": words, "create": True, "mode": "0600"}}
    sender = {"kind": "custom", "tasks": write_tasks(tmp_path / "tell.yml", note), "password": "known"}
    with killed_in_mid_operation(embedded, tmp_path, dbops_announce=[sender]) as journal:
        extended = embedded.play("extend", dbops_window=journal["id"], dbops_minutes=30, dbops_announce=[sender])
        assert extended.code == 0, extended.out
        refused = embedded.play("recover", dbops_window=journal["id"])
        assert "[window-alive]" in refused.last_line, refused.out
        longer = embedded.play("extend", "--check", dbops_window=journal["id"], dbops_minutes=30)
        assert f"ok: check mode, window {journal['id']} would have 30 minutes more" in longer.last_line, longer.out
        foreseen = embedded.play("abort", "--check", dbops_window=journal["id"])
        assert "would end as rolled_back" in foreseen.last_line, foreseen.out
        assert goes_on(tmp_path)
        # Whoever ends it has no Vault for the first one.
        unknown = {**sender, "password": "{{ no_such_secret }}"}
        outcome = embedded.play("abort", dbops_window=journal["id"], dbops_announce=[unknown, sender])
        assert not goes_on(tmp_path)
    assert outcome.code == 0, outcome.out
    assert f"dbops abort {embedded.key} changed: window {journal['id']} ended as rolled_back." in outcome.last_line
    assert is_undone(embedded)
    report = embedded.report()
    assert (report["state"], report["epoch"], report["rollback_point"]["state"]) == ("rolled_back", 2, "returned")
    assert (report["extended"][0]["by"], report["extended"][0]["minutes"]) == (report["opened_by"], 30)
    assert report["taken_over"][0]["why"] == "abort.yml"
    lines = said.read_text(encoding="utf-8").splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["planned", "phase", "starting", "extended", "rolled_back"]
    words = "[window-taken-over] The window was ended by abort.yml. The services run again"
    assert lines[-1].startswith(f"rolled_back Maintenance of {embedded.key} was rolled back. {words}")
    assert [(each["event"], each["ok"]) for each in report["announcements"]][-3:] == [
        ("extended", True),
        ("rolled_back", False),
        ("rolled_back", True),
    ]
    assert any("nobody is told" in warning for warning in journal["warnings"])
    assert "no_such_secret" in report["warnings"][-1]
    for verb in ("abort", "recover", "acknowledge"):
        again = embedded.play(verb, dbops_window=journal["id"])
        assert again.code == 0, again.out
        assert f"dbops {verb} {embedded.key} ok: window {journal['id']} has ended as rolled_back" in again.last_line


def test_the_switch_brings_the_service_back(embedded: Stack, tmp_path: Path) -> None:
    with killed_in_mid_operation(embedded, tmp_path) as journal:
        assert journal["switch"] == "process"
        let_time_pass(embedded, journal["id"])
        until(lambda: not embedded.journal.exists())
    ended = json.loads((embedded.journal.parent / f"windows/{journal['id']}.json").read_text(encoding="utf-8"))
    assert (ended["state"], ended["taken_over"][0]["by"]["user"]) == ("rolled_back", "dead man's switch")
    assert is_undone(embedded)
    # No Ansible was there to report it. Whoever asks has the report, and it is not written again.
    pages = embedded.reports / journal["id"]
    assert not pages.with_suffix(".html").exists()
    assert not list(embedded.reports.glob(f"{journal['id']}*")), embedded.play("status", "--check").out
    asked = embedded.play("status")
    assert f"{journal['id']}, ended as rolled_back, report {pages}.html · next: nothing" in asked.last_line, asked.out
    assert embedded.report() == ended
    assert "dead man's switch" in pages.with_suffix(".md").read_text(encoding="utf-8")
    assert "report" not in embedded.play("status").last_line
    for path in embedded.reports.glob(f"{journal['id']}*"):
        path.unlink()
    again = embedded.play("recover", dbops_window=journal["id"])
    assert f"has ended as rolled_back already, report {pages}.html · next: nothing" in again.last_line, again.out
    assert embedded.report() == ended


@pytest.mark.slow
def test_who_has_lost_a_window_reports_how_somebody_else_ended_it(embedded: Stack, tmp_path: Path) -> None:
    """Its controller is at work while a person at the target's shell ends the window."""
    said = tmp_path / "said"
    script = embedded.journal.parent / "dbops-window"
    # Without the mark of what the operation starts, which whoever takes over ends.
    abort = f"env -u DBOPS_WINDOW setsid {script} abort {{{{ __maintenance_window_id }}}} > {said} 2>&1 &"
    taken = f"until grep -q '\"epoch\": 2' {embedded.journal}; do sleep 0.1; done"
    tasks = write_tasks(
        tmp_path / "tasks.yml", {"name": "Lose it", "ansible.builtin.shell": abort}, {"name": "Wait", "ansible.builtin.shell": taken}
    )
    outcome = embedded.play("maintenance", dbops_operation="custom", dbops_tasks=tasks)
    assert outcome.code == 2, outcome.out
    report = embedded.report()
    assert (report["state"], report["taken_over"][0]["why"]) == ("rolled_back", "abort on the target")
    assert " rolled_back: [window-lost] " in outcome.last_line, outcome.out
    assert f"The window has ended as rolled_back. Its report {embedded.reports / report['id']}.html." in outcome.last_line
    assert is_undone(embedded)


@pytest.mark.slow
def test_a_person_at_the_targets_shell_needs_nothing_else(embedded: Stack, tmp_path: Path) -> None:
    script = embedded.journal.parent / "dbops-window"
    with killed_in_mid_operation(embedded, tmp_path, signal.SIGTERM) as journal:
        status = subprocess.run([script, "status"], capture_output=True, text=True, check=True, env={})
        assert f"window {journal['id']} (custom)" in status.stdout
        outcome = subprocess.run(
            [script, "abort", journal["id"]], capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"}
        )
    assert outcome.returncode == 0, outcome.stderr
    assert "ended as rolled_back: The services run again with what they ran before, and are healthy." in outcome.stdout
    assert is_undone(embedded)
