# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Which backup is meant: one that is named, or the newest or oldest of a stack's series that can be used."""

from __future__ import annotations

import os
from typing import Any

from ._backup_dir import read_manifest, require_complete, unusable
from ._catalogue import examine, opened, scan
from ._errors import OperationError
from ._manifest import EXTENSIONS_OF, POSTGRESQL, REDIS, SUFFIX, Unusable, manifests_of, parse_name
from ._stack import Stack

NEWEST, OLDEST = "newest", "oldest"
PRODUCTS = {POSTGRESQL: "PostgreSQL", REDIS: "Redis"}


def choose(directory: str, series: str, wanted: str, stack: Stack, kind: str = POSTGRESQL) -> dict[str, Any]:
    """The manifest of the backup that is meant. One that is named is taken even where a check of it failed.

    What another stack made is only taken by its name: a directory may hold copies, or be shared.
    """
    if wanted not in (NEWEST, OLDEST):
        manifest = require_complete(directory, wanted)
        if manifest["kind"] != kind:
            raise OperationError(
                "backup-other-kind",
                f"{wanted} is a backup of {PRODUCTS[manifest['kind']]}.",
                "Nothing was changed.",
                f"Name one of {PRODUCTS[kind]}: playbooks/backup_info.yml lists them.",
            )
        return manifest
    with opened(directory, lock=False) as descriptor:
        backups = [backup for backup in scan(descriptor, EXTENSIONS_OF[kind]).backups if backup.series == series]
    others = []
    for backup in sorted(backups, key=lambda backup: (backup.moment, backup.name), reverse=wanted == NEWEST):
        state, why, manifest = examine(directory, backup.name)
        if state != "invalid" and manifest["stack"] == str(stack):
            return manifest
        others.append(f"{backup.name}: {why or 'it is of ' + manifest['stack']}")
    raise OperationError(
        "backup-none",
        f"The series {series} has no backup of {stack} in {directory} that can be used{': ' if others else ''}{'; '.join(others[:5])}.",
        "Nothing was changed.",
        "Make one: playbooks/backup.yml, or name the series, dbops_series, or the backup, dbops_backup.",
    )


def is_newest(directory: str, series: str, manifest: dict[str, Any], stack: Stack) -> bool:
    """Whether this is what would be taken of the stack's series, had nobody named one."""
    try:
        return choose(directory, series, NEWEST, stack, manifest["kind"])["name"] == manifest["name"]
    except OperationError as error:
        if error.slug != "backup-none":
            raise
        return False


def passed_over(directory: str, chosen: dict[str, Any]) -> list[str]:
    """Backups of its series that are newer than the chosen one and cannot be used, and why; the newest first."""
    mine: Any = parse_name(chosen["name"])
    with opened(directory, lock=False) as descriptor:
        newer = [
            entry
            for entry in scan(descriptor, EXTENSIONS_OF[chosen["kind"]]).backups
            if entry.series == mine.series and entry.moment > mine.moment
        ]
    examined = ((entry.name, *examine(directory, entry.name)) for entry in sorted(newer, key=lambda entry: entry.moment, reverse=True))
    return [f"{name}: {why}" for name, state, why, _manifest in examined if state == "invalid"]


def named_or_newest(directory: str, series: str, wanted: str, stack: Stack, kind: str = POSTGRESQL) -> dict[str, Any]:
    """The manifest of the backup that is to be looked at. The newest is the newest, whatever is wrong with it: that is what is asked.

    What another stack made is only taken by its name.
    """
    with opened(directory, lock=False) as descriptor:
        names = os.listdir(descriptor)
    if wanted == NEWEST:
        known = [name[: -len(SUFFIX)] for name in manifests_of(series, names)]
        for name in reversed([name for name in known if name.endswith(EXTENSIONS_OF[kind])]):
            manifest = _read(directory, name)
            if manifest["stack"] == str(stack):
                return manifest
        raise OperationError(
            "backup-none",
            f"The series {series} has no backup of {stack} in {directory}.",
            "Nothing was changed.",
            "Make one: playbooks/backup.yml, or name the series, dbops_series, or the backup, dbops_backup.",
        )
    if parse_name(wanted, EXTENSIONS_OF[kind]) is None or not {wanted, wanted + SUFFIX} & set(names):
        raise OperationError(
            "backup-unknown",
            f"There is no backup {wanted!r} of {PRODUCTS[kind]} in {directory}.",
            "Nothing was changed.",
            "Name one of those that playbooks/backup_info.yml lists.",
        )
    return _read(directory, wanted)


def _read(directory: str, name: str) -> dict[str, Any]:
    try:
        return read_manifest(directory, name)
    except Unusable as why:
        raise unusable(name, why.slug, why.reason) from None
