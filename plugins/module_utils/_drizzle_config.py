# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Where drizzle-kit of a release goes. Its configuration is a program; read as text it shows the usual ways of going elsewhere.

https://orm.drizzle.team/docs/drizzle-config-file
"""

from __future__ import annotations

import os
import re

from ._errors import OperationError
from ._release import Release
from ._seed_env import addresses

_PATHS = ("drizzle.config.ts", "drizzle.config.js", "drizzle.config.json")  # as drizzle-kit looks for them

_STRING = r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`(?:\\.|[^`\\])*`"""
_COMMENT = re.compile(rf"({_STRING})|//[^\n]*|/\*.*?\*/", re.DOTALL)
_VARIABLE = re.compile(r"""\benv(?:\.|\[\s*["'`])(\w+)""")
# Of the block `migrations`, which renames the table drizzle.__drizzle_migrations.
_RECORD = re.compile(r"""\bmigrations["']?\s*:\s*\{(.*?)\}""", re.DOTALL)
_RENAMED = re.compile(r"""\b(table|schema)["']?\s*:\s*(?:["'`](\w+)["'`])?""")
_OWN = {"table": "__drizzle_migrations", "schema": "drizzle"}


def addressed_by(release: Release, command: list[str]) -> set[str]:
    """The variables by which the command may find its database, PG_URL or not. Raise where they do not lead it where we look."""
    names = set(addresses(release.env()))
    if any("drizzle-kit" in word for word in command):
        for path in (_given(command),) if _given(command) else _PATHS:
            text = release.text(path)
            if text is not None:
                names |= variables(os.path.basename(path), text)
                break
    return names


def _given(command: list[str]) -> str:
    """The path that the command line names, as `--config=x` or `--config x`."""
    for word, following in zip(command, [*command[1:], ""]):
        if word == "--config" or word.startswith("--config="):
            return word.partition("=")[2] or following
    return ""


def variables(file: str, text: str) -> set[str]:
    """The variables by which a configuration finds its database: those that are not set may still be found in a .env beside it. Pure."""
    text = _COMMENT.sub(lambda match: match[1] or "", text)
    if "PG_URL" not in text:
        raise OperationError(
            "migrations-elsewhere",
            f"The release's {file} does not read PG_URL, so that its migrations may go to another database than the one that is meant.",
            "Nothing was changed.",
            f"Let {file} say dbCredentials: {{ url: process.env.PG_URL }}, and build the release again.",
        )
    for block in _RECORD.findall(text):
        if any(value != _OWN[key] for key, value in _RENAMED.findall(block)):
            raise OperationError(
                "migrations-elsewhere",
                f"The release's {file} names a table of its own for drizzle's record, and only drizzle.__drizzle_migrations is compared.",
                "Nothing was changed.",
                f"Leave the block `migrations` out of {file}, move the table that there is to that name, and build the release again.",
            )
    return {name for name in _VARIABLE.findall(text) if name.endswith(("URL", "URI", "DSN"))}
