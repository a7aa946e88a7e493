# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Names and manifests of backups. Pure."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timezone
from typing import Any

MANIFEST_VERSION = 1
SUFFIX = ".manifest.json"
PARTIAL = ".partial"
STAMP = "%Y-%m-%dT%H%M%SZ"  # UTC, and no character that a file system minds

# A series begins the file's name: nothing hidden, no path, no second meaning.
SERIES = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def backup_name(series: str, moment: datetime, extension: str) -> str:
    return f"{series}_{moment.astimezone(timezone.utc).strftime(STAMP)}{extension}"


def manifests_of(series: str, names: list[str]) -> list[str]:
    """The manifests of one series among a directory's names, the oldest first; `a` is not `a_pg`."""
    pattern = re.compile(re.escape(series) + r"_\d{4}-\d{2}-\d{2}T\d{6}Z\.[a-z.]+" + re.escape(SUFFIX))
    return sorted(name for name in names if pattern.fullmatch(name))


def partial_name(name: str) -> str:
    return f".{name}{PARTIAL}"


def safe_series(text: str) -> str:
    """A database's name as the beginning of a file's name."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", text).lstrip("._-") or "database"


def digest_of(files: list[dict[str, Any]]) -> str:
    """One SHA-256 for a backup of many files: of the lines `<sha256>  <path>`, as sha256sum prints them, by path."""
    lines = "".join(f"{file['sha256']}  {file['path']}\n" for file in sorted(files, key=lambda file: file["path"]))
    return hashlib.sha256(lines.encode()).hexdigest()
