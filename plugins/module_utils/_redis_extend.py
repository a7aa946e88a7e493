# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The part of Redis in a window that becomes longer: whoever waits there waits as long."""

from __future__ import annotations

from . import _private, _window
from ._errors import OperationError
from ._place import Engine
from ._recovery_redis import redis_at
from ._redis_hold import DOWN, LONGEST, hold, in_window, keeps_waiting, too_long
from ._stack import Stack

Journal = _window.Journal


def require_possible(journal: Journal, clock: _window.Clock) -> None:
    """journal: as it would be. Redis holds nobody for longer than a day from now."""
    rest = _window.rest(journal, clock)
    if (journal.get("undo") or {}).get("redis") and journal["phase"] in _window.BUDGETED and rest > LONGEST:
        raise too_long(rest)


def is_held(journal: Journal) -> bool:
    """Whether this window keeps writers waiting now. Whoever ends it lets them go."""
    return keeps_waiting(journal) and not journal.get("going")


def hold_longer(stack: Stack, journal: Journal, clock: _window.Clock) -> Journal:
    """Hold them as long as the window lasts by now. What the journal has to say of it.

    Only while nobody else changes the journal: else the services might have started, and would be held themselves.
    """
    if not is_held(journal):
        return {}
    undo = journal["undo"]
    try:
        redis = redis_at(stack, Engine(**undo["engine"]), undo["redis"], _private.read(stack))
        with redis.session(loading=0.0) as session:
            hold(session, in_window(journal, clock))
    except OperationError as error:
        if error.slug in DOWN:
            return {}
        return {"warnings": [f"Writers of Redis wait no longer than before the window was extended: [{error.slug}] {error.what}"]}
    return {}
