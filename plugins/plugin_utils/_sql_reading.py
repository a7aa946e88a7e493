# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Reading the statements of migrations as they would run: into DO, and with an eye on what is called and what is set off. Pure.

What a statement only defines does nothing yet. What it calls is known where the server says that the function changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ._grammar import Skip, Visitor, ast, enums, pglast
from ._sql_reasons import NUMBERS, Reasons, reasons, set_guard

_UNKNOWN_CODE = ("dynamic-code", "runs SQL that is made only at run time, so that nobody can judge it beforehand")
_LARGE_OBJECT = ("large-object", "deletes or overwrites a large object")

# Built-in functions that do what statements do. https://www.postgresql.org/docs/18/functions.html
_CALLS = {
    "setval": NUMBERS,
    **dict.fromkeys(("query_to_xml", "query_to_xmlschema", "query_to_xml_and_xmlschema"), _UNKNOWN_CODE),
    **dict.fromkeys(("lo_unlink", "lo_truncate", "lo_truncate64", "lo_put", "lowrite"), _LARGE_OBJECT),
}

# Parts of PL/pgSQL as libpg_query names them; a number above that of an expression is an assignment's.
_DYNAMIC = ("PLpgSQL_stmt_dynexecute", "PLpgSQL_stmt_dynfors", "dynquery")
_EXPRESSION = 2


@dataclass
class Reading:
    """One reading of all migrations that run together, in their order.

    harmless: functions that change nothing; made: those that the migrations define; attached: tables that they give triggers or rules.
    """

    harmless: frozenset[str] = frozenset()
    made: set[str] = field(default_factory=set)
    attached: set[str] = field(default_factory=set)

    def of(self, statements: Iterable[Any]) -> Reasons:
        collector = _Collector(self)
        for statement in statements:
            collector(statement)
        return collector.found

    def reasons(self, node: Any) -> Reasons:
        """Of one node, in the light of those before it."""
        if isinstance(node, ast.CreateFunctionStmt):
            self.made.add(node.funcname[-1].sval)
        if isinstance(node, (ast.CreateTrigStmt, ast.RuleStmt)):
            self.attached.add(node.relation.relname)
        if isinstance(node, ast.DoStmt):
            return self._code(node)
        if isinstance(node, ast.FuncCall):
            return self._call(node)
        return reasons(node) + self._set_off(node)

    def _set_off(self, node: Any) -> Reasons:
        changes = isinstance(node, (ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt))
        if not changes and not (isinstance(node, ast.CopyStmt) and node.is_from):
            return []
        table = node.relation.relname
        why = f"changes {table}, where these migrations themselves attach code that nobody can judge beforehand"
        return [("dynamic-code", why)] if table in self.attached else []

    def _call(self, node: Any) -> Reasons:
        name = node.funcname[-1].sval
        if node.funcformat == enums.CoercionForm.COERCE_SQL_SYNTAX:
            return []  # such as EXTRACT, which is grammar
        if name == "set_config":
            setting = getattr(getattr(node.args[0], "val", None), "sval", None) if node.args else None
            return [_UNKNOWN_CODE] if setting is None else set_guard(setting)
        if name in _CALLS:
            return [_CALLS[name]]
        if name in self.harmless and name not in self.made:
            return []
        return [("dynamic-code", f"calls {name}(), which nobody can judge beforehand")]

    def _code(self, statement: Any) -> Reasons:
        """What a DO does: its PL/pgSQL holds statements as text."""
        try:
            (function,) = pglast.parse_plpgsql(pglast.stream.RawStream()(statement))
            variables, action = (function["PLpgSQL_function"][part] for part in ("datums", "action"))
        except (pglast.Error, KeyError, ValueError):
            return [("dynamic-code", "runs code that nobody can judge beforehand (DO)")]
        return list(dict.fromkeys(self._steps([variables, action])))

    def _steps(self, step: Any) -> Iterator[tuple[str, str]]:
        if isinstance(step, list):
            for each in step:
                yield from self._steps(each)
        if not isinstance(step, dict):
            return
        for key, value in step.items():
            if key in _DYNAMIC:
                yield _UNKNOWN_CODE
            if key in ("PLpgSQL_stmt_commit", "PLpgSQL_stmt_rollback"):
                yield "transaction-nesting", "ends a transaction inside of drizzle's"
            if key == "PLpgSQL_expr":
                try:
                    yield from self.of(pglast.parse_sql(_as_statement(value)))
                except pglast.Error:
                    yield _UNKNOWN_CODE
            yield from self._steps(value)


def _as_statement(expression: dict[str, Any]) -> str:
    """PL/pgSQL holds statements, expressions, and assignments with their target before them."""
    text, mode = expression["query"], expression.get("parseMode", 0)
    if mode > _EXPRESSION:
        text = re.split(":?=", text, maxsplit=1)[-1]
    return f"SELECT {text}" if mode else text


class _Collector(Visitor):  # type: ignore[misc]
    """What a statement does wherever in it that stands: in a CTE too, or behind EXPLAIN or PREPARE."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.found: Reasons = []

    def visit(self, _ancestors: Any, node: Any) -> Any:
        self.found += self.reading.reasons(node)
        return Skip if _defines(node) else None


def _defines(node: Any) -> bool:
    """Whether it says what may be done later, and does nothing of it. An index takes only functions that change nothing."""
    if isinstance(node, ast.AlterTableCmd):
        return bool(node.subtype == enums.AlterTableType.AT_ColumnDefault)
    functions = (ast.CreateFunctionStmt, ast.RuleStmt, ast.CreateTrigStmt)
    tables = (ast.CreateStmt, ast.ViewStmt, ast.IndexStmt, ast.CreatePolicyStmt, ast.AlterPolicyStmt, ast.CreateDomainStmt)
    return isinstance(node, functions + tables)
