# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is killed: nothing of it stays, and the next one is not in its way."""

from __future__ import annotations

import json
import os
import signal
from datetime import datetime, timezone
from pathlib import Path

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _clock, _quiet, _window
from ansible_collections.amanat.dbops.plugins.module_utils._files import make_private_directory, write_json
from ansible_collections.amanat.dbops.plugins.module_utils._job import Job
from ansible_collections.amanat.dbops.plugins.module_utils._place import Engine
from ansible_collections.amanat.dbops.plugins.module_utils._stack import Stack

from tests.integration.backup.jobs import await_true
from tests.integration.plays import engine

from .conftest import Migrator, Releases, in_background, journal

SLOW = ("0001_slow", 1_700_000_001_000, 'CREATE TABLE "slow" (); SELECT pg_sleep(20);')
WORKING = "EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE 'dbops-migrate-%' AND query LIKE '%pg_sleep(20)%')"


@pytest.mark.faults
def test_what_a_windows_job_left_in_the_engine_is_found_by_the_window(migrator: Migrator, releases: Releases) -> None:
    state = migrator.caller.directory / "state"
    stack = Stack.parse(migrator.caller.arguments(migrator.database)["stack"], str(state))
    make_private_directory(stack.directory)
    now = datetime.now(timezone.utc)
    write_json(stack.journal, _window.new("w1", str(stack), "migrate", {}, 60, "", now, _clock.read(), {}))
    release = releases.image(journal(SLOW))
    arguments = migrator.caller.arguments(migrator.database, job="m", fence="w1/1", wait=120.0, **migrator.options(release))
    first = in_background(lambda: migrator.caller.call("drizzle_migrate", arguments))
    try:
        migrator.caller.server.await_sql(migrator.database, WORKING, seconds=60)
        Job(f"{stack.jobs}/w1-m").end()
        first()
        assert engine("ps", "--quiet", "--filter", "label=amanat.dbops.window=w1"), "the container outlives the engine's client"
        _quiet.end_containers(Engine(), "w1")
        assert engine("ps", "--all", "--quiet", "--filter", "label=amanat.dbops.window=w1") == ""
    finally:
        Path(stack.journal).unlink()


@pytest.mark.faults
def test_a_job_that_is_killed_frees_its_lock_and_leaves_nothing(migrator: Migrator, releases: Releases) -> None:
    release = releases.image(journal(SLOW))
    before = migrator.content()
    arguments = migrator.caller.arguments(migrator.database, job="killed", wait=120.0, **migrator.options(release))
    first = in_background(lambda: migrator.caller.call("drizzle_migrate", arguments))
    migrator.caller.server.await_sql(migrator.database, WORKING, seconds=60)
    (status,) = (migrator.caller.directory / "state").rglob("jobs/killed/status.json")
    os.kill(json.loads(status.read_text(encoding="utf-8"))["pid"], signal.SIGKILL)
    assert first()["slug"] == "job-died"
    # Another release, so that its success is not that of the first run.
    quick = releases.image(journal(("0001_quick", 1_700_000_001_000, 'CREATE TABLE "quick" ();')))
    done = migrator.run(quick, lock_timeout=5)
    assert done["migrated"] == ["0001_quick"]
    assert migrator.sql("SELECT to_regclass('slow') IS NULL") == "t"
    assert "quick" not in before
    await_true(lambda: engine("ps", "--all", "--quiet", "--filter", "name=dbops-migrate-") == "")
