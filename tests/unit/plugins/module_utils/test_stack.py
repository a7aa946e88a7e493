# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The key of a stack becomes a directory: what is no key is refused before that."""

from __future__ import annotations

import os

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._stack import ENVIRONMENTS, Stack
from hypothesis import given
from hypothesis import strategies as st

STATE = "/var/lib/dbops"


@pytest.mark.parametrize("key", ["production/nickapp", "staging/a", "development/web-1.example_org"])
def test_a_key(key: str) -> None:
    stack = Stack.parse(key, STATE)
    assert str(stack) == key
    assert stack.directory == f"{STATE}/{key}"


@pytest.mark.parametrize(
    "key",
    [
        *("", "/", "production", "production/", "/nickapp", "test/nickapp", "Production/nickapp", " production/nickapp"),
        *("production/..", "production/.hidden", "production/a/b", "production/../x", "production/a b", "production/a\n"),
        "production/" + "a" * 64,
    ],
)
def test_what_is_no_key(key: str) -> None:
    with pytest.raises(OperationError) as caught:
        Stack.parse(key, STATE)
    assert caught.value.slug == "stack-malformed"


def test_the_state_directory_is_absolute() -> None:
    with pytest.raises(OperationError) as caught:
        Stack.parse("production/nickapp", "state")
    assert caught.value.slug == "path-relative"


@given(environment=st.sampled_from(ENVIRONMENTS), name=st.text())
def test_no_key_leads_out_of_the_state_directory(environment: str, name: str) -> None:
    try:
        stack = Stack.parse(f"{environment}/{name}", STATE)
    except OperationError:
        return
    for path in (stack.directory, stack.journal, stack.windows, stack.reports, stack.jobs):
        assert os.path.normpath(path) == path
        assert path.startswith(f"{STATE}/{environment}/{name}")
