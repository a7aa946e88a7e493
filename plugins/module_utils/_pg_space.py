# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""How much room a server has where its files are."""

from __future__ import annotations

import re
from typing import NamedTuple

from ._command import run
from ._errors import OperationError
from ._psql import Server


class Room(NamedTuple):
    """Bytes of a file system: those that are free, and all of them."""

    free: int
    total: int


def parse_room(text: str) -> Room:
    """The last line of `df -P -k`."""
    match = re.search(r"\s(\d+)\s+\d+\s+(\d+)\s+(?:\d+%|-)\s+/.*\s*\Z", text)
    if not match:
        raise ValueError(f"not what df prints: {text!r}")
    return Room(int(match[2]) * 1024, int(match[1]) * 1024)


def room(server: Server, path: str) -> Room:
    """How much room there is at a path where the server is."""
    answer = run(server.place.short(["df", "-P", "-k", path], {"LC_ALL": "C"}), timeout=60)
    if not answer.ok:
        raise OperationError(
            "space-unknown",
            f"Nobody can say how much is free at {path}: {answer.reason}.",
            "Nothing was changed.",
            "Run it where the server's files are, or set dbops_postgres_container.",
        )
    return parse_room(answer.out)


def free(server: Server, path: str) -> int:
    """Bytes free at a path where the server is."""
    return room(server, path).free


def in_bytes(count: int) -> str:
    return f"{count} bytes ({count / 1048576:.0f} MiB)"
