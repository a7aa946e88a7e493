# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a probe lives."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Callable

from ansible_collections.amanat.dbops.plugins.module_utils._job import Job

from tests.integration.modules import call


def await_true(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until, "never true"
        time.sleep(0.05)


def test_a_probe_ends_when_no_journal_holds_the_lock_any_more(tmp_path: Path) -> None:
    """A controller that is gone stops no probe."""
    home = tmp_path / "production/nickapp"
    home.mkdir(parents=True)
    journal = home / "window.json"
    journal.write_text("{}", encoding="utf-8")
    options = {"stack": "production/nickapp", "state_dir": str(tmp_path), "window": "w1"}
    started, _ = call("availability_probe", {**options, "state": "started", "url": "http://127.0.0.1:9/api/health"})
    assert started["changed"], started
    samples = home / "jobs/w1-probe/samples"
    await_true(lambda: samples.exists() and len(samples.read_text(encoding="utf-8").splitlines()) > 2)
    probe = Job(str(samples.parent))
    assert probe.is_alive()
    journal.unlink()
    await_true(lambda: not probe.is_alive())
    stopped, _ = call("availability_probe", {**options, "state": "stopped"})
    assert stopped["downtime"]["probes"] == stopped["downtime"]["failures"] > 2
