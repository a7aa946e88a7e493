# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""How much room a server has where its files are."""

from __future__ import annotations

import re

from ._command import run
from ._errors import OperationError
from ._psql import Server


def parse_free(text: str) -> int:
    """Free bytes, from the last line of `df -P -k`."""
    match = re.search(r"\s\d+\s+\d+\s+(\d+)\s+(?:\d+%|-)\s+/.*\s*\Z", text)
    if not match:
        raise ValueError(f"not what df prints: {text!r}")
    return int(match[1]) * 1024


def free(server: Server, path: str) -> int:
    """Bytes free at a path where the server is."""
    answer = run(server.place.short(["df", "-P", "-k", path], {"LC_ALL": "C"}), timeout=60)
    if not answer.ok:
        raise OperationError(
            "space-unknown",
            f"Nobody can say how much is free at {path}: {answer.reason}.",
            "Nothing was changed.",
            "Run it where the server's files are, or set dbops_postgres_container.",
        )
    return parse_free(answer.out)


def in_bytes(count: int) -> str:
    return f"{count} bytes ({count / 1048576:.0f} MiB)"
