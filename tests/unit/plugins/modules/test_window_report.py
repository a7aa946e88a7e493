# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.modules import window_report

IDENTITY = "2026-11-22T170102Z-7f3a"


def report(journal: Path, directory: Path | None = None, *, check_mode: bool = False) -> dict[str, Any]:
    params = {"journal": str(journal), "directory": str(directory) if directory else None}
    return window_report.body(SimpleNamespace(params=params, check_mode=check_mode))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "window.json"
    path.write_text(json.dumps({"id": IDENTITY, "stack": "staging/a", "operation": "none", "state": "closed"}))
    path.chmod(0o600)
    return path


def test_check_then_write_then_unchanged(journal: Path, tmp_path: Path) -> None:
    directory = tmp_path / "new" / "reports"
    predicted = report(journal, directory, check_mode=True)
    assert predicted["changed"]
    assert not directory.exists()
    made = report(journal, directory)
    assert made == predicted
    assert made["summary"][0] == "Window without an operation on staging/a completed."
    copy, page, words = (Path(made[key]) for key in ("json_path", "html_path", "markdown_path"))
    assert [path.name for path in (copy, page, words)] == [f"{IDENTITY}.{ending}" for ending in ("json", "html", "md")]
    assert copy.read_text() == journal.read_text()
    assert "<h1>" in page.read_text(encoding="utf-8")
    assert "# Window without an operation on staging/a completed." in words.read_text(encoding="utf-8")
    assert [mode(path) for path in (copy, page, words, directory)] == [0o600, 0o600, 0o600, 0o700]
    assert {path.name for path in directory.iterdir()} == {page.name, copy.name, words.name}
    assert report(journal, directory) == {**made, "changed": False}


def test_stands_beside_the_journal_and_leaves_it_alone(tmp_path: Path, journal: Path) -> None:
    kept = journal.rename(tmp_path / f"{IDENTITY}.json")
    before = kept.stat()
    made = report(kept)
    assert made["json_path"] == str(kept)
    assert (kept.stat().st_ino, kept.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert (tmp_path / f"{IDENTITY}.html").exists()


def test_open_rights_a_link_and_other_content_are_replaced(journal: Path, tmp_path: Path) -> None:
    made = report(journal)
    page, copy = Path(made["html_path"]), Path(made["json_path"])
    page.chmod(0o644)
    assert report(journal)["changed"]
    assert mode(page) == 0o600
    other = tmp_path / "other"
    other.write_text("kept")
    copy.unlink()
    copy.symlink_to(other)
    page.write_bytes(b"\xff")
    assert report(journal)["changed"]
    assert copy.read_text() == journal.read_text()
    assert not copy.is_symlink()
    assert other.read_text() == "kept"
    assert not report(journal)["changed"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '"x"', "{}", '{"id": ""}', '{"id": "../../etc/x"}', '{"id": ["x"]}', '{"id": ".hidden"}']
)
def test_what_is_no_journal_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "window.json"
    path.write_text(text)
    with pytest.raises(OperationError) as caught:
        report(path)
    assert caught.value.slug == "journal-unreadable"
    assert str(path) in caught.value.message
    assert [found.name for found in tmp_path.iterdir()] == ["window.json"]


def test_missing_journal_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match=r"^\[journal-unreadable\].*No such file"):
        report(tmp_path / "none.json")


def test_where_nothing_can_be_written(journal: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OperationError, match=r"^\[report-not-written\]"):
        report(journal, tmp_path / "file" / "reports")
