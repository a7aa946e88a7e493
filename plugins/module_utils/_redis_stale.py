# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Keys of Redis that speak of rows which the database does not have."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Callable, NamedTuple

from ._psql import Server, quote_literal
from ._redis_keys import beginning_with
from ._redis_line import encoded, shown
from ._redis_session import Session

SAMPLE = 20
_PORTION = 1000

# Which of some texts the query does not know. It is somebody's own, and may end with a semicolon or a comment.
_UNKNOWN = """
SELECT asked.id FROM json_array_elements_text({asked}) AS asked (id)
WHERE NOT EXISTS (SELECT FROM (
{query}
) AS known (id) WHERE known.id::text = asked.id)
"""


class Entry(NamedTuple):
    """Keys of one prefix, and the query of what may follow it; "" where the database knows nothing of them."""

    prefix: str
    query: str


def find(session: Session, server: Server | None, entry: Entry) -> dict[str, Any]:
    """What there is of it."""
    number, sample = 0, []
    for stale in _stale(session, server, entry):
        number += len(stale)
        sample += [shown(key) for key in stale[: SAMPLE - len(sample)]]
    return {"prefix": entry.prefix, "known": bool(entry.query), "keys": number, "sample": sample, "removed": False}


def remove(session: Session, server: Server | None, entry: Entry, tell: Callable[[int], None]) -> int:
    """Remove it. tell: told how many keys are gone. Returns that."""
    removed = 0
    for stale in _stale(session, server, entry):
        removed += session.ask("UNLINK", *stale)
        tell(removed)
    return removed


def _stale(session: Session, server: Server | None, entry: Entry) -> Iterator[list[str]]:
    """The keys, in portions of which none is empty."""
    cursor = None
    while cursor != "0":
        cursor, keys = session.ask("SCAN", cursor or "0", "MATCH", beginning_with(entry.prefix), "COUNT", _PORTION)
        stale = _unknown(server, entry, list(dict.fromkeys(keys))) if keys else []
        if stale:
            yield stale


def _unknown(server: Server | None, entry: Entry, keys: list[str]) -> list[str]:
    if server is None or not entry.query:
        return keys
    ids = {key[len(entry.prefix) :]: key for key in keys}
    # What is no text for the database cannot stand in it.
    texts = [text for text in ids if "\0" not in text and encoded(text).decode("utf-8", "replace").encode() == encoded(text)]
    query = entry.query.strip().rstrip(";")
    rows = server.rows(_UNKNOWN.format(asked=quote_literal(json.dumps(texts)), query=query)) if texts else []
    unknown = {row["id"] for row in rows}
    return [key for text, key in ids.items() if text in unknown or text not in texts]
