# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Where drizzle-kit of a release goes. Its configuration is a program; read as text it shows the usual ways of going elsewhere.

drizzle-kit reads a file `.env` beside it, too, which does not override what is set already (it brings dotenv along).
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
# However it is read: `process.env.X`, `env["X"]`, `const { X } = process.env`. A class of JavaScript's has the name URL.
_VARIABLE = re.compile(r"(?<!new )\b\w*(?:URL|URI|DSN)\b")
_OVERRIDING = re.compile(r"""\b(?:override|overload)["']?\s*:(?!\s*false\b)""")
_OUT = re.compile(r"""\bout["']?\s*:\s*(["'`])([^"'`$]+)\1""")

_DOTENV = (".env", ".env.local", *(f".env.{mode}{own}" for mode in ("production", "staging", "development") for own in ("", ".local")))
_DOTENV_NAMED = re.compile(r"[\w./-]*\.env(?:\.[\w.-]+)?(?=[\"'`])")
# As dotenv reads a line: https://github.com/motdotla/dotenv
_DOTENV_LINE = re.compile(
    r"""^\s*(?:export\s+)?([\w.-]+)(?:\s*=\s*?|:\s+?)(\s*'(?:\\'|[^'])*'|\s*"(?:\\"|[^"])*"|\s*`(?:\\`|[^`])*`|[^#\r\n]+)?""", re.MULTILINE
)
# Of the block `migrations`, which renames the table drizzle.__drizzle_migrations.
_RECORD = re.compile(r"""\bmigrations["']?\s*:\s*\{(.*?)\}""", re.DOTALL)
_RENAMED = re.compile(r"""\b(table|schema)["']?\s*:\s*(?:["'`](\w+)["'`])?""")
_OWN = {"table": "__drizzle_migrations", "schema": "drizzle"}


def addressed_by(release: Release, command: list[str], folder: str) -> set[str]:
    """The variables by which the command may find its database, PG_URL or not. Raise where they do not lead it where we look.

    folder: that of the migrations which are compared.
    """
    names = set(addresses(release.env()))
    if any("drizzle-kit" in word for word in command):
        given = _given(command)
        configurations = (given,) if given else _PATHS
        files = release.texts([*configurations, *_DOTENV])
        path = next((path for path in configurations if path in files), "")
        if path:
            names |= variables(os.path.basename(path), files[path], folder, release.root)
            files.update(release.texts(set(_DOTENV_NAMED.findall(files[path])) - {*files}))
        for content in (content for name, content in files.items() if name not in configurations):
            names |= set(addresses(dict(_DOTENV_LINE.findall(content))))
    return names


def _given(command: list[str]) -> str:
    """The path that the command line names, as `--config=x` or `--config x`."""
    for word, following in zip(command, [*command[1:], ""]):
        if word == "--config" or word.startswith("--config="):
            return word.partition("=")[2] or following
    return ""


def variables(file: str, text: str, folder: str, root: str = "/") -> set[str]:
    """The variables by which a configuration finds its database, set or not. Pure.

    folder: that of the migrations which are compared; root: where drizzle-kit is run, to which paths are relative.
    """
    text = _COMMENT.sub(lambda match: match[1] or "", text)
    if "PG_URL" not in text:
        raise OperationError(
            "migrations-elsewhere",
            f"The release's {file} does not read PG_URL, so that its migrations may go to another database than the one that is meant.",
            "Nothing was changed.",
            f"Let {file} say dbCredentials: {{ url: process.env.PG_URL }}, and build the release again.",
        )
    if _OVERRIDING.search(text):
        raise OperationError(
            "migrations-elsewhere",
            f"The release's {file} lets a .env file override what the run sets, so that its migrations may go to another database.",
            "Nothing was changed.",
            f"Leave `override: true` out of {file}, and build the release again.",
        )
    for _quote, out in _OUT.findall(text):
        if os.path.normpath(os.path.join(root, out)) != os.path.normpath(os.path.join(root, folder)):
            raise OperationError(
                "migrations-elsewhere",
                f"The release's {file} takes its migrations from {out!r}, and those in {folder!r} are compared.",
                "Nothing was changed.",
                f"Name the folder that is meant: -e dbops_migrations_path={os.path.normpath(out)}; or correct `out`, and build it again.",
            )
    for block in _RECORD.findall(text):
        if any(value != _OWN[key] for key, value in _RENAMED.findall(block)):
            raise OperationError(
                "migrations-elsewhere",
                f"The release's {file} names a table of its own for drizzle's record, and only drizzle.__drizzle_migrations is compared.",
                "Nothing was changed.",
                f"Leave the block `migrations` out of {file}, move the table that there is to that name, and build the release again.",
            )
    return set(_VARIABLE.findall(text))
