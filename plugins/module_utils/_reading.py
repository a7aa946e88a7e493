# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Reading a backup again, whatever it is of: what is found goes into its manifest. A reading that was cut off finds nothing."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from . import _manifest
from ._backup_dir import record
from ._errors import OperationError
from ._job import Progress
from ._place import Place
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


class Reading:
    """One reading of one backup."""

    def __init__(self, plan: Plan, progress: Progress) -> None:
        self.plan = plan
        self.progress = progress

    def wrong(self) -> list[str]:
        """Everything in which the backup is not what its manifest says."""
        raise NotImplementedError

    def make(self) -> dict[str, Any]:
        """Find nothing wrong; else a failure, once it is written down."""
        manifest = self.plan.manifest
        clock = time.monotonic()
        wrong = self.wrong()
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
        held = {name: number for name, number in _manifest.contents_of(manifest).items() if name != "tables"}
        self._record({"check": _manifest.VERIFIED, "passed": now, **held, "seconds": seconds})
        return self.plan.result(seconds)

    def _record(self, entry: dict[str, Any]) -> None:
        self.progress.say("waiting for a backup or rotation in this directory, to write the result down", now=True)
        record(self.plan.directory, self.plan.manifest["name"], entry)
