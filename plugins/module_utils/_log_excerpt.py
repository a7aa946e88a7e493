# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Of the services' logs what whoever reads why a window failed looks for first: the last errors, and the last words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import _log_kinds
from ._gate_beneath import Beneath, log_of

_LINES = 12  # of each of the two
_LONGEST = 300  # characters of a line
_TIMEOUT = 10.0  # seconds for one log


def excerpts(beneath: Beneath, when: str) -> Iterator[dict[str, Any]]:
    """For journal and report. when: what was tried."""
    for service in beneath.services:
        lines = chosen(log_of(service, _TIMEOUT))
        if lines:
            said = _log_kinds.clean("\n".join(map(_log_kinds.cut, lines)), beneath.secrets)
            yield {"service": service.name, "when": when, "lines": [line[:_LONGEST] for line in said.splitlines()]}


def chosen(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.strip()]
    errors = [place for place, line in enumerate(lines) if _log_kinds.is_error(line)][-_LINES:]
    return [lines[place] for place in sorted({*errors, *range(max(0, len(lines) - _LINES), len(lines))})]
