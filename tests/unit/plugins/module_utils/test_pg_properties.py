# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._pg_properties import (
    create,
    differences,
    roles_of,
    setting_of,
    split_list,
    statements,
)
from hypothesis import given
from hypothesis import strategies as st

PLAIN: dict[str, Any] = {
    "owner": "app",
    "acl": None,
    "settings": [],
    "connection_limit": -1,
    "comment": None,
    "encoding": "UTF8",
    "lc_collate": "C",
    "lc_ctype": "C.utf8",
    "locale_provider": "c",
    "locale": None,
    "icu_rules": None,
    "tablespace": "pg_default",
}


def grant(grantee: str, privilege: str, grantor: str, *, grantable: bool = False) -> dict[str, Any]:
    return {"grantee": grantee, "privilege": privilege, "grantor": grantor, "grantable": grantable}


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({}, "LC_COLLATE 'C' LC_CTYPE 'C.utf8' LOCALE_PROVIDER libc;"),
        ({"locale_provider": "b", "locale": "C.UTF-8"}, "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8';"),
        ({"locale_provider": "i", "locale": "de"}, "LOCALE_PROVIDER icu ICU_LOCALE 'de';"),
        ({"locale_provider": "i", "locale": "de", "icu_rules": "&a < g"}, "ICU_LOCALE 'de' ICU_RULES '&a < g';"),
    ],
)
def test_a_database_is_made_with_its_locale(properties: dict[str, Any], expected: str) -> None:
    made = create('o"dd', {**PLAIN, **properties})
    assert made.startswith("""CREATE DATABASE "o""dd" TABLESPACE "pg_default" TEMPLATE template0 ENCODING 'UTF8' """)
    assert made.endswith(expected)


def test_an_untouched_acl_grants_nothing() -> None:
    assert statements("d", PLAIN) == ['ALTER DATABASE "d" OWNER TO "app";', 'ALTER DATABASE "d" CONNECTION LIMIT -1;']


def test_an_empty_acl_takes_everything() -> None:
    assert statements("d", {**PLAIN, "acl": []})[1] == 'REVOKE ALL ON DATABASE "d" FROM PUBLIC, "app";'


def test_grants_come_in_the_order_in_which_they_were_possible() -> None:
    acl = [
        grant("c", "CONNECT", "b"),
        grant("b", "CONNECT", "a", grantable=True),
        grant("", "TEMPORARY", "app"),
        grant("a", "CONNECT", "app", grantable=True),
    ]
    assert statements("d", {**PLAIN, "acl": acl})[2:-1] == [
        'GRANT TEMPORARY ON DATABASE "d" TO PUBLIC;',
        'GRANT CONNECT ON DATABASE "d" TO "a" WITH GRANT OPTION;',
        'SET LOCAL ROLE "a"; GRANT CONNECT ON DATABASE "d" TO "b" WITH GRANT OPTION; RESET ROLE;',
        'SET LOCAL ROLE "b"; GRANT CONNECT ON DATABASE "d" TO "c"; RESET ROLE;',
    ]


def test_a_grantor_without_a_right_is_left_to_the_server() -> None:
    acl = [grant("c", "CONNECT", "nobody")]
    assert statements("d", {**PLAIN, "acl": acl})[2] == 'SET LOCAL ROLE "nobody"; GRANT CONNECT ON DATABASE "d" TO "c"; RESET ROLE;'


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("work_mem=4MB", "\"work_mem\" TO '4MB'"),
        ("app.note=a=b, 'c'", "\"app.note\" TO 'a=b, ''c'''"),
        ('search_path="$user", "o""dd, one", public', "\"search_path\" TO '$user', 'o\"dd, one', 'public'"),
        ('search_path=""', "\"search_path\" TO ''"),
        ("search_path=", "\"search_path\" TO ''"),
        ("DateStyle=ISO, DMY", "\"DateStyle\" TO 'ISO, DMY'"),
    ],
)
def test_settings_as_the_catalogue_has_them(setting: str, expected: str) -> None:
    assert setting_of(setting) == expected


@given(st.lists(st.text(st.characters(exclude_characters="\0"), min_size=1)))
def test_a_quoted_list_comes_apart_again(names: list[str]) -> None:
    assert split_list(", ".join('"' + name.replace('"', '""') + '"' for name in names)) == names


def test_whose_setting_it_is() -> None:
    settings = [{"role": "", "settings": ["a.b=1"]}, {"role": "r", "settings": ["a.b=2"]}]
    made = statements("d", {**PLAIN, "settings": settings})
    assert made[1:3] == ['ALTER DATABASE "d" SET "a.b" TO \'1\';', 'ALTER ROLE "r" IN DATABASE "d" SET "a.b" TO \'2\';']


def test_roles_that_the_properties_name() -> None:
    named = {**PLAIN, "acl": [grant("", "CONNECT", "g"), grant("x", "CONNECT", "app")], "settings": [{"role": "s", "settings": []}]}
    assert roles_of(named) == {"app", "g", "x", "s"}


def test_differences_are_told_in_words() -> None:
    assert differences(PLAIN, {**PLAIN, "collation_version": "2.40"}) == []
    assert differences(PLAIN, {**PLAIN, "connection_limit": 5}) == ["the database's connection limit is 5 instead of -1"]


def test_the_value_of_a_setting_is_not_told() -> None:
    def of(*settings: str) -> dict[str, Any]:
        return {**PLAIN, "settings": [{"role": "", "settings": ["a.b=1"]}, {"role": "r", "settings": list(settings)}]}

    assert differences(of("app.jwt=secret"), of("app.jwt=secret")) == []
    assert differences(of("app.jwt=secret"), of("app.jwt=other", "x=1")) == [
        "the setting app.jwt of role r in it is another one",
        "the setting x of role r in it is another one",
    ]
