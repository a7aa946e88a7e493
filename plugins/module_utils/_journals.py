# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The journals of windows that have not ended, as others than the window read them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from . import _journal, _window
from ._errors import OperationError
from ._files import read_json
from ._stack import ENVIRONMENTS, Stack


def require_closed(stack: Stack, waits: str) -> None:
    """No window is open on the stack. What a person typed may work where one failed. waits: what does not happen meanwhile."""
    journal = _journal.read(stack.journal)
    if journal.get("state") == "open":
        raise OperationError(
            "window-open",
            f"{waits} meanwhile: {_window.describe(journal)}.",
            "Nothing was changed.",
            "Wait for it, or look at it: ansible-playbook playbooks/status.yml",
        )


def named_by_windows(state_dir: str) -> dict[str, str]:
    """Every text, and the last part of every path, in the journals of all stacks' unfinished windows, and which window it is.

    A journal that holds the lock is unfinished, be the window open or failed and not acknowledged.
    """
    named: dict[str, str] = {}
    for path in _journals(state_dir):
        try:
            journal = read_json(path)
        except ValueError:
            raise _unreadable(path) from None
        if journal is None:  # archived a moment ago
            continue
        if not isinstance(journal, dict):
            raise _unreadable(path)
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


def _unreadable(path: str) -> OperationError:
    return OperationError(
        "journal-unreadable",
        f"The journal {path} is not readable, so the backups that its window needs are not known.",
        "Nothing was changed.",
        f"Look at it and at the services, then move it aside: mv {path} {path}.unreadable",
    )
