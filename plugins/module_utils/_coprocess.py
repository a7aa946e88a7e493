# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""A program that is told what to do piece by piece, for as long as somebody has something to tell it."""

from __future__ import annotations

import contextlib
import subprocess
from typing import IO, Any

from ._command import Command, start_tied


class Coprocess:
    """It ends with its input, and with the thread that started it, even by kill -9.

    errors: where it complains, a file or what `subprocess` has a name for; options: whatever else `subprocess.Popen` is told.
    """

    def __init__(self, command: Command, errors: IO[Any] | int, **options: Any) -> None:
        self.process = start_tied(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, **options)
        # Both are pipes, as asked for above.
        self.input: Any = self.process.stdin
        self.output: Any = self.process.stdout

    def let_go(self) -> None:
        """It is told nothing more, and ends when it has done what it was told."""
        with contextlib.suppress(BrokenPipeError):
            self.input.close()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def close(self, patience: float = 20) -> None:
        """Until it is gone, which it is after so many seconds in any case."""
        self.let_go()
        try:
            self.process.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            self.kill()
        self.output.close()
