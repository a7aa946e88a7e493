# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Who holds a file of ours open, or was given a variable, and how such a process is ended with all that it started."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import Callable

_POLL = 0.02


def holding(path: str) -> list[int]:
    """The other processes that have a file open, as far as we may look: those of our own user, or as root all."""
    return _those(lambda pid: any(_leads(f"/proc/{pid}/fd/{name}", path) for name in os.listdir(f"/proc/{pid}/fd")))


def given(name: str, value: str) -> list[int]:
    """The other processes that were started with a variable, as far as we may look. What they start inherits it."""
    entry = f"{name}={value}".encode()
    return _those(lambda pid: entry in _environ(pid).split(b"\0"))


def _environ(pid: int) -> bytes:
    with open(f"/proc/{pid}/environ", "rb") as stream:
        return stream.read()


def _those(are: Callable[[int], bool]) -> list[int]:
    found = []
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        with contextlib.suppress(OSError):  # it ended meanwhile, or belongs to somebody else
            if pid != os.getpid() and are(pid):
                found.append(pid)
    return sorted(found)


def _leads(link: str, path: str) -> bool:
    with contextlib.suppress(OSError):
        return os.path.samefile(link, path)
    return False


def end(pid: int) -> None:
    """A process and whatever it started. It is stopped before its children are counted, so that it starts no more."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        children = _children(pid)
        os.kill(pid, signal.SIGKILL)
        for child in children:
            end(child)


def ask_to_end(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)


def family(pid: int) -> set[tuple[int, str]]:
    """What a process has started, and what that has: each with the moment of its start, as numbers are given again."""
    found = set()
    for child in _children(pid):
        found |= {(child, _started(child)), *family(child)}
    return found


def end_orphans(known: set[tuple[int, str]], seconds: float) -> None:
    """Those out of a family that are still there when who started them is not. Returns when they are gone, or that time is over."""
    until = time.monotonic() + seconds
    while left := [pid for pid, started in known if started and _started(pid) == started]:
        for pid in left:
            end(pid)
        if time.monotonic() >= until:
            return
        time.sleep(_POLL)


def _started(pid: int) -> str:
    """In ticks since the machine was; "" of one that has ended."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
        fields = stream.read().rpartition(")")[2].split()  # the second, its name, may hold anything
        return "" if fields[0] == "Z" else fields[19]
    return ""


def _children(pid: int) -> list[int]:
    """Of all its threads: each has those that it started itself."""
    children: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as stream:
                children += map(int, stream.read().split())
    return children
