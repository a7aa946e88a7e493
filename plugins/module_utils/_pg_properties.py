# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What belongs to a database itself, and no dump of it carries: read, given to another database, compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ._psql import Server, quote_identifier, quote_literal

# Of the database that one is connected to. An ACL that was never touched is null, which is not an empty one;
# its grantee "" is PUBLIC, and the role "" of a setting is everybody.
QUERY = """
SELECT pg_get_userbyid(d.datdba) AS owner, d.datconnlimit AS connection_limit,
       shobj_description(d.oid, 'pg_database') AS comment, pg_encoding_to_char(d.encoding) AS encoding,
       d.datcollate AS lc_collate, d.datctype AS lc_ctype, d.datlocprovider AS locale_provider,
       d.datlocale AS locale, d.daticurules AS icu_rules, d.datcollversion AS collation_version,
       (SELECT spcname FROM pg_tablespace WHERE oid = d.dattablespace) AS tablespace,
       CASE WHEN d.datacl IS NOT NULL THEN
         (SELECT coalesce(json_agg(json_build_object('grantee', grantee, 'privilege', privilege, 'grantable', grantable, 'grantor', grantor)
                                   ORDER BY grantee, privilege, grantor), '[]')
            FROM (SELECT CASE a.grantee WHEN 0 THEN '' ELSE pg_get_userbyid(a.grantee) END AS grantee, a.privilege_type AS privilege,
                         a.is_grantable AS grantable, pg_get_userbyid(a.grantor) AS grantor FROM aclexplode(d.datacl) a) g)
       END AS acl,
       (SELECT coalesce(json_agg(json_build_object('role', coalesce(r.rolname, ''), 'settings', s.setconfig) ORDER BY r.rolname), '[]')
          FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole WHERE s.setdatabase = d.oid) AS settings,
       (SELECT coalesce(json_agg(json_build_object('name', slot_name, 'plugin', plugin, 'type', slot_type) ORDER BY slot_name), '[]')
          FROM pg_replication_slots WHERE database = d.datname) AS slots,
       (SELECT coalesce(json_agg(s.subname ORDER BY s.subname), '[]') FROM pg_subscription s WHERE s.subdbid = d.oid) AS subscriptions,
       (SELECT coalesce(json_agg(json_build_object('name', extname, 'version', extversion) ORDER BY extname), '[]')
          FROM pg_extension) AS extensions
FROM pg_database d WHERE d.datname = current_database()
"""

# Settings whose value is a list of names, each quoted by itself. Any other value is one string, even where it holds commas.
# (variable_is_guc_list_quote in src/bin/pg_dump/dumputils.c)
_LISTS = frozenset({"local_preload_libraries", "search_path", "session_preload_libraries", "shared_preload_libraries", "temp_tablespaces"})

# What is compared of them; slots and subscriptions stay with the database that has them.
_COMPARED = ("owner", "acl", "connection_limit", "comment", "encoding", "lc_collate", "lc_ctype", "locale_provider", "locale", "tablespace")

# pg_database.datlocprovider: https://www.postgresql.org/docs/18/catalog-pg-database.html
_PROVIDERS = {"b": ("builtin", "BUILTIN_LOCALE"), "c": ("libc", "LOCALE"), "i": ("icu", "ICU_LOCALE")}


def read(server: Server) -> dict[str, Any]:
    """The properties of the database that `server` connects to."""
    return server.rows(QUERY)[0]


def read_from(server: Server, database: str) -> dict[str, Any]:
    """Those of another database of the server, without connecting to it; the extensions are not its own."""
    return server.rows(QUERY.replace("current_database()", quote_literal(database)))[0]


def roles_of(properties: dict[str, Any]) -> set[str]:
    """The roles that the properties name."""
    found = {properties["owner"], *(entry["role"] for entry in properties["settings"])}
    for grant in properties["acl"] or []:
        found |= {grant["grantee"], grant["grantor"]}
    return found - {""}


def create(name: str, properties: dict[str, Any]) -> str:
    """The statement that makes an empty database with the encoding and the locale of the recorded one."""
    provider, option = _PROVIDERS[properties["locale_provider"]]
    parts = [
        f"CREATE DATABASE {quote_identifier(name)} TABLESPACE {quote_identifier(properties['tablespace'])}",
        f"TEMPLATE template0 ENCODING {quote_literal(properties['encoding'])}",
        f"LC_COLLATE {quote_literal(properties['lc_collate'])} LC_CTYPE {quote_literal(properties['lc_ctype'])}",
        f"LOCALE_PROVIDER {provider}",
    ]
    if provider != "libc":
        parts.append(f"{option} {quote_literal(properties['locale'])}")
    if properties.get("icu_rules"):
        parts.append(f"ICU_RULES {quote_literal(properties['icu_rules'])}")
    return " ".join(parts) + ";"


def statements(name: str, properties: dict[str, Any]) -> list[str]:
    """What gives the database `name`, which was just made, the recorded owner, privileges, settings, limit and comment.

    To be run in one transaction and from another database: the owner decides who grants, and a limit keeps people out.
    """
    database = quote_identifier(name)
    made = [f"ALTER DATABASE {database} OWNER TO {quote_identifier(properties['owner'])};"]
    made += _grants(database, properties["owner"], properties["acl"])
    for entry in properties["settings"]:
        whose = f"ROLE {quote_identifier(entry['role'])} IN DATABASE {database}" if entry["role"] else f"DATABASE {database}"
        made += [f"ALTER {whose} SET {setting_of(setting)};" for setting in entry["settings"]]
    made.append(f"ALTER DATABASE {database} CONNECTION LIMIT {int(properties['connection_limit'])};")
    if properties["comment"]:
        made.append(f"COMMENT ON DATABASE {database} IS {quote_literal(properties['comment'])};")
    return made


def _grants(database: str, owner: str, acl: list[dict[str, Any]] | None) -> Iterator[str]:
    """Privileges as they were granted, each by its own grantor: the owner's first, then what these made possible."""
    if acl is None:
        return
    yield f"REVOKE ALL ON DATABASE {database} FROM PUBLIC, {quote_identifier(owner)};"
    waiting, able = list(acl), {(owner, grant["privilege"]) for grant in acl}
    while waiting:
        ready = [grant for grant in waiting if (grant["grantor"], grant["privilege"]) in able]
        # A grantor whose own right was recorded nowhere: the server has the last word.
        for grant in ready or waiting:
            grantee = quote_identifier(grant["grantee"]) if grant["grantee"] else "PUBLIC"
            option = " WITH GRANT OPTION" if grant["grantable"] else ""
            statement = f"GRANT {grant['privilege']} ON DATABASE {database} TO {grantee}{option};"
            if grant["grantor"] != owner:
                statement = f"SET LOCAL ROLE {quote_identifier(grant['grantor'])}; {statement} RESET ROLE;"
            yield statement
            if grant["grantable"]:
                able.add((grant["grantee"], grant["privilege"]))
        waiting = [grant for grant in waiting if grant not in ready] if ready else []


def setting_of(text: str) -> str:
    """`name=value`, as the catalogue has it, as `name TO value` of a statement."""
    name, _separator, value = text.partition("=")
    values = split_list(value) if name in _LISTS else [value]
    return f"{quote_identifier(name)} TO {', '.join(map(quote_literal, values)) or quote_literal('')}"


def split_list(value: str) -> list[str]:
    """The names in the value of a setting that is a list of names: separated by commas, quoted where need be."""
    names: list[str] = []
    rest = value.lstrip()
    while rest:
        if rest.startswith('"'):
            name, rest = _quoted(rest)
        else:
            name, _comma, rest = rest.partition(",")
            names.append(name.strip())
            rest = rest.lstrip()
            continue
        names.append(name)
        rest = rest.lstrip().removeprefix(",").lstrip()
    return names


def _quoted(text: str) -> tuple[str, str]:
    """A quoted name at the beginning of the text, and what follows it."""
    end = 1
    while True:
        end = text.index('"', end)
        if text[end : end + 2] != '""':
            return text[1:end].replace('""', '"'), text[end + 1 :]
        end += 2


def differences(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Every property that is not the recorded one, in words. The value of a setting may be a secret: its name has to do."""
    wrong = [
        f"the database's {key.replace('_', ' ')} is {found.get(key)!r} instead of {expected.get(key)!r}"
        for key in _COMPARED
        if expected.get(key) != found.get(key)
    ]
    changed = sorted(_settings(expected) ^ _settings(found))
    return wrong + [f"the setting {name}{f' of role {role} in it' if role else ''} is another one" for role, name in _names(changed)]


def _settings(properties: dict[str, Any]) -> set[tuple[str, str]]:
    return {(entry["role"], setting) for entry in properties["settings"] for setting in entry["settings"]}


def _names(settings: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Whose setting it is, and its name; each once."""
    return sorted({(role, setting.partition("=")[0]) for role, setting in settings})
