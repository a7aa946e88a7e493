# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy what a clone would hold: tracked and not yet tracked files, nothing that git ignores.

Gates that judge the collection as others get it work on such a copy, so that a stale file cannot let them pass.
"""

from __future__ import annotations

import shutil
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def clone(destination: Path) -> None:
    """Make `destination` a git repository that holds the working tree, links included."""
    _copy(_files(), destination)


def collection(destination: Path) -> None:
    """Make `destination` a git repository that holds what the artefact will hold, and what ansible-test is told."""
    ignored = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["build_ignore"]
    told = ("tests/config.yml", "tests/sanity/*")
    _copy([file for file in _files() if _matches(file, told) or not _matches(file, ignored)], destination)


def _matches(file: Path, patterns: list[str] | tuple[str, ...]) -> bool:
    """Whether a pattern covers the file or a folder that it is in, as `ansible-galaxy collection build` decides it."""
    return any(fnmatch(str(path), pattern) for path in (file, *file.parents) for pattern in patterns)


def _files() -> list[Path]:
    """Every file and link of the working tree that git does not ignore, relative to the root."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    # A file that was deleted but not yet staged is still listed.
    return sorted({Path(name) for name in listing.split("\0") if name and ((ROOT / name).exists() or (ROOT / name).is_symlink())})


def _copy(files: list[Path], destination: Path) -> None:
    for file in files:
        target = destination / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / file, target, follow_symlinks=False)
    for arguments in (["init", "--quiet"], ["add", "--all"]):
        subprocess.run(["git", *arguments], cwd=destination, check=True)
