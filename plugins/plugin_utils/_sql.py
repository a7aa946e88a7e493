# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Which statements of migrations destroy data, hold locks, or cannot run in drizzle's transaction. On the controller.

PostgreSQL's own grammar (pglast) finds what destroys, wherever in a statement it stands; squawk adds what it knows of locks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible.errors import AnsibleError
from ansible_collections.amanat.dbops.plugins.module_utils._drizzle import pieces

from ._sql_rules import DESTRUCTIVE, IMPOSSIBLE, KINDS, LOCKING, kind_of_squawk
from ._squawk import squawk, suppressions

try:
    import pglast
    from pglast import ast
    from pglast.enums import AlterTableType, DiscardMode, DropBehavior, ObjectType, TransactionStmtKind
    from pglast.visitors import Skip, Visitor
except ImportError as error:
    pglast = None
    Visitor = object
    _IMPORT_ERROR: ImportError | None = error
else:
    _IMPORT_ERROR = None

Reasons = list[tuple[str, str]]  # rule, and what the statement does

_CONCURRENTLY = "works CONCURRENTLY, which no transaction allows"
_ALONE = "cannot run inside a transaction"


def _alter_table(statement: Any) -> Reasons:
    table = statement.relation.relname
    found = []
    for command in statement.cmds:
        if command.subtype == AlterTableType.AT_DropColumn:
            found.append(("ban-drop-column", f"drops column {command.name} of {table}"))
        if command.subtype == AlterTableType.AT_AlterColumnType:
            found.append(("changing-column-type", f"changes the type of column {command.name} of {table}"))
        if command.subtype == AlterTableType.AT_DetachPartition and command.def_.concurrent:
            found.append(("not-in-transaction", f"detaches a partition and {_CONCURRENTLY}"))
    return found


def _drop(statement: Any) -> Reasons:
    if statement.concurrent:
        return [("not-in-transaction", f"drops an index and {_CONCURRENTLY}")]
    harmless = {ObjectType.OBJECT_INDEX, ObjectType.OBJECT_VIEW, ObjectType.OBJECT_TRIGGER, ObjectType.OBJECT_RULE}
    if statement.removeType in harmless:
        return []
    what = statement.removeType.name.removeprefix("OBJECT_").lower()
    return [(f"ban-drop-{what.replace('_', '-')}", f"drops {'an' if what[0] in 'aeiou' else 'a'} {what}")]


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


def _rename(statement: Any) -> Reasons:
    if isinstance(statement, ast.AlterEnumStmt) and not statement.oldVal:
        return []  # adds a value
    kind = getattr(statement, "renameType", None)
    if kind == ObjectType.OBJECT_INDEX:
        return []
    what = {ObjectType.OBJECT_TABLE: "table", ObjectType.OBJECT_COLUMN: "column"}.get(kind, "object")
    return [(f"renaming-{what}", "renames what the running release may still use")]


def _outside_transactions(node: Any) -> Reasons:
    if isinstance(node, ast.TransactionStmt):
        inside = {
            TransactionStmtKind.TRANS_STMT_SAVEPOINT,
            TransactionStmtKind.TRANS_STMT_RELEASE,
            TransactionStmtKind.TRANS_STMT_ROLLBACK_TO,
        }
        return [] if node.kind in inside else [("transaction-nesting", "begins or ends a transaction inside of drizzle's")]
    if isinstance(node, ast.IndexStmt):
        rule = "ban-concurrent-index-creation-in-transaction"
        return [(rule, f"creates index {node.idxname or ''} and {_CONCURRENTLY}".replace("  ", " "))] if node.concurrent else []
    if isinstance(node, ast.ReindexStmt):
        concurrent = any(parameter.defname == "concurrently" for parameter in node.params or ())
        return [("not-in-transaction", f"reindexes and {_CONCURRENTLY}")] if concurrent else []
    alone = {
        ast.VacuumStmt: "VACUUM",
        ast.CreatedbStmt: "CREATE DATABASE",
        ast.DropdbStmt: "DROP DATABASE",
        ast.CreateTableSpaceStmt: "CREATE TABLESPACE",
        ast.DropTableSpaceStmt: "DROP TABLESPACE",
        ast.AlterSystemStmt: "ALTER SYSTEM",
        ast.DiscardStmt: "DISCARD ALL",
    }
    word = alone.get(type(node), "")
    if isinstance(node, ast.VacuumStmt) and not node.is_vacuumcmd:
        word = ""  # ANALYZE
    if isinstance(node, ast.DiscardStmt) and node.target != DiscardMode.DISCARD_ALL:
        word = ""
    return [("not-in-transaction", f"{word} {_ALONE}")] if word else []


_UNKNOWN_CODE = "runs SQL that is made only at run time, so that nobody can judge it beforehand"


def _code(statement: Any) -> Reasons:
    """What a DO does: its PL/pgSQL holds statements as text."""
    try:
        (function,) = pglast.parse_plpgsql(pglast.stream.RawStream()(statement))
        action = function["PLpgSQL_function"]["action"]
    except (pglast.Error, KeyError, ValueError):
        return [("dynamic-code", "runs code that nobody can judge beforehand (DO)")]
    return list(dict.fromkeys(_steps(action)))


def _steps(step: Any) -> Iterator[tuple[str, str]]:
    if isinstance(step, list):
        for each in step:
            yield from _steps(each)
    if not isinstance(step, dict):
        return
    for key, value in step.items():
        if key in ("PLpgSQL_stmt_dynexecute", "PLpgSQL_stmt_dynfors", "dynquery"):
            yield "dynamic-code", _UNKNOWN_CODE
        if key in ("PLpgSQL_stmt_commit", "PLpgSQL_stmt_rollback"):
            yield "transaction-nesting", "ends a transaction inside of drizzle's"
        if key == "PLpgSQL_expr" and not value.get("parseMode"):  # a statement, not an expression
            try:
                yield from _reasons_of(pglast.parse_sql(value["query"]))
            except pglast.Error:
                yield "dynamic-code", _UNKNOWN_CODE
        yield from _steps(value)


def _reasons(node: Any) -> Reasons:
    """What a part of a statement destroys, or nothing."""
    if isinstance(node, ast.AlterTableStmt):
        return _alter_table(node)
    if isinstance(node, ast.DropStmt):
        return _drop(node)
    if isinstance(node, ast.DeleteStmt):
        return [("delete-without-where", f"deletes every row of {node.relation.relname}")] if _every_row(node) else []
    if isinstance(node, ast.UpdateStmt):
        return [("update-without-where", f"updates every row of {node.relation.relname}")] if _every_row(node) else []
    if isinstance(node, (ast.RenameStmt, ast.AlterEnumStmt)):
        return _rename(node)
    if isinstance(node, ast.DoStmt):
        return _code(node)
    if isinstance(node, ast.TruncateStmt):
        cascade = node.behavior == DropBehavior.DROP_CASCADE
        return [("ban-truncate-cascade", "truncates a table and all that refer to it") if cascade else ("truncate", "truncates a table")]
    plain = {
        ast.DropOwnedStmt: ("drop-owned", "drops everything that a role owns"),
        ast.DropdbStmt: ("ban-drop-database", "drops a database"),
        ast.AlterObjectSchemaStmt: ("ban-set-schema", "moves what the running release may still use to another schema"),
        ast.CallStmt: ("dynamic-code", "runs code that nobody can judge beforehand (CALL)"),
    }
    return ([plain[type(node)]] if type(node) in plain else []) + _outside_transactions(node)


class _Collector(Visitor):  # type: ignore[misc]
    """What a statement does wherever in it that stands: in a CTE too, or behind EXPLAIN or PREPARE."""

    def __init__(self) -> None:
        self.found: Reasons = []

    def visit(self, _ancestors: Any, node: Any) -> Any:
        if isinstance(node, (ast.CreateFunctionStmt, ast.RuleStmt)):
            return Skip  # defines what may be done later
        self.found += _reasons(node)
        return None


def _reasons_of(statements: Any) -> Reasons:
    collector = _Collector()
    for statement in statements:
        collector(statement)
    return collector.found


def _as_sent(text: str) -> tuple[str, list[int]]:
    """The text as the server sees it, each piece ended by a semicolon, and for each of its lines the line of the file."""
    lines, origin = [], []
    for first, piece in pieces(text):
        inside = piece.split("\n")
        lines += [*inside, ";"]
        origin += [*range(first, first + len(inside)), first + len(inside) - 1]
    return "\n".join(lines), origin


def parsed(text: str) -> list[dict[str, Any]]:
    """What PostgreSQL's grammar finds in one migration: `line` and `last` line of the statement, `rule`, `reason`."""
    if pglast is None:
        raise AnsibleError(
            f"[pglast-missing] The migrations cannot be judged: {_IMPORT_ERROR}. State: Nothing was changed."
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
            found += [{**lines, "rule": rule, "reason": reason} for rule, reason in dict.fromkeys(_reasons_of([statement]))]
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


def judge(migrations: list[dict[str, str]], postgres_major: int) -> dict[str, list[dict[str, Any]]]:
    """Findings in the pending migrations (`name`, `file`, `sql`), by kind, and the comments that would have hidden some."""
    result: dict[str, list[dict[str, Any]]] = {DESTRUCTIVE: [], LOCKING: [], IMPOSSIBLE: [], "suppressed": []}
    if not migrations:
        return result
    by_squawk = squawk([_as_sent(migration["sql"])[0] for migration in migrations], postgres_major)
    for migration, also in zip(migrations, by_squawk, strict=True):
        where = {"migration": migration["name"], "file": migration["file"]}
        text = migration["sql"]
        for finding in sorted(_merged(text, parsed(text), also), key=lambda finding: (finding["line"], finding["rule"])):
            result[finding.pop("kind")].append({**where, **finding})
        result["suppressed"] += [{**where, **comment} for comment in suppressions(text)]
    return result
