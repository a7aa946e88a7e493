# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The files of health reports on the target: what was measured last, for the growth since then."""

from __future__ import annotations

import contextlib
import os
import re
from datetime import datetime, timezone
from typing import Any

from ._files import read_json

VERSION = 1  # of the file
STAMP = "%Y-%m-%dT%H%M%SZ"

_NAME = re.compile(r"health_(\d{4}-\d\d-\d\dT\d{6}Z)\.(?:json|html)", re.ASCII)


def stamps(directory: str) -> list[str]:
    """The times of the reports that lie in a directory, the newest first."""
    names = os.listdir(directory) if os.path.isdir(directory) else []
    return sorted({match[1] for match in map(_NAME.fullmatch, names) if match}, reverse=True)


def superseded(stamps: list[str], own: str, keep: int) -> list[str]:
    """The reports that make room for the one of the time `own`, which stays. Those of the future are nobody's predecessors. Pure."""
    past = sorted((stamp for stamp in stamps if stamp < own), reverse=True)
    return past[max(keep, 1) - 1 :]


def files_of(directory: str, stamp: str) -> list[str]:
    return [os.path.join(directory, f"health_{stamp}.{extension}") for extension in ("json", "html")]


def earlier(directory: str, part: str, now: datetime, limit: int) -> list[tuple[datetime, dict[str, Any]]]:
    """What reports before this moment said of a part, the newest first. A file that cannot be used is passed over: it is history."""
    found: list[tuple[datetime, dict[str, Any]]] = []
    for stamp in stamps(directory):
        with contextlib.suppress(OSError, ValueError, AttributeError, KeyError, TypeError):
            moment = datetime.strptime(stamp, STAMP).replace(tzinfo=timezone.utc)
            if moment >= now:
                continue
            report = read_json(files_of(directory, stamp)[0])
            if report["version"] == VERSION:
                found += [(moment, told) for told in report["parts"] if told.get("name") == part]
        if len(found) >= limit:
            break
    return found
