# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: environment_stamp
short_description: Read, check and set the environment stamp of a database or of Redis
version_added: 0.1.0
description:
  - A database carries a stamp that says where it belongs, in the table C(dbops.environment). It travels with dumps.
    Redis carries it in the key C(dbops:environment); where that is missing, the stamp of PostgreSQL decides.
  - Nothing destructive happens unless inventory, stamp, server and confirmation agree; what is missing, unreadable or
    unknown means no. A database that is missing or empty counts as new, so that disaster recovery is never locked out.
  - Refusals and stamps are recorded in C(audit.jsonl) in the stack's directory on the target.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._postgres
  - amanat.dbops._redis
  - amanat.dbops._audit
attributes:
  check_mode:
    support: full
    description: Says what the stamp would become, and refuses what would be refused. Nothing is recorded.
  diff_mode:
    support: full
    description: Shows the old and the new stamp.
  idempotent:
    support: full
    description: A second run changes nothing.
options:
  service:
    description: Whose stamp is meant.
    type: str
    choices: [postgres, redis]
    default: postgres
  state:
    description:
      - V(read) only reads it.
      - V(checked) fails unless the stamp is that of O(stack), the server is known, and O(confirm) says so too. A new database passes
        without a stamp, and beside one a Redis without a stamp does.
      - V(present) stamps it, and records the server. A database that is not empty needs O(confirm), another stamp O(old) as well;
        another server than the one that is recorded needs O(confirm), also for a database that is new.
    type: str
    choices: [read, checked, present]
    required: true
  confirm:
    description: What the operator typed, V(<environment>/<name>).
    type: str
    default: ''
  confirm_in:
    description:
      - The environments in which V(checked) asks for O(confirm). Elsewhere stamp and server alone decide.
    type: list
    elements: str
    default: [production]
  old:
    description: The stamp that V(present) is to replace, V(<environment>/<name>), as the operator typed it.
    type: str
    default: ''
  publish:
    description:
      - Whether the stamp's table may be made in a database with a publication that would take it in, C(FOR ALL TABLES) or of its schema.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Refuse what is not meant
  amanat.dbops.environment_stamp:
    stack: production/nickapp
    postgres_container: amanat-postgres
    pg_url: "{{ dbops_pg_url }}"
    state: checked
    confirm: "{{ dbops_confirm }}"

- name: A copy of production becomes the staging database
  amanat.dbops.environment_stamp:
    stack: staging/nickapp
    postgres_container: amanat-postgres
    pg_url: "{{ dbops_pg_url }}"
    state: present
    old: production/nickapp
    confirm: staging/nickapp
"""

RETURN = r"""
stamp:
  description: The stamp that is carried afterwards, empty where there is none. In check mode the one that would be.
  returned: success
  type: str
old:
  description: The stamp that was carried before, empty where there was none.
  returned: success
  type: str
empty:
  description: Whether the database holds nothing at all, or is not there.
  returned: when O(service=postgres)
  type: bool
system_identifier:
  description: Identity of the server's cluster.
  returned: when O(service=postgres)
  type: str
recorded_server:
  description: Identity of the server on which the database was stamped, empty where none is recorded. In check mode as it would be.
  returned: when O(service=postgres)
  type: str
"""

import contextlib
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils import _audit, _identity, _redis_stamp, _stamp
from ansible_collections.amanat.dbops.plugins.module_utils._module import (
    AUDIT_OPTIONS,
    POSTGRES_OPTIONS,
    TARGET_OPTIONS,
    main_of,
    refusals_recorded,
    server_of,
    stack_of,
    url_of,
)
from ansible_collections.amanat.dbops.plugins.module_utils._redis_module import REDIS_OPTIONS, redis_of


def _result(found: _stamp.Found, recorded: str, **known: Any) -> dict[str, Any]:
    about = {"old": found.stamp, "stamp": found.stamp, "empty": found.is_new, "system_identifier": found.identifier}
    return {"changed": False, **about, "recorded_server": recorded, **known}


def _require_confirmation(module: AnsibleModule) -> None:
    stack = stack_of(module)
    if stack.environment in module.params["confirm_in"]:
        _stamp.require_typed(stack, module.params["confirm"], f"This changes {stack}")


def _listed(warning: str) -> list[str]:
    return [warning] if warning else []


def _read(module: AnsibleModule) -> dict[str, Any]:
    found = _stamp.find(server_of(module))
    warning = _stamp.About.of(server_of(module), url_of(module).user).warning() if found.exists else ""
    return _result(found, _identity.Record.of(stack_of(module)).identifier, warnings=_listed(warning))


def _check(module: AnsibleModule) -> dict[str, Any]:
    stack = stack_of(module)
    found = _stamp.agree(stack, server_of(module), module.params["allowed_servers"])
    _require_confirmation(module)
    return _result(found, _identity.Record.of(stack).identifier)


def _set(module: AnsibleModule) -> dict[str, Any]:
    stack, params = stack_of(module), module.params
    server, record = server_of(module), _identity.Record.of(stack)
    found = _stamp.find(server)
    about = _stamp.About.of(server, url_of(module).user)
    _identity.require_listed(found.identifier, params["allowed_servers"])
    write, keep = found.stamp != str(stack) or about.is_exposed, record.identifier != found.identifier
    if write or keep:
        if found.stamp != str(stack) or keep:
            _require_meant(module, found, record)
        about.require_unpublished(params["publish"])
    if not module.check_mode and (write or keep):
        _audit.require_writable(stack)
        # The record first: a stamp whose server nobody knows would have to be typed once more.
        with record.accepting(found.identifier) if keep else contextlib.nullcontext():
            if write:
                _stamp.write(server, stack)
            servers = {"system_identifier": found.identifier, "old_system_identifier": record.identifier}
            _audit.record(stack, "stamped", params["by"], old=found.stamp, new=str(stack), database=server.database, **servers)
    diff = {"before": f"{found.stamp} on {record.identifier}\n", "after": f"{stack} on {found.identifier}\n"}
    # Of who owns it now: this may just have taken it from the application.
    warning = (about if module.check_mode or not write else _stamp.About.of(server, about.application)).warning()
    return _result(found, found.identifier, changed=write or keep, stamp=str(stack), diff=diff, warnings=_listed(warning))


def _require_meant(module: AnsibleModule, found: _stamp.Found, record: _identity.Record) -> None:
    """Only a new database is stamped without a word, and on no other server than was recorded."""
    if found.is_new and record.identifier in ("", found.identifier):
        return
    stack = stack_of(module)
    _stamp.require_old(stack, found.stamp, module.params["old"])
    if found.is_new:
        what = f"The database is new; its server, {found.identifier}, instead of {record.identifier}, would be recorded"
    elif not found.stamp:
        what = f"The database holds data and no stamp; {stack} would be written"
    elif found.stamp == str(stack):
        known = f"instead of {record.identifier}" if record.identifier else "of which nothing was recorded"
        what = f"The database is stamped {stack}; its server, {found.identifier}, {known}, would be recorded"
    else:
        what = f"The database is stamped {found.stamp}; {stack} would be written"
    _stamp.require_typed(stack, module.params["confirm"], what)


# -- Redis -----------------------------------------------------------------------------------------------------------


def _redis_read(module: AnsibleModule) -> dict[str, Any]:
    with redis_of(module).session() as session:
        stamp = _redis_stamp.read(session)
    return {"changed": False, "old": stamp, "stamp": stamp}


def _redis_check(module: AnsibleModule) -> dict[str, Any]:
    stack, redis = stack_of(module), redis_of(module)
    with redis.session() as session:
        stamp = _redis_stamp.own_stamp(session, stack, redis.database)
    if stamp:
        _stamp.check(stack, stamp)
    else:
        found = _stamp.find(server_of(module))
        if not found.is_new:  # a new database says nothing, and must not lock recovery out
            _stamp.check(stack, found.stamp)
    _require_confirmation(module)
    return {"changed": False, "old": stamp, "stamp": stamp}


def _redis_set(module: AnsibleModule) -> dict[str, Any]:
    stack, params, redis = stack_of(module), module.params, redis_of(module)
    with redis.session() as session:
        old = _redis_stamp.own_stamp(session, stack, redis.database)
        if not old:
            _stamp.check(stack, _stamp.read(server_of(module)))
        elif old != str(stack):
            _stamp.require_old(stack, old, params["old"])
            _stamp.require_typed(stack, params["confirm"], f"Redis is stamped {old}; {stack} would be written")
        changed = old != str(stack) or not _redis_stamp.is_kept(session)
        if changed and not module.check_mode:
            _audit.require_writable(stack)
            _redis_stamp.write(session, stack)
            _audit.record(stack, "stamped", params["by"], old=old, new=str(stack), service="redis")
    return {"changed": changed, "old": old, "stamp": str(stack), "diff": {"before": f"{old}\n", "after": f"{stack}\n"}}


_ACTIONS = {
    ("postgres", "read"): _read,
    ("postgres", "checked"): _check,
    ("postgres", "present"): _set,
    ("redis", "read"): _redis_read,
    ("redis", "checked"): _redis_check,
    ("redis", "present"): _redis_set,
}


def body(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    act = _ACTIONS[params["service"], params["state"]]
    if params["state"] == "read":
        return act(module)
    with refusals_recorded(module, **{name: params[name] for name in ("service", "state", "confirm")}):
        return act(module)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            **POSTGRES_OPTIONS,
            **REDIS_OPTIONS,
            **AUDIT_OPTIONS,
            "service": {"type": "str", "default": "postgres", "choices": ["postgres", "redis"]},
            "state": {"type": "str", "required": True, "choices": ["read", "checked", "present"]},
            "confirm": {"type": "str", "default": ""},
            "confirm_in": {"type": "list", "elements": "str", "default": ["production"]},
            "old": {"type": "str", "default": ""},
            "publish": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
