# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Journals of windows that reports are tried on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

JOURNALS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((Path(__file__).parent / "journals").glob("*.json"))}

# What shapes time, result or kind.
KEPT = {"state", "result", "operation", "opened", "ended", "started", "deadline", "from", "to", "at"}


def replaced(value: Any, by: str, *also_kept: str) -> Any:
    """A journal with every other text replaced."""
    if isinstance(value, dict):
        kept = KEPT.union(also_kept)
        return {key: item if key in kept and isinstance(item, str) else replaced(item, by, *also_kept) for key, item in value.items()}
    if isinstance(value, list):
        return [replaced(item, by, *also_kept) for item in value]
    return by if isinstance(value, str) else value
