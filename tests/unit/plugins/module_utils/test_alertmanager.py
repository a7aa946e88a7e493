# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Matchers as amtool writes them, and which alerts they fit."""

from __future__ import annotations

import re

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._alertmanager import Matcher, not_allowed, parse, parse_all
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Watchdog", [("alertname", "=", "Watchdog")]),
        ('stack="nickapp"', [("stack", "=", "nickapp")]),
        ("stack=nickapp", [("stack", "=", "nickapp")]),
        (' a != "x" , b=~"y|z",c!~w.* ', [("a", "!=", "x"), ("b", "=~", "y|z"), ("c", "!~", "w.*")]),
        (r'a="with , and \" and \\",b=""', [("a", "=", 'with , and " and \\'), ("b", "=", "")]),
    ],
)
def test_matchers_are_read(text: str, expected: list[tuple[str, str, str]]) -> None:
    operators = {(False, True): "=", (False, False): "!=", (True, True): "=~", (True, False): "!~"}
    assert [(each.name, operators[each.is_regex, each.is_equal], each.value) for each in parse(text)] == expected


@pytest.mark.parametrize("text", ['"', "a==b=", 'a="x" b="y"', '=~"x"', 'a=~"("', "{a}", 'a="x'])
def test_what_is_no_matcher_is_refused(text: str) -> None:
    with pytest.raises(OperationError) as caught:
        parse(text)
    assert caught.value.slug == "alertmanager-malformed"


@pytest.mark.parametrize("texts", [[], ['a=""'], ['a=~".*"', 'b!="x"']])
def test_a_silence_of_everything_is_refused(texts: list[str]) -> None:
    with pytest.raises(OperationError) as caught:
        parse_all(texts)
    assert caught.value.slug == "alertmanager-malformed"


ALERTS = [
    {"alertname": "Watchdog"},
    {"alertname": "Down", "stack": "shop", "severity": "page"},
    {"alertname": "Down", "stack": "blog", "severity": "info"},
]


@pytest.mark.parametrize(
    ("allow", "left"),
    [
        ([], ["Down (severity=info, stack=blog)", "Down (severity=page, stack=shop)", "Watchdog"]),
        (["Watchdog", "Down"], []),
        (["Watchdog", 'stack="shop",severity="page"'], ["Down (severity=info, stack=blog)"]),
        (['stack="shop",severity="info"'], ["Down (severity=info, stack=blog)", "Down (severity=page, stack=shop)", "Watchdog"]),
        (['stack!="shop"'], ["Down (severity=page, stack=shop)"]),
        (['alertname=~"D|Watch"'], ["Down (severity=info, stack=blog)", "Down (severity=page, stack=shop)", "Watchdog"]),
        (['alertname=~"D.*|Watchdog"'], []),
    ],
)
def test_only_what_no_entry_fits_keeps_a_window_from_opening(allow: list[str], left: list[str]) -> None:
    assert not_allowed(ALERTS, allow) == left


@given(st.from_regex(r"\A[a-z_]{1,9}\Z"), st.text(max_size=30))
def test_any_value_survives_its_quotes(name: str, value: str) -> None:
    quoted = re.sub(r'(["\\])', r"\\\1", value)
    assert parse(f'{name}="{quoted}"') == [Matcher(name, value, is_regex=False, is_equal=True)]
