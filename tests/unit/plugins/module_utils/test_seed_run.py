# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run did is told by the tables that are not what they were."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._seed_run import Run, compare, lost
from ansible_collections.amanat.dbops.plugins.module_utils._stack import Stack
from ansible_collections.amanat.dbops.plugins.module_utils._window import Clock, new


def facts(**rows: int) -> dict[tuple[str, str], dict[str, Any]]:
    return {("public", name): {"rows": number, "digest": str(number)} for name, number in rows.items()}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (facts(levels=1, users=200), facts(levels=5, users=200), []),
        (facts(users=200), facts(users=201), []),
        (facts(users=200), facts(users=199), ["public.users had 200 rows and has 199"]),
        (facts(users=200), facts(), ["public.users had 200 rows and has none"]),
        (facts(users=0), facts(), []),
        (facts(), facts(users=0), []),
    ],
)
def test_rows_of_others_that_are_gone(before: Any, after: Any, expected: list[str]) -> None:
    assert lost(compare(before, after, ("public.levels",)), []) == expected


def test_rows_of_its_own_that_are_gone() -> None:
    """Row by row: that there are more of them afterwards proves nothing."""
    changes = [
        {"table": "public.levels", "added": 12, "changed": 0, "deleted": 1},
        {"table": "public.more", "added": 1, "changed": 2, "deleted": 0},
    ]
    tables = compare(facts(levels=1), facts(levels=12), ("public.levels",))
    assert lost(tables, changes) == ["1 row of its own public.levels"]


@pytest.mark.parametrize(("state", "slug"), [("", ""), ("open", "window-open"), ("failed", ""), ("garbage", "journal-unreadable")])
def test_a_window_that_opened_meanwhile(state: str, slug: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked for under the lock, when rehearsal and backup are over."""
    stack, did = Stack.parse("production/shop", str(tmp_path)), []

    @contextlib.contextmanager
    def held() -> Iterator[None]:
        if state:
            now = datetime(2026, 11, 23, tzinfo=timezone.utc)
            journal = {**new("w", str(stack), "migrate", {}, 60, "", now, Clock("boot", 1.0), {}), "state": state}
            Path(stack.journal).parent.mkdir(parents=True)
            Path(stack.journal).write_text("{" if state == "garbage" else json.dumps(journal), encoding="utf-8")
        yield

    plan: Any = SimpleNamespace(stack=stack, lock=SimpleNamespace(held=held))
    monkeypatch.setattr(Run, "_make", lambda *_: did.append("ran") or {})
    if not slug:
        Run(plan).make(None)
        assert did == ["ran"]
        return
    with pytest.raises(OperationError) as raised:
        Run(plan).make(None)
    assert (raised.value.slug, did) == (slug, [])
