# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which moves of a sequence are harmless."""

from __future__ import annotations

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._seed_changes import went_back


@pytest.mark.parametrize(
    ("before", "after", "by", "cycle", "expected"),
    [
        (500, 501, 1, False, False),
        (500, 1, 1, False, True),
        (500, None, 1, False, True),
        (None, 7, 1, False, False),
        (-500, -501, -1, False, False),
        (-500, -1, -1, False, True),
        (500, 1, 1, True, False),
    ],
)
def test_sequences(before: int | None, after: int | None, by: int, cycle: bool, expected: bool) -> None:
    old, new = ({"last_value": value, "increment_by": by, "cycle": cycle} for value in (before, after))
    assert went_back(old, new) is expected
