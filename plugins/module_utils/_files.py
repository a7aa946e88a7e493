# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Files that survive a crash: written beside, flushed, renamed."""

from __future__ import annotations

import errno
import json
import os
import secrets
import stat
from typing import IO, Any

from ._errors import OperationError


def sync_directory(path: str) -> None:
    """Flush the directory entry itself, or a rename may be lost with the power."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_beside(path: str, content: bytes, mode: int, uid: int = -1) -> str:
    beside = f"{path}.{os.getpid()}.{secrets.token_hex(4)}.tmp"
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchown(descriptor, uid, -1)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        os.unlink(beside)
        raise
    return beside


def open_plain(path: str) -> IO[bytes]:
    """A plain file for reading. Whatever else has the name raises ValueError: a link may lead anywhere, a pipe's reader waits for ever."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise ValueError(f"{path} is no plain file") from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError(f"{path} is no plain file")
    return os.fdopen(descriptor, "rb")


def require_absolute(path: str, variable: str) -> None:
    """A relative path on the target would be one below wherever the module happens to run."""
    if not os.path.isabs(path):
        raise OperationError(
            "path-relative",
            f"{variable} is {path!r}, which is no absolute path.",
            "Nothing was changed.",
            f"Set {variable} to a path that begins with a slash.",
        )


def make_private_directory(path: str) -> None:
    """Create a directory and its missing parents with mode 0700."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for directory in reversed(missing):
        try:
            os.mkdir(directory, 0o700)
        except FileExistsError:
            continue


def write_text(path: str, text: str, mode: int = 0o600, uid: int = -1) -> None:
    write_bytes(path, text.encode(), mode, uid)


def write_bytes(path: str, content: bytes, mode: int = 0o600, uid: int = -1) -> None:
    """Replace a file in one step; readers see the old content or the new one, never a part. uid: of its owner, -1 for the writer."""
    beside = _write_beside(path, content, mode, uid)
    os.rename(beside, path)
    sync_directory(os.path.dirname(path))


def to_json(data: Any) -> str:
    return json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def write_json(path: str, data: Any, mode: int = 0o600) -> None:
    write_text(path, to_json(data), mode)


def read_json(path: str) -> Any:
    """The parsed file, or None where there is none. Text that is not JSON, and what is no plain file, raises ValueError."""
    try:
        with open_plain(path) as stream:
            return json.load(stream)
    except FileNotFoundError:
        return None
