# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Names and manifests of backups. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime, timezone
from typing import Any, NamedTuple

MANIFEST_VERSION = 1
SUFFIX = ".manifest.json"
GLOBALS = ".globals.sql"  # roles and tablespaces of the server, beside the data
PARTIAL = ".partial"
STAMP = "%Y-%m-%dT%H%M%SZ"  # UTC, and no character that a file system minds

# What a backup is of, as its manifest says it, and what its name ends with: directory format and custom format; snapshot and
# append-only files.
POSTGRESQL, REDIS = "postgresql", "redis"
EXTENSIONS_OF = {POSTGRESQL: (".pgdir", ".dump"), REDIS: (".rdb", ".aof.tar")}
EXTENSIONS = (*EXTENSIONS_OF[POSTGRESQL], *EXTENSIONS_OF[REDIS])

# A series begins the file's name: nothing hidden, no path, no second meaning.
SERIES = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

_NAME = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)_([1-9][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2})([0-9]{2})([0-9]{2})Z(\.[A-Za-z0-9.]+)")


class Name(NamedTuple):
    series: str
    moment: datetime
    extension: str


class Unusable(ValueError):
    """A manifest that proves nothing; its text says why."""

    def __init__(self, slug: str, reason: str) -> None:
        super().__init__(reason)
        self.slug = slug
        self.reason = reason


def backup_name(series: str, moment: datetime, extension: str) -> str:
    return f"{series}_{moment.astimezone(timezone.utc).strftime(STAMP)}{extension}"


def parse_name(name: str, extensions: tuple[str, ...] = EXTENSIONS) -> Name | None:
    """Series, time and extension of a backup's name; None for whatever is not exactly such a name."""
    match = _NAME.fullmatch(name)
    if not match:
        return None
    series, hour, minute, second, extension = match.groups()
    if extension not in extensions:
        return None
    try:
        moment = datetime.fromisoformat(f"{hour}:{minute}:{second}+00:00")
    except ValueError:  # the 31st of February
        return None
    return Name(series, moment, extension)


def manifests_of(series: str, names: list[str]) -> list[str]:
    """The manifests of one series among a directory's names, the oldest first; `a` is not `a_pg`."""
    found = []
    for name in names:
        parsed = parse_name(name[: -len(SUFFIX)]) if name.endswith(SUFFIX) else None
        if parsed and parsed.series == series:
            found.append((parsed.moment, name))
    return [name for _moment, name in sorted(found)]


def partial_name(name: str) -> str:
    return f".{name}{PARTIAL}"


def parts_of(name: str) -> tuple[str, str, str]:
    """The files that are one backup: data, globals (where there are any), manifest."""
    return name, name + GLOBALS, name + SUFFIX


def safe_series(text: str) -> str:
    """A database's name as the beginning of a file's name."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", text).lstrip("._-") or "database"


def digest_of(files: list[dict[str, Any]]) -> str:
    """One SHA-256 for a backup of many files: of the lines `<sha256>  <path>`, as sha256sum prints them, by path."""
    lines = "".join(f"{file['sha256']}  {file['path']}\n" for file in sorted(files, key=lambda file: file["path"]))
    return hashlib.sha256(lines.encode()).hexdigest()


# -- the manifest ----------------------------------------------------------------------------------------------


def _seal(manifest: dict[str, Any]) -> str:
    content = {key: value for key, value in manifest.items() if key != "seal"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def sealed(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest with a digest of itself, so that one which was edited by hand, or damaged, is seen."""
    return {**manifest, "seal": _seal(manifest)}


def require_usable(name: str, manifest: Any) -> dict[str, Any]:
    """The manifest, if it is whole, of a version that is known and says that backup `name` is complete."""
    if not isinstance(manifest, dict) or not isinstance(manifest.get("version"), int):
        raise Unusable("manifest-unreadable", "its manifest is none")
    if manifest["version"] > MANIFEST_VERSION:
        raise Unusable("manifest-newer", f"its manifest has version {manifest['version']}, this collection knows up to {MANIFEST_VERSION}")
    if manifest.get("seal") != _seal(manifest):
        raise Unusable("manifest-edited", "its manifest was edited or damaged: it does not agree with its own seal")
    if manifest.get("name") != name:
        raise Unusable("manifest-edited", f"its manifest is that of {manifest.get('name')!r}")
    if manifest.get("complete") is not True:
        raise Unusable("backup-not-complete", "its manifest does not say that it is complete")
    return manifest


def contents_of(manifest: dict[str, Any]) -> dict[str, Any]:
    """How many tables a backup holds, and how many rows in all of them; or how many keys, None where nobody has counted them."""
    if manifest.get("kind") == REDIS:
        return {"keys": manifest["keys"]}
    return {"tables": len(manifest["tables"]), "rows": sum(table["rows"] for table in manifest["tables"])}


# -- checks ------------------------------------------------------------------------------------------------------
# A check is {"check": <name>, "passed" or "failed": <time>, …}; the newest of each name counts.

COMPLETE, VERIFIED, DRILLED = "complete", "verified", "drilled"
INVALID = "invalid"


def newest_check(manifest: dict[str, Any], check: str) -> dict[str, Any]:
    """The newest result of one kind of check, {} where it was never done. The list is in the order of time."""
    return next((entry for entry in reversed(manifest["checks"]) if entry["check"] == check), {})


def with_check(manifest: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    """The manifest with one more result. Of each kind the newest is kept that passed and the newest that failed."""
    outcome = "passed" if "passed" in entry else "failed"
    others = [old for old in manifest["checks"] if not (old["check"] == entry["check"] and outcome in old)]
    return sealed({**manifest, "checks": [*others, entry]})


def state_of(manifest: dict[str, Any]) -> tuple[str, str]:
    """How far a backup is proven (`complete`, `verified`, `drilled`, or `invalid`), and why it is not valid."""
    for check in (DRILLED, VERIFIED):
        newest = newest_check(manifest, check)
        if "failed" in newest:
            return INVALID, f"{check} failed: {newest.get('reason', 'no reason was recorded')}"
    for check in (DRILLED, VERIFIED):
        if newest_check(manifest, check):
            return check, ""
    return COMPLETE, ""
