# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What a database holds, in figures that a restored copy of it must give again.

Its facts have the keys of a manifest, so that two of them can be compared: those of the snapshot that was dumped, and
those of a database that was loaded. Whatever a restore makes anew by itself (materialised views, generated columns,
indexes) is not among them.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Callable

from ._psql import quote_identifier
from ._session import Session

# The same value has to be the same text here and there, whatever the settings of server, database and role are.
# GMT is UTC by the one name that a server knows without any data about time zones.
# A row that a policy hides must be an error, as it is for pg_dump. Time-outs are the connection's: Server.patient.
SETTINGS = """
SET DateStyle = 'ISO, MDY'; SET IntervalStyle = 'postgres'; SET TimeZone = 'GMT'; SET extra_float_digits = 1; SET bytea_output = 'hex';
SET lc_monetary = 'C'; SET xmlbinary = 'base64'; SET quote_all_identifiers = off; SET search_path = ''; SET row_security = off;
"""

# Ordinary tables that pg_dump dumps: no temporary ones, and of an extension's own those rows of its configuration
# that it wants dumped: https://www.postgresql.org/docs/18/extend-extensions.html#EXTEND-EXTENSIONS-CONFIG-TABLES
_DUMPED = """
n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
AND (e.config IS NOT NULL OR NOT EXISTS (
  SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
"""
_CONFIGURATION = "LEFT JOIN (SELECT * FROM pg_extension, unnest(extconfig, extcondition) AS _ (config, condition)) e ON e.config = c.oid"

# Columns in the order of their names: that of the columns themselves may change where tables inherit.
TABLES = f"""
SELECT n.nspname AS schema, c.relname AS table, coalesce(e.condition, '') AS condition,
       ARRAY(SELECT a.attname FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
             ORDER BY a.attname COLLATE "C") AS columns
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
{_CONFIGURATION}
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND {_DUMPED}
ORDER BY 1, 2
"""

# Partitions whose rows pg_dump writes as rows of their root, because a hash over an enum is another one after a restore
# (getPartitioningInfo and forcePartitionRootLoad in src/bin/pg_dump/pg_dump.c).
_LOADED_BY_ROOT = """
SELECT n.nspname AS schema, c.relname AS table, rn.nspname AS root_schema, r.relname AS root_table
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class r ON r.oid = pg_partition_root(c.oid) JOIN pg_namespace rn ON rn.oid = r.relnamespace
WHERE c.relispartition AND c.relkind = 'r' AND EXISTS (
  SELECT FROM pg_partition_ancestors(c.oid) a JOIN pg_partitioned_table p ON p.partrelid = a.relid
  JOIN pg_opclass o ON o.oid = ANY (p.partclass) JOIN pg_am m ON m.oid = o.opcmethod
  WHERE o.opcname = 'enum_ops' AND o.opcnamespace = 'pg_catalog'::regnamespace AND m.amname = 'hash')
"""

SEQUENCES = f"""
SELECT n.nspname AS schema, c.relname AS sequence, pg_sequence_last_value(c.oid) AS last_value, s.seqcycle AS cycle
FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
{_CONFIGURATION}
WHERE c.relpersistence <> 't' AND {_DUMPED}
ORDER BY 1, 2
"""

_LARGE_OBJECTS = """
SELECT (SELECT count(*) FROM pg_largeobject_metadata) AS count, has_table_privilege('pg_largeobject', 'SELECT') AS readable
"""
# Zeros are not counted: those that a hole stands for are written by a restore.
_LARGE_OBJECT_PAGES = r"""
SELECT sum(hashtextextended(ROW(loid, pageno, page)::text COLLATE "C", 0))::text AS digest
FROM (SELECT loid, pageno, rtrim(data, '\x00'::bytea) AS page FROM pg_largeobject) pages WHERE page <> ''
"""

# Roles that owners, grants, policies and default privileges name. The first superuser is in no list of dependencies.
_ROLES = """
SELECT rolname AS role FROM pg_roles WHERE rolname !~ '^pg_' AND (
  oid IN (SELECT refobjid FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass
          AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database()))
  OR oid IN (SELECT owner FROM (
      SELECT 'pg_class'::regclass AS catalog, oid, relowner AS owner FROM pg_class
      UNION ALL SELECT 'pg_proc'::regclass, oid, proowner FROM pg_proc
      UNION ALL SELECT 'pg_type'::regclass, oid, typowner FROM pg_type
      UNION ALL SELECT 'pg_namespace'::regclass, oid, nspowner FROM pg_namespace
      UNION ALL SELECT 'pg_largeobject'::regclass, oid, lomowner FROM pg_largeobject_metadata) o
    WHERE o.oid >= 16384 AND NOT EXISTS (
      SELECT FROM pg_depend d WHERE d.classid = o.catalog AND d.objid = o.oid AND d.deptype = 'e')))
ORDER BY 1
"""

_TABLESPACES = """
SELECT spcname AS tablespace FROM pg_tablespace WHERE spcname !~ '^pg_' AND (
  oid IN (SELECT reltablespace FROM pg_class) OR oid = (SELECT dattablespace FROM pg_database WHERE datname = current_database()))
ORDER BY 1
"""

# Foreign keys without a check, and those that are not enforced. Those of partitions follow their parent's.
UNCHECKED = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND NOT convalidated AND conparentid = 0"

_ABOUT = """
SELECT current_setting('server_version') AS server_version, getdatabaseencoding() AS encoding,
       pg_database_size(current_database()) AS database_bytes,
       (SELECT json_agg(json_build_object('name', extname, 'version', extversion) ORDER BY extname) FROM pg_extension) AS extensions
"""

# The schema as statements, the same whatever the settings are. Add the connection.
SCHEMA = ["pg_dump", "--schema-only", "--no-subscriptions", "--quote-all-identifiers", "--encoding=UTF8", "--no-password"]


def name_of(table: dict[str, Any]) -> str:
    """A table's name in a statement."""
    return f"{quote_identifier(table['schema'])}.{quote_identifier(table['table'])}"


def count_and_digest(table: dict[str, Any], *, digest: bool) -> str:
    """A query for the exact number of rows and for a sum of hashes of all of them, in one scan.

    A sum does not depend on the order of the rows, sees a row that is there twice, and adds up over partitions.
    """
    columns = ", ".join(quote_identifier(column) for column in table["columns"])
    total = f'sum(hashtextextended(ROW({columns})::text COLLATE "C", 0))::text' if digest else "NULL"
    return f"SELECT count(*) AS rows, {total} AS digest FROM ONLY {name_of(table)} {table['condition']}"


def needs(session: Session) -> dict[str, list[str]]:
    """Roles and tablespaces that a server has to have before the dump can be loaded there."""
    return {
        "roles": [row["role"] for row in session.rows(_ROLES)],
        "tablespaces": [row["tablespace"] for row in session.rows(_TABLESPACES)],
    }


def larger_than(session: Session, limit: int) -> set[tuple[str, str]]:
    """Tables that take more bytes, without their indexes."""
    query = (
        "SELECT n.nspname AS schema, c.relname AS table FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        f" WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND pg_table_size(c.oid) > {limit:d}"
    )
    return {(row["schema"], row["table"]) for row in session.rows(query)}


def _modulo(total: str | None) -> str:
    """A sum of hashes as it is written down; that of no rows is 0."""
    return str(int(total or 0) % (1 << 64))


def roots(session: Session) -> dict[tuple[str, str], dict[str, str]]:
    """Partitions that a dump holds as rows of another table, and that table."""
    return {
        (row["schema"], row["table"]): {"schema": row["root_schema"], "table": row["root_table"]} for row in session.rows(_LOADED_BY_ROOT)
    }


def table_facts(
    session: Session,
    tables: list[dict[str, Any]],
    *,
    digest: Callable[[dict[str, Any]], bool],
    told: Callable[[int], None] = lambda _done: None,
) -> list[dict[str, Any]]:
    """Rows, content digest and root of each table. `digest` says for which of them one is taken; `told` counts along."""
    root = roots(session)
    facts = []
    for done, table in enumerate(tables):
        told(done)
        wanted = digest(table)
        answer = session.rows(count_and_digest(table, digest=wanted))[0]
        facts.append(
            {
                "schema": table["schema"],
                "table": table["table"],
                "rows": answer["rows"],
                "digest": _modulo(answer["digest"]) if wanted else None,
                "root": root.get((table["schema"], table["table"])),
            }
        )
    return facts


def large_objects(session: Session) -> dict[str, Any]:
    """Their number, and a digest of their content where the role may read all of them, as a superuser may."""
    about = session.rows(_LARGE_OBJECTS)[0]
    digest = None
    if about["readable"]:
        digest = _modulo(session.rows(_LARGE_OBJECT_PAGES)[0]["digest"] if about["count"] else None)
    return {"count": about["count"], "digest": digest}


# What a schema's text is made of. A comment, or a command of psql's, says nothing that a statement does not say, too.
_TOKEN = re.compile(
    r"""(?P<comment>^(?:--|\\)[^\n]*)|(?P<cast>::)|(?P<end>;)|(?P<space>[\s()]+)"""
    r"""|\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$|'(?:[^']|'')*'|"(?:[^"]|"")*"|\w+|.""",
    re.DOTALL | re.MULTILINE,
)
# A type as the server writes it in a cast: a built-in one of more than one word, else a name, maybe with its schema.
_TYPE = re.compile(
    r"""(?:character\ varying|bit\ varying|double\ precision|time(?:stamp)?(?:\(\d\))?\ with(?:out)?\ time\ zone
    |interval\ (?:year|month|day|hour|minute|second)(?:\ to\ (?:month|hour|minute|second))?
    |(?:"(?:[^"]|"")*"|\w+)(?:\.(?:"(?:[^"]|"")*"|\w+))?)(?:\(-?\d+(?:,-?\d+)?\))?(?:\[\])*""",
    re.VERBOSE,
)


def statements_of(text: str) -> list[str]:
    """What SCHEMA prints, as statements in an order of their own, the same for a database that was restored from it.

    What the server reads it writes in other words: `a IN ('x', 'y')` of a varchar comes back with casts and parentheses in other
    places. Both are left out, and so are blanks, but nothing of a constant, of a name or of a function's body.
    """
    statements, lines, position = [], [""], 0
    while position < len(text):
        # The last alternative takes any character.
        token: Any = _TOKEN.match(text, position)
        position = token.end()
        if token["cast"]:
            kind = _TYPE.match(text, position)
            position = kind.end() if kind else position
        elif token["end"]:
            statements.append(_statement(lines))
            lines = [""]
        elif token["space"]:
            lines += [""] * ("\n" in token["space"])
        elif not token["comment"]:
            lines[-1] += token[0]
    return sorted([*statements, _statement(lines)])


def _statement(lines: list[str]) -> str:
    """A table that inherits gets the columns of its parent first when it is made anew: of such the order does not count."""
    if any(line.startswith("INHERITS") for line in lines):
        lines = sorted(line.rstrip(",") for line in lines)
    return "".join(lines)


def schema_digest(text: str) -> str:
    """One SHA-256 for what SCHEMA prints."""
    return hashlib.sha256("\0".join(statements_of(text)).encode("utf-8", "surrogateescape")).hexdigest()


def facts_of(session: Session, like: dict[str, Any], schema: str) -> dict[str, Any]:
    """The facts of a database that stands still, to be compared with a manifest.

    session: opened on it; like: the manifest, whose tables say for which of them a digest is of use;
    schema: what SCHEMA printed for it.
    """
    session.execute(SETTINGS)
    left_out = {(table["schema"], table["table"]) for table in like["tables"] if table["digest"] is None}
    sequences = session.rows(SEQUENCES)
    return {
        **session.rows(_ABOUT)[0],
        "tables": table_facts(session, session.rows(TABLES), digest=lambda table: (table["schema"], table["table"]) not in left_out),
        "sequences": [{**sequence, "last_value_after": sequence["last_value"]} for sequence in sequences],
        "large_objects": large_objects(session),
        "schema_sha256": schema_digest(schema),
    }


# -- comparing ---------------------------------------------------------------------------------------------------


def by_root(tables: list[dict[str, Any]], roots_: dict[tuple[str, str], tuple[str, str]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Rows and digests under the names that others, such as a dump, have for the rows. One digest that is left out takes its sum away."""
    total: dict[tuple[str, str], dict[str, Any]] = {}
    for table in tables:
        name = (table["schema"], table["table"])
        entry = total.setdefault(roots_.get(name, name), {"rows": 0, "digest": "0"})
        entry["rows"] += table["rows"]
        missing = entry["digest"] is None or table["digest"] is None
        entry["digest"] = None if missing else _modulo(str(int(entry["digest"]) + int(table["digest"])))
    return total


def _roots_of(manifest: dict[str, Any]) -> dict[tuple[str, str], tuple[str, str]]:
    return {
        (table["schema"], table["table"]): (table["root"]["schema"], table["root"]["table"])
        for table in manifest["tables"]
        if table["root"]
    }


def written_rows(manifest: dict[str, Any]) -> dict[tuple[str, str], int]:
    """How many rows a dump has to hold under which table's name."""
    return {name: entry["rows"] for name, entry in by_root(manifest["tables"], _roots_of(manifest)).items()}


def table_differences(manifest: dict[str, Any], facts: dict[str, Any]) -> list[str]:
    wrong = []
    moved = _roots_of(manifest)
    expected, found = by_root(manifest["tables"], moved), by_root(facts["tables"], moved)
    for name in sorted(expected.keys() | found.keys()):
        label = "table " + ".".join(name)
        if name not in found:
            wrong.append(f"{label} is missing")
        elif name not in expected:
            wrong.append(f"{label} was not in the backup")
        elif expected[name]["rows"] != found[name]["rows"]:
            wrong.append(f"{label} has {found[name]['rows']} rows instead of {expected[name]['rows']}")
        elif None not in (expected[name]["digest"], found[name]["digest"]) and expected[name]["digest"] != found[name]["digest"]:
            wrong.append(f"{label} has another content, in as many rows")
    return wrong


def _sequences(manifest: dict[str, Any], facts: dict[str, Any]) -> list[str]:
    """Sequences know no snapshot: a value read while the dump was made is between those read before and after it."""
    wrong = []
    found = {(sequence["schema"], sequence["sequence"]): sequence["last_value"] for sequence in facts["sequences"]}
    for sequence in manifest["sequences"]:
        name = (sequence["schema"], sequence["sequence"])
        label = "sequence " + ".".join(name)
        if name not in found:
            wrong.append(f"{label} is missing")
            continue
        before, after, value = sequence["last_value"], sequence["last_value_after"], found.pop(name)
        if before == after:
            fits = value == before
        elif value is None:
            fits = None in (before, after)
        else:  # one that was first used, or that began anew, meanwhile may stand anywhere
            fits = None in (before, after) or sequence["cycle"] or min(before, after) <= value <= max(before, after)
        if not fits:
            wrong.append(
                f"{label} stands at {_value(value)} instead of {_value(before)}{'' if before == after else f' to {_value(after)}'}"
            )
    wrong += [f"sequence {'.'.join(name)} was not in the backup" for name in sorted(found)]
    return wrong


def _value(value: int | None) -> str:
    return "its start" if value is None else str(value)


def _extensions(manifest: dict[str, Any], facts: dict[str, Any]) -> list[str]:
    expected = {extension["name"] for extension in manifest["properties"]["extensions"] or []}
    found = {extension["name"] for extension in facts["extensions"] or []}
    return [
        *(f"extension {name} is missing" for name in sorted(expected - found)),
        *(f"extension {name} was not in the backup" for name in sorted(found - expected)),
    ]


def major(version: str) -> int:
    """18 of `18.6 (Debian 18.6-1)`, and of `19beta1`."""
    match = re.match(r"[0-9]+", version)
    return int(match[0]) if match else 0


def same_major(manifest: dict[str, Any], facts: dict[str, Any]) -> bool:
    """Whether the two schemas can be compared: each major version writes them in its own words."""
    return major(manifest["server_version"]) == major(facts["server_version"])


def _large_objects(manifest: dict[str, Any], facts: dict[str, Any]) -> list[str]:
    expected, found = manifest["large_objects"], facts["large_objects"]
    if expected["count"] != found["count"]:
        return [f"{found['count']} large objects instead of {expected['count']}"]
    if None not in (expected["digest"], found["digest"]) and expected["digest"] != found["digest"]:
        return ["the large objects have another content"]
    return []


def differences(manifest: dict[str, Any], facts: dict[str, Any]) -> list[str]:
    """Everything in which a restored database is not what the manifest says, in words. Ask same_major about the schema."""
    wrong = [*table_differences(manifest, facts), *_sequences(manifest, facts)]
    wrong += [*_large_objects(manifest, facts), *_extensions(manifest, facts)]
    if same_major(manifest, facts) and manifest["schema_sha256"] != facts["schema_sha256"]:
        wrong.append("the schema is another one")
    if manifest["properties"]["encoding"] != facts["encoding"]:
        wrong.append(f"the encoding is {facts['encoding']} instead of {manifest['properties']['encoding']}")
    return wrong
