# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What a directory of backups holds: read once, by name; manifests only where they are asked for."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from . import _manifest
from ._backup_dir import alone, disagreement, read_manifest
from ._calendar import malformed
from ._errors import OperationError
from ._history import Facts

DIRECTORIES = (".pgdir",)  # backups that are directories; all others are single files

NONEMPTY = "nonempty"  # what a directory without manifests can be judged by
VALID_WHEN = (_manifest.VERIFIED, _manifest.COMPLETE, NONEMPTY)

_TEMPORARY = re.compile(r"\.[0-9]+\.[0-9a-f]{8}\.tmp\Z")  # what a manifest is called while it is being written


class Entry(NamedTuple):
    """A backup by its name. `bytes` is that of a file; a directory has -1 until somebody adds it up."""

    name: str
    series: str
    moment: datetime
    inode: int
    bytes: int

    @property
    def is_directory(self) -> bool:
        return self.bytes < 0


class Catalogue(NamedTuple):
    """Every name of a directory has its place in one of these.

    beside: manifests and globals that lie beside their backup.
    partial: backups that were not finished, or whose removal was not, and the time of their names.
    orphans: manifests and globals of backups that are gone, and the time of their names.
    foreign: names that are no backup's, and why.
    """

    backups: list[Entry]
    beside: set[str]
    partial: dict[str, datetime]
    orphans: dict[str, datetime]
    foreign: dict[str, str]


def readable(name: str) -> str:
    """A name as it can be printed; a file system takes bytes that are no text."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


@contextlib.contextmanager
def opened(directory: str, *, lock: bool) -> Iterator[int]:
    """A descriptor of the directory; with the lock, nobody else makes or removes backups in it meanwhile."""
    if not os.path.isdir(directory):
        raise OperationError(
            "backup-dir-missing",
            f"There is no directory {directory}.",
            "Nothing was changed.",
            "Correct dbops_backup_dir; the first backup makes the directory.",
        )
    if lock:
        with alone(directory, wait=False) as descriptor:
            yield descriptor
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def extensions_of(given: Sequence[str] | None) -> tuple[str, ...]:
    """The extensions that are backups' here."""
    extensions = tuple(given) if given else _manifest.EXTENSIONS
    reserved = (_manifest.SUFFIX, _manifest.GLOBALS, _manifest.PARTIAL)
    for extension in extensions:
        if not re.fullmatch(r"(\.[A-Za-z0-9]+)+", extension) or extension.endswith(reserved):
            raise malformed("extensions", f"{extension!r} is no extension of a backup, as .dump and .sql.gz are")
    return extensions


def scan(descriptor: int, extensions: tuple[str, ...] = _manifest.EXTENSIONS) -> Catalogue:
    """Read an opened directory once. Nothing in it is opened."""
    found = Catalogue([], set(), {}, {}, {})
    parts: dict[str, datetime] = {}
    series: dict[str, str] = {}  # one string for each, however many backups it has
    with os.scandir(descriptor) as entries:
        for entry in entries:
            name = entry.name
            parsed = _manifest.parse_name(name, extensions)
            if parsed is None:
                _place(name, extensions, found, parts)
                continue
            try:
                about = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # without the lock somebody may remove it meanwhile
                continue
            is_file = stat.S_ISREG(about.st_mode)
            if is_file == (parsed.extension in DIRECTORIES) or not (is_file or stat.S_ISDIR(about.st_mode)):
                found.foreign[name] = _mismatch(about.st_mode, parsed.extension)
                continue
            owner = series.setdefault(parsed.series, parsed.series)
            found.backups.append(Entry(name, owner, parsed.moment, about.st_ino, about.st_size if is_file else -1))
    names = {backup.name for backup in found.backups} if parts else set()
    for part, moment in parts.items():
        if owner_of(part) in names:
            found.beside.add(part)
        else:
            found.orphans[part] = moment
    return found


def _mismatch(mode: int, extension: str) -> str:
    """Why something with the name of a backup is none."""
    if stat.S_ISLNK(mode):
        return "a symbolic link is never followed"
    return f"{extension} is a directory, and this is none" if extension in DIRECTORIES else "it is no plain file"


def _place(name: str, extensions: tuple[str, ...], found: Catalogue, parts: dict[str, datetime]) -> None:
    """Sort a name that is no backup's."""
    owner = owner_of(name)
    parsed = _manifest.parse_name(owner, extensions)
    if not parsed:
        found.foreign[name] = "its name is not <series>_<stamp><extension>"
    elif name.endswith((_manifest.SUFFIX, _manifest.GLOBALS)):
        parts[name] = parsed.moment
    else:
        found.partial[name] = parsed.moment


def owner_of(name: str) -> str:
    """The backup that a name speaks of, be it of an unfinished one, or of what lies beside it; else the name itself."""
    if name.startswith(".") and name.endswith(_manifest.PARTIAL):
        return name[1 : -len(_manifest.PARTIAL)]
    written = _TEMPORARY.search(name)
    if written:
        name = name[: written.start()]
    for suffix in (_manifest.SUFFIX, _manifest.GLOBALS):
        if name.endswith(suffix):
            return name[: -len(suffix)]
    return name


def of_series(backups: Sequence[Entry], series: Collection[str]) -> list[Entry]:
    """The backups of some series, of all where none is named."""
    return [backup for backup in backups if backup.series in series] if series else list(backups)


def foreign(descriptor: int, found: Catalogue) -> list[dict[str, Any]]:
    """What is no backup, as modules tell it."""
    return [{"name": readable(name), "bytes": size(descriptor, name), "reason": why} for name, why in sorted(found.foreign.items())]


# -- what a backup is worth ----------------------------------------------------------------------------------------


def examine(directory: str, name: str) -> tuple[str, str, dict[str, Any]]:
    """State (`complete`, `verified`, `drilled`, `invalid`), why it is not valid, and its manifest, {} where that is none."""
    try:
        manifest = read_manifest(directory, name)
    except _manifest.Unusable as why:
        return _manifest.INVALID, why.reason, {}
    why = disagreement(directory, manifest)
    if why:
        return _manifest.INVALID, why, manifest
    return (*_manifest.state_of(manifest), manifest)


class Judged(NamedTuple):
    """What manifests say of backups, by name: why they are not valid, which were drilled, and whose they are."""

    flaws: dict[str, str]
    drilled: set[str]
    stacks: dict[str, str]


def judge(directory: str, backups: Sequence[Entry], valid_when: str) -> Judged:
    """Which backups count. `nonempty` goes by what the scan has seen, and reads no manifest."""
    if valid_when == NONEMPTY:
        empty = "it is empty"
        unknown = "a directory cannot be judged without its manifest, as valid_when=nonempty would"
        return Judged({backup.name: empty if backup.bytes == 0 else unknown for backup in backups if backup.bytes < 1}, set(), {})
    judged = Judged({}, set(), {})
    for backup in backups:
        state, why, manifest = examine(directory, backup.name)
        if manifest:
            judged.stacks[backup.name] = manifest["stack"]
        if state == _manifest.DRILLED:
            judged.drilled.add(backup.name)
        elif state == _manifest.COMPLETE and valid_when == _manifest.VERIFIED:
            why = "it was not verified"
        if why:
            judged.flaws[backup.name] = why
    return judged


def size(descriptor: int, name: str) -> int:
    """Bytes of a file, or of the files of a directory; no link is followed."""
    about = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
    if not stat.S_ISDIR(about.st_mode):
        return about.st_size
    inside = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=descriptor)
    try:
        with os.scandir(inside) as entries:
            return sum(entry.stat(follow_symlinks=False).st_size for entry in entries)
    finally:
        os.close(inside)


def facts(directory: str, descriptor: int, backup: Entry) -> Facts:
    """A backup, examined."""
    state, reason, manifest = examine(directory, backup.name)
    taken = size(descriptor, backup.name) if backup.is_directory else backup.bytes
    return Facts(backup.name, backup.series, backup.moment, taken, state, reason, manifest)
