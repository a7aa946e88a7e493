# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When eviction is warned of."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._redis_memory import Exposed, Look, Memory, exposed, warnings

FOUND = Look([Exposed("auth:refresh:", "auth:refresh:1")], [])
NONE = Look([], [])


@pytest.mark.parametrize(
    ("policy", "used", "limit", "look", "expected"),
    [
        ("allkeys-lru", 1, 100, FOUND, ["allkeys-lru may evict", "auth:refresh:* (for example auth:refresh:1)", "volatile-lru"]),
        ("volatile-lru", 1, 100, FOUND, ["volatile-lru may evict", "not expire"]),
        ("allkeys-lru", 99, 100, NONE, []),
        ("volatile-lru", 1, 100, Look([], ["auth:refresh:"]), ["whether volatile-lru may evict auth:refresh:* is not known", "in 10 s"]),
        ("noeviction", 90, 100, NONE, ["90 of 100 bytes are used (90%)"]),
        ("noeviction", 89, 100, NONE, []),
        ("noeviction", 89, 0, NONE, []),
    ],
)
def test_what_is_warned_of(policy: str, used: int, limit: int, look: Look, expected: list[str]) -> None:
    said = warnings(Memory("noeviction", used, limit), policy, look, 0.9)
    assert len(said) == bool(expected)
    for part in expected:
        assert part in said[0]


class Endless:
    """A server in which no key begins so, and a scan never comes to its end."""

    def ask(self, *words: Any) -> Any:
        return {"INFO": "db0:keys=9,expires=0", "SELECT": "OK", "SCAN": ["7", []]}[words[0]]


def test_what_was_not_looked_at_is_told() -> None:
    session: Any = Endless()
    assert exposed(session, "volatile-lru", ["auth:refresh:"], seconds=0.01) == Look([], ["auth:refresh:"])
