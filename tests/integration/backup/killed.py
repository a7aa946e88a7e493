# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""backup_rotate that is killed just before its nth step that changes a directory, n being $KILLED_AT."""

from __future__ import annotations

import os
import signal
from typing import Any, Callable

from ansible_collections.amanat.dbops.plugins.modules import backup_rotate


def main() -> None:
    left = int(os.environ["KILLED_AT"])

    def until_killed(change: Callable[..., None]) -> Callable[..., None]:
        def step(*arguments: Any, **options: Any) -> None:
            nonlocal left
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            change(*arguments, **options)

        return step

    for name in ("unlink", "rename", "rmdir"):
        setattr(os, name, until_killed(getattr(os, name)))
    backup_rotate.main()


if __name__ == "__main__":
    main()
