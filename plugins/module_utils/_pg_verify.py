# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Reading an existing backup again: its files are those of its manifest, and so are the rows in them."""

from __future__ import annotations

import hashlib
import os
from typing import Any

from . import _pg_digest
from ._backup_dir import disagreement, in_use
from ._client import Client
from ._command import run
from ._errors import OperationError
from ._files import open_plain
from ._pg_dump import compare_counts
from ._place import Place
from ._read_through import Files, Unreadable, read_through
from ._reading import Reading


def reader(place: Place, manifest: dict[str, Any]) -> str:
    """The image whose pg_restore reads the backup: the one that wrote it, else the server's; "" for the target's own programs."""
    if not place.container:
        return ""
    if manifest["image_id"] and place.engine.inspect("image", manifest["image_id"]):
        return str(manifest["image_id"])
    image = str(place.engine.container(place.container)["Image"])
    version = run(place.short(["pg_restore", "--version"], {})).out
    found, needed = _pg_digest.major(version.rpartition(") ")[2]), _pg_digest.major(manifest["server_version"])
    if found < needed:
        raise OperationError(
            "backup-newer-major",
            f"{manifest['name']} was made with PostgreSQL {needed}, its image is gone, and the server is PostgreSQL {found}.",
            "Nothing was changed.",
            f"Pull an image of PostgreSQL {needed} and tag it, or read the backup on another machine.",
        )
    return image


class Verification(Reading):
    """The reading of one dump: its files, and the rows in them."""

    def wrong(self) -> list[str]:
        """Everything in which the backup is not what its manifest says."""
        plan, manifest = self.plan, self.plan.manifest
        differs = disagreement(plan.directory, manifest)
        if differs:
            return [differs]
        with in_use(os.path.join(plan.directory, manifest["name"])):
            self.progress.say("reading the backup through", now=True, mib=manifest["bytes"] >> 20)
            with Client(plan.place, plan.directory, image=plan.image, labels=plan.labels, read_only=True) as client:
                files, rows = read_through(client, plan.directory, manifest["name"])
        wrong = [*other_contents(manifest, files), *_globals(plan.directory, manifest)]
        if not isinstance(rows, Unreadable):
            return wrong + compare_counts(_pg_digest.written_rows(manifest), rows)
        if rows.cut_off and not wrong:
            raise OperationError(
                "backup-not-read",
                f"The reading of {manifest['name']} was cut off: {rows}.",
                "Its files are those of the manifest; whether their rows are was not found out, and nothing was changed.",
                "Run it again.",
            )
        return [*wrong, str(rows)]


def other_contents(manifest: dict[str, Any], files: Files) -> list[str]:
    expected = {file["path"]: file["sha256"] for file in manifest["files"]}
    return [f"{file['path'] or manifest['name']} has another content" for file in files if file["sha256"] != expected[file["path"]]]


def _globals(directory: str, manifest: dict[str, Any]) -> list[str]:
    """The roles and tablespaces beside the backup."""
    expected = manifest["globals"]
    if not expected:
        return []
    try:
        with open_plain(os.path.join(directory, expected["file"])) as stream:
            same = hashlib.sha256(stream.read()).hexdigest() == expected["sha256"]
    except FileNotFoundError:
        return [f"{expected['file']} is missing"]
    except ValueError:
        return [f"{expected['file']} is no plain file"]
    return [] if same else [f"{expected['file']} has another content"]
