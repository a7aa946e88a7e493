# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file is old or new, never a part; one that must not exist is created by one caller only."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _files, _read_through
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_written_file_is_private_and_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    _files.write_json(str(path), {"b": 1, "a": "é"})
    _files.write_json(str(path), {"b": 2, "a": "é"})
    assert path.read_text(encoding="utf-8") == '{\n  "a": "é",\n  "b": 2\n}\n'
    assert mode(path) == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to("other")])
def test_what_is_no_plain_file_is_not_read(make: Any, tmp_path: Path) -> None:
    _files.write_json(str(tmp_path / "other"), {})
    make(tmp_path / "x.json")
    with pytest.raises(ValueError, match="no plain file"):
        _files.read_json(str(tmp_path / "x.json"))


def test_new_data_are_on_the_disk_with_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "toc.dat").write_bytes(b"x")
    flushed = []
    monkeypatch.setattr(_files.os, "fsync", lambda descriptor: flushed.append(str(Path(f"/proc/self/fd/{descriptor}").readlink())))
    _read_through.hash_files(str(tmp_path))
    assert not flushed
    _read_through.hash_files(str(tmp_path), flush=True)
    assert flushed == [str(tmp_path / "toc.dat"), str(tmp_path)]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal.json"
    _files.write_text(str(path), "old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        _files.write_text(str(path), "new")
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("content", "expected"), [(None, None), ('{"a": [1]}', {"a": [1]}), ("null", None)])
def test_reading(tmp_path: Path, content: str | None, expected: Any) -> None:
    path = tmp_path / "x.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    assert _files.read_json(str(path)) == expected


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe"])
def test_reading_what_is_no_json_raises_one_kind_of_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r".+"):
        _files.read_json(str(path))


def test_directories_are_made_private_and_existing_ones_left_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    _files.make_private_directory(str(tmp_path / "a" / "b"))
    _files.make_private_directory(str(tmp_path / "a" / "b"))
    assert [mode(path) for path in (tmp_path, tmp_path / "a", tmp_path / "a" / "b")] == [0o755, 0o700, 0o700]


@pytest.mark.parametrize("path", ["", "backups", "./backups", "~/backups"])
def test_a_relative_path_is_refused_by_the_name_of_its_variable(path: str) -> None:
    with pytest.raises(OperationError, match="dbops_backup_dir") as caught:
        _files.require_absolute(path, "dbops_backup_dir")
    assert caught.value.slug == "path-relative"


def test_an_absolute_path_is_fine() -> None:
    _files.require_absolute(os.sep + "srv", "dbops_backup_dir")
