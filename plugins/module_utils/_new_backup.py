# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What every new backup goes through, whatever it is of: room, a name that nothing has, and its manifest or nothing."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

from . import _manifest
from ._backup_dir import alone, free, remove
from ._errors import OperationError
from ._files import make_private_directory, read_json, sync_directory, write_json, write_text
from ._job import Progress
from ._window import stamp

ESTIMATE_OF_LAST = 1.2

REMOVED = "The unfinished backup was removed; earlier backups are untouched."


def estimate(directory: str, series: str, first: int) -> dict[str, int]:
    """Bytes that the next backup is expected to take, `first` where there is none to go by, and bytes that are free."""
    last = 0
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        names = []
    for name in _manifest.manifests_of(series, names)[-1:]:
        with contextlib.suppress(ValueError, TypeError, KeyError):  # an unreadable manifest is no base for an estimate
            last = int(read_json(os.path.join(directory, name))["bytes"])
    expected = int(last * ESTIMATE_OF_LAST) if last else first
    return {"expected": expected, "free": free(directory)}


def require_writable(directory: str) -> None:
    """The directory, or the one in which it would be made, takes files of this user."""
    present = directory
    while not os.path.lexists(present):
        present = os.path.dirname(present)
    if not os.path.isdir(present) or not os.access(present, os.W_OK | os.X_OK):
        raise OperationError(
            "target-file",
            f"{present} is no directory that this user may write to, and the backup belongs in {directory}.",
            "Nothing was changed.",
            "Correct its owner or dbops_backup_dir, or run with become.",
        )


def require_space(directory: str, figures: dict[str, int]) -> None:
    if figures["expected"] > figures["free"]:
        raise OperationError(
            "backup-no-space",
            f"{directory} has {figures['free'] >> 20} MiB free, the backup needs about {figures['expected'] >> 20} MiB.",
            "No backup was begun.",
            "Free space there, or set dbops_backup_dir to another file system.",
        )


@contextlib.contextmanager
def turn(directory: str, series: str, progress: Progress, *, wait: bool) -> Iterator[None]:
    """One backup at a time in a directory, cleared of what killed ones of the series left. The lock ends with this process."""
    make_private_directory(directory)
    progress.say("waiting for another backup or rotation in this directory", now=True)
    with alone(directory, wait=wait):
        sweep(directory, series)
        yield


def sweep(directory: str, series: str) -> None:
    """Remove what killed backups left behind; for whoever holds the directory's lock, so that nobody works on it."""
    for name in os.listdir(directory):
        parsed = _manifest.parse_name(name[1 : -len(_manifest.PARTIAL)]) if name.endswith(_manifest.PARTIAL) else None
        if parsed and parsed.series == series:  # `app_2` is another series than `app`
            remove(os.path.join(directory, name))


def free_name(directory: str, series: str, extension: str) -> tuple[str, datetime, list[str]]:
    """A name that nothing has, its time, and what is odd about it: a clock that was set back may give it twice."""
    while True:
        now = datetime.now(timezone.utc)
        name = _manifest.backup_name(series, now, extension)
        if not any(os.path.lexists(os.path.join(directory, part)) for part in _manifest.parts_of(name)):
            break
        time.sleep(0.1)
    older = [path[: -len(_manifest.SUFFIX)] for path in _manifest.manifests_of(series, os.listdir(directory))]
    if older and older[-1].rpartition("_")[2] > name.rpartition("_")[2]:
        return name, now, [f"The target's clock says {stamp(now)}, which is before {older[-1]}: one of the two times is wrong."]
    return name, now, []


def publish(directory: str, manifest: dict[str, Any], globals_text: str | None = None) -> None:
    """Give the unfinished backup its name and its manifest, or neither."""
    path = os.path.join(directory, manifest["name"])
    try:
        if globals_text is not None:
            write_text(path + _manifest.GLOBALS, globals_text)
        os.rename(os.path.join(directory, _manifest.partial_name(manifest["name"])), path)
        sync_directory(directory)  # the data are there before anything says so
        write_json(path + _manifest.SUFFIX, manifest)
    except BaseException:
        for part in _manifest.parts_of(path):
            remove(part)
        raise
