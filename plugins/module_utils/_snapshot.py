# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""One exported snapshot of a database, held open for as long as a backup needs it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
from typing import Any

from ._command import Answer, Command
from ._errors import OperationError
from ._psql import as_json, failure, quote_identifier

LOCK_TIMEOUT = "10s"

# Ordinary tables that pg_dump dumps: no temporary ones, and of an extension's own those rows of its configuration
# that it wants dumped: https://www.postgresql.org/docs/18/extend-extensions.html#EXTEND-EXTENSIONS-CONFIG-TABLES
TABLES = """
SELECT n.nspname AS schema, c.relname AS table, coalesce(e.condition, '') AS condition
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN (SELECT * FROM pg_extension, unnest(extconfig, extcondition) AS _ (config, condition)) e ON e.config = c.oid
WHERE c.relkind = 'r' AND c.relpersistence <> 't'
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
  AND (e.config IS NOT NULL OR NOT EXISTS (
    SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
ORDER BY 1, 2
"""

# Partitions whose rows pg_dump writes as rows of their root, because a hash over an enum is another one after a restore
# (getPartitioningInfo and forcePartitionRootLoad in src/bin/pg_dump/pg_dump.c).
LOADED_BY_ROOT = """
SELECT n.nspname AS schema, c.relname AS table, rn.nspname AS root_schema, r.relname AS root_table
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class r ON r.oid = pg_partition_root(c.oid) JOIN pg_namespace rn ON rn.oid = r.relnamespace
WHERE c.relispartition AND c.relkind = 'r' AND EXISTS (
  SELECT FROM pg_partition_ancestors(c.oid) a JOIN pg_partitioned_table p ON p.partrelid = a.relid
  JOIN pg_opclass o ON o.oid = ANY (p.partclass) JOIN pg_am m ON m.oid = o.opcmethod
  WHERE o.opcname = 'enum_ops' AND o.opcnamespace = 'pg_catalog'::regnamespace AND m.amname = 'hash')
"""

SEQUENCES = "SELECT schemaname AS schema, sequencename AS sequence, last_value FROM pg_sequences ORDER BY 1, 2"

# What belongs to the database itself, which no dump of it carries.
PROPERTIES = """
SELECT pg_get_userbyid(d.datdba) AS owner, d.datacl::text[] AS acl, d.datconnlimit AS connection_limit,
       shobj_description(d.oid, 'pg_database') AS comment, pg_encoding_to_char(d.encoding) AS encoding,
       d.datcollate AS lc_collate, d.datctype AS lc_ctype, d.datlocprovider AS locale_provider,
       d.datlocale AS locale, d.datcollversion AS collation_version,
       (SELECT json_agg(json_build_object('role', coalesce(r.rolname, ''), 'settings', s.setconfig) ORDER BY r.rolname)
          FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole WHERE s.setdatabase = d.oid) AS settings,
       (SELECT json_agg(json_build_object('name', slot_name, 'plugin', plugin, 'type', slot_type) ORDER BY slot_name)
          FROM pg_replication_slots WHERE database = d.datname) AS slots,
       (SELECT json_agg(s.subname ORDER BY s.subname) FROM pg_subscription s WHERE s.subdbid = d.oid) AS subscriptions,
       (SELECT json_agg(json_build_object('name', extname, 'version', extversion) ORDER BY extname)
          FROM pg_extension) AS extensions
FROM pg_database d WHERE d.datname = current_database()
"""


def _name(table: dict[str, Any]) -> str:
    return f"{quote_identifier(table['schema'])}.{quote_identifier(table['table'])}"


class Snapshot:
    """A psql with an open transaction. It ends, and gives everything back, when this object is closed.

    TRUNCATE and DROP do not respect a snapshot, so every table is locked against them before it is taken:
    LOCK TABLE takes no snapshot itself, and ACCESS SHARE holds up nothing but DDL.
    """

    def __init__(self, command: Command, database: str) -> None:
        self._database = database
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed by __exit__
        self._process = subprocess.Popen(
            command.argv,
            env=command.environ(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            encoding="utf-8",
        )
        # Both are pipes, as asked for above.
        self._input: Any = self._process.stdin
        self._output: Any = self._process.stdout
        self.tables: list[dict[str, Any]] = []
        self.identity = ""

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(self, *_: object) -> None:
        """The end of its input ends psql, and with it the transaction and a client container."""
        with contextlib.suppress(BrokenPipeError):
            self._input.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()
        self._errors.close()

    def open(self) -> None:
        """Lock the tables, then export the snapshot."""
        self._send("SET idle_in_transaction_session_timeout = 0; SET statement_timeout = 0; SET transaction_timeout = 0;")
        # Listed outside: the first query of the transaction would take its snapshot before anything is locked.
        self.tables = self.rows(TABLES)
        self._send("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;")
        self._send(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}';")
        if self.tables:
            self._send(f"LOCK TABLE ONLY {', ONLY '.join(_name(table) for table in self.tables)} IN ACCESS SHARE MODE;")
        self.identity = self.rows("SELECT pg_export_snapshot() AS id")[0]["id"]
        if self.rows(TABLES) != self.tables:
            raise OperationError(
                "backup-ddl",
                "Tables were created or dropped while the snapshot was taken.",
                "No backup was made.",
                "Run it again when the schema is at rest.",
            )

    def count(self) -> dict[tuple[str, str], int]:
        """The exact number of rows of each table."""
        return {(table["schema"], table["table"]): self._rows_of(table) for table in self.tables}

    def loaded_by_root(self) -> dict[tuple[str, str], tuple[str, str]]:
        """Partitions that the dump holds as rows of another table."""
        found = self.rows(LOADED_BY_ROOT)
        return {(row["schema"], row["table"]): (row["root_schema"], row["root_table"]) for row in found}

    def _rows_of(self, table: dict[str, Any]) -> int:
        return int(self.rows(f"SELECT count(*) AS rows FROM ONLY {_name(table)} {table['condition']}")[0]["rows"])

    def rows(self, query: str) -> list[dict[str, Any]]:
        self._send(as_json(query))
        return json.loads(self._receive())

    def _send(self, sql: str) -> None:
        try:
            self._input.write(sql + "\n")
            self._input.flush()
        except BrokenPipeError:
            raise self._ended() from None

    def _receive(self) -> str:
        line = self._output.readline()
        if not line:
            raise self._ended()
        return line

    def _ended(self) -> OperationError:
        code = self._process.wait()
        self._errors.seek(0)
        return failure(Answer(code, "", self._errors.read()), self._database)
