# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Room for the end of a window: on a disk that is full by then, nobody could write down that he takes it over."""

from __future__ import annotations

import contextlib
import os

from ._files import write_bytes
from ._stack import Stack

_BYTES = 1 << 20  # journals and jobs of a few KiB each


def _path(stack: Stack) -> str:
    return os.path.join(stack.directory, "window.reserve")


def keep(stack: Stack) -> None:
    write_bytes(_path(stack), os.urandom(_BYTES))  # of zeros a file system that compresses makes no room


def give(stack: Stack) -> None:
    """To whoever brings the window to its end."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_path(stack))
