# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Comparing drizzle's migrations on disk with those that a database has seen. Pure.

drizzle-orm 0.x applies the journal's entries whose `when` is greater than the largest `created_at` of
`drizzle.__drizzle_migrations`, and never compares their hashes (drizzle-orm/src/pg-core/dialect.ts).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from ._errors import OperationError


@dataclass(frozen=True)
class Migration:
    """One entry of the journal: `when` in milliseconds since 1970, the SHA-256 and text of its file."""

    name: str
    when: int
    sha256: str
    sql: str


def _unreadable(why: str) -> OperationError:
    return OperationError(
        "migrations-unreadable",
        f"The release's migrations cannot be read: {why}.",
        "Nothing was changed.",
        "Build the release again with its whole drizzle/ folder, or correct dbops_migrations_path.",
    )


def read(files: dict[str, bytes]) -> list[Migration]:
    """The migrations of a folder, in the journal's order. `files`: path in the folder to content."""
    try:
        entries = json.loads(files["meta/_journal.json"])["entries"]
        named = [(str(entry["tag"]), int(entry["when"])) for entry in entries]
    except KeyError as error:
        raise _unreadable(f"{error.args[0]} is missing") from None
    except (ValueError, TypeError, OverflowError) as error:
        raise _unreadable(f"meta/_journal.json: {error}") from None
    migrations = []
    for name, when in named:
        content = files.get(f"{name}.sql")
        if content is None:
            raise _unreadable(f"{name}.sql stands in the journal and is missing")
        sql = content.decode("utf-8", "replace")  # as Node reads it, and drizzle hashes what Node read
        migrations.append(Migration(name, when, hashlib.sha256(sql.encode()).hexdigest(), sql))
    return migrations


def compare(migrations: list[Migration], rows: list[dict[str, Any]], now: int) -> dict[str, list[str]]:
    """What a run would do, by name. rows: `hash` and `created_at` of the database; now: milliseconds since 1970."""
    seen: dict[int | None, set[str]] = {}  # several entries may share a time; a row written by hand may have none
    for row in rows:
        seen.setdefault(row["created_at"], set()).add(row["hash"])
    newest = max((when for when in seen if when is not None), default=-1)
    known = {migration.when for migration in migrations}
    verdict: dict[str, list[str]] = {
        "applied": [],
        "pending": [],
        "will_be_skipped": [],
        "edited_after_apply": [],
        "unknown_in_database": [f"{row['hash'][:12]} of {row['created_at']}" for row in rows if row["created_at"] not in known],
        "future_dated": [migration.name for migration in migrations if migration.when > now],
    }
    for migration in migrations:
        if migration.when in seen:
            verdict["applied"].append(migration.name)
            if migration.sha256 not in seen[migration.when]:
                verdict["edited_after_apply"].append(migration.name)
        else:
            verdict["pending" if migration.when > newest else "will_be_skipped"].append(migration.name)
    return verdict


# What makes a comparison a reason to refuse: the verdict's key, the slug, and the words.
REFUSALS = (
    ("will_be_skipped", "migrations-skipped", "drizzle would skip them for ever, since a newer one is applied; generate them anew"),
    ("edited_after_apply", "migrations-edited", "their files are not what was applied; restore the files and write a new migration"),
    ("unknown_in_database", "migrations-unknown", "the database has seen them and this release does not know them"),
)


def refuse(verdict: dict[str, list[str]]) -> None:
    """Raise when a run would not lead where the journal says."""
    for key, slug, why in REFUSALS:
        if verdict[key]:
            raise OperationError(
                slug,
                f"Migrations {', '.join(verdict[key])}: {why}.",
                "Nothing was changed.",
                "Build a release whose migrations continue the database's own.",
            )
