# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Call for a person where the target cannot bring a window to its end. Nobody may be looking, so it is done until somebody has heard it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from . import _journal, _notice, _private, _window
from ._errors import OperationError, why
from ._files import read_json, write_json
from ._stack import Stack

_EVENT = "needs_a_person"

# No window that nobody can end: somebody else is at it, also who acknowledges it, or it went on, or it has ended.
_IN_HAND = ("window-alive", "window-attended", "window-busy", "window-ended", "window-lost")


@contextlib.contextmanager
def if_it_fails(stack: Stack) -> Iterator[None]:
    """Whatever raises within and leaves the window open calls; once for the same, as soon as somebody has heard it."""
    try:
        yield
    except Exception as error:
        slug, said = (error.slug, str(error)) if isinstance(error, OperationError) else (type(error).__name__, why(error))
        if slug not in _IN_HAND:
            _call(stack, slug, f"It is not brought to its end: {said}")
        raise


def _call(stack: Stack, slug: str, note: str) -> None:
    journal: _window.Journal = {}
    with contextlib.suppress(OperationError, OSError):
        journal = _journal.read(stack.journal)
    called = {"window": journal.get("id", ""), "slug": slug}
    # Whoever is to be told, and that somebody was, is known without the journal: that may be what is broken.
    if journal.get("state", "open") != "open" or _called(stack) == called:
        return
    if _tell(stack, journal or {"id": "", "stack": str(stack), "operation": ""}, note):
        with contextlib.suppress(OSError):  # on a disk that takes nothing it is called again rather than never
            write_json(stack.called, called)


def again(stack: Stack, journal: _window.Journal) -> bool:
    """That a window has failed, of which nobody has heard yet; whether somebody has by now."""
    error = journal["error"]
    return _tell(stack, journal, f"[{error['slug']}] {error['message']} {error['state']}")


def _tell(stack: Stack, journal: _window.Journal, note: str) -> bool:
    """Whether somebody has heard it. The journal keeps that, or that nobody did for the first time: not every try."""
    record = _notice.tell(journal, _private.find(stack), _EVENT, note)
    heard = any(each["ok"] for each in record.get("announcements", []))
    first = not any(each["event"] == _EVENT for each in journal.get("announcements") or [])
    if journal["id"] and (heard or first):
        with contextlib.suppress(OperationError, OSError):
            _journal.change(stack, journal["id"], lambda held: _window.annotate(held, record))
    return heard


def is_heard(stack: Stack, window: str) -> bool:
    """Somebody was told that this window, which nobody could end, needs a person."""
    called = _called(stack)
    return isinstance(called, dict) and called.get("window") == window


def _called(stack: Stack) -> Any:
    try:
        return read_json(stack.called)
    except (ValueError, OSError):
        return None
