# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What a seed is: a program of the backend's image that fills some tables, and what is known of it by name. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ._errors import OperationError

# The seeds that need no word in the inventory, with the tables that are theirs to write.
KNOWN: tuple[dict[str, Any], ...] = (
    {"name": "seedCategories", "tables": ["public.categories"]},
    {"name": "seedLevels", "tables": ["public.levels"]},
)
ALLOWED = ["seedCategories", "seedLevels"]
NEVER = ["seed:all", "seed:users"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]*")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]*")
_TABLE = re.compile(r"[^.]+\.[^.]+")


@dataclass(frozen=True)
class Seed:
    """One seed. argv: what runs in the image; files: those of its that decide what it does; tables: `<schema>.<table>`, its own."""

    name: str
    argv: tuple[str, ...]
    files: tuple[str, ...]
    tables: tuple[str, ...]
    service: str = ""

    @property
    def identities(self) -> set[str]:
        """All that it is called: by its name, by its files, and in its command."""
        words = [self.name, *self.files, *(word for argument in self.argv for word in _WORD.findall(argument))]
        return {plain(word) for word in words}


def plain(name: str) -> str:
    """`seed:users`, `seedUsers` and `./dist/seeds/seedUsers.js` are the same to whoever forbids one of them."""
    stem = re.sub(r"\.(?:[cm]?[jt]s|sql|sh|py)$", "", name.rpartition("/")[2])
    return re.sub(r"[^a-z0-9]", "", stem.lower())


def find(name: str, specs: Sequence[Mapping[str, Any]]) -> Seed:
    """The seed of that name, as the inventory describes it, else as the runbook runs it."""
    if not _NAME.fullmatch(name):
        raise OperationError(
            "seed-malformed",
            f"{name!r} is no name of a seed." if name else "There is no name of a seed.",
            "Nothing was changed.",
            "Name one: -e dbops_seed=seedCategories",
        )
    spec: dict[str, Any] = {}
    for entry in (*KNOWN, *specs):
        if entry["name"] == name:
            spec.update({key: value for key, value in entry.items() if value})
    if ":" in name:  # a script of package.json
        # By itself npm asks its registry for a newer npm.
        argv, files = ["npm", "run", "--silent", "--no-update-notifier", name], ["package.json"]
    else:
        path = f"dist/seeds/{name}.js"
        argv, files = ["node", "-e", f"require('./{path}')"], [path]
    tables = tuple(spec.get("tables") or ())
    wrong = [table for table in tables if not _TABLE.fullmatch(table)]
    if wrong:
        raise OperationError(
            "seed-malformed",
            f"{', '.join(map(repr, wrong))}: no name of a table as dbops_seeds needs it.",
            "Nothing was changed.",
            "Write <schema>.<table>, for example public.categories.",
        )
    return Seed(name, tuple(spec.get("argv") or argv), tuple(spec.get("files") or files), tables, spec.get("service") or "")


def is_one_of(seed: Seed, names: Collection[str]) -> bool:
    return bool(seed.identities & {plain(name) for name in names})


# Words that are worth a look in what a seed is made of. None of them proves anything, nor does their absence.
_HINTS = {
    "TRUNCATE": r"\btruncate\s+(?:table\s+)?[\w\"$.{]",
    "DELETE without WHERE": r"\bdelete\s+from\s+[\w\"$.{}]+\s*(?:[;`'\"]|$)",
    "DROP": r"\bdrop\s+(?:table|schema|database|owned|column)\b",
    "deleteMany": r"\bdeleteMany\s*\(",
}


def hints(text: str) -> list[str]:
    return [name for name, pattern in _HINTS.items() if re.search(pattern, text, re.IGNORECASE | re.MULTILINE)]
