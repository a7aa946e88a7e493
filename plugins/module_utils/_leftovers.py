# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What is left behind by interrupted work, or kept for a person to decide on, and goes only when it is named. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ._errors import OperationError

# Options that modules which clean up share.
OPTIONS: dict[str, Any] = {
    "names": {"type": "list", "elements": "str", "default": []},
    "confirm": {"type": "list", "elements": "str", "default": []},
    "state_dir": {"type": "path", "default": "/var/lib/dbops"},
}


def chosen(leftovers: Iterable[Mapping[str, Any]], names: Sequence[str], confirm: Sequence[str]) -> list[Mapping[str, Any]]:
    """The leftovers that were named. Each has to be one, to be free, and to be confirmed by its name."""
    by_name = {leftover["name"]: leftover for leftover in leftovers}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise OperationError(
            "leftover-unknown",
            f"{', '.join(unknown)}: nothing of that name is left over.",
            "Nothing was changed.",
            "Name what this lists: ansible-playbook playbooks/cleanup.yml",
        )
    if set(names) != set(confirm):
        raise OperationError(
            "confirm-mismatch" if confirm else "confirm-missing",
            f"This removes {', '.join(names)} for good, and confirmed is {', '.join(confirm) or 'nothing'}.",
            "Nothing was changed.",
            "Type each name twice: in dbops_names and in dbops_confirm.",
        )
    busy = [f"{name}: {by_name[name]['busy']}" for name in names if by_name[name]["busy"]]
    if busy:
        raise OperationError(
            "leftover-in-use",
            f"Not everything that was named is free. {'; '.join(busy)}.",
            "Nothing was changed.",
            "Wait until it is free, or leave it out.",
        )
    return [by_name[name] for name in dict.fromkeys(names)]


def outcome(named: Sequence[Mapping[str, Any]], where: str) -> dict[str, Any]:
    """What a module returns of the removal."""
    names = [leftover["name"] for leftover in named]
    return {
        "removed": names,
        "freed": sum(leftover["bytes"] or 0 for leftover in named),
        "diff": {"before": "".join(f"{name}\n" for name in names), "after": "", "before_header": where, "after_header": where},
    }
