# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the Python interpreters of this machine: on the path, or installed by pyenv without being switched on.

`pythons.py second` prints the interpreter for the other half of the supported range: the newest of 3.12 and 3.13 where
this one is 3.11, else 3.11. It prints nothing where there is none.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

Version = tuple[int, int]


def find(version: Version) -> str | None:
    """The path of a Python `version` that starts, or nothing."""
    name = f"python{version[0]}.{version[1]}"
    candidates = [str(Path(folder) / name) for folder in search_path()]
    return next((candidate for candidate in candidates if _answers(candidate, version)), None)


def oldest() -> str:
    """The interpreter that a target has at least. Without one nothing of it is tested, which is a failure."""
    found = find((3, 9))
    if found is None:
        raise LookupError("[oldest-python-missing] No Python 3.9 is on the path or in pyenv. Next: install one, for example by pyenv")
    return found


def second() -> str | None:
    """The interpreter with which to test the ansible-core that this one does not get."""
    others: list[Version] = [(3, 13), (3, 12)] if sys.version_info < (3, 12) else [(3, 11)]
    return next(filter(None, map(find, others)), None)


def search_path() -> list[str]:
    """The folders of PATH without shims, which exist for versions that are not switched on, and then pyenv's own."""
    folders = [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if folder and Path(folder).name != "shims"]
    return folders + [str(folder) for folder in sorted(_pyenv_root().glob("versions/3.*/bin"))]


def _pyenv_root() -> Path:
    """Where pyenv keeps its interpreters; pyenv itself need not be on the path."""
    if (pyenv := shutil.which("pyenv")) is not None:
        root = subprocess.run([pyenv, "root"], capture_output=True, text=True, check=False).stdout.strip()
        if root:
            return Path(root)
    return Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")


def _answers(candidate: str, version: Version) -> bool:
    if not os.access(candidate, os.X_OK):
        return False
    probe = [candidate, "-c", f"import ensurepip, sys; sys.exit(sys.version_info[:2] != {version})"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    if sys.argv[1:] != ["second"]:
        sys.exit("usage: pythons.py second")
    print(second() or "")
