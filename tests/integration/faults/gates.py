# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gates at which a controller, a service or an operation waits until the test lets it go on; at most one is shut at a time.

As a program: `gates.py <directory> <point> [command …]` passes the gate and then becomes the command.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path

POLL = 0.02  # seconds
LONG = 300.0  # seconds; whoever waits for so long waits for nothing


def pass_by(directory: Path, point: str) -> None:
    """Wait where this gate is shut. Only the first who comes waits: whoever undoes its work takes the same way."""
    with contextlib.suppress(FileNotFoundError):
        if (directory / "shut").read_text(encoding="utf-8") == point:
            (directory / "shut").rename(directory / "reached")
            while (directory / "reached").exists():
                time.sleep(POLL)


class Gates:
    """The side of the test."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir()

    def shut(self, point: str) -> None:
        beside = self.directory / ".shut"
        beside.write_text(point, encoding="utf-8")
        beside.rename(self.directory / "shut")

    def is_reached(self) -> bool:
        return (self.directory / "reached").exists()

    def open(self) -> None:
        for name in ("shut", "reached"):
            (self.directory / name).unlink(missing_ok=True)

    def command(self, point: str, *argv: str) -> list[str]:
        """A command that passes a gate first, on whatever machine that has these files."""
        return ["python3", __file__, str(self.directory), point, *argv]


if __name__ == "__main__":
    pass_by(Path(sys.argv[1]), sys.argv[2])
    if sys.argv[3:]:
        os.execvp(sys.argv[3], sys.argv[3:])  # noqa: S606 - a service's own command
