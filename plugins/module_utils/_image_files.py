# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Files of an image or a container, read without running anything of it."""

from __future__ import annotations

import contextlib
import io
import subprocess
import tarfile
from collections.abc import Iterator

from ._errors import OperationError
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
