# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What a server says of itself: INFO and CONFIG GET, as values."""

from __future__ import annotations

import re
from typing import Any, Union

from ._redis_session import Session

Value = Union[int, float, str]

_WHOLE = re.compile(r"-?(?:0|[1-9]\d*)")
_DECIMAL = re.compile(r"-?\d+\.\d+")
# Digits may be all that they are made of.
_TEXT = re.compile(r".*(?:_version|_id|_replid2?|_sha1|_name|_file|executable)")
# Lines that hold several values: `db0:keys=3,expires=1`.
_SEVERAL = re.compile(r"(?:db|slave|io_thread_|module)\d*|(?:cmdstat|errorstat|latency_percentiles_usec)_.*|db\d+_distrib_.*")


def _value(name: str, text: str) -> Value:
    if _TEXT.fullmatch(name):
        return text
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text


def parse_info(text: str) -> dict[str, Any]:
    """Fields by name: int, float, text, or for lines that hold several values a dictionary of those."""
    fields: dict[str, Any] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if not colon or line.startswith("#"):
            continue
        if _SEVERAL.fullmatch(name) and "=" in value:
            parts = (part.partition("=") for part in value.split(","))
            fields[name] = {part: _value(part, told) for part, _equals, told in parts}
        else:
            fields[name] = _value(name, value)
    return fields


def info(session: Session, *sections: str) -> dict[str, Any]:
    """sections: `persistence`, `memory`, …; without any, what INFO shows by itself."""
    return parse_info(session.ask("INFO", *sections))


def product(server: dict[str, Any]) -> tuple[str, tuple[int, ...]]:
    """`redis` or `valkey`, and its version; server: the section of that name. Valkey calls itself Redis 7.2.4, too."""
    name = str(server.get("server_name", "redis"))
    version = server.get(f"{name}_version") or server["redis_version"]
    return name, tuple(int(part) for part in re.findall(r"\d+", str(version))[:3])


def configuration(session: Session, *patterns: str) -> dict[str, str]:
    """Settings as the server shows them: yes and no, bytes as digits, lists in one line."""
    told = session.ask("CONFIG", "GET", *patterns)
    return dict(zip(told[::2], told[1::2]))


def databases(keyspace: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """What is told of each database that holds keys, by its number; keyspace: the section of that name."""
    return {int(name[2:]): told for name, told in keyspace.items() if re.fullmatch(r"db\d+", name)}


def keys(keyspace: dict[str, Any]) -> int:
    """How many keys all databases hold."""
    return sum(told["keys"] for told in databases(keyspace).values())
