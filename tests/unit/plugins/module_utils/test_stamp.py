# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventory, stamp and confirmation agree, or nothing destructive happens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _identity, _stamp
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._pg_url import PgUrl
from ansible_collections.amanat.dbops.plugins.module_utils._place import Engine, Place
from ansible_collections.amanat.dbops.plugins.module_utils._psql import Server
from ansible_collections.amanat.dbops.plugins.module_utils._stack import Stack
from hypothesis import given
from hypothesis import strategies as st

STACK = Stack.parse("production/nickapp", "/var/lib/dbops")


TABLE = {"kind": "r", "filtered": False, "columns": {"environment": "text", "name": "text"}}
OURS = [{"environment": "production", "name": "nickapp"}]


class Stamped(Server):
    """A server that answers the questions for its stamp; an exception is raised instead."""

    relation: Any
    table: Any
    empty: bool

    def execute(self, sql: str) -> str:
        assert "INSERT INTO dbops.environment" in sql
        return ""

    def rows(self, query: str) -> list[dict[str, Any]]:
        if "rolsuper" in query:
            return [{"rolsuper": True}]
        if "pg_control_system" in query:
            return [{"identifier": "7579000000000000001", "empty": self.empty, "relation": self.relation}]
        assert "FROM dbops.environment" in query
        if isinstance(self.table, OperationError):
            raise self.table
        return self.table


def stamped(table: Any, relation: Any = TABLE, *, empty: bool = False) -> Stamped:
    server = Stamped(Place(Engine()), {"PGDATABASE": "amanat"})
    for key, value in {"table": table, "relation": relation, "empty": empty}.items():
        object.__setattr__(server, key, value)
    return server


@pytest.mark.parametrize(("server", "stamp"), [(stamped([], None), ""), (stamped(OURS), "production/nickapp")])
def test_a_stamp_is_read(server: Stamped, stamp: str) -> None:
    assert _stamp.read(server) == stamp


@pytest.mark.parametrize(
    "server",
    [
        stamped([]),
        stamped([{"environment": "production", "name": "a"}, {"environment": "development", "name": "a"}]),
        stamped([{"environment": "live", "name": "a"}]),
        stamped([{"environment": "production", "name": ""}]),
        stamped(OperationError("sql-failed", "permission denied for schema dbops")),
        stamped(OURS, {**TABLE, "kind": "v"}),
        stamped(OURS, {**TABLE, "filtered": True}),
        stamped(OURS, {**TABLE, "columns": None}),
        stamped(OURS, {**TABLE, "columns": {"environment": "text", "name": "integer"}}),
    ],
)
def test_what_cannot_be_read_is_a_no(server: Stamped) -> None:
    for question in (_stamp.read, lambda asked: _stamp.agree(STACK, asked, [])):
        with pytest.raises(OperationError) as caught:
            question(server)
        assert caught.value.slug == "stamp-unreadable"


def test_what_is_new_is_not_asked_for_a_stamp(tmp_path: Path) -> None:
    stack = Stack.parse("production/nickapp", str(tmp_path))
    assert _stamp.agree(stack, stamped([], None, empty=True), []).empty
    with pytest.raises(OperationError) as caught:
        _stamp.agree(stack, stamped([], None), [])
    assert caught.value.slug == "stamp-missing"


def test_what_is_new_is_on_no_other_server_than_was_recorded(tmp_path: Path) -> None:
    stack = Stack.parse("production/nickapp", str(tmp_path))
    _identity.Record.of(stack).keep("7579000000000000002")
    with pytest.raises(OperationError) as caught:
        _stamp.agree(stack, stamped([], None, empty=True), [])
    assert caught.value.slug == "server-changed"
    assert _stamp.agree(stack, stamped([], None, empty=True), ["7579000000000000001"]).is_new


def test_what_is_new_is_on_a_server_that_the_inventory_names(tmp_path: Path) -> None:
    with pytest.raises(OperationError) as caught:
        _stamp.agree(Stack.parse("production/nickapp", str(tmp_path)), stamped([], None, empty=True), ["7579000000000000009"])
    assert caught.value.slug == "server-not-allowed"


@pytest.mark.parametrize("known", ["", "7579000000000000002"])
def test_a_server_is_accepted_only_with_what_it_was_accepted_for(tmp_path: Path, known: str) -> None:
    stack = Stack.parse("production/nickapp", str(tmp_path))
    if known:
        _identity.Record.of(stack).keep(known)
    with pytest.raises(KeyboardInterrupt), _identity.Record.of(stack).accepting("7579000000000000001"):
        raise KeyboardInterrupt
    assert _identity.Record.of(stack).identifier == known
    with _identity.Record.of(stack).accepting("7579000000000000001"):
        pass
    assert _identity.Record.of(stack).identifier == "7579000000000000001"


def test_a_stamp_alone_is_not_new(tmp_path: Path) -> None:
    stack = Stack.parse("production/nickapp", str(tmp_path))
    assert not _stamp.find(stamped(OURS, empty=True)).is_new
    with pytest.raises(OperationError) as caught:
        _stamp.agree(stack, stamped(OURS, empty=True), [])
    assert caught.value.slug == "server-unknown"


@pytest.mark.parametrize("table", [[{"environment": "staging", "name": "nickapp"}], [{"environment": "production", "name": "other"}]])
def test_what_was_written_is_what_is_there(table: Any) -> None:
    _stamp.write(stamped(OURS), STACK)
    with pytest.raises(OperationError) as caught:
        _stamp.write(stamped(table), STACK)
    assert caught.value.slug == "stamp-not-written"


def test_a_record_that_cannot_be_read_names_its_file(tmp_path: Path) -> None:
    stack = Stack.parse("production/nickapp", str(tmp_path))
    Path(stack.directory).mkdir(parents=True)
    (Path(stack.directory) / "server.json").write_text("{}", encoding="utf-8")
    with pytest.raises(OperationError) as caught:
        _identity.Record.of(stack)
    assert caught.value.slug == "server-unknown"
    assert f"rm {tmp_path}/production/nickapp/server.json;" in caught.value.next_step


@pytest.mark.parametrize(
    ("recorded", "allowed", "slug"),
    [
        ("7579000000000000001", [], None),
        ("", ["7579000000000000001"], None),
        ("7579000000000000001", ["7579000000000000002", "7579000000000000001"], None),
        # Hosts on the list say nothing of the server behind them.
        ("", [], "server-unknown"),
        ("", ["postgres"], "server-unknown"),
        ("7579000000000000002", [], "server-changed"),
        ("7579000000000000002", ["postgres"], "server-changed"),
        # What the inventory names goes before what was recorded.
        ("7579000000000000001", ["7579000000000000002"], "server-not-allowed"),
    ],
)
def test_the_server_is_known_or_it_is_refused(tmp_path: Path, recorded: str, allowed: list[str], slug: str | None) -> None:
    stack = Stack.parse("production/nickapp", str(tmp_path))
    if recorded:
        _identity.Record.of(stack).keep(recorded)
    if slug is None:
        assert _stamp.agree(stack, stamped(OURS), allowed).stamp == str(stack)
        return
    with pytest.raises(OperationError) as caught:
        _stamp.agree(stack, stamped(OURS), allowed)
    assert caught.value.slug == slug
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("allowed", "is_allowed"),
    [
        ([], True),
        (["7579000000000000001"], True),
        (["Postgres"], True),
        (["postgres:5432"], True),
        (["elsewhere", "postgres"], True),
        (["postgres:5433"], False),
        (["postgres.example"], False),
        (["elsewhere", "7579000000000000001"], False),
    ],
)
def test_a_host_is_on_the_list_where_that_names_hosts(allowed: list[str], is_allowed: bool) -> None:
    url = PgUrl.parse("postgres://amanat:x@postgres/amanat")
    if is_allowed:
        _identity.require_host(url, allowed)
        return
    with pytest.raises(OperationError) as caught:
        _identity.require_host(url, allowed)
    assert caught.value.slug == "server-not-allowed"


@given(stamp=st.text(), confirmation=st.text())
def test_no_other_text_passes(stamp: str, confirmation: str) -> None:
    for question in (lambda: _stamp.check(STACK, stamp), lambda: _stamp.require_typed(STACK, confirmation, "This changes it")):
        with pytest.raises(OperationError):
            question()


@pytest.mark.parametrize(
    ("stamp", "old", "passes"),
    [
        ("", "", True),
        ("production/nickapp", "", True),
        ("production/nickapp", "staging/nickapp", True),
        ("staging/nickapp", "staging/nickapp", True),
        ("staging/nickapp", "", False),
        ("staging/nickapp", "staging/other", False),
    ],
)
def test_a_stamp_that_is_left_is_named(stamp: str, old: str, passes: bool) -> None:
    if passes:
        _stamp.require_old(STACK, stamp, old)
        return
    with pytest.raises(OperationError) as caught:
        _stamp.require_old(STACK, stamp, old)
    assert caught.value.slug == "stamp-mismatch"
    assert "dbops_old_stamp=staging/nickapp" in caught.value.next_step
