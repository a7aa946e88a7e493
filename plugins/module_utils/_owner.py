# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""A stack is that user's who owns its folder.

What root writes there he can neither read nor lock: his jobs would fail from then on, and nothing could end his next window.
"""

from __future__ import annotations

import os
import pwd
import shlex
from collections.abc import Sequence

from ._errors import refused


def _name(uid: int) -> str:
    """As sudo takes it, also of one without an account."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


def require(directory: str) -> None:
    """Root leaves no files with somebody else. Whoever is not root is kept out by the folder itself."""
    if os.geteuid() != 0:
        return
    try:
        owner = os.stat(directory).st_uid
    except FileNotFoundError:
        return
    if owner != 0:
        name = _name(owner)
        raise refused(
            "stack-owner",
            f"{directory} belongs to {name}, who could not read what root leaves there.",
            f"Run it as that user: without become, or with -e {shlex.quote(f'ansible_become_user={name}')}",
        )


def become(argv: Sequence[str]) -> None:
    """Go on as whoever has left this script on the target by opening a window; only root can. argv: how it was called."""
    owner = os.stat(argv[0]).st_uid
    if owner == os.geteuid():
        return
    try:
        account = pwd.getpwuid(owner)
        os.initgroups(account.pw_name, account.pw_gid)
        os.setgid(account.pw_gid)
        os.setuid(owner)
    except (KeyError, OSError):  # he has no account here, or we are not root
        again = shlex.join(["sudo", "-u", _name(owner), os.path.abspath(argv[0]), *argv[1:]])
        raise refused("stack-owner", f"The windows of this stack are run by {_name(owner)}.", f"Type it as that user: {again}") from None
    # As behind sudo, the journal says who has asked.
    os.environ.setdefault("SUDO_USER", os.environ.get("USER") or "root")
    os.environ.update(HOME=account.pw_dir, USER=account.pw_name, LOGNAME=account.pw_name)
    os.environ.pop("XDG_RUNTIME_DIR", None)  # root's own, where a rootless engine would be looked for
