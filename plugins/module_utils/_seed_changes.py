# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What a program did to a database that nobody else writes to: the rows of every table, compared by key, in the server itself.

A snapshot of a table is a table of two hashes per row, so that neither needs memory for more than the server is given to sort.
"""

from __future__ import annotations

from typing import Any

from ._command import run
from ._pg_digest import SCHEMA, SEQUENCES, SETTINGS, large_objects, name_of, schema_digest
from ._pg_load import Target, load_failed
from ._psql import quote_identifier
from ._session import Session

_OURS = "dbops_rehearsal"  # the schema of the snapshots

# All tables with rows of their own, by the columns that tell one row from another: its primary key, else all of them.
_TABLES = f"""
SELECT n.nspname AS schema, c.relname AS table, ARRAY(
    SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
    WHERE i.indrelid = c.oid AND i.indisprimary ORDER BY a.attnum) AS key
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname <> 'information_schema' AND n.nspname <> '{_OURS}' AND n.nspname !~ '^pg_'
ORDER BY 1, 2
"""

# Rows by key; where a whole row is the key, the same one may be there more than once.
_DIFFERENCE = """
SELECT coalesce(sum(CASE WHEN b.k IS NULL THEN a.n WHEN a.h = b.h THEN greatest(a.n - b.n, 0) END), 0)::bigint AS added,
       count(*) FILTER (WHERE a.h <> b.h) AS changed,
       coalesce(sum(CASE WHEN a.k IS NULL THEN b.n WHEN a.h = b.h THEN greatest(b.n - a.n, 0) END), 0)::bigint AS deleted
FROM {before} b FULL JOIN {after} a ON a.k = b.k AND a.l = b.l
"""
_EMPTY = "(SELECT NULL::bigint AS k, NULL::bigint AS l, NULL::bigint AS h, NULL::bigint AS n WHERE false)"

Table = dict[str, Any]


class Snapshot:
    """All that a program may have changed, as it was at one moment."""

    def __init__(self, target: Target, database: str, number: int) -> None:
        self._number = number
        with target.session(database) as session:
            session.execute(SETTINGS)
            session.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE;")
            session.execute(f"CREATE SCHEMA IF NOT EXISTS {_OURS};")
            tables = session.rows(_TABLES)
            self._copies = {f"{table['schema']}.{table['table']}": self._copy(session, table, at) for at, table in enumerate(tables)}
            self._sequences = {f"{row['schema']}.{row['sequence']}": row["last_value"] for row in session.rows(SEQUENCES)}
            self._large_objects = large_objects(session)
        command = target.programs.command([*SCHEMA, f"--exclude-schema={_OURS}"], target.environ(database))
        answer = run(command, tied=True)
        if not answer.ok:
            raise load_failed(answer.reason, "pg_dump")
        self._schema = schema_digest(answer.out)

    def _copy(self, session: Session, table: Table, at: int) -> str:
        """Hash one table's rows; the name of the copy."""
        copy = f"{_OURS}.at_{self._number}_{at}"
        row = 't::text COLLATE "C"'
        columns = ", ".join(f"t.{quote_identifier(column)}" for column in table["key"])
        key = f'ROW({columns})::text COLLATE "C"' if columns else row
        hashes = f"hashtextextended({key}, 0) AS k, hashtextextended({key}, 1) AS l"
        # Only where a whole row is the key may the same one be there twice.
        rows = f"hashtextextended({row}, 2) AS h, 1::bigint AS n" if columns else "0::bigint AS h, count(*) AS n"
        grouped = "" if columns else "GROUP BY 1, 2"
        session.execute(f"CREATE UNLOGGED TABLE {copy} AS SELECT {hashes}, {rows} FROM ONLY {name_of(table)} t {grouped}; ANALYZE {copy};")
        return copy

    def changes_since(self, before: Snapshot, session: Session) -> dict[str, Any]:
        """changes: rows by table, where there are any; beside: what else is another; sequences: which moved."""
        changes = []
        for table in sorted(self._copies.keys() | before._copies.keys()):
            old, new = before._copies.get(table, _EMPTY), self._copies.get(table, _EMPTY)
            rows = session.rows(_DIFFERENCE.format(before=old, after=new))[0]
            if any(rows.values()):
                changes.append({"table": table, **rows})
        beside = []
        if self._schema != before._schema:
            beside.append("the schema")
        if self._large_objects != before._large_objects:
            beside.append("large objects")
        moved = [
            {"sequence": name, "before": before._sequences.get(name), "after": self._sequences.get(name)}
            for name in sorted(self._sequences.keys() | before._sequences.keys())
            if self._sequences.get(name) != before._sequences.get(name)
        ]
        return {"changes": changes, "beside": beside, "sequences": moved}
