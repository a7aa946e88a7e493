# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The journal of a window on disk: read, held, changed by one at a time, and kept when the window has ended.

While the window is open there is a second copy of it beside: a journal that is cut off, or was changed by hand, would leave nobody
who knows how the services are brought back. Each carries a seal, by which it is known to be as it was written.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from itertools import islice
from typing import Any, Callable

from . import _private, _reserve, _window
from ._errors import OperationError
from ._files import make_private_directory, read_json, sync_directory, write_json
from ._stack import ARCHIVE, Stack

Journal = _window.Journal

_SEAL = "seal"

LOST = "lost"  # what is typed in place of the id of a window whose journal nobody can read, or that has none


def _sealed(journal: Journal) -> Journal:
    return {**journal, _SEAL: _seal(journal)}


def _seal(journal: Journal) -> str:
    return hashlib.sha256(json.dumps(journal, sort_keys=True).encode()).hexdigest()


def _copy(path: str) -> str:
    return f"{path.removesuffix('.json')}.copy.json"


def read(path: str) -> Journal:
    """{} where there is none. Of one that is damaged, or was taken away from its window, its copy."""
    try:
        if journal := _intact(path):
            return journal
    except (OperationError, OSError):
        if not os.path.exists(_copy(path)):
            raise
        return _intact(_copy(path))
    copy = _intact(_copy(path))
    # Without one a window has ended, or was not yet opened, or could not be.
    return copy if copy and _holds_the_lock(copy) and copy["phase"] != "opened" else {}


def _intact(path: str) -> Journal:
    try:
        journal = read_json(path)
    except ValueError as error:
        raise _unreadable(path, str(error)) from None
    if journal is None and not os.path.exists(path):
        return {}
    if not isinstance(journal, dict) or not journal.get("id"):
        raise _unreadable(path, "it is no journal")
    seal = journal.pop(_SEAL, "")
    if seal and seal != _seal(journal):  # one without was written by an older release
        raise _unreadable(path, "it is not as it was written")
    if journal.get("version", 0) > _window.JOURNAL_VERSION:
        raise OperationError(
            "journal-newer",
            f"The journal {path} was written by a newer release of the collection (version {journal['version']}).",
            "Whether services are stopped is not known here.",
            "Use that release, or the script that it has left on the target, for whatever is to be done with the window.",
        )
    return _window.upgrade(journal)


def _unreadable(path: str, why: str) -> OperationError:
    if os.path.basename(os.path.dirname(path)) == ARCHIVE:
        return OperationError(
            "journal-unreadable",
            f"The journal {path} is not readable: {why}.",
            "Its window has ended, and nothing waits for it.",
            "Look at it; its report says the same.",
        )
    return OperationError(
        "journal-unreadable",
        f"The journal {path} is not readable: {why}.",
        "It still holds the lock; whether services are stopped is not known here.",
        "Look at it and at the services. What opens the door, and puts it aside:"
        f" ansible-playbook playbooks/acknowledge.yml -e dbops_window={LOST}",
    )


def require_closed(stack: Stack, waits: str) -> None:
    """No window is open on the stack. What a person typed may work where one failed. waits: what does not happen meanwhile."""
    journal = read(stack.journal)
    if journal.get("state") == "open":
        raise OperationError(
            "window-open",
            f"{waits} meanwhile: {_window.describe(journal)}.",
            "Nothing was changed.",
            "Wait for it, or look at it: ansible-playbook playbooks/status.yml",
        )


@contextlib.contextmanager
def alone(stack: Stack) -> Iterator[None]:
    """Nobody else changes the journal meanwhile. The kernel lets go however we end; what a kill cut off then, the next one finishes."""
    make_private_directory(stack.directory)
    descriptor = os.open(stack.directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        _settle(stack)
        yield
    finally:
        os.close(descriptor)


def _settle(stack: Stack) -> None:
    with contextlib.suppress(OperationError):  # whoever reads it says that it cannot be read
        journal = read(stack.journal)
        if not journal:
            _forget(stack)
        elif path_of(stack, journal) != stack.journal:
            put(stack, journal)


def held(stack: Stack, window: str, epoch: int = 0) -> Journal:
    """The journal of the window that holds the lock, which has to be this one, and in this epoch where one is given."""
    journal = read(stack.journal)
    if journal.get("id") != window or (epoch and journal["epoch"] != epoch):
        raise lost(stack, window, journal)
    return journal


def lost(stack: Stack, window: str, journal: Journal) -> OperationError:
    taken = (journal.get("taken_over") or [{}])[-1] if journal.get("id") == window else {}
    if taken:
        why = f"it was taken over at {taken['at']} by {taken['by'].get('user') or 'somebody'}: {taken['why']}"
    else:
        why = _window.describe(journal) if journal else "no window is open"
    return OperationError(
        "window-lost",
        f"Window {window} is no longer this run's on {stack} ({why}).",
        "This step changed nothing.",
        "Look at it: ansible-playbook playbooks/status.yml",
    )


def _holds_the_lock(journal: Journal) -> bool:
    """One that has ended frees it, but one that failed keeps it until a person has read it."""
    return journal["state"] in ("open", "failed") and not journal.get("acknowledged")


def path_of(stack: Stack, journal: Journal) -> str:
    """Where a journal belongs."""
    if _holds_the_lock(journal):
        return stack.journal
    return os.path.join(stack.windows, f"{journal['id']}.json")


def create(stack: Stack, journal: Journal) -> None:
    """Take the lock. Whoever creates is alone, and has seen that no other window has it."""
    write_json(_copy(stack.journal), _sealed(journal))
    write_json(stack.journal, _sealed(journal))


def replace(stack: Stack, journal: Journal) -> None:
    """Take the lock from a journal that cannot be read, which is kept as it is."""
    make_private_directory(stack.windows)
    for path in (stack.journal, _copy(stack.journal)):
        with contextlib.suppress(FileNotFoundError):
            os.rename(path, os.path.join(stack.windows, f"{journal['id']}.{os.path.basename(path)}.unreadable"))
    create(stack, journal)


def destroy(stack: Stack) -> None:
    """Of a window that could not be opened."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(stack.journal)
    _forget(stack)


def write(path: str, journal: Journal) -> None:
    """Of one that has ended."""
    write_json(path, _sealed(journal))


def put(stack: Stack, journal: Journal) -> None:
    """Write the last word, then free the lock: a reader finds the journal at one of the two places."""
    # The copy first: it may be ahead of what is true, never behind.
    write_json(_copy(stack.journal), _sealed(journal))
    write_json(stack.journal, _sealed(journal))
    _archive(stack, journal)


def _archive(stack: Stack, journal: Journal) -> None:
    """A window that has ended holds the lock no more, and nobody needs what stands beside its journal."""
    path = path_of(stack, journal)
    if path != stack.journal:
        make_private_directory(stack.windows)
        os.rename(stack.journal, path)
        sync_directory(stack.windows)
        sync_directory(stack.directory)
        _forget(stack)


def _forget(stack: Stack) -> None:
    """What stood beside the journal of a window that holds the lock no more."""
    _private.forget(stack)
    _reserve.give(stack)
    for path in (_copy(stack.journal), stack.called):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def change(stack: Stack, window: str, how: Callable[[Journal], Journal], epoch: int = 0) -> Journal:
    """Read, change and put the journal of the window that holds the lock, with nobody between."""
    with alone(stack):
        journal = how(held(stack, window, epoch))
        put(stack, journal)
        return journal


def ended(stack: Stack, window: str) -> Journal:
    """The journal of a window that has ended and holds no lock; {} where it has not."""
    journal = read(os.path.join(stack.windows, f"{os.path.basename(window)}.json"))
    return journal if journal.get("id") == window else {}


def last(stack: Stack) -> dict[str, Any]:
    """The journal of the window that ended last; {} where there was none."""
    return next(_ended(stack), {})


def _ended(stack: Stack) -> Iterator[Journal]:
    """Journals of windows that have ended, the newest first; an old one that was edited, or is another user's, bars nothing."""
    with contextlib.suppress(FileNotFoundError):
        for name in sorted((name for name in os.listdir(stack.windows) if name.endswith(".json")), reverse=True):
            with contextlib.suppress(OperationError, OSError):
                yield read(os.path.join(stack.windows, name))


_ALIKE = 50  # windows among which one of the same operation is looked for


def estimate(stack: Stack, operation: str) -> Journal:
    """What the last window of this operation that closed took; {} where there was none lately, or none that can be read."""
    try:
        ended = islice(_ended(stack), _ALIKE)
        alike = (each for each in ended if (each["operation"], each["state"]) == (operation, "closed") and "taken_over" not in each)
        return next(map(_window.estimate, alike), {})
    except (OSError, KeyError, TypeError, ValueError):
        return {}  # nor does it keep a window from opening
