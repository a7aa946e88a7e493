# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The user's own command that holds clients off before the stop, or lets them in after the health gate."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from ._command import Command, run
from ._errors import OperationError, refused

# What the journal says of clients: `held` from before they are held off; `releasing` from before the first of them may come in,
# so that only `held` means that none of them has written; `released`.
HELD, RELEASING, RELEASED = "held", "releasing", "released"


def require(argv: Sequence[str]) -> None:
    if not argv or not shutil.which(argv[0]):
        raise refused(
            "hook-unknown",
            f"The target has no program {argv[0] if argv else ''!r} to hold clients off or let them in.",
            "Correct dbops_hold and dbops_release; in the path of whoever works there, it has to be executable.",
        )


def call(argv: Sequence[str], timeout: float) -> None:
    answer = run(Command(list(argv)), timeout=timeout, tied=True)  # alone it would hold clients off that somebody has let in meanwhile
    if not answer.ok:
        raise OperationError(
            "hook-failed",
            f"The command {argv[0]}, which holds clients off or lets them in, failed: {answer.reason}.",
            "Whether clients get in is not known.",
            "Look at the proxy, and at the command in dbops_hold or dbops_release.",
        )
