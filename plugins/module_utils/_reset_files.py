# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Emptying a directory by descriptors: no symbolic link is followed, no other file system is entered, whatever is renamed meanwhile."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

from ._errors import OperationError

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def opened(path: str) -> Iterator[int]:
    """A descriptor of the directory, reached from the root without a symbolic link."""
    descriptor = os.open("/", _DIRECTORY)
    try:
        walked = ""
        for part in path.strip("/").split("/"):
            walked += f"/{part}"
            try:
                inner = os.open(part, _DIRECTORY, dir_fd=descriptor)
            except OSError as error:
                if error.errno not in (errno.ELOOP, errno.ENOTDIR):
                    raise OSError(error.errno, error.strerror, walked) from None
                raise OperationError(
                    "reset-symlink",
                    f"{walked} on the way to {path} is a symbolic link, or no directory.",
                    "Nothing more was removed.",
                    "Mount the directory itself into the container, then run it again.",
                ) from None
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def empty(descriptor: int, path: str) -> None:
    """Remove all that is in the opened directory. What is gone already is no failure."""
    device = os.fstat(descriptor).st_dev
    for name in sorted(os.listdir(descriptor)):
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISDIR(os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode):
                os.unlink(name, dir_fd=descriptor)
                continue
            inner = os.open(name, _DIRECTORY, dir_fd=descriptor)
            try:
                if os.fstat(inner).st_dev != device:
                    raise OperationError(
                        "reset-shared",
                        f"Another file system is mounted at {path}/{name}.",
                        "Nothing in it was removed.",
                        "Unmount it, then run it again.",
                    )
                empty(inner, f"{path}/{name}")
            finally:
                os.close(inner)
            os.rmdir(name, dir_fd=descriptor)
