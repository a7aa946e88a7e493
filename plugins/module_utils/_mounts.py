# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Where a directory really is: by bind mounts one directory has many paths, and inode numbers tell nothing of what lies below it.

https://www.kernel.org/doc/html/latest/filesystems/proc.html#proc-pid-mountinfo-information-about-mounts
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

_ESCAPED = re.compile(r"\\([0-7]{3})")  # a space, tab, line feed or backslash of a path


def is_below(path: str, directory: str) -> bool:
    """Whether it is the directory or in it."""
    return os.path.commonpath([path, directory]) == os.path.normpath(directory)


@dataclass(frozen=True)
class Mount:
    device: str  # major:minor
    root: str  # what of the device's file system is mounted
    point: str


@dataclass(frozen=True)
class Mounts:
    """The mounts that this process sees, the latest last."""

    mounts: tuple[Mount, ...]

    @classmethod
    def here(cls) -> Mounts:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as stream:
            return cls.parse(stream.read())

    @classmethod
    def parse(cls, text: str) -> Mounts:
        rows = (line.split(" ") for line in text.splitlines())
        root = Mount("root", "/", "/")  # where a process was given another root than that of a mount
        return cls((root, *(Mount(row[2], _plain(row[3]), _plain(row[4])) for row in rows)))

    def located(self, path: str) -> str:
        """`/<device>/<path in its file system>` of an absolute path without symbolic links: the same for the same directory."""
        mount = [mount for mount in self.mounts if is_below(path, mount.point)][-1]
        return os.path.normpath(f"/{mount.device}/{mount.root}/{os.path.relpath(path, mount.point)}")

    def within(self, path: str) -> list[str]:
        """Where something is mounted in that directory."""
        return sorted({mount.point for mount in self.mounts if mount.point != path and is_below(mount.point, path)})


def _plain(field: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), field)
