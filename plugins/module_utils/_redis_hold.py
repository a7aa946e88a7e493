# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Holding back everybody who would write: reads are answered, writes wait, and nothing expires."""

from __future__ import annotations

from ._redis_session import Session

# The server lets everybody go by itself then, whatever has become of who asked for it. It may come back without a hold, too.
LONGEST = 24 * 3600  # seconds


def hold(session: Session, seconds: int) -> None:
    session.ask("CLIENT", "PAUSE", seconds * 1000, "WRITE")


def release(session: Session) -> None:
    session.ask("CLIENT", "UNPAUSE")
