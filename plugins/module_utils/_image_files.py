# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Files of an image or a container, read without running anything of it."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from ._errors import OperationError
from ._mounts import is_below
from ._place import Engine


@contextlib.contextmanager
def opened(engine: Engine, image: str) -> Iterator[str]:
    """A container of the image that is never started, so that it holds what the image itself does; its id."""
    created = engine.run("create", "--network", "none", "--pull", "never", image, "true")
    if not created.ok:
        raise OperationError(
            "engine-failed", f"The image {image!r} cannot be opened: {created.reason}.", "Nothing was changed.", "Look at the engine's log."
        )
    container = created.out.strip()
    try:
        yield container
    finally:
        engine.run("rm", "--force", "--volumes", container)


def files_of(engine: Engine, container: str, path: str) -> dict[str, bytes]:
    """Content by path below `path`, "" for `path` itself where it is a file; {} where there is nothing. Links are followed there."""
    copy = subprocess.run(engine.argv("cp", "--follow-link", f"{container}:{path}", "-"), capture_output=True, check=False)
    if copy.returncode:
        return {}
    with tarfile.open(fileobj=io.BytesIO(copy.stdout)) as archive:
        # The first part of each name is that of the path itself.
        return {
            member.name.partition("/")[2]: content.read()
            for member in archive
            if member.isfile() and (content := archive.extractfile(member))
        }


# Extended attributes by which the kernel notes that a directory hides, or has moved away from, the one of the image.
# https://www.kernel.org/doc/html/latest/filesystems/overlayfs.html#whiteouts-and-opaque-directories
_HIDING = (".overlay.opaque", ".overlay.redirect")


def is_as_built(facts: dict[str, Any], path: str) -> bool:
    """Whether a container has at this absolute path what its image has there. False where that cannot be seen without asking the engine.

    An engine that copies out of a stopped container mounts it, and whoever unmounts it waits until the whole file system has written
    what it had still to write: after an operation seconds, and clients wait meanwhile. So its layers are looked at instead.

    facts: what the engine knows of the container.
    """
    storage = (facts.get("GraphDriver") or {}).get("Data") or {}
    upper, lower = storage.get("UpperDir") or "", (storage.get("LowerDir") or "").split(":")
    if not all(map(os.path.isdir, [upper, *lower])):
        return False
    mounts = [mount["Destination"] for mount in facts["Mounts"]]
    if any(is_below(path, mount) or is_below(mount, path) for mount in mounts):
        return False
    ways = list(accumulate(os.path.normpath(path).strip("/").split("/"), os.path.join))
    if any(os.path.islink(os.path.join(layer, way)) for layer in [upper, *lower] for way in ways):
        return False
    for directory in (os.path.join(upper, way) for way in ways):
        if not os.path.lexists(directory):
            return True
        if not os.path.isdir(directory) or any(name.endswith(_HIDING) for name in os.listxattr(directory)):
            return False
    return False
