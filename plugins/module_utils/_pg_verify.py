# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Reading an existing backup again: its files are those of its manifest, and so are the rows in them."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from . import _manifest, _pg_digest
from ._backup_dir import disagreement, in_use, read_manifest, record, unusable
from ._catalogue import opened
from ._choice import NEWEST, POSTGRESQL
from ._client import Client
from ._command import run
from ._errors import OperationError
from ._files import open_plain
from ._job import Progress
from ._pg_dump import compare_counts
from ._place import Place
from ._read_through import Files, Unreadable, read_through
from ._stack import Stack
from ._window import stamp


@dataclass(frozen=True)
class Plan:
    """What reading one backup again needs to know. Without an image the target's own programs read."""

    place: Place
    directory: str
    manifest: dict[str, Any]
    image: str
    labels: dict[str, str]

    def result(self, seconds: float = 0.0) -> dict[str, Any]:
        manifest = self.manifest
        return {
            "changed": True,
            "path": os.path.join(self.directory, manifest["name"]),
            "seconds": seconds,
            **{key: manifest[key] for key in ("name", "series", "sha256", "bytes")},
            **_manifest.contents_of(manifest),
        }


def choose(directory: str, series: str, wanted: str, stack: Stack) -> dict[str, Any]:
    """The manifest of the backup that is meant. The newest is the newest, whatever is wrong with it: that is what is asked.

    What another stack made is only taken by its name.
    """
    with opened(directory, lock=False) as descriptor:
        names = os.listdir(descriptor)
    known = [name[: -len(_manifest.SUFFIX)] for name in _manifest.manifests_of(series, names)]
    known = [name for name in known if name.endswith(POSTGRESQL)]
    if wanted == NEWEST:
        for name in reversed(known):
            manifest = _read(directory, name)
            if manifest["stack"] == str(stack):
                return manifest
        raise OperationError(
            "backup-none",
            f"The series {series} has no backup of {stack} in {directory}.",
            "Nothing was changed.",
            "Make one: playbooks/backup.yml, or name the series, dbops_series, or the backup, dbops_backup.",
        )
    name = wanted
    parsed = _manifest.parse_name(name, POSTGRESQL)
    if parsed is None or not {name, name + _manifest.SUFFIX} & set(names):
        raise OperationError(
            "backup-unknown",
            f"There is no backup {name!r} of PostgreSQL in {directory}.",
            "Nothing was changed.",
            "Name one of those that playbooks/backup_info.yml lists.",
        )
    return _read(directory, name)


def _read(directory: str, name: str) -> dict[str, Any]:
    try:
        return read_manifest(directory, name)
    except _manifest.Unusable as why:
        raise unusable(name, why.slug, why.reason) from None


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


class Verification:
    """The reading of one backup. What it finds is written into the manifest; a reading that was cut off finds nothing."""

    def __init__(self, plan: Plan, progress: Progress) -> None:
        self.plan = plan
        self.progress = progress

    def make(self) -> dict[str, Any]:
        plan, manifest = self.plan, self.plan.manifest
        clock = time.monotonic()
        wrong = self._wrong()
        now = stamp(datetime.now(timezone.utc))
        if wrong:
            reason = "; ".join(wrong[:5])
            self._record({"check": _manifest.VERIFIED, "failed": now, "reason": reason})
            raise OperationError(
                "backup-not-verified",
                f"{manifest['name']} does not hold what its manifest says: {reason}.",
                "The manifest says so from now on, and the backup no longer counts; other backups are untouched.",
                "Take another backup now: playbooks/backup.yml; then look at the file system and the memory of the target.",
            )
        seconds = round(time.monotonic() - clock, 3)
        self._record({"check": _manifest.VERIFIED, "passed": now, "rows": _manifest.contents_of(manifest)["rows"], "seconds": seconds})
        return plan.result(seconds)

    def _record(self, entry: dict[str, Any]) -> None:
        self.progress.say("waiting for a backup or rotation in this directory, to write the result down", now=True)
        record(self.plan.directory, self.plan.manifest["name"], entry)

    def _wrong(self) -> list[str]:
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
