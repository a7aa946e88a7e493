# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What a program did to a database: the rows of tables, compared by key, in the server itself.

A snapshot of a table is a table of two hashes per row, so that neither needs memory for more than the server is given to sort.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ._command import run
from ._pg_digest import SCHEMA, SETTINGS, large_objects, name_of, schema_digest
from ._pg_load import Target, load_failed
from ._psql import quote_identifier
from ._session import Session

_OURS = "dbops_rehearsal"  # the schema of the snapshots

# All tables by the columns that tell one row from another: its primary key, else all of them. Rows of a partition are its parent's.
_TABLES = f"""
SELECT n.nspname AS schema, c.relname AS table, c.relkind = 'p' AS partitioned, ARRAY(
    SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
    WHERE i.indrelid = c.oid AND i.indisprimary ORDER BY a.attnum) AS key
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
  AND n.nspname <> 'information_schema' AND n.nspname <> '{_OURS}' AND n.nspname !~ '^pg_'
ORDER BY 1, 2
"""

_SEQUENCES = """
SELECT schemaname || '.' || sequencename AS sequence, last_value, increment_by, cycle FROM pg_sequences ORDER BY 1
"""

# What all databases of the server share: a program's function can change it without a statement in the log.
_SHARED = """
SELECT md5(concat_ws(E'\\n',
  (SELECT string_agg(ROW(datname, datdba, datacl, datistemplate, datallowconn, datconnlimit, dattablespace)::text, ',' ORDER BY oid)
   FROM pg_database),
  (SELECT string_agg(t::text, ',' ORDER BY oid) FROM pg_authid t),
  (SELECT string_agg(t::text, ',' ORDER BY oid) FROM pg_auth_members t),
  (SELECT string_agg(t::text, ',' ORDER BY oid) FROM pg_tablespace t),
  (SELECT string_agg(t::text, ',' ORDER BY setdatabase, setrole) FROM pg_db_role_setting t),
  (SELECT string_agg(ROW(name, setting)::text, ',' ORDER BY seqno) FROM pg_file_settings WHERE sourcefile LIKE '%auto.conf'))) AS shared
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
    """All that a program may have changed in a database that nobody else writes to, as it was at one moment."""

    def __init__(self, target: Target, database: str, number: int) -> None:
        with target.session(database) as session:
            session.execute(SETTINGS)
            session.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE;")
            session.execute(f"CREATE SCHEMA IF NOT EXISTS {_OURS};")
            tables = session.rows(_TABLES)
            self._copies = {_label(table): _copy(session, table, f"{_OURS}.at_{number}_{at}") for at, table in enumerate(tables)}
            self._sequences = {row["sequence"]: row for row in session.rows(_SEQUENCES)}
            self._shared = session.rows(_SHARED)
            self._large_objects = large_objects(session)
        command = target.programs.command([*SCHEMA, f"--exclude-schema={_OURS}"], target.environ(database))
        answer = run(command, tied=True)
        if not answer.ok:
            raise load_failed(answer.reason, "pg_dump")
        self._schema = schema_digest(answer.out)

    def changes_since(self, before: Snapshot, session: Session) -> dict[str, Any]:
        """changes: rows by table, where there are any; beside: what else is another; sequences: which moved."""
        beside = []
        if self._schema != before._schema:
            beside.append("the schema")
        if self._large_objects != before._large_objects:
            beside.append("large objects")
        if self._shared != before._shared:
            beside.append("roles, databases or settings of the server")
        moved = [
            {"sequence": name, "before": old["last_value"], "after": new["last_value"], "backwards": went_back(old, new)}
            for name, old in before._sequences.items()
            if (new := self._sequences.get(name, old))["last_value"] != old["last_value"]
        ]
        return {"changes": _differences(before._copies, self._copies, session), "beside": beside, "sequences": moved}


class OwnRows:
    """The rows of a few tables of a live database as they were: in temporary tables, which are gone with this session."""

    def __init__(self, session: Session, tables: Collection[str]) -> None:
        self._session, self._tables = session, tables
        session.execute(f"{SETTINGS} SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE;")
        self._before = self._copies("before")

    def changes(self) -> list[dict[str, Any]]:
        """Rows by table, where there are any."""
        return _differences(self._before, self._copies("after"), self._session)

    def _copies(self, name: str) -> dict[str, str]:
        own = [table for table in self._session.rows(_TABLES) if _label(table) in self._tables]
        return {_label(table): _copy(self._session, table, f"pg_temp.{name}_{at}") for at, table in enumerate(own)}


def _label(table: Table) -> str:
    return f"{table['schema']}.{table['table']}"


def _copy(session: Session, table: Table, copy: str) -> str:
    """Hash one table's rows into a table of that name."""
    row = 't::text COLLATE "C"'
    columns = ", ".join(f"t.{quote_identifier(column)}" for column in table["key"])
    key = f'ROW({columns})::text COLLATE "C"' if columns else row
    hashes = f"hashtextextended({key}, 0) AS k, hashtextextended({key}, 1) AS l"
    # Only where a whole row is the key may the same one be there twice.
    rows = f"hashtextextended({row}, 2) AS h, 1::bigint AS n" if columns else "0::bigint AS h, count(*) AS n"
    grouped = "" if columns else "GROUP BY 1, 2"
    source = name_of(table) if table["partitioned"] else f"ONLY {name_of(table)}"
    kind = "TEMPORARY" if copy.startswith("pg_temp.") else "UNLOGGED"
    session.execute(f"CREATE {kind} TABLE {copy} AS SELECT {hashes}, {rows} FROM {source} t {grouped}; ANALYZE {copy};")
    return copy


def _differences(before: dict[str, str], after: dict[str, str], session: Session) -> list[dict[str, Any]]:
    """before, after: the copies of tables by their names."""
    changes = []
    for table in sorted(before.keys() | after.keys()):
        old, new = before.get(table, _EMPTY), after.get(table, _EMPTY)
        rows = session.rows(_DIFFERENCE.format(before=old, after=new))[0]
        if any(rows.values()):
            changes.append({"table": table, **rows})
    return changes


def went_back(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether a sequence may give numbers that it has given before. Pure."""
    if old["last_value"] is None or old["cycle"]:
        return False
    return new["last_value"] is None or (new["last_value"] - old["last_value"]) * new["increment_by"] < 0
