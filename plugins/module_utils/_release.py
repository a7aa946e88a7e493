# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""A release of the application: an image of the engine, a container that runs it, or a directory on the target."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Callable

from ._errors import OperationError
from ._image_files import files_of, is_as_built, opened
from ._place import Engine

MISSING = "migrations-missing"  # the slug of a release that has no such folder


@dataclass(frozen=True)
class Release:
    """name: the image, or an absolute path. image_id: what it was resolved to before, so that a tag which moves is not followed.

    container: where the files are read instead, as they are in it now; `name` only tells of it then.
    """

    name: str
    engine: Engine
    image_id: str = ""
    container: str = ""

    @property
    def is_directory(self) -> bool:
        return os.path.isabs(self.name)

    def image(self) -> dict[str, str]:
        """id and working directory of the image, which has to be here already."""
        facts = self.engine.inspect("image", self.image_id or self.name)
        if facts is None:
            raise OperationError(
                "release-image-missing",
                f"The release image {self.name!r} is not on this engine.",
                "Nothing was changed.",
                f"Correct dbops_release_image, or: {' '.join(self.engine.argv('pull', self.name))}",
            )
        return {"id": facts["Id"], "directory": facts["Config"]["WorkingDir"] or "/"}

    @property
    def root(self) -> str:
        """The directory that programs of the release run in."""
        return self.name if self.is_directory else self.image()["directory"]

    def env(self) -> dict[str, str]:
        """What a program of the release finds in its environment: the image's, or that of this process."""
        if self.is_directory:
            return dict(os.environ)
        facts = self.engine.inspect("image", self.image()["id"]) or {"Config": {}}
        return dict(entry.partition("=")[::2] for entry in facts["Config"].get("Env") or [])

    def texts(self, paths: Iterable[str]) -> dict[str, str]:
        """Those of the files that the release has, by their paths."""
        wanted = list(paths)
        if not wanted:
            return {}
        with self._reading() as read:
            contents = {path: read(path)[1].get("") for path in wanted}
        return {path: content.decode("utf-8", "replace") for path, content in contents.items() if content is not None}

    def folder(self, path: str) -> dict[str, bytes]:
        """The files below a folder of the release, read without running anything of it; a file is its own folder, by the name ""."""
        with self._reading() as read:
            where, files = read(path)
        if not files:
            raise OperationError(
                MISSING,
                f"The release {self.name!r} has no folder {where!r}.",
                "Nothing was changed.",
                "Correct dbops_release_image or dbops_migrations_path.",
            )
        return files

    def is_as_built(self, path: str) -> bool:
        """Whether the container has at this path what its image has there, see `_image_files.is_as_built`."""
        facts = self._of_container()
        return is_as_built(facts, os.path.join(facts["Config"]["WorkingDir"] or "/", path))

    def _of_container(self) -> dict[str, Any]:
        facts = self.engine.inspect("container", self.container)
        if facts is None:
            raise OperationError(
                "container-unknown",
                f"The engine knows no container {self.container!r}.",
                "Nothing was changed.",
                f"Correct its name; what there is: {' '.join(self.engine.argv('ps', '--all'))}",
            )
        return facts

    @contextmanager
    def _reading(self) -> Iterator[Callable[[str], tuple[str, dict[str, bytes]]]]:
        """A function from a path in the release to where that is, and to the files below it."""
        if self.container:
            facts = self._of_container()
            yield self._from_container(facts["Id"], facts["Config"]["WorkingDir"] or "/")
        elif self.is_directory:
            yield lambda path: _from_directory(os.path.join(self.name, path))
        else:
            image = self.image()
            with opened(self.engine, image["id"]) as container:
                yield self._from_container(container, image["directory"])

    def _from_container(self, container: str, directory: str) -> Callable[[str], tuple[str, dict[str, bytes]]]:
        def read(path: str) -> tuple[str, dict[str, bytes]]:
            source = os.path.join(directory, path)
            return source, files_of(self.engine, container, source)

        return read


def _from_directory(root: str) -> tuple[str, dict[str, bytes]]:
    files = {}
    below = (os.path.join(folder, name) for folder, _folders, names in os.walk(root) for name in names)
    for path in (root, *below):
        if os.path.isfile(path):
            with open(path, "rb") as stream:
                files["" if path == root else os.path.relpath(path, root)] = stream.read()
    return root, files


# Options of the doc fragment `_release`.
RELEASE_OPTIONS: dict[str, Any] = {
    "release_id": {"type": "str", "default": ""},
    "migrations_path": {"type": "str", "default": "drizzle"},
}
