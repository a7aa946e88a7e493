# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PG_URL is understood as the application understands it, and never shown."""

from __future__ import annotations

import contextlib
from urllib.parse import quote

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._pg_url import PgUrl
from hypothesis import given
from hypothesis import strategies as st

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


@pytest.mark.parametrize(
    ("url", "env"),
    [
        (
            "postgres://amanat:pw@postgres:5432/amanat",
            {"PGUSER": "amanat", "PGPASSWORD": "pw", "PGHOST": "postgres", "PGPORT": "5432", "PGDATABASE": "amanat"},
        ),
        ("postgresql://u@h/d", {"PGUSER": "u", "PGHOST": "h", "PGPORT": "5432", "PGDATABASE": "d"}),
        ("postgres://u@[::1]:6000/d", {"PGUSER": "u", "PGHOST": "::1", "PGPORT": "6000", "PGDATABASE": "d"}),
        (
            "postgres://u:a%40b%3A%2F%25@h/d%20e",
            {"PGUSER": "u", "PGPASSWORD": "a@b:/%", "PGHOST": "h", "PGPORT": "5432", "PGDATABASE": "d e"},
        ),
        (
            "postgres://u@h/d?sslmode=require&application_name=api&pool_max=5",
            {"PGUSER": "u", "PGHOST": "h", "PGPORT": "5432", "PGDATABASE": "d", "PGSSLMODE": "require", "PGAPPNAME": "api"},
        ),
        ("postgres://u@h/d?sslmode=no-verify", {"PGUSER": "u", "PGHOST": "h", "PGPORT": "5432", "PGDATABASE": "d", "PGSSLMODE": "require"}),
    ],
)
def test_a_url_becomes_the_variables_of_libpq(url: str, env: dict[str, str]) -> None:
    assert PgUrl.parse(url).environ() == env


@given(user=TEXT, password=TEXT, database=TEXT)
def test_whatever_is_encoded_comes_back(user: str, password: str, database: str) -> None:
    url = PgUrl.parse(f"postgres://{quote(user, safe='')}:{quote(password, safe='')}@host:5433/{quote(database, safe='')}")
    assert (url.user, url.password, url.database, url.host, url.port) == (user, password, database, "host", 5433)


@pytest.mark.parametrize(
    "url",
    [
        *("amanat", "mysql://u:s3cret@h/d", "redis://h", "://", "postgres://", "postgres:///d", "postgres://h/d"),
        *("postgres://u:s3cret@h", "postgres://u:s3cret@h/", "postgres://u:s3cret@/d", "postgres://u:s3cret@h/a/b"),
        *("postgres://u:s3cret@h:port/d", "postgres://u:s3cret@h:99999/d", "postgres://u:s3cret@[::1/d"),
        # Clients go where the parameters say: another server than the one that is named first.
        *("postgres://u:s3cret@h/d?host=other", "postgres://u@h/d?password=s3cret", "postgres://u:s3cret@h/d?ssl=1&dbname=other"),
        # Not encoded: a slash, a hash sign and a percent sign in the password.
        *("postgres://u:s3cret/x@h/d", "postgres://u:s3cret#x@h/d", "postgres://u:s3cret%x@h/d", "postgres://u:s3cret%00@h/d"),
    ],
)
def test_what_is_malformed_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(OperationError) as caught:
        PgUrl.parse(url)
    assert caught.value.slug == "pg-url-malformed"
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None, "a cause would be printed with the URL in it"


def test_a_missing_url_is_told_apart() -> None:
    with pytest.raises(OperationError) as caught:
        PgUrl.parse("")
    assert caught.value.slug == "pg-url-missing"


@given(st.text())
def test_any_text_is_a_url_or_refused(text: str) -> None:
    with contextlib.suppress(OperationError):
        PgUrl.parse(text)


def test_the_password_is_not_shown_by_accident() -> None:
    assert "s3cret" not in repr(PgUrl.parse("postgres://u:s3cret@h/d"))
