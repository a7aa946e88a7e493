# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_cleanup
short_description: List the databases that windows and restores left beside the application's, and drop those that are named
version_added: 0.1.0
description:
  - Such a database is the one that was replaced, the copy of a failed attempt, or one that was not finished. It carries the
    application's database's name, what it is, and when it was made.
  - A database with a session in it is not dropped, nor is one whose own stamp is another stack's. Where the application's database is
    lost or empty, what is named may be the only copy, so it has to carry the stack's stamp and the server has to be the recorded one.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._postgres
  - amanat.dbops._leftovers
  - amanat.dbops._audit
attributes:
  check_mode:
    support: full
    description: Tells what would be dropped. A database that nobody may connect to is not looked into.
  diff_mode:
    support: full
    description: Shows the names of what is dropped.
  idempotent:
    support: none
    details: A name that is gone is an error, for it may be a mistyped one.
    description: A second run changes nothing.
"""

EXAMPLES = r"""
- name: Look what is left over
  amanat.dbops.postgres_cleanup:
    stack: production/nickapp
    postgres_container: amanat-postgres
    pg_url: "{{ dbops_pg_url }}"
"""

RETURN = r"""
leftovers:
  description: What can be named, before anything was dropped.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the database.
      type: str
    kind:
      description: What its name says it is, for example V(old).
      type: str
    time:
      description: The time of its name, UTC.
      type: str
    age:
      description: Seconds since then.
      type: int
    bytes:
      description: Its size in bytes; null where this role may not know it.
      type: int
    busy:
      description: Why it cannot be dropped now; empty where it can.
      type: str
removed:
  description: Names of what was dropped, in check mode of what would be.
  returned: success
  type: list
  elements: str
freed:
  description: Bytes of what was dropped.
  returned: success
  type: int
"""

from datetime import datetime, timezone
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils import _leftovers, _pg_clone, _stamp
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._identity import Record
from ansible_collections.amanat.dbops.plugins.module_utils._module import (
    AUDIT_OPTIONS,
    POSTGRES_OPTIONS,
    TARGET_OPTIONS,
    main_of,
    server_of,
    stack_of,
)
from ansible_collections.amanat.dbops.plugins.module_utils._named_by_windows import named_by_windows
from ansible_collections.amanat.dbops.plugins.module_utils._pg_sessions import in_words, sessions
from ansible_collections.amanat.dbops.plugins.module_utils._psql import Server, quote_identifier

# Who may neither connect nor read all statistics is not told a size.
DATABASES = """SELECT datname AS name, CASE WHEN has_database_privilege(oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE')
 THEN pg_database_size(oid) END AS bytes FROM pg_database ORDER BY datname"""


def _leftovers_of(server: Server, database: str, named: dict[str, str]) -> list[dict[str, Any]]:
    now = datetime.now(timezone.utc)
    leftovers = []
    for row in server.rows(DATABASES):
        beside = _pg_clone.parse_beside(row["name"])
        if beside is None or not _pg_clone.is_beside(row["name"], database):
            continue
        inside = sessions(server, [row["name"]])
        leftovers.append(
            {
                **row,
                "kind": beside.kind,
                "time": f"{beside.moment.isoformat()[:19]}Z",
                "age": int((now - beside.moment).total_seconds()),
                "busy": named.get(row["name"], in_words(inside) if inside else ""),
            }
        )
    return leftovers


def _is_lost(module: AnsibleModule, of_application: Server) -> bool:
    """There is no database of the application's that says whose the others are. Then the server has to be the one that is known."""
    found = _stamp.find(of_application)
    if found.is_new:
        Record.of(stack_of(module)).require(found.identifier, module.params["allowed_servers"], has_database=found.exists)
    return found.is_new


def _require_own(module: AnsibleModule, server: Server, name: str, *, alone: bool) -> None:
    """The database is the stack's own by the stamp inside. alone: nothing else says so, and it may be the only copy."""
    if module.check_mode and not _pg_clone.is_open(server, name):
        return
    try:
        with _pg_clone.opened(server, name) as leftover:
            stamp = _stamp.read(leftover)
        if stamp or alone:
            _stamp.check(stack_of(module), stamp)
    except OperationError as error:
        raise OperationError(
            error.slug,
            f"{name}: {error.what}",
            "Nothing was changed.",
            f"Look into it. Where it may go all the same, drop it by hand, with psql: DROP DATABASE {quote_identifier(name)};",
        ) from None


def body(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    named = named_by_windows(params["state_dir"])
    of_application = server_of(module)
    server = _pg_clone.maintenance(of_application)
    leftovers = _leftovers_of(server, of_application.database, named)
    chosen = _leftovers.chosen(leftovers, params["names"], params["confirm"])
    lost = bool(chosen) and _is_lost(module, of_application)
    for leftover in chosen:
        # A restore that was cut off left such a one unfinished, and the next restore drops it unasked.
        if leftover["kind"] != _pg_clone.LOADING:
            _require_own(module, server, leftover["name"], alone=lost)
    if not module.check_mode:
        for leftover in chosen:
            server.execute(f"DROP DATABASE {quote_identifier(leftover['name'])};")  # fails where a session has come in
    return {"changed": bool(chosen), "leftovers": leftovers, **_leftovers.outcome(chosen, "databases")}


def main() -> None:
    module = AnsibleModule(
        argument_spec={**TARGET_OPTIONS, **POSTGRES_OPTIONS, **_leftovers.OPTIONS, **AUDIT_OPTIONS},
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
