# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Removing backups from an opened directory, so that none is ever left that looks complete."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import struct
import sys
from collections.abc import Collection
from typing import Protocol

from . import _manifest

# https://man7.org/linux/man-pages/man2/ioctl_iflags.2.html
_GET_FLAGS = 0x80006601 | struct.calcsize("l") << 16
_MAY_NOT_BE_DELETED = 0x10 | 0x20  # immutable, append-only

# A removal that is refused for one of these concerns this backup alone.
_PROTECTING = (errno.EPERM, errno.EACCES, errno.EBUSY, errno.ETXTBSY, errno.ENOENT)


class Backup(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def inode(self) -> int: ...

    @property
    def is_directory(self) -> bool: ...


class Obstacle(Exception):
    """Why a backup is not removed."""


def obstacle(descriptor: int, backup: Backup, beside: Collection[str]) -> str:
    """Why a backup of the opened directory would not be removed now; "" where nothing is in the way."""
    # Without manifests nobody reads backups under a lock. A file that may be written is not immutable, and asking so takes a
    # fifth of the time: half a second for 100 000. The removal itself looks at everything.
    if not beside and not backup.is_directory and os.access(backup.name, os.W_OK, dir_fd=descriptor):
        return ""
    try:
        os.close(_hold(descriptor, backup, beside))
    except Obstacle as why:
        return str(why)
    return ""


def remove(descriptor: int, backup: Backup, beside: Collection[str]) -> None:
    """Remove a backup and what lies beside it. Raises Obstacle, and has removed nothing then.

    A directory gets the name of an unfinished backup first: whatever interrupts the rest, nothing is left with the
    backup's name but perhaps its manifest, and the next backup or `cleanup` takes away what is.
    """
    held = _hold(descriptor, backup, beside)
    try:
        _take_away(descriptor, backup, held)
        for part in _parts(backup.name, beside):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(part, dir_fd=descriptor)
        if backup.is_directory:
            _empty(held)
            os.rmdir(_manifest.partial_name(backup.name), dir_fd=descriptor)
    finally:
        os.close(held)


def _take_away(descriptor: int, backup: Backup, held: int) -> None:
    """The name is gone after this one step, provided that it still is that of what was listed and opened."""
    name = backup.name
    try:
        now = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
        if not now.st_ino == os.fstat(held).st_ino == backup.inode or stat.S_ISDIR(now.st_mode) != backup.is_directory:
            raise Obstacle("it was replaced in the meantime")
        if backup.is_directory:
            os.rename(name, _manifest.partial_name(name), src_dir_fd=descriptor, dst_dir_fd=descriptor)
        else:
            os.unlink(name, dir_fd=descriptor)
    except OSError as error:
        if error.errno in _PROTECTING:
            raise Obstacle(f"it cannot be removed: {error.strerror}") from None
        raise


def remove_leftover(descriptor: int, name: str) -> None:
    """Remove what an interrupted backup or removal left: a file, or a directory of files."""
    about = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
    if not stat.S_ISDIR(about.st_mode):
        os.unlink(name, dir_fd=descriptor)
        return
    inside = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=descriptor)
    try:
        _empty(inside)
    finally:
        os.close(inside)
    os.rmdir(name, dir_fd=descriptor)


def _parts(name: str, beside: Collection[str]) -> list[str]:
    return [part for part in _manifest.parts_of(name)[1:] if part in beside] if beside else []


def _hold(descriptor: int, backup: Backup, beside: Collection[str]) -> int:
    """A descriptor of a backup's data, locked: they are read by nobody, and free to be deleted."""
    try:
        held = os.open(backup.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=descriptor)
    except OSError as error:
        raise Obstacle(f"it cannot be opened: {error.strerror}") from None
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_fixed(held):
            raise Obstacle("the file system protects it from being deleted (chattr)")
        if backup.is_directory:
            _require_own(held)
            _require_no_leftover(descriptor, backup.name)
        for part in _parts(backup.name, beside):
            _require_free(part, descriptor)
    except BlockingIOError:
        os.close(held)
        raise Obstacle("it is being read") from None
    except BaseException:
        os.close(held)
        raise
    return held


def _is_fixed(descriptor: int) -> bool:
    try:
        flags = fcntl.ioctl(descriptor, _GET_FLAGS, b"\0" * 8)
    except OSError:  # a file system without such flags
        return False
    return bool(int.from_bytes(flags[:4], sys.byteorder) & _MAY_NOT_BE_DELETED)


def _require_own(held: int) -> None:
    """A directory of ours holds files and nothing else; one that may not be deleted would leave a half."""
    with os.scandir(held) as entries:
        for entry in entries:
            if not entry.is_file(follow_symlinks=False):
                raise Obstacle(f"{entry.name} in it is no plain file")
            _require_free(entry.name, held)


def _require_no_leftover(descriptor: int, name: str) -> None:
    """The name that the directory gets while it is removed has to be free."""
    partial = _manifest.partial_name(name)
    with contextlib.suppress(FileNotFoundError):
        os.stat(partial, dir_fd=descriptor, follow_symlinks=False)
        raise Obstacle(f"a leftover is in the way: {partial}")


def _require_free(name: str, directory: int) -> None:
    try:
        opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    except OSError as error:
        raise Obstacle(f"{name} cannot be opened: {error.strerror}") from None
    try:
        if _is_fixed(opened):
            raise Obstacle(f"the file system protects {name} from being deleted (chattr)")
    finally:
        os.close(opened)


def _empty(held: int) -> None:
    for name in sorted(os.listdir(held)):
        os.unlink(name, dir_fd=held)
