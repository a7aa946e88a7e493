# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Before a backup: is there room. After it: a name with its manifest, or nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _manifest, _new_backup
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._new_backup import (
    estimate,
    free_name,
    publish,
    require_space,
    require_writable,
    sweep,
)
from ansible_collections.amanat.dbops.plugins.module_utils._read_through import hash_files

GIB = 1 << 30
OLD = "amanat_pg_2026-11-20T120000Z.pgdir.manifest.json"
NEW = "amanat_pg_2026-11-21T120000Z.pgdir.manifest.json"


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
def test_the_estimate_goes_by_the_last_backup(tmp_path: Path, manifests: dict[str, str], expected: int) -> None:
    for name, text in manifests.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert estimate(str(tmp_path), "amanat_pg", 500)["expected"] == expected


def test_a_directory_that_is_not_there_yet_has_the_space_of_the_one_above(tmp_path: Path) -> None:
    space = os.statvfs(tmp_path)
    figures = estimate(str(tmp_path / "a" / "b"), "amanat_pg", 500)
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


NAME = "amanat_pg_2026-11-22T120000Z.pgdir"


@pytest.fixture
def partial(tmp_path: Path) -> Path:
    """A backup whose dump is written and that only lacks its name."""
    partial = tmp_path / f".{NAME}.partial"
    partial.mkdir()
    (partial / "toc.dat").write_text("x", encoding="utf-8")
    return partial


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.mark.usefixtures("partial")
def test_a_backup_gets_its_name_its_roles_and_its_manifest(tmp_path: Path) -> None:
    publish(str(tmp_path), {"name": NAME, "complete": True}, "CREATE ROLE a;")
    assert names(tmp_path) == [*_manifest.parts_of(NAME)]
    assert (tmp_path / f"{NAME}.globals.sql").stat().st_mode & 0o777 == 0o600


@pytest.mark.usefixtures("partial")
def test_a_backup_without_roles_has_no_file_of_them(tmp_path: Path) -> None:
    publish(str(tmp_path), {"name": NAME, "complete": True})
    assert names(tmp_path) == [NAME, NAME + _manifest.SUFFIX]


@pytest.mark.usefixtures("partial")
@pytest.mark.parametrize("full", ["write_json", "write_text"])
def test_what_cannot_be_written_to_the_end_leaves_no_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: str) -> None:
    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_new_backup, full, fail)
    with pytest.raises(OSError, match="No space"):
        publish(str(tmp_path), {"name": NAME, "complete": True}, "")
    assert [name for name in names(tmp_path) if not name.startswith(".")] == []


def test_files_are_digested_and_made_private(partial: Path) -> None:
    (partial / "toc.dat").chmod(0o644)
    expected = {"path": "toc.dat", "bytes": 1, "sha256": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"}
    assert hash_files(str(partial)) == [expected]
    assert (partial / "toc.dat").stat().st_mode & 0o777 == 0o644
    assert hash_files(str(partial), flush=True) == [expected]
    assert (partial / "toc.dat").stat().st_mode & 0o777 == 0o600
    assert hash_files(str(partial / "toc.dat")) == [{**expected, "path": ""}]


@pytest.mark.usefixtures("partial")
def test_what_a_killed_backup_left_behind_is_swept_away(tmp_path: Path) -> None:
    other = tmp_path / ".other_pg_2026-11-22T120000Z.dump.partial"
    other.write_text("", encoding="utf-8")
    whole = tmp_path / "amanat_pg_2026-11-21T120000Z.pgdir"
    whole.mkdir()
    sweep(str(tmp_path), "amanat_pg")
    assert names(tmp_path) == sorted([other.name, whole.name])


def test_a_clock_that_was_set_back_is_told(tmp_path: Path) -> None:
    assert free_name(str(tmp_path), "amanat_pg", ".pgdir")[2] == []
    (tmp_path / OLD.replace("2026", "2099")).touch()
    name, _moment, warnings = free_name(str(tmp_path), "amanat_pg", ".pgdir")
    assert name.startswith("amanat_pg_20")
    assert "2099-11-20" in warnings[0]
