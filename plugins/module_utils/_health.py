# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The gate: what the application says of itself, in words. Pure."""

from __future__ import annotations

import json
from typing import Any, Callable

from ._errors import refused

LONGEST_BODY = 300  # characters; enough for the reason, short enough for a message


def describe(answer: dict[str, Any]) -> str:
    """An answer of the health URL in a few words."""
    if answer["status"]:
        said = f", saying {json.dumps(answer['body'])[:LONGEST_BODY]}" if answer["body"] else ""
        return f"HTTP {answer['status']} after {answer['ms']} ms{said}"
    return f"no answer after {answer['ms']} ms ({answer['reason']})"


# What a demand on the JSON of an answer may say besides its path.
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "equals": lambda value, wanted: value == wanted and isinstance(value, bool) == isinstance(wanted, bool),  # 1 is not true
    "at_least": lambda value, wanted: value >= wanted,
    "at_most": lambda value, wanted: value <= wanted,
}

_MISSING = object()


def require_expression(expression: dict[str, Any]) -> None:
    """It is `path` and one comparison; numbers are compared by size."""
    given = sorted(expression.keys() & _COMPARISONS.keys())
    sized = [expression[name] for name in given if name != "equals"]
    if (
        not isinstance(expression.get("path"), str)
        or len(given) != 1
        or expression.keys() - {"path", *given}
        or not all(_is_number(value) for value in sized)
    ):
        raise refused(
            "health-malformed",
            f"{json.dumps(expression)} is no demand on the JSON of an answer.",
            "Write {path: services.redis.status, equals: up}, or at_least or at_most with a number, in maintenance_window_health_json.",
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def flaw(body: Any, expression: dict[str, Any]) -> str:
    """Why the demand is not met, "" where it is."""
    path = expression["path"]
    (name,) = expression.keys() - {"path"}
    value, wanted = _at(body, path), expression[name]
    if value is _MISSING:
        return f"its JSON has no {path}"
    met = (name == "equals" or _is_number(value)) and _COMPARISONS[name](value, wanted)
    return "" if met else f"{path} is {json.dumps(value)[:LONGEST_BODY]}, not {name.replace('_', ' ')} {json.dumps(wanted)}"


def _at(body: Any, path: str) -> Any:
    """What a path of names and, in lists, of numbers leads to."""
    for step in path.split("."):
        if isinstance(body, dict) and step in body:
            body = body[step]
        elif isinstance(body, list) and step.isdigit() and int(step) < len(body):
            body = body[int(step)]
        else:
            return _MISSING
    return body
