# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal on disk, whatever becomes of its file."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _journal, _private, _window
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._files import make_private_directory
from ansible_collections.amanat.dbops.plugins.module_utils._stack import Stack

NOW = datetime(2026, 11, 22, 17, 1, 2, 0, timezone.utc)

DAMAGES = {
    "cut off": lambda text: text[: len(text) // 2],
    "empty": lambda _text: "",
    "another phase": lambda text: text.replace('"opened"', '"verified"'),
    "something else": lambda _text: "[]",
}


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    stack = Stack.parse("production/shop", str(tmp_path))
    make_private_directory(stack.directory)
    journal = _window.new("w1", str(stack), "none", {"user": "mo"}, 60, "", NOW, _window.Clock("boot", 1.5), {"services": []})
    _journal.create(stack, journal)
    return stack


def damage(path: str, how: str) -> None:
    Path(path).write_text(DAMAGES[how](Path(path).read_text(encoding="utf-8")), encoding="utf-8")


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_journal_is_read_from_its_copy(stack: Stack, how: str) -> None:
    before = _journal.read(stack.journal)
    damage(stack.journal, how)
    assert _journal.read(stack.journal) == before
    changed = _journal.change(stack, "w1", lambda journal: {**journal, "switch": "process"})
    assert json.loads(Path(stack.journal).read_text(encoding="utf-8"))["switch"] == "process", "it is whole again"
    assert _journal.read(stack.journal) == changed


@pytest.mark.parametrize("how", DAMAGES)
def test_where_both_are_damaged_nothing_is_believed(stack: Stack, how: str) -> None:
    for path in (stack.journal, stack.journal.replace(".json", ".copy.json")):
        damage(path, how)
    with pytest.raises(OperationError) as caught:
        _journal.read(stack.journal)
    assert caught.value.slug == "journal-unreadable"


def test_a_journal_that_was_taken_away_is_that_of_its_copy(stack: Stack) -> None:
    """Nobody frees the lock by hand, nor loses what brings the services back."""
    _journal.change(stack, "w1", lambda journal: {**journal, "phase": "stopped"})
    _private.write(stack, {"pg_url": "postgres://"})
    Path(stack.journal).rename(f"{stack.journal}.unreadable")
    with _journal.alone(stack):
        assert _journal.read(stack.journal)["phase"] == "stopped"
    assert _private.find(stack)
    _journal.change(stack, "w1", lambda journal: {**journal, "switch": "process"})
    assert Path(stack.journal).exists()


def test_a_window_that_could_not_be_opened_holds_no_lock(stack: Stack) -> None:
    Path(stack.journal).unlink()
    assert _journal.read(stack.journal) == {}


def test_a_newer_release_is_not_thought_to_be_damage(stack: Stack) -> None:
    for path in (stack.journal, stack.journal.replace(".json", ".copy.json")):
        journal = json.loads(Path(path).read_text(encoding="utf-8"))
        journal.pop("seal")
        Path(path).write_text(json.dumps({**journal, "version": _window.JOURNAL_VERSION + 1}), encoding="utf-8")
    with pytest.raises(OperationError) as caught:
        _journal.read(stack.journal)
    assert caught.value.slug == "journal-newer"


def test_an_archived_journal_that_somebody_has_edited_bars_nothing(stack: Stack) -> None:
    for window in ("w1", "w2"):
        if window == "w2":
            _journal.create(stack, _window.new(window, str(stack), "none", {}, 60, "", NOW, _window.Clock("boot", 1.5), {"services": []}))
        _journal.change(stack, window, lambda journal: _window.close(journal, "aborted", NOW, {}))
    newest = Path(stack.windows, "w2.json")
    newest.write_text(newest.read_text(encoding="utf-8").replace("aborted", "Aborted"), encoding="utf-8")
    assert _journal.last(stack)["id"] == "w1"
    with pytest.raises(OperationError, match="nothing waits for it"):
        _journal.ended(stack, "w2")


def test_one_that_an_older_release_wrote_has_no_seal(stack: Stack) -> None:
    journal = _journal.read(stack.journal)
    Path(stack.journal).write_text(json.dumps({**journal, "seconds": 60}), encoding="utf-8")
    assert _journal.read(stack.journal)["seconds"] == 60


def test_a_window_that_has_ended_leaves_one_journal(stack: Stack) -> None:
    _journal.change(stack, "w1", lambda journal: _window.close(journal, "aborted", NOW, {}))
    assert sorted(path.name for path in Path(stack.directory).rglob("*.json")) == ["w1.json"]
    assert _journal.last(stack)["state"] == "aborted"


def test_an_error_of_before_is_history_when_somebody_tries_again(stack: Stack) -> None:
    error = {"slug": "step-failed", "message": "no"}
    _journal.change(stack, "w1", lambda journal: _window.close(journal, "failed", NOW, {"error": error}))
    journal = _journal.change(stack, "w1", lambda held: _window.take_over(held, {"user": "mo"}, "recover", NOW))
    assert "error" not in journal
    assert journal["taken_over"][0]["error"] == error
