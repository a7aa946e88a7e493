# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventory, stamp and confirmation agree, or nothing destructive happens."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _stamp
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._place import Engine, Place
from ansible_collections.amanat.dbops.plugins.module_utils._psql import Server
from ansible_collections.amanat.dbops.plugins.module_utils._stack import Stack
from hypothesis import given
from hypothesis import strategies as st

STACK = Stack.parse("production/nickapp", "/var/lib/dbops")


class Stamped(Server):
    """A server that answers the questions for its stamp; an exception is raised instead."""

    table: Any

    def value(self, query: str) -> Any:
        assert "to_regclass" in query
        return self.table is None

    def rows(self, query: str) -> list[dict[str, Any]]:
        assert "dbops.environment" in query
        if isinstance(self.table, OperationError):
            raise self.table
        return self.table


def stamped(table: Any) -> Stamped:
    server = Stamped(Place(Engine()), {"PGDATABASE": "amanat"})
    object.__setattr__(server, "table", table)
    return server


@pytest.mark.parametrize(("table", "stamp"), [(None, ""), ([{"environment": "production", "name": "nickapp"}], "production/nickapp")])
def test_a_stamp_is_read(table: Any, stamp: str) -> None:
    assert _stamp.read(stamped(table)) == stamp


@pytest.mark.parametrize(
    "table",
    [
        [],
        [{"environment": "production", "name": "a"}, {"environment": "development", "name": "a"}],
        [{"environment": "live", "name": "a"}],
        [{"environment": "production", "name": ""}],
        OperationError("sql-failed", "permission denied for schema dbops"),
    ],
)
def test_what_cannot_be_read_is_a_no(table: Any) -> None:
    with pytest.raises(OperationError) as caught:
        _stamp.read(stamped(table))
    assert caught.value.slug == "stamp-unreadable"


@pytest.mark.parametrize(
    ("stamp", "confirmation", "needed", "slug"),
    [
        ("production/nickapp", "", False, None),
        ("production/nickapp", "anything", False, None),
        ("production/nickapp", "production/nickapp", True, None),
        ("production/nickapp", "", True, "confirm-missing"),
        ("production/nickapp", "production", True, "confirm-mismatch"),
        ("production/nickapp", "yes", True, "confirm-mismatch"),
        ("production/nickapp", "Production/nickapp", True, "confirm-mismatch"),
        ("", "production/nickapp", True, "stamp-missing"),
        ("", "", False, "stamp-missing"),
        # What is confirmed does not help a database that says it belongs elsewhere.
        ("development/nickapp", "production/nickapp", True, "stamp-mismatch"),
        ("development/nickapp", "development/nickapp", True, "stamp-mismatch"),
        ("production/other", "production/nickapp", False, "stamp-mismatch"),
    ],
)
def test_the_three_agree_or_it_is_refused(stamp: str, confirmation: str, needed: bool, slug: str | None) -> None:
    if slug is None:
        _stamp.check(STACK, stamp, confirmation, needs_confirmation=needed)
        return
    with pytest.raises(OperationError) as caught:
        _stamp.check(STACK, stamp, confirmation, needs_confirmation=needed)
    assert caught.value.slug == slug
    assert caught.value.next_step


@given(stamp=st.text(), confirmation=st.text())
def test_no_other_text_passes(stamp: str, confirmation: str) -> None:
    with pytest.raises(OperationError):
        _stamp.check(STACK, stamp, confirmation, needs_confirmation=True)
