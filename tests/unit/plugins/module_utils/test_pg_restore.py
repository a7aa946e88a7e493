# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._pg_load import conninfo
from ansible_collections.amanat.dbops.plugins.module_utils._pg_restore import (
    require_fit,
    require_own,
    require_tables,
    table_named,
)
from ansible_collections.amanat.dbops.plugins.module_utils._stack import Stack

STACK = Stack("staging", "shop", "/state")
MANIFEST: dict[str, Any] = {
    "name": "a_pg_2026-11-22T030000Z.pgdir",
    "server_version": "18.6 (Debian 18.6-3)",
    "properties": {"extensions": [{"name": "plpgsql", "version": "1.0"}, {"name": "citext", "version": "1.6"}]},
    "tablespaces": ["fast"],
    "roles": ["app", "reader"],
    "tables": [{"schema": "public", "table": "users"}],
}
SERVER = {"server_version": "18.1", "extensions": ["citext", "plpgsql"], "tablespaces": ["pg_default", "fast"]}


@pytest.mark.parametrize(
    ("server", "roles", "slug", "word"),
    [
        ({"server_version": "17.9"}, ["app", "reader"], "backup-newer-major", "PostgreSQL 17"),
        ({"extensions": ["plpgsql"]}, ["app", "reader"], "extensions-missing", "citext"),
        ({"tablespaces": ["pg_default"]}, ["app", "reader"], "tablespaces-missing", "fast"),
        ({}, ["app"], "roles-missing", "reader"),
    ],
)
def test_what_a_server_lacks_is_named(server: dict[str, Any], roles: list[str], slug: str, word: str) -> None:
    with pytest.raises(OperationError) as raised:
        require_fit(MANIFEST, {**SERVER, **server}, roles)
    assert raised.value.slug == slug
    assert word in raised.value.what


@pytest.mark.parametrize("version", ["18.6", "19beta1"])
def test_a_server_that_fits(version: str) -> None:
    require_fit(MANIFEST, {**SERVER, "server_version": version}, ["app", "reader", "other"])


@pytest.mark.parametrize(
    ("origin", "transform", "old_stamp", "slug"),
    [
        ("staging/shop", [], "", ""),
        ("production/shop", ["anonymise.sql"], "", ""),
        ("production/shop", [], "", "restore-environment"),
        ("production/shop", [], "production/shop", "restore-environment"),
        ("staging/other", [], "", "restore-stack"),
        ("staging/other", [], "staging/third", "restore-stack"),
        ("staging/other", [], "staging/other", ""),
        ("staging/other", ["anonymise.sql"], "", ""),
    ],
)
def test_whose_data_a_stack_may_have(origin: str, transform: list[str], old_stamp: str, slug: str) -> None:
    with pytest.raises(OperationError, match=slug) if slug else contextlib.nullcontext():
        require_own(STACK, origin, "b", transform=transform, old_stamp=old_stamp)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("public.users", ("public", "users")),
        ('"s.p".users', ("s.p", "users")),
        ('public."Od""d. one"', ("public", 'Od"d. one')),
        ("ö Ö.t b", ("ö Ö", "t b")),
    ],
)
def test_tables_are_named_as_in_sql(text: str, expected: tuple[str, str]) -> None:
    assert table_named(text) == expected


@pytest.mark.parametrize("text", ["users", "a.b.c", "public.", ".t", 'public."t', 'pub"lic.t', ""])
def test_what_is_no_name_of_a_table(text: str) -> None:
    with pytest.raises(OperationError, match="tables-unknown"):
        table_named(text)


def test_a_schema_without_tables() -> None:
    require_tables(MANIFEST, [("public", "users"), ("public", "a_partitioned_one")])
    with pytest.raises(OperationError, match=r"elsewhere\.users"):
        require_tables(MANIFEST, [("elsewhere", "users")])


@pytest.mark.parametrize(
    ("name", "expected"), [("shop", "dbname='shop'"), ("a=b c", "dbname='a=b c'"), ("it's \\ here", "dbname='it\\'s \\\\ here'")]
)
def test_a_name_that_looks_like_a_connection_string(name: str, expected: str) -> None:
    assert conninfo(name) == expected
