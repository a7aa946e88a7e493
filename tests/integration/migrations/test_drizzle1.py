# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations of drizzle-kit 1.x, whose migrator goes by names, on a real server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.plays import ROOT, engine, images

from .conftest import Migrator, Releases, journal

# Pinned, since its rules are what is tested.
DRIZZLE = {"drizzle-orm": "1.0.0-rc.5", "drizzle-kit": "1.0.0-rc.5", "pg": "8.23.1"}

USERS = ("20231114221320_users", 'CREATE TABLE "users" ("id" int PRIMARY KEY);')
FILL = ("20231114221321_fill", "INSERT INTO users SELECT generate_series(1, 100);")
LATE = ("20231114221320_zlate", 'CREATE TABLE "late" ();--> statement-breakpoint\r\nSELECT 1;')
BROKEN = ("20990101000000_broken", 'CREATE TABLE "half" ();--> statement-breakpoint\nSELECT 1 / 0;')


def folders(*migrations: tuple[str, str]) -> dict[str, bytes]:
    return {f"{name}/migration.sql": sql.encode() for name, sql in migrations}


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Releases]:
    """Images whose drizzle is the release candidate of 1.0, installed from the registry."""
    folder = tmp_path_factory.mktemp("drizzle")
    where = "import sys; sys.path.insert(0, 'examples/stack'); import _tools; print(_tools.packaged_node())"
    node = subprocess.run([sys.executable, "-c", where], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    context = folder / "app"
    context.mkdir()
    npmrc = ROOT / "examples/stack/backend/.npmrc"
    (context / ".npmrc").write_text(npmrc.read_text(encoding="utf-8"), encoding="utf-8")
    packages = [f"{name}@{version}" for name, version in DRIZZLE.items()]
    env = {**os.environ, "PATH": f"{Path(node) / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(["npm", "install", *packages], cwd=context, env=env, capture_output=True, check=True)
    base = images("node")["node"]
    (folder / "Dockerfile").write_text(f"FROM {base}\nWORKDIR /app\nCOPY app ./\n", encoding="utf-8")
    tag = f"dbops-migrations-drizzle1:{folder.name.lower()}"
    subprocess.run(["docker", "build", "--quiet", "--tag", tag, str(folder)], capture_output=True, check=True)
    made = Releases(folder, tag)
    yield made
    made.remove()
    engine("rmi", "--force", tag)


@pytest.mark.slow
def test_what_is_foreseen_is_what_is_applied(migrator: Migrator, releases: Releases) -> None:
    """A new database, a migration dated before the newest, which 0.x would skip, and one that fails."""
    for state in ([USERS, FILL], [USERS, LATE, FILL], [USERS, LATE, FILL]):
        release = releases.image(folders(*state))
        before = migrator.content()
        foreseen = migrator.foresee(release)
        assert migrator.content() == before
        done = migrator.run(release)
        assert (done["layout"], done["migrated"]) == ("folders", foreseen)
        assert migrator.compare(release)["pending"] == []
    assert foreseen == []
    assert migrator.sql("SELECT name FROM drizzle.__drizzle_migrations ORDER BY id").split() == [USERS[0], FILL[0], LATE[0]]
    before = migrator.content()
    message = migrator.refused(releases.image(folders(USERS, LATE, FILL, BROKEN)), "migration-failed")
    assert f"division by zero, at {BROKEN[0]}/migration.sql line 2" in message
    assert migrator.content() == before
    edited = releases.directory(folders(USERS, (LATE[0], "SELECT 2;"), FILL))
    assert LATE[0] in migrator.refused(edited, "migrations-edited", check=True)
    assert FILL[0] in migrator.refused(releases.directory(folders(USERS, LATE)), "migrations-unknown", check=True)


@pytest.mark.slow
def test_a_database_of_0_x_is_taken_over(migrator: Migrator, releases: Releases) -> None:
    """drizzle gives its rows names by their seconds; what does not fit it refuses, and so do we, beforehand."""
    old = Releases(releases.folder, images("backend-1")["backend-1"])
    try:
        # 2023-11-14T22:13:20Z and a second later, with the milliseconds that a folder's name cannot hold.
        migrator.run(old.image(journal(("0000_users", 1_700_000_000_123, USERS[1]), ("0001_fill", 1_700_000_001_456, FILL[1]))))
    finally:
        old.remove()
    unknown = releases.directory(folders(USERS, ("20240101000000_other", "SELECT 1;")))
    assert "of 1700000001456" in migrator.refused(unknown, "migrations-unknown", check=True)
    release = releases.image(folders(USERS, LATE, FILL))
    # Two folders of one second: the hash tells which of them was applied.
    assert migrator.foresee(release) == [LATE[0]]
    assert migrator.run(release)["migrated"] == [LATE[0]]
    assert migrator.compare(release)["applied"] == [USERS[0], LATE[0], FILL[0]]
