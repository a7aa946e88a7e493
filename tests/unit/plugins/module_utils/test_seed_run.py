# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run did is told by the tables that are not what they were."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._seed_run import compare, lost


def facts(**rows: int) -> dict[tuple[str, str], dict[str, Any]]:
    return {("public", name): {"rows": number, "digest": str(number)} for name, number in rows.items()}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (facts(levels=1, users=200), facts(levels=5, users=200), []),
        (facts(levels=5), facts(levels=1), []),
        (facts(users=200), facts(users=201), []),
        (facts(users=200), facts(users=199), ["public.users"]),
        (facts(users=200), facts(), ["public.users"]),
        (facts(users=0), facts(), []),
        (facts(), facts(users=0), []),
    ],
)
def test_rows_of_others_that_are_gone(before: Any, after: Any, expected: list[str]) -> None:
    assert [entry["table"] for entry in lost(compare(before, after, ("public.levels",)))] == expected
