# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The table of contents of a dump, as `pg_restore --list` prints it. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime, timezone
from typing import NamedTuple

# What cannot be had without the rows of every table, or acts on more than the tables that were asked for.
_NOT_FOR_SOME = ("FK CONSTRAINT", "MATERIALIZED VIEW DATA", "BLOB", "LARGE OBJECT", "PUBLICATION", "SUBSCRIPTION", "EVENT TRIGGER")
_ENTRY = re.compile(r"(\d+); \d+ \d+ (.*)")


class Header(NamedTuple):
    """Where a dump is from."""

    created: datetime
    database: str
    format: str
    server_version: str
    tool_version: str


def header_of(listing: str) -> Header | None:
    """The first lines of the listing, printed with the time zone UTC; None where they say something else."""
    found = dict(re.findall(r"^; +([A-Za-z_ ]+): ?(.*)$", listing, re.MULTILINE))
    created = re.search(r"^; Archive created at (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)", listing, re.MULTILINE)
    try:
        return Header(
            datetime.strptime(created[1], "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc),  # type: ignore[index]
            found["dbname"],
            found["Format"].lower(),
            found["Dumped from database version"],
            found["Dumped by pg_dump version"],
        )
    except (KeyError, TypeError, ValueError):
        return None


def some_tables(listing: str, tables: Collection[tuple[str, str]]) -> str:
    """The list for `pg_restore --use-list` that leaves out the rows of all other tables and what depends on them.

    A name may hold spaces, and the listing does not quote: rather the rows of a table too many than of one too few.
    Of a line of the list only the number counts.
    """
    wanted = tuple(f"TABLE DATA {_printed(schema)} {_printed(table)} " for schema, table in tables)
    entries = filter(None, map(_ENTRY.fullmatch, listing.split("\n")))
    return "".join(f"{entry[1]};\n" for entry in entries if _is_wanted(entry[2], wanted))


def _printed(name: str) -> str:
    """Line breaks of a name are spaces in the listing."""
    return re.sub(r"[\r\n]", " ", name)


def _is_wanted(entry: str, wanted: tuple[str, ...]) -> bool:
    if entry.startswith("TABLE DATA "):
        return entry.startswith(wanted)
    return not entry.startswith(_NOT_FOR_SOME)
