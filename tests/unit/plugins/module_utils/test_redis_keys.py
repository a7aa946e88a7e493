# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._redis_keys import beginning_with, names_everything, title
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize("pattern", ["", "*", "?*", "*?", "**", "[^x]*", "[a-z]*", "[^\\]]*", "[x", "???", "*:*", "*:*:*", ":", "[]*"])
def test_what_names_nothing_means_everything(pattern: str) -> None:
    assert names_everything(pattern)


@pytest.mark.parametrize("pattern", ["cache:*", "*:idem:*", "\\**", "a", "*e*", "[]a]", "\\", "x[^y]*", "[^x]y*", "*\\:x"])
def test_what_names_something_does_not(pattern: str) -> None:
    assert not names_everything(pattern)


@given(st.lists(st.sampled_from(["*", "?", ":", "[a-z]", "[^\\]x]"])), st.sampled_from(["a", "\\*", "-"]), st.integers(0, 20))
def test_one_character_outside_of_wildcards_and_classes_is_a_name(parts: list[str], name: str, place: int) -> None:
    assert names_everything("".join(parts))
    assert not names_everything("".join([*parts[:place], name, *parts[place:]]))


@pytest.mark.parametrize(("prefix", "pattern"), [("rl:", "rl:*"), ("a*b?[c]\\", "a\\*b\\?\\[c\\]\\\\*")])
def test_a_prefix_is_taken_literally(prefix: str, pattern: str) -> None:
    assert beginning_with(prefix) == pattern


@pytest.mark.parametrize(
    ("beginning", "length", "expected"),
    [
        ("cache:page:1", 12, "cache:page:1"),
        ("a\nb\0", 4, "a\\x0ab\\x00"),
        ("\udcff\udcc3", 2, "\\xff\\xc3"),
        ("x" * 120, 1048576, "x" * 120 + "… (1048576 bytes)"),
        ("ключ", 8, "ключ"),
    ],
)
def test_a_key_is_shown_on_one_line(beginning: str, length: int, expected: str) -> None:
    assert title(beginning, length) == expected
