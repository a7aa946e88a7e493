# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The environment stamp inside PostgreSQL: a database that says itself where it belongs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from ._errors import OperationError
from ._identity import IDENTIFIER, Record, require_listed
from ._pg_clone import maintenance
from ._psql import Server, quote_identifier, quote_literal
from ._stack import ENVIRONMENTS, Stack

SCHEMA = "dbops"
TABLE = "dbops.environment"

# Owns the table, so that the application cannot write it. Nobody logs in as it.
OWNER = "dbops_owner"

# One row and no second: the primary key admits one value only. Whoever may connect may read it: it is no secret, and one who
# cannot read it is refused.
_CREATE = f"""
CREATE SCHEMA IF NOT EXISTS {SCHEMA};
CREATE TABLE IF NOT EXISTS {TABLE} (
  the_only_row boolean PRIMARY KEY DEFAULT true CHECK (the_only_row),
  environment text NOT NULL,
  name text NOT NULL,
  stamped_at timestamptz NOT NULL DEFAULT now(),
  stamped_by text NOT NULL DEFAULT session_user
);
COMMENT ON TABLE {TABLE} IS 'Where this database belongs. Written by amanat.dbops; a destructive action elsewhere is refused.';
REVOKE ALL ON SCHEMA {SCHEMA} FROM PUBLIC;
REVOKE ALL ON TABLE {TABLE} FROM PUBLIC;
GRANT USAGE ON SCHEMA {SCHEMA} TO PUBLIC;
GRANT SELECT ON TABLE {TABLE} TO PUBLIC;
"""

# Two stamps at the same time, of two databases of one server, want the same role. For psql, in a transaction.
CREATE_OWNER = f"""
LOCK TABLE pg_authid IN SHARE ROW EXCLUSIVE MODE;
SELECT 'CREATE ROLE {OWNER} NOLOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{OWNER}') \\gexec
"""
_OWN = f"""
ALTER SCHEMA {SCHEMA} OWNER TO {OWNER};
ALTER TABLE {TABLE} OWNER TO {OWNER};
"""

# What stands under the table's name, and whether there is nothing else of anybody's: one question, as each is a process in a container.
_LOOK = f"""
SELECT ({IDENTIFIER}) AS identifier,
       NOT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                   WHERE c.relkind IN ('r', 'p', 'm', 'f') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
                   AND (n.nspname, c.relname) <> ('{SCHEMA}', 'environment'))
         AND NOT EXISTS (SELECT FROM pg_largeobject_metadata) AS empty,
       (SELECT json_build_object('kind', c.relkind, 'filtered', c.relrowsecurity, 'columns',
                 (SELECT json_object_agg(a.attname, format_type(a.atttypid, a.atttypmod)) FROM pg_attribute a
                  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped))
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = '{SCHEMA}' AND c.relname = 'environment') AS relation
"""

# {application}: the role of PG_URL.
_ABOUT = f"""
SELECT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS operator_is_superuser, current_user AS operator,
       coalesce((SELECT rolsuper FROM pg_roles WHERE rolname = {{application}}), false) AS application_is_superuser,
       (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = to_regclass('{TABLE}')) AS owner,
       (SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = '{SCHEMA}') AS schema_owner,
       coalesce((SELECT has_table_privilege(r.oid, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')
                   OR has_any_column_privilege(r.oid, c.oid, 'INSERT, UPDATE')
                 FROM pg_roles r, pg_class c WHERE r.rolname = {{application}} AND c.oid = to_regclass('{TABLE}')), false) AS is_granted,
       (SELECT min(o.rolname) FROM pg_roles r JOIN pg_roles o ON o.oid <> r.oid AND pg_has_role(r.oid, o.oid, 'MEMBER')
        WHERE r.rolname = {{application}} AND NOT r.rolsuper AND (o.rolsuper
           OR o.oid IN (SELECT relowner FROM pg_class WHERE oid = to_regclass('{TABLE}')
                        UNION ALL SELECT nspowner FROM pg_namespace WHERE nspname = '{SCHEMA}'))) AS becomes,
       (SELECT coalesce(json_agg(pubname ORDER BY pubname), '[]') FROM pg_publication p WHERE puballtables
          OR EXISTS (SELECT FROM pg_publication_namespace pn JOIN pg_namespace n ON n.oid = pn.pnnspid
                     WHERE pn.pnpubid = p.oid AND n.nspname = '{SCHEMA}')) AS publications
"""


@dataclass(frozen=True)
class Found:
    """What a database says of itself: its stamp or "", whether it holds nothing but that, and its server's identity.

    One that does not exist is empty, too.
    """

    stamp: str
    empty: bool
    identifier: str
    exists: bool = True

    @property
    def is_new(self) -> bool:
        """There is nothing to destroy, and nothing says where it belongs."""
        return self.empty and not self.stamp


def find(server: Server) -> Found:
    """What there is. A stamp that cannot be read raises."""
    try:
        about = server.rows(_LOOK)[0]
    except OperationError as error:
        if error.slug != "database-missing":
            raise
        return Found("", True, str(maintenance(server).value(IDENTIFIER)), exists=False)
    return Found(_read(server, about["relation"]), about["empty"], about["identifier"])


def read(server: Server) -> str:
    """The stamp as `<environment>/<name>`, or "" where there is none. An unreadable one raises."""
    return find(server).stamp


def _read(server: Server, relation: dict[str, Any] | None) -> str:
    if relation is None:
        return ""
    columns = relation["columns"] or {}
    if relation["kind"] != "r" or relation["filtered"] or any(columns.get(name) != "text" for name in ("environment", "name")):
        raise _unreadable(f"{TABLE} is not the table that this collection makes")
    try:
        rows: list[dict[str, Any]] = server.rows(f"SELECT environment, name FROM {TABLE} LIMIT 2")
    except OperationError as error:
        raise _unreadable(error.what.rstrip(".")) from None
    if len(rows) != 1 or rows[0]["environment"] not in ENVIRONMENTS or not rows[0]["name"]:
        raise _unreadable(f"{TABLE} holds {rows!r}")
    return f"{rows[0]['environment']}/{rows[0]['name']}"


def agree(stack: Stack, server: Server, allowed: Collection[str]) -> Found:
    """The one check before anything destructive: the stamp is the stack's own, and the server is the one that is known.

    A database that is missing or empty counts as new: disaster recovery is never locked out, and there is nothing to destroy.
    Its server may be new as well, but no other one than was recorded, nor one that the inventory does not name: then the name leads
    elsewhere, or the data are elsewhere.
    """
    found, record = find(server), Record.of(stack)
    require_listed(found.identifier, allowed)
    if not found.is_new:
        check(stack, found.stamp)
    if not found.is_new or record.identifier:
        record.require(found.identifier, allowed, has_database=found.exists)
    return found


def _unreadable(why: str) -> OperationError:
    return OperationError(
        "stamp-unreadable",
        f"The database's environment stamp cannot be read: {why}.",
        "Nothing was changed: what cannot be read counts as a no.",
        f"Look at {TABLE}: give the operator's role SELECT on it, or, when you know where the database belongs,"
        f" drop it and stamp the database again.",
    )


def write(server: Server, stack: Stack) -> None:
    """Stamp the database, and see that it says so; a superuser gives the table an owner that the application is not."""
    values = f"{quote_literal(stack.environment)}, {quote_literal(stack.name)}"
    superuser = server.value("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    server.execute(
        f"BEGIN; {_CREATE} {CREATE_OWNER + _OWN if superuser else ''}"
        f" DELETE FROM {TABLE}; INSERT INTO {TABLE} (environment, name) VALUES ({values}); COMMIT;"
    )
    found = read(server)  # a trigger or a rule of somebody's may have had its own mind
    if found != str(stack):
        raise OperationError(
            "stamp-not-written",
            f"{stack} was written to {TABLE}, and what it says afterwards is {found or 'nothing'}.",
            f"The database {server.database!r} is as it was but for its stamp.",
            f"Look for triggers and rules of {TABLE}, and drop them; then stamp it again.",
        )


@dataclass(frozen=True)
class About:
    """Who may write the stamp, and who would get it.

    is_granted: the application may by a grant; becomes: a role that may, and that the application is a member of.
    """

    application: str
    operator: str
    operator_is_superuser: bool
    application_is_superuser: bool
    owner: str | None
    schema_owner: str | None
    is_granted: bool
    becomes: str | None
    publications: list[str]

    @classmethod
    def of(cls, server: Server, application: str) -> About:
        return cls(application, **server.rows(_ABOUT.format(application=quote_literal(application)))[0])

    @property
    def is_exposed(self) -> bool:
        """The table can be taken from a role that may be the application's."""
        return self.operator_is_superuser and self.owner is not None and {self.owner, self.schema_owner} != {OWNER}

    def require_unpublished(self, consent: bool) -> None:
        """A new table of a publication breaks the subscribers that do not have it."""
        if not self.publications or self.owner is not None or consent:
            return
        raise OperationError(
            "stamp-published",
            f"The stamp would be published by {', '.join(map(repr, self.publications))}: FOR ALL TABLES (or of the schema {SCHEMA})"
            " takes it in, and a subscriber without such a table stops.",
            "Nothing was changed.",
            f"Create {TABLE} there first, or name tables in the publication; or consent: -e dbops_publish_stamp=true",
        )

    def warning(self) -> str:
        """How the application could write the stamp all the same; "" where it cannot."""
        who = quote_identifier(self.application)
        if self.application_is_superuser:
            return (
                f"The application's role {who} is a superuser, so it can write the environment stamp and everything else. The way out:"
                " another role in PG_URL, which owns its database and no more, and dbops_postgres_user for whoever operates;"
                " deploy makes it with postgres_application_owner (docs/stamp.md)."
            )
        if self.application in (self.owner or self.operator, self.schema_owner):
            return (
                f"The application's role {who} owns the environment stamp and can write it, and {quote_identifier(self.operator)} is no"
                " superuser. The way out: name one in dbops_postgres_user and stamp the database again (docs/stamp.md)."
            )
        if self.becomes:
            other = quote_identifier(self.becomes)
            return (
                f"The application's role {who} is a member of {other}, and as such can write the environment stamp. The way out:"
                f" REVOKE {other} FROM {who};"
            )
        if self.is_granted:
            return (
                f"The application's role {who} may write the environment stamp by a grant, to itself, to a role that it is a member of, or"
                f" to PUBLIC. The way out: REVOKE INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER ON {TABLE} FROM whoever has it (\\dp {TABLE})."
            )
        return ""


# -- what has to agree; pure ---------------------------------------------------------------------------------------


def check(stack: Stack, stamp: str) -> None:
    """Inventory and stamp agree."""
    if not stamp:
        raise OperationError(
            "stamp-missing",
            f"There is no environment stamp, so nobody can say that this is {stack}.",
            "Nothing was changed.",
            f"If it is: ansible-playbook playbooks/stamp.yml -e dbops_confirm={stack}",
        )
    if stamp != str(stack):
        raise OperationError(
            "stamp-mismatch",
            f"The inventory says {stack}, the stamp says {stamp}.",
            "Nothing was changed.",
            "Correct the inventory or the connection: one of the two is not what you think.",
        )


def require_typed(stack: Stack | str, confirmation: str, what: str) -> None:
    """The operator has typed this very name, and nothing else."""
    if confirmation != str(stack):
        raise OperationError(
            "confirm-missing" if not confirmation else "confirm-mismatch",
            f"{what}, and dbops_confirm is {confirmation!r}.",
            "Nothing was changed.",
            f"Type what you mean: -e dbops_confirm={stack}",
        )


def require_old(stack: Stack, stamp: str, old: str) -> None:
    """Whoever takes a database from one environment into another knows which one it leaves."""
    if stamp in ("", str(stack)) or stamp == old:
        return
    raise OperationError(
        "stamp-mismatch",
        f"The stamp says {stamp}; {stack} would be written, and dbops_old_stamp is {old!r}.",
        "Nothing was changed.",
        f"If {stamp} is to become {stack}: -e dbops_confirm={stack} -e dbops_old_stamp={stamp}",
    )
