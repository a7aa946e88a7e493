# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_stale
short_description: List what a Redis holds of data that the database does not have, and remove what is named
version_added: 0.1.0
description:
  - After a restore the database is older than Redis. Keys that speak of rows which are not there any more, or not yet, are looked for by
    what follows a prefix, with SCAN, and compared with the database in portions.
  - Nothing is removed but the keys of prefixes that O(remove) names, and only where Redis is the stack's own by its stamp, or by that of
    the database where it has none. What was removed, and what was refused, is recorded in C(audit.jsonl) in the stack's directory on the
    target.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._redis
  - amanat.dbops._postgres
  - amanat.dbops._audit
attributes:
  check_mode:
    support: full
    description: Lists the same, and removes nothing.
  diff_mode:
    support: none
    description: RV(stale) is returned instead.
  idempotent:
    support: full
    description: A second run changes nothing.
options:
  entries:
    description: The prefixes.
    type: list
    elements: dict
    required: true
    suboptions:
      prefix:
        description: Beginning of the keys, literally.
        type: str
        required: true
      query:
        description:
          - A query of one column, whatever may follow the prefix, such as V(SELECT idempotency_key FROM payments).
          - Without one every key of the prefix is listed.
        type: str
        default: ''
  remove:
    description: The prefixes whose keys are removed where the database does not know them, or, without a query, all of them.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: See which payments only Redis knows
  amanat.dbops.redis_stale:
    stack: production/nickapp
    redis_container: nickapp-redis
    redis_password: "{{ dbops_redis_password }}"
    postgres_container: amanat-postgres
    pg_url: "{{ dbops_pg_url }}"
    entries:
      - prefix: 'payment:idem:'
        query: SELECT idempotency_key FROM payments
"""

RETURN = r"""
stale:
  description: What was found, by prefix.
  returned: success
  type: list
  elements: dict
  contains:
    prefix:
      description: The prefix.
      type: str
    known:
      description: Whether the database was asked which keys it knows; V(false) where all of them are listed.
      type: bool
    keys:
      description: Number of the keys that were found.
      type: int
    sample:
      description: Some of them, at most twenty.
      type: list
      elements: str
    removed:
      description: Whether they were removed, in check mode whether they would be.
      type: bool
"""

from dataclasses import replace
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._module import (
    AUDIT_OPTIONS,
    POSTGRES_OPTIONS,
    TARGET_OPTIONS,
    main_of,
    refusals_recorded,
    removal_recorded,
    server_of,
)
from ansible_collections.amanat.dbops.plugins.module_utils._psql import Server
from ansible_collections.amanat.dbops.plugins.module_utils._redis_module import REDIS_OPTIONS, redis_of, require_redis_stamp
from ansible_collections.amanat.dbops.plugins.module_utils._redis_session import Session
from ansible_collections.amanat.dbops.plugins.module_utils._redis_stale import Entry, find, remove


def body(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    entries = [Entry(entry["prefix"], entry["query"]) for entry in params["entries"]]
    unknown = set(params["remove"]) - {entry.prefix for entry in entries}
    if unknown:
        raise OperationError(
            "stale-unknown",
            f"dbops_remove_stale names {', '.join(sorted(unknown))}, which redis_stale_entries does not.",
            "Nothing was changed.",
            "Name one of " + ", ".join(entry.prefix for entry in entries) + ".",
        )
    # Queries of users mean what their role would.
    server = replace(server_of(module), search_path="") if any(entry.query for entry in entries) else None
    redis = redis_of(module)
    with redis.session() as session:
        if params["remove"]:
            with refusals_recorded(module, service="redis", state="stale", remove=params["remove"]):
                require_redis_stamp(module, redis, session)
        # All of it first: a query that fails is no reason to have removed the half.
        found = [find(session, server, entry) for entry in entries]
        for entry, each in zip(entries, found):
            if each["keys"] and entry.prefix in params["remove"]:
                if not module.check_mode:
                    each["keys"] = _removed(module, session, server, entry)
                each["removed"] = True
    return {"changed": any(each["removed"] for each in found), "stale": found}


def _removed(module: AnsibleModule, session: Session, server: Server | None, entry: Entry) -> int:
    with removal_recorded(module, "stale-removed", service="redis", prefix=entry.prefix) as facts:
        return remove(session, server, entry, lambda removed: facts.update(removed=removed))


def main() -> None:
    entry = {"prefix": {"type": "str", "required": True}, "query": {"type": "str", "default": ""}}
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            **REDIS_OPTIONS,
            **POSTGRES_OPTIONS,
            **AUDIT_OPTIONS,
            "entries": {"type": "list", "elements": "dict", "required": True, "options": entry},
            "remove": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
