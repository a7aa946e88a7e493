# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What the journals of windows that have not ended name, so that nobody takes it away from them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from . import _journal
from ._stack import ENVIRONMENTS, Stack


def named_by_windows(state_dir: str) -> dict[str, str]:
    """Every text, and the last part of every path, in the journals of all stacks' unfinished windows, and which window it is.

    A journal that holds the lock is unfinished, be the window open or failed and not acknowledged.
    """
    named: dict[str, str] = {}
    for path in _journals(state_dir):
        journal = _journal.read(path)  # {} where it was archived a moment ago
        for text in _texts(journal):
            named.setdefault(os.path.basename(text), f"window {journal.get('id')} names it")
    return named


def _journals(state_dir: str) -> Iterator[str]:
    for environment in ENVIRONMENTS:
        with contextlib.suppress(FileNotFoundError), os.scandir(os.path.join(state_dir, environment)) as entries:
            names = [entry.name for entry in entries if entry.is_dir()]
            yield from (Stack(environment, name, state_dir).journal for name in sorted(names))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(inner)
