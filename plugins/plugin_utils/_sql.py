# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Which statements of migrations destroy data, hold locks, or cannot run in drizzle's transaction. On the controller.

PostgreSQL's own grammar (pglast) finds what destroys, wherever in a statement it stands; squawk adds what it knows of locks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ansible.errors import AnsibleError
from ansible_collections.amanat.dbops.plugins.module_utils._drizzle import pieces

from ._grammar import IMPORT_ERROR, pglast
from ._sql_reading import Reading
from ._sql_rules import DESTRUCTIVE, IMPOSSIBLE, KINDS, LOCKING, kind_of_squawk
from ._squawk import squawk, suppressions


def _as_sent(text: str) -> tuple[str, list[int]]:
    """The text as the server sees it, each piece ended by a semicolon, and for each of its lines the line of the file."""
    lines, origin = [], []
    for first, piece in pieces(text):
        inside = piece.split("\n")
        lines += [*inside, ";"]
        origin += [*range(first, first + len(inside)), first + len(inside) - 1]
    return "\n".join(lines), origin


def parsed(text: str, reading: Reading) -> list[dict[str, Any]]:
    """What PostgreSQL's grammar finds in one migration: `line` and `last` line of the statement, `rule`, `reason`."""
    if pglast is None:
        raise AnsibleError(
            f"[pglast-missing] The migrations cannot be judged: {IMPORT_ERROR}. State: Nothing was changed."
            " Next: install pglast for the Python that runs Ansible: pip install pglast"
        )
    found = []
    for line, piece in pieces(text):
        try:
            statements = pglast.parse_sql(piece)
        except pglast.Error as error:
            message, place = (*error.args, None)[:2]
            wrong = line + piece.count("\n", 0, place or 0)
            found.append({"line": wrong, "last": wrong, "rule": "syntax-error", "reason": f"cannot be parsed: {message}"})
            continue
        for statement in statements:
            end = statement.stmt_location + statement.stmt_len if statement.stmt_len else len(piece)
            lines = {"line": line + piece.count("\n", 0, statement.stmt_location), "last": line + piece.count("\n", 0, end)}
            found += [{**lines, "rule": rule, "reason": reason} for rule, reason in dict.fromkeys(reading.of([statement]))]
    return found


def _merged(text: str, by_grammar: list[dict[str, Any]], by_squawk: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """One finding a statement and rule, with its kind and whoever found it."""
    _sent, origin = _as_sent(text)
    own = [{**finding, "kind": KINDS.get(finding["rule"], DESTRUCTIVE), "tools": ["pglast"]} for finding in by_grammar]
    for finding in by_squawk:
        kind = kind_of_squawk(finding["rule"])
        if kind is None:
            continue
        line = origin[min(finding["line"], len(origin)) - 1]
        same = (
            each for each in own if each["rule"] == finding["rule"] and each["line"] <= line <= each["last"] and len(each["tools"]) == 1
        )
        twin = next(same, None)
        if twin:
            twin["tools"] = ["pglast", "squawk"]
        else:
            yield {"line": line, "rule": finding["rule"], "reason": finding["reason"], "kind": kind, "tools": ["squawk"]}
    for finding in own:
        del finding["last"]
        yield finding


def judge(migrations: list[dict[str, str]], postgres_major: int, harmless: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """Findings in the pending migrations (`name`, `file`, `sql`), by kind, and the comments that would have hidden some.

    harmless: functions of the server that change nothing.
    """
    result: dict[str, list[dict[str, Any]]] = {DESTRUCTIVE: [], LOCKING: [], IMPOSSIBLE: [], "suppressed": []}
    if not migrations:
        return result
    reading = Reading(frozenset(harmless))
    by_squawk = squawk([_as_sent(migration["sql"])[0] for migration in migrations], postgres_major)
    for migration, also in zip(migrations, by_squawk, strict=True):
        where = {"migration": migration["name"], "file": migration["file"]}
        text = migration["sql"]
        for finding in sorted(_merged(text, parsed(text, reading), also), key=lambda finding: (finding["line"], finding["rule"])):
            result[finding.pop("kind")].append({**where, **finding})
        result["suppressed"] += [{**where, **comment} for comment in suppressions(text)]
    return result
