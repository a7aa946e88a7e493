# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What the rehearsal of a seed found, kept for exactly its files and exactly its image."""

from __future__ import annotations

import os
from typing import Any

from ._files import make_private_directory, read_json, write_json
from ._manifest import safe_series
from ._seed_program import Program
from ._stack import Stack

VERSION = 3


def path(stack: Stack, program: Program) -> str:
    image = program.image.rpartition(":")[2]
    return os.path.join(stack.directory, "seeds", f"{safe_series(program.seed.name)}_{program.sha256[:16]}_{image[:16]}.json")


def read(stack: Stack, program: Program) -> dict[str, Any] | None:
    """The newest rehearsal of this very program, None where there is none that can be relied on."""
    try:
        record = read_json(path(stack, program))
    except ValueError:
        return None
    keys = ("version", "sha256", "image")
    same = isinstance(record, dict) and [record.get(key) for key in keys] == [VERSION, program.sha256, program.image]
    return record if same else None


def write(stack: Stack, program: Program, record: dict[str, Any]) -> None:
    where = path(stack, program)
    make_private_directory(os.path.dirname(where))
    write_json(where, {**record, "version": VERSION})
