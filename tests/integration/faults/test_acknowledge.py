# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows that failed, and a person who ends them while others try, or while little is left by which they could be ended."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from .census import at_work, given
from .servers import POSTGRES, Gone, kill, start
from .site import MARK, Site, until

pytestmark = pytest.mark.faults


def fail(site: Site) -> Gone:
    """A window that nobody could lead back, since PostgreSQL was gone when somebody tried."""
    site.begin_until("operating")
    site.signal(signal.SIGKILL)
    gone = kill(site.stack, POSTGRES)
    site.script("abort")
    site.expect_end("failed")
    return gone


def start_backend(site: Site) -> None:
    subprocess.run(site.stack.state["backend"]["start"], check=True)


def take_care(site: Site) -> None:
    """What a person does who has seen what is in the database: the copy that is kept for him goes."""
    site.writer.await_writes()
    start_backend(site)
    site.drop_copies()
    site.by, site.end = "a person", "acknowledged"


def test_acknowledged_while_somebody_recovers(site: Site) -> None:
    """Somebody recovers a failed window while another one acknowledges it, and clients write as soon as they can"""
    start(site.stack, fail(site))
    site.acknowledge_until("Open the door")
    assert "[window-attended]" in site.script("recover").stderr
    site.gates.open()
    assert "is acknowledged, the lock is free" in site.await_controller()
    site.expect_end("failed")
    take_care(site)


def test_recovered_while_somebody_acknowledges(site: Site) -> None:
    """Somebody acknowledges a failed window while another one recovers it, whose services take their time to stop"""
    start(site.stack, fail(site))
    start_backend(site)
    site.gates.shut("stop the backend")
    argv = [site.key.script, "recover", site.window]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={"PATH": os.defpath}) as recovery:
        until(site.gates.is_reached, "the services are being stopped")
        outcome = site.acknowledge(site.window)
        site.gates.open()
        site.outputs.append(recovery.communicate()[0])
    assert "[window-not-failed]" in outcome.last_line, outcome.out
    site.expect_end("rolled_back")


def test_acknowledged_while_postgres_is_gone(site: Site) -> None:
    """A failed window acknowledged while PostgreSQL is gone"""
    gone = fail(site)
    outcome = site.acknowledge(site.window)
    assert "is acknowledged, the lock is free. PostgreSQL does not answer" in outcome.last_line, outcome.out
    assert site.ended()["warnings"][-1].endswith("acknowledge.yml -e dbops_window=lost opens it.")
    start(site.stack, gone)
    refused = site.stack.play("maintenance", dbops_operation="custom", dbops_tasks="/dev/null")
    assert "[door-shut]" in refused.last_line, refused.out
    opened = site.acknowledge("lost")
    assert "is acknowledged, the lock is free" in opened.last_line, opened.out
    take_care(site)


def test_the_journal_and_its_copy_damaged(site: Site) -> None:
    """The journal and its copy damaged, and the controller killed"""
    site.begin_until("operating")
    site.signal(signal.SIGKILL)
    for name in ("window.json", "window.copy.json"):
        path = Path(site.key.directory, name)
        path.write_text(path.read_text(encoding="utf-8")[:200], encoding="utf-8")
    assert "acknowledge.yml -e dbops_window=lost" in site.script("abort").stderr
    refused = site.acknowledge("lost")
    assert "[window-alive]" in refused.last_line, refused.out
    site.gates.open()
    until(lambda: "[window-alive]" not in site.acknowledge("lost", "--check").out, "the operation has ended")
    outcome = site.acknowledge("lost")
    assert outcome.last_line.endswith("is acknowledged, the lock is free · next: Look at the services, and start them."), outcome.out
    assert len(list(Path(site.key.windows).glob("*-lost.*.unreadable"))) == 2
    take_care(site)
    assert not given(MARK, site.window)
    until(lambda: not at_work(Path(site.key.directory)), "the switch has seen that the window has ended")
    # Nobody knows the silence any more, which ends ten minutes after the deadline.
    site.before["silences"] = site.look()["silences"]
