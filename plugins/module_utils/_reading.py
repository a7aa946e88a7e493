# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Reading a backup again, whatever it is of: what is found goes into its manifest. A reading that was cut off finds nothing."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Any

from . import _manifest
from ._backup_dir import record
from ._errors import OperationError
from ._job import Progress
from ._window import stamp


class Reading:
    """One reading of one backup."""

    def __init__(self, directory: str, manifest: dict[str, Any], progress: Progress) -> None:
        self.directory = directory
        self.manifest = manifest
        self.progress = progress

    def wrong(self) -> list[str]:
        """Everything in which the backup is not what its manifest says."""
        raise NotImplementedError

    def read(self) -> float:
        """How many seconds it took to find nothing wrong; else a failure, once it is written down."""
        manifest = self.manifest
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
        return seconds

    def _record(self, entry: dict[str, Any]) -> None:
        self.progress.say("waiting for a backup or rotation in this directory, to write the result down", now=True)
        record(self.directory, self.manifest["name"], entry)
