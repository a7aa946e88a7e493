# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Roles out of what `pg_dumpall --globals-only` wrote. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from ._psql import quote_identifier

_NAME = r'(?:"(?:[^"]|"")*"|[^\s";]+)'
# What a statement is made of: constants and names, in which a semicolon ends nothing, and everything else.
_TOKEN = re.compile(
    r"""(?P<comment>--[^\n]*|^\\[^\n]*)|(?P<part>[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|[^'";-]|-)|(?P<end>;)""",
    re.DOTALL | re.MULTILINE,
)
_ROLE = re.compile(
    rf"(?:CREATE ROLE|ALTER ROLE|COMMENT ON ROLE|SECURITY LABEL FOR {_NAME} ON ROLE) (?P<role>{_NAME})(?P<rest>.*)", re.DOTALL
)
_MEMBERSHIP = re.compile(rf"GRANT (?P<role>{_NAME}) TO (?P<member>{_NAME})(?P<rest>.*)", re.DOTALL)


def statements(text: str) -> Iterator[str]:
    """One by one, without the comments; what ends without a semicolon is none."""
    statement = ""
    for token in _TOKEN.finditer(text):
        if token["end"]:
            yield statement.strip()
            statement = ""
        elif token["part"]:
            statement += token["part"]


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def roles_in(text: str) -> set[str]:
    """The roles that the text creates."""
    return {_unquoted(match[1]) for match in re.finditer(rf"^CREATE ROLE ({_NAME});$", text, re.MULTILINE)}


def create_roles(text: str, missing: Collection[str], present: Collection[str]) -> list[str]:
    """Statements that make the missing roles as the text has them: attributes, settings, and memberships of and in them.

    text: all globals of the server that was dumped; present: the roles that are there already, which stay as they are.
    A membership is granted by whoever runs this: the one who granted it there need not have the right here.
    """
    known = {*missing, *present}
    made, memberships = [], []
    for statement in statements(text):
        role = _ROLE.fullmatch(statement)
        if role and _unquoted(role["role"]) in missing and not role["rest"].startswith(" IN DATABASE "):
            made.append(f"{statement};")
        grant = _MEMBERSHIP.fullmatch(statement)
        if grant:
            both = {_unquoted(grant["role"]), _unquoted(grant["member"])}
            if both <= known and both & set(missing):
                memberships.append(re.sub(rf" GRANTED BY {_NAME}$", "", statement) + ";")
    return [*made, *memberships]


def plain_roles(missing: Collection[str]) -> list[str]:
    """Roles of which nothing is known but the name."""
    return [f"CREATE ROLE {quote_identifier(role)};" for role in sorted(missing)]
