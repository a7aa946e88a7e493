# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The environment stamp inside PostgreSQL: a database that says itself where it belongs."""

from __future__ import annotations

from typing import Any

from ._errors import OperationError
from ._psql import Server, quote_literal
from ._stack import ENVIRONMENTS, Stack

SCHEMA = "dbops"
TABLE = "dbops.environment"

# One row and no second: the primary key admits one value only.
CREATE = f"""
CREATE SCHEMA IF NOT EXISTS {SCHEMA};
CREATE TABLE IF NOT EXISTS {TABLE} (
  the_only_row boolean PRIMARY KEY DEFAULT true CHECK (the_only_row),
  environment text NOT NULL,
  name text NOT NULL,
  stamped_at timestamptz NOT NULL DEFAULT now(),
  stamped_by text NOT NULL DEFAULT session_user
);
COMMENT ON TABLE {TABLE} IS 'Where this database belongs. Written by amanat.dbops; a destructive action elsewhere is refused.';
"""


def read(server: Server) -> str:
    """The stamp as `<environment>/<name>`, or "" where there is none. An unreadable one raises."""
    if server.value(f"SELECT to_regclass('{TABLE}') IS NULL AS missing"):
        return ""
    try:
        rows: list[dict[str, Any]] = server.rows(f"SELECT environment, name FROM {TABLE}")
    except OperationError as error:
        raise _unreadable(error.what) from None
    if len(rows) != 1 or rows[0]["environment"] not in ENVIRONMENTS or not rows[0]["name"]:
        raise _unreadable(f"{TABLE} holds {rows!r}")
    return f"{rows[0]['environment']}/{rows[0]['name']}"


def _unreadable(why: str) -> OperationError:
    return OperationError(
        "stamp-unreadable",
        f"The database's environment stamp cannot be read: {why}.",
        "Nothing was changed: what cannot be read counts as a no.",
        f"Look at {TABLE} and give the operator's role SELECT on it.",
    )


def is_empty(server: Server) -> bool:
    """Whether the database holds no table of anybody's: a new one."""
    return bool(
        server.value(
            "SELECT NOT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%') AS empty"
        )
    )


def write(server: Server, stack: Stack) -> None:
    values = f"{quote_literal(stack.environment)}, {quote_literal(stack.name)}"
    server.execute(f"BEGIN; {CREATE} DELETE FROM {TABLE}; INSERT INTO {TABLE} (environment, name) VALUES ({values}); COMMIT;")


def check(stack: Stack, stamp: str, confirmation: str, *, needs_confirmation: bool) -> None:
    """Inventory, stamp and confirmation agree, or nothing destructive happens."""
    if not stamp:
        raise OperationError(
            "stamp-missing",
            f"The database carries no environment stamp, so nobody can say that it is {stack}.",
            "Nothing was changed.",
            f"If it is: ansible-playbook playbooks/stamp.yml -e dbops_confirm={stack}",
        )
    if stamp != str(stack):
        raise OperationError(
            "stamp-mismatch",
            f"The inventory says {stack}, the database says {stamp}.",
            "Nothing was changed.",
            "Correct the inventory or the connection: one of the two is not what you think.",
        )
    if needs_confirmation and confirmation != str(stack):
        raise OperationError(
            "confirm-missing" if not confirmation else "confirm-mismatch",
            f"This changes {stack}, and dbops_confirm is {confirmation!r}.",
            "Nothing was changed.",
            f"Type what you mean: -e dbops_confirm={stack}",
        )
