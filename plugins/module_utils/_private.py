# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The secrets that whoever brings a window back needs, on the target for as long as the window is open.

Its controller may be dead by then, and the person at the target's shell has no Vault. The file is this user's alone (0600 in a
directory of 0700), beside the journal, which holds none of it; it goes when the window frees the lock.
"""

from __future__ import annotations

import contextlib
import glob
import os
from typing import Any

from ._errors import OperationError
from ._files import read_json, write_json
from ._stack import Stack


def _path(stack: Stack) -> str:
    return os.path.join(stack.directory, "window.private.json")


def write(stack: Stack, secrets: dict[str, Any]) -> None:
    """With the proxies by which whoever opens the window reaches others: what acts without him has another environment."""
    proxies = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    write_json(_path(stack), {**secrets, **({"proxies": proxies} if proxies else {})})


def lend_proxies(stack: Stack) -> None:
    """To this process, which keeps those that it has."""
    for name, value in find(stack).get("proxies", {}).items():
        os.environ.setdefault(name, value)


def find(stack: Stack) -> dict[str, Any]:
    """{} where there are none that can be read."""
    try:
        secrets = read_json(_path(stack))
    except (ValueError, OSError):
        return {}
    return secrets if isinstance(secrets, dict) else {}


def read(stack: Stack) -> dict[str, Any]:
    secrets = find(stack)
    if not secrets:
        raise OperationError(
            "window-private",
            f"{_path(stack)} is missing: without it nobody can log in to the database.",
            "Nothing was undone.",
            "Bring the services back by hand, then acknowledge the window.",
        )
    return secrets


def forget(stack: Stack) -> None:
    """Also what a kill has left half written."""
    for path in [_path(stack), *glob.glob(f"{glob.escape(_path(stack))}.*.tmp")]:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
