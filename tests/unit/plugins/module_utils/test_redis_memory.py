# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When eviction is warned of."""

from __future__ import annotations

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._redis_memory import Exposed, Memory, warnings

FOUND = [Exposed("auth:refresh:", "auth:refresh:1")]


@pytest.mark.parametrize(
    ("policy", "used", "limit", "found", "expected"),
    [
        ("allkeys-lru", 1, 100, FOUND, ["allkeys-lru may evict", "auth:refresh:* (for example auth:refresh:1)", "volatile-lru"]),
        ("volatile-lru", 1, 100, FOUND, ["volatile-lru may evict", "not expire"]),
        ("allkeys-lru", 99, 100, [], []),
        ("noeviction", 90, 100, [], ["90 of 100 bytes are used (90%)"]),
        ("noeviction", 89, 100, [], []),
        ("noeviction", 89, 0, [], []),
    ],
)
def test_what_is_warned_of(policy: str, used: int, limit: int, found: list[Exposed], expected: list[str]) -> None:
    said = warnings(Memory("noeviction", used, limit), policy, found, 0.9)
    assert len(said) == bool(expected)
    for part in expected:
        assert part in said[0]
