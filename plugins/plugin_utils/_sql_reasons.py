# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What one part of a statement destroys, or cannot do in drizzle's transaction, whatever stands around it. Pure."""

from __future__ import annotations

from functools import cache
from typing import Any, Callable

from ._grammar import Visitor, ast, enums

Reasons = list[tuple[str, str]]  # rule, and what the statement does

_CONCURRENTLY = "works CONCURRENTLY, which no transaction allows"
_STILL_USED = "what the running release may still use"
_ALONE = "cannot run inside a transaction"
NUMBERS = ("sequence-set", "sets a sequence, which may give numbers twice")

# What a run sets itself, or is found and ended by. A migration that sets one of them works unguarded from there on.
GUARDS = frozenset(
    {
        *("lock_timeout", "statement_timeout", "transaction_timeout", "idle_in_transaction_session_timeout", "application_name"),
        *("session_replication_role", "role", "session_authorization", "allow_system_table_mods"),
    }
)


def set_guard(name: str) -> Reasons:
    """Of SET, or of whatever does the same."""
    name = name.lower()
    return [("run-setting", f"sets {name}, by which the run is guarded")] if name in GUARDS else []


def _alter_table(statement: Any) -> Reasons:
    table = statement.relation.relname
    kinds = enums.AlterTableType
    disabling = {
        kinds.AT_DisableTrig: "a trigger",
        kinds.AT_EnableReplicaTrig: "a trigger",
        kinds.AT_DisableTrigUser: "the triggers",
        kinds.AT_DisableTrigAll: "the triggers, those of foreign keys too,",
        kinds.AT_DisableRule: "a rule",
        kinds.AT_EnableReplicaRule: "a rule",
    }
    found = []
    for command in statement.cmds:
        if command.subtype == kinds.AT_DropColumn:
            found.append(("ban-drop-column", f"drops column {command.name} of {table}"))
        if command.subtype == kinds.AT_AlterColumnType:
            found.append(("changing-column-type", f"changes the type of column {command.name} of {table}"))
        if command.subtype in disabling:
            found.append(("ban-disable-trigger", f"disables {disabling[command.subtype]} of {table}"))
        if command.subtype == kinds.AT_SetIdentity and _restarts(command.def_):
            found.append(NUMBERS)
        if command.subtype == kinds.AT_SetUnLogged:
            found.append(("set-unlogged", f"makes {table} unlogged, so that a crash empties it"))
        if command.subtype == kinds.AT_DropInherit:
            found.append(("detach-inheritance", f"takes the rows of {table} out of {command.def_.relname}"))
        if command.subtype == kinds.AT_DetachPartition and command.def_.concurrent:
            found.append(("not-in-transaction", f"detaches a partition and {_CONCURRENTLY}"))
        elif command.subtype == kinds.AT_DetachPartition:
            found.append(("detach-partition", f"takes the rows of {command.def_.name.relname} out of {table}"))
    return found


def _restarts(options: Any) -> bool:
    return any(option.defname == "restart" for option in options or ())


def _drop(statement: Any) -> Reasons:
    if statement.concurrent:
        return [("not-in-transaction", f"drops an index and {_CONCURRENTLY}")]
    kinds = enums.ObjectType
    if statement.removeType in {kinds.OBJECT_INDEX, kinds.OBJECT_VIEW, kinds.OBJECT_TRIGGER, kinds.OBJECT_RULE}:
        return []
    what = statement.removeType.name.removeprefix("OBJECT_").lower()
    return [(f"ban-drop-{what.replace('_', '-')}", f"drops {'an' if what[0] in 'aeiou' else 'a'} {what}")]


class _Columns(Visitor):  # type: ignore[misc]
    """Whether an expression names a column: one that does not is the same for every row."""

    found = False

    def visit_ColumnRef(self, *_: Any) -> None:
        self.found = True


def _names_a_column(clause: Any) -> bool:
    columns = _Columns()
    if clause is not None:
        columns(clause)
    return columns.found


def _same(one: Any, other: Any) -> bool:
    """Whether two expressions are one and the same. A column may be written with its table or without."""
    if isinstance(one, ast.ColumnRef) and isinstance(other, ast.ColumnRef):
        short, long = sorted(([getattr(field, "sval", "*") for field in each.fields] for each in (one, other)), key=len)
        return long[-len(short) :] == short
    if isinstance(one, ast.TypeCast) and isinstance(other, ast.TypeCast):
        return bool(one.typeName == other.typeName) and _same(one.arg, other.arg)
    return bool(one == other)


def _filters(clause: Any) -> bool:
    """Whether a condition looks like one that some rows meet and others do not. IS NOT NULL and `id = users.id` do not."""
    if not _names_a_column(clause):
        return False
    if isinstance(clause, ast.BoolExpr):
        inside = [_filters(part) for part in clause.args]
        if clause.boolop == enums.BoolExprType.NOT_EXPR:
            (part,) = clause.args
            return not (isinstance(part, ast.NullTest) and part.nulltesttype == enums.NullTestType.IS_NULL)
        return any(inside) if clause.boolop == enums.BoolExprType.AND_EXPR else all(inside)
    if isinstance(clause, ast.NullTest):
        return clause.nulltesttype != enums.NullTestType.IS_NOT_NULL
    if isinstance(clause, ast.A_Expr):
        return not (_same(clause.lexpr, clause.rexpr) and clause.name[-1].sval in ("=", "<=", ">="))
    return True


def _rows(statement: Any, rule: str, does: str) -> Reasons:
    """Of a DELETE or an UPDATE."""
    if _filters(statement.whereClause):
        return []
    which = "perhaps every row" if _names_a_column(statement.whereClause) else "every row"
    return [(rule, f"{does} {which} of {statement.relation.relname}")]


def _insert(statement: Any) -> Reasons:
    """ON CONFLICT DO UPDATE changes rows that are there; which ones is known of VALUES, and of what some rows meet."""
    conflict, source = statement.onConflictClause, statement.selectStmt
    if conflict is None or conflict.action != enums.OnConflictAction.ONCONFLICT_UPDATE or source is None or source.valuesLists:
        return []
    if _filters(conflict.whereClause) or _filters(source.whereClause):
        return []
    return [("upsert", f"updates perhaps every row of {statement.relation.relname}")]


def _rule(statement: Any) -> Reasons:
    """Of a view it may be what makes it writable; that is not told from its name. ON SELECT makes one."""
    if not statement.instead or statement.event == enums.CmdType.CMD_SELECT:
        return []
    does = "something else" if statement.actions else "nothing"
    verb = statement.event.name.removeprefix("CMD_")
    return [("rule-instead", f"lets {verb} do {does} on {statement.relation.relname}, without an error")]


def _merge(statement: Any) -> Reasons:
    does = {enums.CmdType.CMD_DELETE: ("merge-delete", "deletes"), enums.CmdType.CMD_UPDATE: ("merge-update", "updates")}
    kinds = (does[when.commandType] for when in statement.mergeWhenClauses if when.commandType in does)
    return [(rule, f"{verb} those rows of {statement.relation.relname} that other rows decide on") for rule, verb in dict.fromkeys(kinds)]


def _copy(statement: Any) -> Reasons:
    if statement.is_program:
        return [("copy-program", "runs a program beside the server")]
    if statement.filename and not statement.is_from:
        return [("copy-file", "writes a file beside the server")]
    return []


def _catalogue(statement: Any) -> Reasons:
    table = statement.relation
    own = table.schemaname in ("pg_catalog", "information_schema") or (not table.schemaname and table.relname.startswith("pg_"))
    return [("catalogue", f"changes PostgreSQL's own {table.relname}")] if own else []


def _rename(statement: Any) -> Reasons:
    if isinstance(statement, ast.AlterEnumStmt) and not statement.oldVal:
        return []  # adds a value
    kinds = enums.ObjectType
    kind = getattr(statement, "renameType", None)
    if kind == kinds.OBJECT_INDEX:
        return []
    what = {kinds.OBJECT_TABLE: "table", kinds.OBJECT_COLUMN: "column"}.get(kind, "object")
    return [(f"renaming-{what}", f"renames {_STILL_USED}")]


def _truncate(statement: Any) -> Reasons:
    if statement.behavior == enums.DropBehavior.DROP_CASCADE:
        return [("ban-truncate-cascade", "truncates a table and all that refer to it")]
    return [("truncate", "truncates a table")]


def _set(statement: Any) -> Reasons:
    """RESET and SET … TO DEFAULT go back to what the run has set."""
    kinds = enums.VariableSetKind
    return set_guard(statement.name) if statement.kind in (kinds.VAR_SET_VALUE, kinds.VAR_SET_CURRENT) else []


def _outside_transactions(node: Any) -> Reasons:
    if isinstance(node, ast.TransactionStmt):
        kinds = enums.TransactionStmtKind
        inside = {kinds.TRANS_STMT_SAVEPOINT, kinds.TRANS_STMT_RELEASE, kinds.TRANS_STMT_ROLLBACK_TO}
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
    if isinstance(node, ast.DiscardStmt) and node.target != enums.DiscardMode.DISCARD_ALL:
        word = ""
    return [("not-in-transaction", f"{word} {_ALONE}")] if word else []


@cache
def _judges() -> dict[type, Callable[[Any], Reasons]]:
    return {
        ast.AlterTableStmt: _alter_table,
        ast.DropStmt: _drop,
        ast.DeleteStmt: lambda statement: _rows(statement, "delete-without-where", "deletes"),
        ast.UpdateStmt: lambda statement: _rows(statement, "update-without-where", "updates"),
        ast.InsertStmt: _insert,
        ast.MergeStmt: _merge,
        ast.RuleStmt: _rule,
        ast.CopyStmt: _copy,
        ast.RenameStmt: _rename,
        ast.AlterEnumStmt: _rename,
        ast.TruncateStmt: _truncate,
        ast.VariableSetStmt: _set,
        ast.AlterSeqStmt: lambda statement: [NUMBERS] if _restarts(statement.options) else [],
        ast.DropOwnedStmt: lambda _statement: [("drop-owned", "drops everything that a role owns")],
        ast.DropdbStmt: lambda _statement: [("ban-drop-database", "drops a database")],
        ast.AlterObjectSchemaStmt: lambda _statement: [("ban-set-schema", f"moves {_STILL_USED} to another schema")],
    }


def reasons(node: Any) -> Reasons:
    """Of one node of a parsed statement."""
    judge = _judges().get(type(node))
    found = judge(node) if judge else []
    if isinstance(node, (ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt)):
        found = found + _catalogue(node)
    return found + _outside_transactions(node)
