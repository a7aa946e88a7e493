# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Which of a release's migrations a database has seen."""

from __future__ import annotations

import time
from typing import Any

from . import _drizzle
from ._psql import Server
from ._release import Release


def applied_rows(server: Server) -> list[dict[str, Any]]:
    """The rows of drizzle's table, none where it does not exist yet. Only that of 1.x has names."""
    if server.value("SELECT to_regclass('drizzle.__drizzle_migrations') IS NULL AS missing"):
        return []
    return server.rows(
        "SELECT hash, created_at, to_jsonb(m)->>'name' AS name, to_jsonb(m) ? 'name' AS versioned"
        " FROM drizzle.__drizzle_migrations m ORDER BY created_at, id"
    )


def look(release: Release, path: str, server: Server) -> tuple[_drizzle.Folder, dict[str, Any]]:
    """The migrations of a release, and what a run of them would do."""
    folder = _drizzle.read(release.folder(path))
    return folder, compare(folder, server)


def compare(folder: _drizzle.Folder, server: Server) -> dict[str, Any]:
    return _drizzle.compare(folder, applied_rows(server), int(time.time() * 1000))
