# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Where programs that read or write backups run: a container of their own, or the target itself."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import tempfile
from typing import Any

from ._command import Command, start_tied
from ._errors import OperationError
from ._place import Place

MOUNT = "/backup"  # where the backup directory stands inside the container

# The main process of the container does nothing but live until its input closes. That input is a pipe of ours, so
# whatever ends us ends the container, and with it, at once, all that runs in it.
_HOLD = ["sh", "-c", "echo ready; exec cat > /dev/null"]
_PATIENCE = 10.0  # seconds that it is given to be gone by itself


class Client:
    """Programs beside a backup directory. With an image: in a container, which lives as long as this object does."""

    def __init__(
        self,
        place: Place,
        directory: str,
        *,
        image: str = "",
        network: str = "none",
        labels: dict[str, str] | None = None,
        read_only: bool = False,
        as_caller: bool = True,
        options: tuple[str, ...] = (),
    ) -> None:
        """directory: "" where none is needed. as_caller: files get the owner of this process. options: what else `run` is told."""
        self._place = place
        self._directory = directory
        self._image = image
        self._network = network
        self._labels = labels or {}
        self._read_only = read_only
        self._as_caller = as_caller
        self._options = options
        self._name = f"dbops-client-{secrets.token_hex(6)}"
        self._holder: Any = None

    def __enter__(self) -> Client:
        if not self._image:
            return self
        command = self._place.client(
            self._name,
            _HOLD,
            {},
            image=self._image,
            network=self._network,
            mounts={self._directory: MOUNT} if self._directory else {},
            labels=self._labels,
            read_only=self._read_only,
            as_caller=self._as_caller,
            options=self._options,
        )
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
            self._holder = start_tied(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
            if not self._holder.stdout.readline():
                self._holder.wait()
                errors.seek(0)
                self._holder.stdout.close()
                self.end()
                raise OperationError(
                    "engine-failed",
                    f"A container of {self._image} could not be started: {' '.join(errors.read().split())[-300:]}.",
                    "Nothing was changed.",
                    "Correct what the engine says.",
                )
        return self

    def __exit__(self, *_: object) -> None:
        if self._holder:
            self.end()
            try:
                gone = self._holder.wait(timeout=_PATIENCE) == 0  # `run --rm` returns when it is removed
            except subprocess.TimeoutExpired:
                gone = False
            if not gone:
                self._place.engine.run("rm", "--force", "--volumes", self._name)
                self._holder.wait()
            self._holder.stdout.close()

    def end(self) -> None:
        """Nothing is to run in it any more. It goes while something else is done; leaving it waits until it is gone."""
        if self._holder:
            with contextlib.suppress(BrokenPipeError):
                self._holder.stdin.close()

    @property
    def place(self) -> Place:
        """Where a server runs that was started among its programs."""
        return Place(self._place.engine, self._name) if self._image else self._place

    def command(self, argv: list[str], env: dict[str, str]) -> Command:
        return self.place.short(argv, env)

    def path(self, name: str) -> str:
        """A file of the directory as the programs see it."""
        return os.path.join(MOUNT if self._image else self._directory, name)
