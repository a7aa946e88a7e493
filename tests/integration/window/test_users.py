# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack whose user is not root, and root, who comes to its help: nothing is left there that its user could not read."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _clock, _fence, _files, _job, _journal, _script, _window
from ansible_collections.amanat.dbops.plugins.module_utils._stack import Stack

from tests.integration import modules
from tests.integration.machine import require_root

USER = "nobody"
NOW = datetime(2026, 11, 22, 17, 1, 2, 0, timezone.utc)


def as_user(act: Callable[[], object]) -> None:
    account = pwd.getpwnam(USER)
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if not child:
        code = 1
        try:
            os.setgroups([])
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
            act()
            code = 0
        except BaseException:  # noqa: BLE001 - whatever it is, this process ends here
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.fixture
def stack() -> Iterator[Stack]:
    """Of a user who has opened a window there."""
    require_root("A window of another user is opened, and ended by root.")
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        state = Path(directory, "state")
        state.mkdir(mode=0o700)
        os.chown(state, pwd.getpwnam(USER).pw_uid, pwd.getpwnam(USER).pw_gid)
        stack = Stack.parse("production/shop", str(state))

        def begin() -> None:
            _files.make_private_directory(stack.directory)
            _script.install(stack)
            open_window(stack, "w1")

        as_user(begin)
        yield stack


def open_window(stack: Stack, window: str) -> None:
    with _journal.alone(stack):
        _journal.create(stack, _window.new(window, str(stack), "none", {"user": "mo"}, 60, "", NOW, _clock.read(), {}))


def owners(stack: Stack) -> set[str]:
    return {path.owner() for path in Path(stack.state_dir).rglob("*")}


def test_root_who_ends_a_window_leaves_nothing_of_his(stack: Stack) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "USER"} | {"SUDO_USER": "ann"}
    abort = [sys.executable, stack.script, "abort", "w1"]
    ended = subprocess.run(abort, env=environ, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert owners(stack) == {USER}
    assert _journal.last(stack)["taken_over"][0]["by"]["user"] == "ann"

    def go_on() -> None:
        assert _journal.last(stack)["state"] == "aborted"
        _job.clean(stack.jobs)
        open_window(stack, "w2")
        with _fence.taken_over(stack, "w2", {"user": "mo"}, "it took too long", NOW):
            pass

    as_user(go_on)


def test_a_module_that_root_runs_reads_and_writes_nothing(stack: Stack) -> None:
    place = {"stack": str(stack), "state_dir": stack.state_dir}
    shown, _ = modules.call("window_state", {**place, "state": "show"})
    assert shown["journal"]["id"] == "w1"
    error = {"slug": "window-aborted", "message": "", "state": "", "next": ""}
    acts = {
        "window_recovery": {"state": "aborted", "window": "w1", "why": "", "error": error},
        "window_state": {"state": "acknowledge", "window": "w1"},
    }
    for module, how in acts.items():
        refused, _ = modules.call(module, {**place, **how})
        assert refused["slug"] == "stack-owner", refused
        assert refused["next_step"].endswith("-e ansible_become_user=nobody")
    unreported, _ = modules.call("window_report", {"journal": stack.journal, "directory": stack.reports})
    assert unreported["slug"] == "stack-owner"
    assert owners(stack) == {USER}


def test_what_somebody_else_has_left_bars_no_job_and_no_window(stack: Stack) -> None:
    done = Path(stack.jobs, "one")
    done.mkdir(parents=True)
    (done / "lock").touch(mode=0o600)
    old = Path(stack.windows, "w0.json")
    old.parent.mkdir()
    old.touch(mode=0o600)
    for path in (done.parent, old.parent):
        os.chown(path, pwd.getpwnam(USER).pw_uid, -1)

    def go_on() -> None:
        _job.clean(stack.jobs)
        assert _journal.last(stack) == {}

    as_user(go_on)
