# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Before a backup: is there room. After it: a name with its manifest, or nothing."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _manifest, _pg_backup
from ansible_collections.amanat.dbops.plugins.module_utils._command import Answer
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._job import Progress
from ansible_collections.amanat.dbops.plugins.module_utils._module import backup_dir_of
from ansible_collections.amanat.dbops.plugins.module_utils._pg_backup import Backup, Plan, estimate, require_space, require_writable
from ansible_collections.amanat.dbops.plugins.module_utils._place import Engine, Place
from ansible_collections.amanat.dbops.plugins.module_utils._psql import Server
from ansible_collections.amanat.dbops.plugins.module_utils._read_through import hash_files
from ansible_collections.amanat.dbops.plugins.module_utils._stack import Stack

GIB = 1 << 30
OLD = "amanat_pg_2026-11-20T120000Z.pgdir.manifest.json"
NEW = "amanat_pg_2026-11-21T120000Z.pgdir.manifest.json"


def plan_for(directory: str, container: str = "") -> Plan:
    env = {"PGUSER": "u", "PGPASSWORD": "s3cret", "PGHOST": "db", "PGDATABASE": "amanat"}
    return Plan(
        stack=Stack.parse("staging/nickapp", "/var/lib/dbops"),
        server=Server(Place(Engine(), container), env),
        image="sha256:1",
        image_digest="",
        container=container,
        directory=directory,
        series="amanat_pg",
        format="directory",
        jobs=2,
        run="w1",
    )


@pytest.mark.parametrize(
    ("manifests", "expected"),
    [
        ({}, 500),
        ({NEW: '{"bytes": 100}'}, 120),
        ({OLD: '{"bytes": 900}', NEW: '{"bytes": 100}'}, 120),
        # Another series that begins alike, and what is no manifest, are no base for an estimate.
        ({"amanat_pg_big_2026-11-21T120000Z.pgdir.manifest.json": '{"bytes": 900}'}, 500),
        ({NEW: "{"}, 500),
        ({NEW: ""}, 500),
        ({NEW: "[]"}, 500),
        ({NEW: "null"}, 500),
        ({NEW: "{}"}, 500),
        ({NEW: '{"bytes": null}'}, 500),
        ({NEW: '{"bytes": "many"}'}, 500),
        ({NEW: '{"bytes": 0}'}, 500),
    ],
)
def test_the_estimate_goes_by_the_last_backup_else_by_the_database(tmp_path: Path, manifests: dict[str, str], expected: int) -> None:
    for name, text in manifests.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert estimate(str(tmp_path), "amanat_pg", 1000)["expected"] == expected


def test_a_directory_that_is_not_there_yet_has_the_space_of_the_one_above(tmp_path: Path) -> None:
    space = os.statvfs(tmp_path)
    figures = estimate(str(tmp_path / "a" / "b"), "amanat_pg", 1000)
    assert figures["expected"] == 500
    assert abs(figures["free"] - space.f_bavail * space.f_frsize) < GIB


@pytest.mark.parametrize(("expected", "free"), [(0, 0), (1, 1), (1, GIB)])
def test_there_is_space(expected: int, free: int) -> None:
    require_space("/backup", {"expected": expected, "free": free})


def test_there_is_no_space() -> None:
    with pytest.raises(OperationError, match=r"/backup has 100 MiB free, the backup needs about 1024 MiB") as caught:
        require_space("/backup", {"expected": GIB, "free": 100 << 20})
    assert caught.value.slug == "backup-no-space"


def test_a_place_that_takes_no_files_is_refused(tmp_path: Path) -> None:
    require_writable(str(tmp_path))
    require_writable(str(tmp_path / "a" / "b"))
    (tmp_path / "file").touch()
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    for place in ("file", "file/below", "gone"):
        with pytest.raises(OperationError) as caught:
            require_writable(str(tmp_path / place))
        assert caught.value.slug == "target-file"


@pytest.mark.parametrize("directory", ["", "backups"])
def test_a_relative_directory_is_refused(directory: str) -> None:
    with pytest.raises(OperationError) as caught:
        backup_dir_of(SimpleNamespace(params={"backup_dir": directory}))
    assert caught.value.slug == "path-relative"


def test_from_a_client_container_the_server_is_on_the_loopback() -> None:
    assert plan_for("/b", "pg").environ()["PGHOST"] == "127.0.0.1"
    assert plan_for("/b").environ()["PGHOST"] == "db"
    assert plan_for("/b").environ()["PGAPPNAME"] == "amanat.dbops w1"
    options = plan_for("/b").environ()["PGOPTIONS"]
    assert "-c client_connection_check_interval=1s " in options
    assert "-c statement_timeout=0 -c transaction_timeout=0" in options


@pytest.mark.parametrize(
    ("done", "figures"),
    [
        ((0, 100, 5.0, 0, 3), {"mib": 0, "of_about_mib": 100}),
        ((50, 100, 10.0, 2, 3), {"mib": 50, "of_about_mib": 100, "tables": "2/3", "seconds_left": 10}),
        ((50, 100, 0.5, 9, 3), {"mib": 50, "of_about_mib": 100, "tables": "3/3"}),
        ((120, 100, 10.0, 3, 3), {"mib": 120, "of_about_mib": 100, "tables": "3/3"}),
    ],
)
def test_progress_has_an_estimate_where_there_is_one(done: tuple[int, int, float, int, int], figures: dict[str, Any]) -> None:
    written, expected, seconds, files, tables = done
    assert _pg_backup._figures(written << 20, expected << 20, seconds, files, tables) == figures


@pytest.mark.parametrize(
    ("said", "slug"),
    [
        ("pg_dump: error: could not write to file: No space left on device", "backup-no-space"),
        ('pg_dump: error: could not obtain lock on relation "public.users"', "backup-ddl"),
        ("pg_dump: error: query failed: ERROR:  canceling statement due to statement timeout", "backup-ddl"),
        ("pg_dump: error: connection to server was lost", "backup-failed"),
    ],
)
def test_why_a_dump_failed(said: str, slug: str) -> None:
    error = _pg_backup._failed(Answer(1, "", said))
    assert error.slug == slug
    assert said in error.message


@pytest.fixture
def finished(tmp_path: Path) -> Backup:
    """A backup whose dump is written and that only lacks its name."""
    backup = Backup(plan_for(str(tmp_path)), Progress(str(tmp_path / "status.json")))
    backup.name = "amanat_pg_2026-11-22T120000Z.pgdir"
    partial = tmp_path / f".{backup.name}.partial"
    partial.mkdir()
    (partial / "toc.dat").write_text("x", encoding="utf-8")
    return backup


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_a_backup_gets_its_name_its_roles_and_its_manifest(tmp_path: Path, finished: Backup) -> None:
    finished._publish(f".{finished.name}.partial", {"complete": True}, "CREATE ROLE a;")
    assert names(tmp_path) == [*_manifest.parts_of(finished.name)]
    assert (tmp_path / f"{finished.name}.globals.sql").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("full", ["write_json", "write_text"])
def test_what_cannot_be_written_to_the_end_leaves_no_backup(
    tmp_path: Path, finished: Backup, monkeypatch: pytest.MonkeyPatch, full: str
) -> None:
    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_pg_backup, full, fail)
    with pytest.raises(OSError, match="No space"):
        finished._publish(f".{finished.name}.partial", {"complete": True}, "")
    assert [name for name in names(tmp_path) if not name.startswith(".")] == []


def test_files_are_digested_and_made_private(tmp_path: Path, finished: Backup) -> None:
    partial = tmp_path / f".{finished.name}.partial"
    (partial / "toc.dat").chmod(0o644)
    expected = {"path": "toc.dat", "bytes": 1, "sha256": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"}
    assert hash_files(str(partial)) == [expected]
    assert (partial / "toc.dat").stat().st_mode & 0o777 == 0o644
    assert hash_files(str(partial), flush=True) == [expected]
    assert (partial / "toc.dat").stat().st_mode & 0o777 == 0o600
    assert hash_files(str(partial / "toc.dat")) == [{**expected, "path": ""}]


def test_what_a_killed_backup_left_behind_is_swept_away(tmp_path: Path, finished: Backup) -> None:
    other = tmp_path / ".other_pg_2026-11-22T120000Z.dump.partial"
    other.write_text("", encoding="utf-8")
    whole = tmp_path / "amanat_pg_2026-11-21T120000Z.pgdir"
    whole.mkdir()
    finished._sweep()
    assert names(tmp_path) == sorted([other.name, whole.name])


def test_a_clock_that_was_set_back_is_told(tmp_path: Path) -> None:
    backup = Backup(plan_for(str(tmp_path)), Progress(str(tmp_path / "status.json")))
    assert backup._free_name()[2] == []
    (tmp_path / OLD.replace("2026", "2099")).touch()
    name, _moment, warnings = backup._free_name()
    assert name.startswith("amanat_pg_20")
    assert "2099-11-20" in warnings[0]
