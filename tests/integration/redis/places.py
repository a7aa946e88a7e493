# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where state and backups of a test go, and what is there."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from tests.integration.backup.directories import WithBackups

from .conftest import STACK


class Places(WithBackups, dict[str, Any]):
    """The options that say it; calls wait for their jobs."""

    def __init__(self, directory: Path) -> None:
        super().__init__(state_dir=str(directory / "state"), backup_dir=str(directory / "backups"), wait=120.0)
        self.directory = directory

    def await_step(self, job: str, doing: str, seconds: float = 30) -> None:
        """Until a job says that it does this."""
        status = Path(self["state_dir"], STACK, "jobs", job, "status.json")
        until = time.monotonic() + seconds
        while not status.exists() or json.loads(status.read_text(encoding="utf-8"))["doing"] != doing:
            assert time.monotonic() < until, "never at it"
            time.sleep(0.02)
