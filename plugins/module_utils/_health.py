# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The gate: what the application says of itself, in words. Pure."""

from __future__ import annotations

import json
from typing import Any

LONGEST_BODY = 300  # characters; enough for the reason, short enough for a message


def describe(answer: dict[str, Any]) -> str:
    """An answer of the health URL in a few words."""
    if answer["status"]:
        said = f", saying {json.dumps(answer['body'])[:LONGEST_BODY]}" if answer["body"] else ""
        return f"HTTP {answer['status']} after {answer['ms']} ms{said}"
    return f"no answer after {answer['ms']} ms ({answer['reason']})"
