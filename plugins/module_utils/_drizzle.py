# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Comparing drizzle's migrations on disk with those that a database has seen. Pure.

drizzle-orm 0.x has a journal. It applies the entries whose `when` is greater than the largest `created_at` of
`drizzle.__drizzle_migrations`, and never compares their hashes (drizzle-orm/src/pg-core/dialect.ts).
drizzle-orm 1.x has a folder a migration. It applies those whose name the table does not hold, and gives names to the
rows of 0.x first, by their time or their hash (drizzle-orm/src/up-migrations/pg.ts).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Callable

from ._errors import OperationError

JOURNAL = "meta/_journal.json"

# Two clocks may differ, and whoever wrote a time by hand meant a zone of his own.
FUTURE = 24 * 3600 * 1000  # milliseconds

Row = dict[str, Any]


@dataclass(frozen=True)
class Migration:
    """`file`: its path in the folder; `when` in milliseconds since 1970; the SHA-256 and the text of its file."""

    name: str
    file: str
    when: int
    sha256: str
    sql: str


@dataclass(frozen=True)
class Folder:
    """The migrations of a release in the order in which drizzle takes them. layout: `journal` (0.x) or `folders` (1.x)."""

    layout: str
    migrations: tuple[Migration, ...]


def known(layout: str, migrations: list[dict[str, Any]]) -> Folder:
    """A folder that was read before, as far as a comparison wants it: `name`, `when` and `sha256` of each migration."""
    return Folder(layout, tuple(Migration(each["name"], "", each["when"], each["sha256"], "") for each in migrations))


# Where drizzle cuts a migration into what it sends one by one (drizzle-orm/src/migrator.ts), comment or not.
BREAKPOINT = "--> statement-breakpoint"


def pieces(text: str) -> Iterator[tuple[int, str]]:
    """What drizzle sends one by one, each with the line it begins on."""
    line = 1
    for piece in text.split(BREAKPOINT):
        yield line, piece
        line += piece.count("\n")


def where(statement: str, migrations: list[Migration]) -> str:
    """File and line of a statement as the server was sent it; "" where it is none of these migrations'."""
    words = statement.split()
    for migration in migrations if words else []:
        for line, piece in pieces(migration.sql):
            if piece.split() == words:
                begins = len(piece) - len(piece.lstrip())
                return f"{migration.file} line {line + piece.count(chr(10), 0, begins)}"
    return ""


def _unreadable(why: str) -> OperationError:
    return OperationError(
        "migrations-unreadable",
        f"The release's migrations cannot be read: {why}.",
        "Nothing was changed.",
        "Build the release again with its whole drizzle/ folder, or correct dbops_migrations_path.",
    )


def _migration(name: str, file: str, when: int, content: bytes) -> Migration:
    sql = content.decode("utf-8", "replace")  # as Node reads it, and drizzle hashes what Node read
    return Migration(name, file, when, hashlib.sha256(sql.encode()).hexdigest(), sql)


def read(files: dict[str, bytes]) -> Folder:
    """The migrations of a folder. `files`: path in the folder to content."""
    folders = sorted({path.partition("/")[0] for path in files if re.match(r"\d{14}|[^/]+/migration\.sql$", path) and "/" in path})
    if JOURNAL in files or not folders:
        return Folder("journal", tuple(_from_journal(files)))
    return Folder("folders", tuple(_from_folder(files, name) for name in folders))


def _from_journal(files: dict[str, bytes]) -> list[Migration]:
    try:
        entries = json.loads(files[JOURNAL])["entries"]
        named = [(str(entry["tag"]), int(entry["when"])) for entry in entries]
    except KeyError as error:
        raise _unreadable(f"{error.args[0]} is missing") from None
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise _unreadable(f"{JOURNAL}: {error}") from None
    migrations: dict[str, Migration] = {}
    for name, when in named:
        file = f"{name}.sql"
        if file not in files:
            raise _unreadable(f"{file} stands in the journal and is missing")
        if name in migrations:
            raise _unreadable(f"{name} stands twice in the journal")
        migrations[name] = _migration(name, file, when, files[file])
    return list(migrations.values())


def _from_folder(files: dict[str, bytes], name: str) -> Migration:
    file = f"{name}/migration.sql"
    if file not in files:
        raise _unreadable(f"{file} is missing, and drizzle would pass over that folder without a word")
    try:
        when = datetime.strptime(name[:14], "%Y%m%d%H%M%S").replace(tzinfo=timezone.utc)
    except ValueError:
        raise _unreadable(f"the folder {name} does not begin with a time, <YYYYMMDDHHmmss>_<name>") from None
    return _migration(name, file, int(when.timestamp()) * 1000, files[file])


@dataclass(frozen=True)
class _Matched:
    """Which rows are whose, and which migrations a run would apply."""

    rows: dict[str, Row]
    pending: Callable[[Migration], bool]


def _by_time(migrations: tuple[Migration, ...], rows: list[Row]) -> _Matched:
    """As 0.x does. Entries may share a time; then the hash tells them apart."""
    matched = {}
    left = list(rows)
    for exact in (True, False):
        for migration in migrations:
            mine = [row for row in left if row["created_at"] == migration.when and (not exact or row["hash"] == migration.sha256)]
            if mine and migration.name not in matched:
                matched[migration.name] = mine[0]
                # The same row twice is no other migration.
                left = [row for row in left if row != mine[0]]
    # Read as `ORDER BY created_at DESC LIMIT 1`: a row without a time comes first, and counts as 0.
    times = [row["created_at"] for row in rows]
    newest = None if not rows else 0 if None in times else max(times)
    return _Matched(matched, lambda migration: newest is None or newest < migration.when)


def _by_name(migrations: tuple[Migration, ...], rows: list[Row]) -> _Matched:
    """As 1.x does, with the names that it gives to the rows of 0.x where the table has none yet."""
    named = any(row["versioned"] for row in rows)
    hashes = {migration.sha256: migration for migration in migrations}
    matched = {}
    for row in rows:
        if named:
            found = [migration for migration in migrations if migration.name == row["name"]]
        else:
            second = None if row["created_at"] is None else row["created_at"] // 1000 * 1000
            found = [migration for migration in migrations if migration.when == second]
            if len(found) > 1:
                found = [migration for migration in found if migration.sha256 == row["hash"]]
            elif not found and row["hash"] in hashes:
                found = [hashes[row["hash"]]]
        if found:
            matched[found[0].name] = row
    return _Matched(matched, lambda _migration: True)


def _in_words(row: Row) -> str:
    return f"{row['name'] or row['hash'][:12]} of {row['created_at']}"


def compare(folder: Folder, rows: list[Row], now: int) -> dict[str, Any]:
    """What a run would do, by name. now: milliseconds since 1970.

    rows: `hash`, `created_at`, `name` of the database, and whether its table is that of 1.x, `versioned`.
    """
    matched = (_by_time if folder.layout == "journal" else _by_name)(folder.migrations, rows)
    whose = list(matched.rows.values())
    verdict: dict[str, Any] = {
        "layout": folder.layout,
        "applied": [],
        "pending": [],
        "will_be_skipped": [],
        "edited_after_apply": [],
        "unknown_in_database": [_in_words(row) for row in rows if row not in whose],
        "future_dated": [migration.name for migration in folder.migrations if migration.when > now + FUTURE],
        "duplicated_when": [],
    }
    for migration in folder.migrations:
        row = matched.rows.get(migration.name)
        if row is not None:
            verdict["applied"].append(migration.name)
            if migration.sha256 != row["hash"]:
                verdict["edited_after_apply"].append(migration.name)
        else:
            verdict["pending" if matched.pending(migration) else "will_be_skipped"].append(migration.name)
    if folder.layout == "journal":
        times = [migration.when for migration in folder.migrations]
        shared = {migration.name for migration in folder.migrations if times.count(migration.when) > 1}
        verdict["duplicated_when"] = [name for name in verdict["pending"] if name in shared]
    return verdict


# What makes a comparison a reason to refuse: the verdict's key, the slug, what drizzle would do, and the cure.
REFUSALS = (
    (
        "will_be_skipped",
        "migrations-skipped",
        "they are not newer than the newest applied one, so drizzle would skip them for ever and report success",
        "Generate them anew on top of the applied ones, whose own times (`when`, created_at) have to lie in the past.",
    ),
    (
        "edited_after_apply",
        "migrations-edited",
        "their files are not what was applied, and drizzle never looks at them again",
        "Put the files back as they were, write what was changed as a new migration, and build the release again.",
    ),
    (
        "unknown_in_database",
        "migrations-unknown",
        "the database has seen them and this release does not know them",
        "Use a release that knows them: this one is older than the database, or of another branch.",
    ),
    (
        "duplicated_when",
        "migrations-duplicate",
        "several have the same `when`; where one of them is applied already, drizzle would skip the others for ever",
        "Give each a time of its own in meta/_journal.json, in their order, and build the release again.",
    ),
    (
        "future_dated",
        "migrations-future",
        "they are dated in the future; once they are applied, drizzle would skip whatever is generated before that time",
        "Correct their `when` in meta/_journal.json, and build the release again.",
    ),
)


def digests(folder: Folder, verdict: dict[str, Any]) -> dict[str, str]:
    """What a run would apply: SHA-256 by name, in order."""
    known = {migration.name: migration.sha256 for migration in folder.migrations}
    return {name: known[name] for name in verdict["pending"]}


def require_judged(pending: dict[str, str], judged: dict[str, str]) -> None:
    """Raise when a run would apply something else than was judged: a directory, or the database, may have changed since."""
    changed = sorted({name for name, _digest in pending.items() ^ judged.items()})
    if changed:
        raise OperationError(
            "migrations-changed",
            f"What is pending is no longer what was judged: {', '.join(changed)}.",
            "Nothing was changed.",
            "Look at what is pending now: ansible-playbook playbooks/migrate.yml --check; then run it again.",
        )


def refuse(verdict: dict[str, Any]) -> None:
    """Raise when a run would not lead where the release says."""
    for key, slug, why, cure in REFUSALS:
        names = verdict[key]
        if key == "future_dated":  # 1.x goes by names, and one that is applied has done its harm: see will_be_skipped
            names = [name for name in names if name in verdict["pending"] and verdict["layout"] == "journal"]
        if names:
            raise OperationError(slug, f"Migrations {', '.join(names)}: {why}.", "Nothing was changed.", cure)
