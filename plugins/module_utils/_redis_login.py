# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The login that a deployed server was started with. That of the inventory may be the next one, which waits for a restart."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from ._stack import Stack

MOUNTED = "/usr/local/etc/redis"


class Login(NamedTuple):
    user: str
    password: str


def in_force(stack: Stack, container: dict[str, Any]) -> Login | None:
    """What deploy has written for this very container; None for one of somebody else's. container: what the engine knows of it."""
    directory = os.path.join(stack.directory, "redis", "config")
    mounts = {mount.get("Destination"): os.path.normpath(mount.get("Source") or "") for mount in container.get("Mounts", [])}
    if mounts.get(MOUNTED) != os.path.normpath(directory):
        return None
    try:
        return Login(*(_line(os.path.join(directory, name)) for name in ("user", "password")))
    except OSError:  # not written yet, or not for this user's eyes
        return None


def _line(path: str) -> str:
    with open(path, encoding="utf-8", newline="") as stream:
        return stream.read().rstrip("\n")
