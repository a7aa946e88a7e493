# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""How a window that was interrupted has to end: one table, no I/O. docs/windows.md prints it.

What decides is how far it came, what it was opened for, whether there is a rollback point, and whether the application
has written since the rollback point: a return would lose such a write, unless no client could have asked for it.
"""

from __future__ import annotations

from typing import NamedTuple

# What is done, and the end it leads to when it is done and the application is healthy.
ABORT = "abort"  # nothing was stopped: what was prepared is dropped -> aborted
START_AGAIN = "start_again"  # what ran before runs again, on the database as it is -> rolled_back
RETURN = "return"  # the database returns to its rollback point, then what ran before runs again -> rolled_back
FINISH = "finish"  # the operation is done and checked: what was to run runs -> closed
HOLD = "hold"  # nothing is legal any more: the services stay stopped, and a person decides -> failed

ENDS = {ABORT: "aborted", START_AGAIN: "rolled_back", RETURN: "rolled_back", FINISH: "closed", HOLD: "failed"}

ANY = ""


class Row(NamedTuple):
    """The first row that fits decides. ANY fits everything.

    operations: names, separated by spaces; point: whether there is a rollback point; written: whether the application may have
    written since the rollback point; held: whether clients were held off the whole time; unhealthy: what is done where the application
    is not healthy after `verdict`.
    """

    phases: str
    operations: str
    point: str
    written: str
    held: str
    verdict: str
    unhealthy: str
    why: str


TABLE = (
    Row("opened backed_up", ANY, ANY, ANY, ANY, ABORT, ABORT, "Nothing was stopped."),
    Row("stopped", ANY, ANY, ANY, ANY, START_AGAIN, HOLD, "The operation had not begun: the database is as it was."),
    Row("operated", "none", ANY, ANY, ANY, START_AGAIN, HOLD, "There was nothing to do between stop and start."),
    Row("operated", ANY, "yes", "no", ANY, RETURN, HOLD, "Nobody but the operation could write since the rollback point."),
    Row("operated", ANY, "yes", ANY, "yes", RETURN, HOLD, "Clients are still held off: what was written is no client's."),
    Row("operated", ANY, "yes", "yes", ANY, HOLD, HOLD, "The door was opened, and a return would lose what came in."),
    Row("operated", "migrate", "no", ANY, ANY, START_AGAIN, HOLD, "A migration is one transaction, and destroys nothing without a point."),
    Row("operated", ANY, "no", ANY, ANY, HOLD, HOLD, "It may have changed anything, and nothing leads back but the backup."),
    Row("started verified", "none", ANY, ANY, ANY, FINISH, START_AGAIN, "The database was not touched, so either release fits it."),
    Row("started verified", ANY, "yes", "no", ANY, FINISH, RETURN, "The application has written nothing since its start."),
    Row("started verified", ANY, "yes", ANY, "yes", FINISH, RETURN, "Clients are still held off: what was written is no client's."),
    Row(
        "started verified", "migrate", ANY, ANY, ANY, FINISH, START_AGAIN, "Its writes are kept, and a migration that destroys nothing too."
    ),
    Row("started verified", ANY, ANY, ANY, ANY, FINISH, HOLD, "A return would lose what the application has written since its start."),
    Row("closed", ANY, ANY, ANY, ANY, FINISH, FINISH, "The gate had passed."),
)

# Instead of the row that fits, where a return had begun when it was interrupted.
RESUMED = Row(
    "operated started verified", ANY, "yes", ANY, ANY, RETURN, HOLD, "A return had begun, and nothing but what ran before fits it."
)

# Nor does a row fit from the stop on where an earlier release of the collection opened the window, whose journal says nothing of its undo.
UNKNOWN = Row("stopped operated started verified closed", ANY, ANY, ANY, ANY, HOLD, HOLD, "Nothing is left by which it could be undone.")


def _fits(cell: str, value: str) -> bool:
    return cell == ANY or value in cell.split()


def row(phase: str, operation: str, *, point: bool, written: bool, held: bool) -> Row:
    """The row that decides. operation: `destructive` where a migration of it destroys data."""
    return next(
        each
        for each in TABLE
        if _fits(each.phases, phase)
        and _fits(each.operations, operation)
        and _fits(each.point, "yes" if point else "no")
        and _fits(each.written, "yes" if written else "no")
        and _fits(each.held, "yes" if held else "no")
    )
