# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Reading an existing backup of Redis again: its file is that of its manifest, and its server's programs read it to the end."""

from __future__ import annotations

import os
from typing import Any

from ._backup_dir import disagreement, in_use
from ._client import Client
from ._read_through import hash_files
from ._reading import Reading
from ._redis_backup import wrong_file


class Verification(Reading):
    """The reading of one snapshot, or of one set of append-only files."""

    def wrong(self) -> list[str]:
        plan, manifest = self.plan, self.plan.manifest
        path = os.path.join(plan.directory, manifest["name"])
        differs = disagreement(plan.directory, manifest)
        if differs:
            return [differs]
        with in_use(path):
            self.progress.say("reading the backup through", now=True, mib=manifest["bytes"] >> 20)
            wrong = other_content(manifest, path)
            with Client(plan.place, plan.directory, image=plan.image, labels=plan.labels, read_only=True) as client:
                unreadable = wrong_file(client, manifest)
        return [why for why in (wrong, unreadable) if why]


def other_content(manifest: dict[str, Any], path: str) -> str:
    """Where the file is not the one of the manifest, that; else ""."""
    return "" if hash_files(path)[0]["sha256"] == manifest["files"][0]["sha256"] else f"{manifest['name']} has another content"
