# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations rehearsed on a copy: what they cost is known, the live database is not touched, and nothing of the copy is left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.plays import engine

from .conftest import DIRECTORY, Migrator, Releases, journal

USERS = "CREATE TABLE users (id int PRIMARY KEY, name text); INSERT INTO users SELECT n, 'user ' || n FROM generate_series(1, 20000) n;"
START = ("0000_start", 1_700_000_000_000, USERS)
TOKENS = """ALTER TABLE users ADD COLUMN token uuid DEFAULT gen_random_uuid();--> statement-breakpoint
CREATE TABLE other ();--> statement-breakpoint
SELECT pg_sleep(1);
"""
CHANGE = ("0001_change", 1_700_000_001_000, TOKENS)
BROKEN = ("0002_broken", 1_700_000_002_000, "ALTER TABLE users ADD CHECK (id > 1);")


def left(run: str) -> str:
    return engine("ps", "--all", "--quiet", "--filter", f"label=amanat.dbops.run={run}")


@pytest.mark.slow
def test_a_rehearsal(migrator: Migrator, releases: Releases) -> None:
    migrator.run(releases.image(journal(START)))
    migrator.caller.backup(migrator.database)
    before = migrator.content()
    release = releases.image(journal(START, CHANGE))
    options = {"release": release, "migrations_path": DIRECTORY, "memory": "512m"}
    foreseen = migrator.caller.run("drizzle_rehearse", migrator.database, check=True, **options)
    assert foreseen["migrated"] == ["0001_change"]
    job = f"rehearsal-{migrator.database}"
    found = migrator.caller.run("drizzle_rehearse", migrator.database, job=job, wait=200.0, **options)
    assert (found["migrated"], found["passed"]) == (["0001_change"], True)
    assert found["seconds"] > 1
    assert found["statements"][0]["where"] == "0001_change.sql line 3"
    (lock,) = found["locks"]
    assert (lock["table"], lock["mode"], lock["blocks"]) == ("public.users", "AccessExclusiveLock", "reads and writes")
    assert 0.9 < lock["seconds"] < found["seconds"]
    assert [each["name"] for each in found["rewrites"]] == ["public.users", "public.users_pkey"]
    assert found["bytes_after"] > found["bytes_before"] > 1_000_000
    assert json.loads(Path(found["report"]).read_text(encoding="utf-8"))["backup"] == found["backup"]
    assert migrator.content() == before
    assert left(job) == ""
    # The plan of the window that follows knows of it; another release's does not.
    known = migrator.caller.run("drizzle_migrate", migrator.database, check=True, **migrator.options(release))["rehearsed"]
    assert (known["seconds"], known["locks"]) == (found["seconds"], found["locks"])
    another = releases.image(journal(START, CHANGE, BROKEN))
    assert migrator.caller.run("drizzle_migrate", migrator.database, check=True, **migrator.options(another))["rehearsed"] == {}
    message = migrator.caller.refused(
        "drizzle_rehearse", migrator.database, "rehearsal-failed", wait=200.0, **{**options, "release": another}
    )
    assert 'check constraint "users_id_check" of relation "users" is violated by some row, at 0002_broken.sql line 1' in message
    assert migrator.content() == before
    assert left(f"{job}-2") == ""


def test_a_directory_cannot_be_shut_off(migrator: Migrator, releases: Releases) -> None:
    migrator.caller.backup(migrator.database)
    options = {"release": releases.directory(journal(START)), "migrations_path": DIRECTORY}
    migrator.caller.refused("drizzle_rehearse", migrator.database, "rehearsal-no-image", **options)
