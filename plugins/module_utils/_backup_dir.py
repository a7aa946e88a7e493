# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""A directory of backups: its lock, its manifests, the parts of a backup."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from typing import Any

from . import _manifest
from ._errors import OperationError
from ._files import read_json, write_json


def _lock(path: str, how: int) -> int | None:
    """A descriptor that holds the lock until it is closed or its process ends; None where another holds it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, how)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextlib.contextmanager
def alone(directory: str, *, wait: bool = True) -> Iterator[int]:
    """Nobody else makes or removes backups in the directory meanwhile; yields a descriptor of it."""
    descriptor = _lock(directory, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    if descriptor is None:
        raise OperationError(
            "backup-busy",
            f"Another backup or rotation is at work in {directory}.",
            "Nothing was changed.",
            "Wait until it has ended.",
        )
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def in_use(path: str) -> Iterator[None]:
    """The backup is being read: it is not removed meanwhile."""
    descriptor = _lock(path, fcntl.LOCK_SH)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def free(directory: str) -> int:
    """Bytes that are free where the directory is, or will be made."""
    while not os.path.isdir(directory):
        directory = os.path.dirname(directory)
    space = os.statvfs(directory)
    return space.f_bavail * space.f_frsize


def remove(path: str) -> None:
    """A file, or a directory with all that is in it; a link itself and not what it leads to."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def read_manifest(directory: str, name: str) -> dict[str, Any]:
    """The manifest of a backup that is complete by its own word. Raises _manifest.Unusable."""
    try:
        manifest = read_json(os.path.join(directory, name + _manifest.SUFFIX))
    except ValueError:
        raise _manifest.Unusable("manifest-unreadable", "its manifest is no file of JSON") from None
    if manifest is None:
        raise _manifest.Unusable("manifest-missing", "it has no manifest")
    return _manifest.require_usable(name, manifest)


def disagreement(directory: str, manifest: dict[str, Any]) -> str:
    """How the files differ from the manifest in name, kind or size; "" where they agree. Contents are not read."""
    data = os.path.join(directory, manifest["name"])
    expected = {file["path"]: file["bytes"] for file in manifest["files"]}
    try:
        found = _sizes(data)
    except FileNotFoundError:
        return "its data are missing"
    for path in sorted(expected.keys() | found.keys()):
        label = path or manifest["name"]
        if path not in found:
            return f"{label} is missing"
        if path not in expected:
            return f"{label} does not belong to it"
        if found[path] != expected[path]:
            return f"{label} has {found[path]} bytes instead of {expected[path]}"
    return ""


def _sizes(data: str) -> dict[str, int]:
    """Bytes of each regular file by its path inside the backup; a backup of one file has the path "". Others count -1."""
    about = os.lstat(data)
    if not stat.S_ISDIR(about.st_mode):
        return {"": about.st_size if stat.S_ISREG(about.st_mode) else -1}
    with os.scandir(data) as entries:
        return {entry.name: entry.stat(follow_symlinks=False).st_size if entry.is_file(follow_symlinks=False) else -1 for entry in entries}


def require_complete(directory: str, name: str) -> dict[str, Any]:
    """The manifest of a backup whose files are there; a refusal that says what is wrong otherwise."""
    if not _manifest.parse_name(name) or not os.path.lexists(os.path.join(directory, name)):
        raise OperationError(
            "backup-unknown",
            f"There is no backup {name!r} in {directory}.",
            "Nothing was changed.",
            "Name one of those that playbooks/backup_info.yml lists.",
        )
    try:
        manifest = read_manifest(directory, name)
    except _manifest.Unusable as why:
        raise unusable(name, why.slug, why.reason) from None
    reason = disagreement(directory, manifest)
    if reason:
        raise unusable(name, "backup-not-complete", reason)
    return manifest


def unusable(name: str, slug: str, reason: str) -> OperationError:
    steps = {
        "manifest-missing": "Take another backup, or give this one a manifest: playbooks/backup_import.yml",
        "manifest-newer": "Use the collection that wrote it, or a newer one.",
    }
    return OperationError(
        slug,
        f"{name} cannot be used: {reason}.",
        "Nothing was changed; other backups are untouched.",
        steps.get(slug, "Take another backup: playbooks/backup_info.yml lists them with their states."),
    )


def record(directory: str, name: str, entry: dict[str, Any]) -> dict[str, Any]:
    """Add the result of a check to the manifest of a backup."""
    with alone(directory):
        manifest = _manifest.with_check(read_manifest(directory, name), entry)
        write_json(os.path.join(directory, name + _manifest.SUFFIX), manifest)
    return manifest
