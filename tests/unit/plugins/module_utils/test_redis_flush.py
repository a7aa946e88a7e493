# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _redis_flush, _redis_keyspace
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._redis_flush import Counted, Flush, emptying, require_few
from ansible_collections.amanat.dbops.plugins.module_utils._redis_keyspace import BIGGEST, Audit
from ansible_collections.amanat.dbops.plugins.module_utils._stack import Stack

DEVELOPMENT, PRODUCTION = Stack("development", "shop", "/x"), Stack("production", "shop", "/x")


def counted(matching: int, protected: int = 0) -> Counted:
    return Counted(matching, protected, {"cache:page:": [matching, protected]})


@pytest.mark.parametrize(
    ("found", "confirmation", "slug"),
    [
        (counted(100), "", ""),
        (counted(150, 50), "", ""),
        (counted(101), "", "confirm-missing"),
        (counted(101), "production/shop", "confirm-mismatch"),
        (counted(101), "production/shop/redis", ""),
    ],
)
def test_much_wants_to_be_typed(found: Counted, confirmation: str, slug: str) -> None:
    if not slug:
        require_few(PRODUCTION, found, 100, confirmation)
        return
    with pytest.raises(OperationError) as refused:
        require_few(PRODUCTION, found, 100, confirmation)
    assert refused.value.slug == slug
    assert "101 cache:page:" in refused.value.what
    assert "production/shop/redis" in refused.value.next_step


@pytest.mark.parametrize(
    ("stack", "pattern", "scope", "expected"),
    [
        (DEVELOPMENT, "cache:*", "database", ""),
        (PRODUCTION, "cache:*", "database", ""),
        (DEVELOPMENT, "*", "database", "FLUSHDB"),
        (DEVELOPMENT, "", "server", "FLUSHALL"),
    ],
)
def test_a_pattern_that_names_nothing_is_another_command(stack: Stack, pattern: str, scope: str, expected: str) -> None:
    assert emptying(stack, pattern, scope) == expected


@pytest.mark.parametrize(
    ("stack", "pattern", "scope", "slug"),
    [
        (PRODUCTION, "*", "database", "flush-everything"),
        (PRODUCTION, "", "server", "flush-everything"),
        (Stack("staging", "shop", "/x"), "[^x]*", "database", "flush-everything"),
        (DEVELOPMENT, "cache:*", "server", "flush-scope"),
    ],
)
def test_everything_is_for_development_only(stack: Stack, pattern: str, scope: str, slug: str) -> None:
    with pytest.raises(OperationError) as refused:
        emptying(stack, pattern, scope)
    assert refused.value.slug == slug


class Scripted:
    """A session that answers each script with what comes next, and remembers what it was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[Any, ...]] = []

    def ask(self, *words: Any) -> Any:
        if words[0] != "EVAL":
            return "used_memory:1\r\n" if words[0] == "INFO" else "PONG"
        self.asked.append(words)
        answer = self.answers.pop(0)
        if isinstance(answer, OperationError):
            raise answer
        return answer


def flush(session: Any, protected: tuple[str, ...] = ()) -> Flush:
    return Flush(session, "cache:*", protected, 0.004, growth=1)


def test_it_goes_on_from_cursor_to_cursor_and_never_beyond_what_may_go() -> None:
    session = Scripted(["7", 60, 1, ["a:b:", 61, 1], 0], ["0", 40, 0, ["a:b:", 40, 0], 0])
    told: list[int] = []
    counted, done = flush(session, ("", "auth:")).remove(100, told.append)
    assert (done["removed"], counted.protected, told) == (100, 1, [60, 100])
    assert counted.largest(1) == [{"prefix": "a:b:", "keys": 101, "protected": 1}]
    assert [words[3] for words in session.asked] == ["0", "7"]
    # An empty prefix would protect every key, and the stamp's is always one of them.
    assert [words[6:] for words in session.asked] == [(100, "dbops:", "auth:"), (40, "dbops:", "auth:")]


def test_what_was_written_since_the_count_does_not_go_unasked() -> None:
    with pytest.raises(OperationError) as refused:
        flush(Scripted(["7", 100, 0, [], 1])).remove(100, lambda _removed: None)
    assert refused.value.slug == "flush-limit-reached"
    assert refused.value.state.startswith("100 keys were removed")


def test_a_failure_says_how_far_it_came() -> None:
    lost = OperationError("redis-connection-lost", "It ended.", "Not known.", "Again.")
    with pytest.raises(OperationError) as failed:
        flush(Scripted(["7", 1234, 0, [], 0], lost)).remove(None, lambda _removed: None)
    assert (failed.value.slug, failed.value.state) == ("redis-connection-lost", "1,234 keys were removed before that. Not known.")


def test_prefixes_are_bounded_and_the_keys_still_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_redis_flush, "MANY_PREFIXES", 2)
    found = Counted()
    found.add(6, 1, ["a:b:", 1, 0, "a:c:", 2, 1, "a:d:", 3, 0], [["a:b:1", 5, "string", -1], ["a:b:2", 5, "hash", 1500]])
    found.add(4, 0, ["a:c:", 4, 0], [])
    assert (found.matching, found.removable) == (10, 9)
    assert found.largest(1) == [{"prefix": "a:c:", "keys": 6, "protected": 1}]
    assert [one["ttl"] for one in found.sample] == [None, 1.5]


# -- the audit ---------------------------------------------------------------------------------------------------------


def test_a_sample_is_scaled_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_redis_keyspace, "MANY_PREFIXES", 2)
    audit = Audit()
    audit.add(10, ["a:b:", 8, 800, 2, 5, "", 2, 100, 2, -1], [["odd\n", 4]], [["a:b:1", 5, 300, "hash"]])
    audit.add(10, ["a:b:", 8, 1600, 2, 3, "a:c:", 2, 9, 0, 1], [], [])
    told = audit.result(200, 1)
    assert (told["keys"], told["seen"], told["sampled"], told["bytes"], told["more_prefixes"]) == (200, 20, True, 25090, 1)
    assert told["prefixes"] == [{"prefix": "a:b:", "keys": 160, "bytes": 24000, "without_ttl": 0.25, "idle": 5}]
    assert told["unconventional"] == {"keys": 20, "sample": ["odd\\x0a"]}
    assert told["uncounted"] == 20
    assert told["biggest"] == [{"key": "a:b:1", "type": "hash", "bytes": 300}]


def test_the_floor_rises_when_enough_are_known() -> None:
    audit = Audit()
    assert audit.floor == 0
    audit.add(BIGGEST + 5, [], [], [[f"k{n}", 2, n, "string"] for n in range(BIGGEST + 5)])
    assert [one["bytes"] for one in audit.biggest] == list(range(BIGGEST + 4, 4, -1))
    assert audit.floor == 5


def test_an_empty_database_is_no_division() -> None:
    assert Audit().result(0, 10)["prefixes"] == []
