# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run came to is looked at when nothing of it is under way any more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _drizzle_look, _drizzle_run
from ansible_collections.amanat.dbops.plugins.module_utils._drizzle import Folder, Migration
from ansible_collections.amanat.dbops.plugins.module_utils._drizzle_run import Run
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._place import Engine, Place
from ansible_collections.amanat.dbops.plugins.module_utils._release import Release
from ansible_collections.amanat.dbops.plugins.module_utils._stack import Stack

MIGRATION = Migration("0000_a", "0000_a.sql", 1, "digest", "SELECT 1")


@dataclass
class Committing:
    """A server on which drizzle-kit was ended while its COMMIT was under way. stubborn: that one takes longer than anybody waits."""

    stubborn: bool = False
    waited: bool = False
    place: Place = field(default_factory=lambda: Place(Engine(), "", ""))

    def ask(self, sql: str) -> None:
        self.waited = self.waited or re.search(r"pg_terminate_backend\(pid, \d{4,}\)", sql) is not None

    def value(self, sql: str) -> Any:
        return int(self.stubborn or not self.waited) if "pg_stat_activity" in sql else True

    @property
    def applied(self) -> list[dict[str, Any]]:
        row = {"hash": "digest", "created_at": 1, "name": None, "versioned": False}
        return [row] if self.waited and not self.stubborn else []


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(_drizzle_run, "ServerLog", lambda _server: None)
    monkeypatch.setattr(_drizzle_look, "applied_rows", lambda server: server.applied)
    monkeypatch.setattr(_drizzle_run, "cause", lambda *_: _drizzle_run.Cause("No cause."))
    return


def failure_of(server: Committing, tmp_path: Path) -> OperationError:
    stack = Stack.parse("development/a", str(tmp_path))
    run = Run(Release(str(tmp_path), Engine()), "drizzle", server, stack, "postgres://a:b@c/d", ["false"], 5.0)  # type: ignore[arg-type]
    with pytest.raises(OperationError) as caught:
        run._apply(Folder("journal", (MIGRATION,)), {"applied": [], "pending": ["0000_a"]})
    return caught.value


def test_what_is_committed_while_it_ends_is_no_rollback(tmp_path: Path) -> None:
    error = failure_of(Committing(), tmp_path)
    assert error.state == "Applied: 0000_a; still pending: none."


def test_of_a_session_that_does_not_end_nothing_is_known(tmp_path: Path) -> None:
    error = failure_of(Committing(stubborn=True), tmp_path)
    assert "does not end" in error.what
    assert error.state == "Whether the migrations were applied is not known."
