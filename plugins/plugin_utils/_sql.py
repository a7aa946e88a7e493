# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Which statements of a migration destroy data, by PostgreSQL's own grammar. Pure; runs on the controller."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible.errors import AnsibleError

try:
    import pglast
    from pglast import ast
    from pglast.enums import AlterTableType, ObjectType
    from pglast.visitors import Skip, Visitor
except ImportError as error:
    pglast = None
    Visitor = object
    _IMPORT_ERROR: ImportError | None = error
else:
    _IMPORT_ERROR = None

# Where drizzle cuts a migration into what it sends one by one (drizzle-orm/src/migrator.ts), comment or not.
BREAKPOINT = "--> statement-breakpoint"


def _alter_table(statement: Any) -> str:
    table = statement.relation.relname
    found = []
    for command in statement.cmds:
        if command.subtype == AlterTableType.AT_DropColumn:
            found.append(f"drops column {command.name} of {table}")
        if command.subtype == AlterTableType.AT_AlterColumnType:
            found.append(f"changes the type of column {command.name} of {table}")
    return ", ".join(found)


def _drop(statement: Any) -> str:
    harmless = {ObjectType.OBJECT_INDEX, ObjectType.OBJECT_VIEW, ObjectType.OBJECT_TRIGGER, ObjectType.OBJECT_RULE}
    if statement.removeType in harmless:
        return ""
    return f"drops a {statement.removeType.name.removeprefix('OBJECT_').lower()}"


class _Columns(Visitor):  # type: ignore[misc]
    """Whether an expression names a column: one that does not is the same for every row."""

    found = False

    def visit_ColumnRef(self, *_: Any) -> None:
        self.found = True


def _every_row(statement: Any) -> bool:
    if statement.whereClause is None:
        return True
    columns = _Columns()
    columns(statement.whereClause)
    return not columns.found


def _reason(node: Any) -> str:
    """What a part of a statement destroys, or nothing."""
    if isinstance(node, ast.AlterTableStmt):
        return _alter_table(node)
    if isinstance(node, ast.DropStmt):
        return _drop(node)
    if isinstance(node, (ast.DeleteStmt, ast.UpdateStmt)) and _every_row(node):
        word = "deletes" if isinstance(node, ast.DeleteStmt) else "updates"
        return f"{word} every row of {node.relation.relname}"
    if isinstance(node, ast.AlterEnumStmt) and not node.oldVal:
        return ""  # adds a value
    if isinstance(node, ast.RenameStmt) and node.renameType == ObjectType.OBJECT_INDEX:
        return ""
    plain = {
        ast.TruncateStmt: "truncates a table",
        ast.DropOwnedStmt: "drops everything that a role owns",
        ast.DropdbStmt: "drops a database",
        ast.RenameStmt: "renames what the running release may still use",
        ast.AlterEnumStmt: "renames what the running release may still use",
        ast.AlterObjectSchemaStmt: "moves what the running release may still use to another schema",
        ast.DoStmt: "runs code that nobody can judge beforehand (DO)",
        ast.CallStmt: "runs code that nobody can judge beforehand (CALL)",
    }
    return plain.get(type(node), "")


class _Reasons(Visitor):  # type: ignore[misc]
    """What a statement destroys wherever in it that stands: in a CTE too, or behind EXPLAIN or PREPARE."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def visit(self, _ancestors: Any, node: Any) -> Any:
        if isinstance(node, (ast.CreateFunctionStmt, ast.RuleStmt)):
            return Skip  # defines what may be done later
        reason = _reason(node)
        if reason:
            self.found.append(reason)
        return None


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """What drizzle sends one by one, each with the line it begins on."""
    line = 1
    for piece in text.split(BREAKPOINT):
        yield line, piece
        line += piece.count("\n")


def destructive_statements(text: str) -> list[dict[str, Any]]:
    """Line and reason of each destructive statement of one migration."""
    if pglast is None:
        raise AnsibleError(
            f"[pglast-missing] The migrations cannot be judged: {_IMPORT_ERROR}. State: Nothing was changed."
            " Next: install pglast for the Python that runs Ansible: pip install pglast"
        )
    found = []
    for line, piece in _pieces(text):
        try:
            statements = pglast.parse_sql(piece)
        except pglast.Error as error:
            message, place = (*error.args, None)[:2]
            found.append({"line": line + piece.count("\n", 0, place or 0), "reason": f"cannot be parsed: {message}"})
            continue
        for statement in statements:
            reasons = _Reasons()
            reasons(statement)
            if reasons.found:
                begin = line + piece.count("\n", 0, statement.stmt_location)
                found.append({"line": begin, "reason": ", ".join(reasons.found)})
    return found
