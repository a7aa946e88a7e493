# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The key of a stack, and where its state lives on the target."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from ._errors import OperationError
from ._files import require_absolute

ENVIRONMENTS = ("development", "staging", "production")

ARCHIVE = "windows"  # the directory of journals whose windows have ended

# A name becomes a directory, a unit and a label: keep it to what all three take without quoting.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True)
class Stack:
    """One application stack: `<environment>/<name>`."""

    environment: str
    name: str
    state_dir: str

    @classmethod
    def parse(cls, key: str, state_dir: str) -> Stack:
        environment, separator, name = key.partition("/")
        if not separator or environment not in ENVIRONMENTS or not NAME.fullmatch(name):
            raise OperationError(
                "stack-malformed",
                f"{key!r} is not <environment>/<name> with an environment of {', '.join(ENVIRONMENTS)}.",
                "Nothing was changed.",
                "Set dbops_environment (and dbops_name where the inventory host's name will not do).",
            )
        require_absolute(state_dir, "dbops_state_dir")
        return cls(environment, name, state_dir)

    def __str__(self) -> str:
        return f"{self.environment}/{self.name}"

    @property
    def directory(self) -> str:
        return os.path.join(self.state_dir, self.environment, self.name)

    @property
    def journal(self) -> str:
        """The open window's journal, which is also the lock."""
        return os.path.join(self.directory, "window.json")

    @property
    def called(self) -> str:
        """For what a person was called, and has heard it, while the open window cannot be ended."""
        return os.path.join(self.directory, "window.called.json")

    @property
    def windows(self) -> str:
        """The journals of ended windows: the audit trail."""
        return os.path.join(self.directory, ARCHIVE)

    @property
    def reports(self) -> str:
        return os.path.join(self.directory, "reports")

    @property
    def jobs(self) -> str:
        return os.path.join(self.directory, "jobs")

    @property
    def script(self) -> str:
        """What brings an interrupted window to an end without Ansible."""
        return os.path.join(self.directory, "dbops-window")
