# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: health_gate
short_description: Wait until the application, and what it stands on, is healthy
version_added: 0.1.0
description:
  - Asks a health URL from the target until it has answered well several times in a row, or the time is over.
  - Then asks PostgreSQL and Redis whether they serve and take writes, looks for tables that have to be there, and for new kinds of
    errors in the logs of the services.
  - A redirect is not a healthy answer, and no proxy of the target is used.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._postgres
  - amanat.dbops._redis
  - amanat.dbops._services
attributes:
  check_mode:
    support: full
    description: It only reads.
  diff_mode:
    support: none
    description: It only reads.
options:
  url:
    description: The health URL, as the target reaches it.
    type: str
    required: true
  url_login:
    description:
      - What O(url) wants to be logged in with by basic authentication, C(user:password), percent-encoded as in a URL. A secret.
      - What stands in O(url) itself is taken as well; but only here it is no part of what is logged.
    type: str
    default: ''
  timeout:
    description: Seconds after which the gate is closed for good.
    type: float
    default: 60.0
  request_timeout:
    description: Seconds after which one request counts as unanswered.
    type: float
    default: 5.0
  server_timeout:
    description: Seconds that PostgreSQL, Redis and the reading of a log have each.
    type: float
    default: 10.0
  successes:
    description: Good answers in a row that open the gate.
    type: int
    default: 3
  interval:
    description: Seconds between two requests.
    type: float
    default: 0.2
  steady:
    description: Seconds that the good answers have to span at least.
    type: float
    default: 0.0
  status:
    description: HTTP statuses of a good answer.
    type: list
    elements: int
    default: [200]
  json:
    description:
      - What has to hold in the JSON of a good answer, each with a C(path) of names, and numbers in lists, separated by dots, and one of
        C(equals), C(at_least) and C(at_most).
    type: list
    elements: dict
    default: []
  tables:
    description: Tables that have to be there, V(<schema>.<table>), or V(<table>) in the schema C(public).
    type: list
    elements: str
    default: []
  log:
    description:
      - Whether the logs of O(services) are looked at. An error of a kind that is not in O(known) closes the gate at once.
      - Times, numbers, identities and quoted words make no difference in kind.
    type: bool
    default: false
  ignore:
    description: Regular expressions. Kinds of errors that one of them finds something in do not count.
    type: list
    elements: str
    default: []
  known:
    description: The kinds of errors that were there before, by service, as RV(log) tells them. Without it no kind is new.
    type: dict
  waived:
    description: Names of demands, as RV(flaws) names them, that are waited for and not insisted on.
    type: list
    elements: str
    default: []
  pg_url:
    description:
      - The URL by which the application reaches its database, V(postgres://user:password@host:port/database). A secret.
      - Without it PostgreSQL is not asked.
    type: str
    required: false
  redis_url:
    description:
      - The URL by which the application reaches Redis, V(redis://user:password@host:port/database). A secret.
      - Without it, and without O(redis_container), Redis is not asked.
    type: str
    default: ''
  redis_password_file:
    description: File on the target that holds the password of Redis, where O(redis_password) does not.
    type: path
    default: ''
  services:
    description: The application's services, whose logs are looked at with O(log).
    required: false
    default: []
"""

EXAMPLES = r"""
- name: Wait for the backend
  amanat.dbops.health_gate:
    stack: production/nickapp
    url: https://amn.gg/api/health
    json:
      - {path: services.redis.status, equals: up}
"""

RETURN = r"""
answer:
  description: The last answer.
  returned: always, once a request was made
  type: dict
  contains:
    url:
      description: The URL.
      type: str
    status:
      description: The HTTP status, 0 where nobody answered.
      type: int
    ok:
      description: Whether the status is one of O(status).
      type: bool
    ms:
      description: Milliseconds until the answer.
      type: int
    body:
      description: The answer's JSON.
      type: raw
    reason:
      description: Why there was no answer.
      type: str
flaws:
  description: What is not as it has to be. Empty where the gate has passed.
  returned: always, once a request was made
  type: list
  elements: dict
  contains:
    name:
      description: Name of the demand, V(http), V(json <path>), V(postgres), V(redis), V(table <name>) or V(log <service>).
      type: str
    what:
      description: What is wrong, in words.
      type: str
excused:
  description: The same of what is waived.
  returned: always, once a request was made
  type: list
  elements: dict
log:
  description: The kinds of errors in the logs of O(services), by service.
  returned: always, once a request was made
  type: dict
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils._gate import Gate
from ansible_collections.amanat.dbops.plugins.module_utils._gate_beneath import Beneath, Flaw, secrets_of
from ansible_collections.amanat.dbops.plugins.module_utils._module import (
    POSTGRES_OPTIONS,
    TARGET_OPTIONS,
    main_of,
    server_of,
)
from ansible_collections.amanat.dbops.plugins.module_utils._redis_cli import Redis, password_from
from ansible_collections.amanat.dbops.plugins.module_utils._redis_module import REDIS_OPTIONS, redis_of
from ansible_collections.amanat.dbops.plugins.module_utils._services_module import SERVICES_OPTIONS, services_from

_GATE_OPTIONS: dict[str, Any] = {
    "url": {"type": "str", "required": True},
    "url_login": {"type": "str", "default": "", "no_log": True},
    "timeout": {"type": "float", "default": 60.0},
    "request_timeout": {"type": "float", "default": 5.0},
    "server_timeout": {"type": "float", "default": 10.0},
    "successes": {"type": "int", "default": 3},
    "interval": {"type": "float", "default": 0.2},
    "steady": {"type": "float", "default": 0.0},
    "status": {"type": "list", "elements": "int", "default": [200]},
    "json": {"type": "list", "elements": "dict", "default": []},
    "tables": {"type": "list", "elements": "str", "default": []},
    "log": {"type": "bool", "default": False},
    "ignore": {"type": "list", "elements": "str", "default": []},
    "known": {"type": "dict"},
    "waived": {"type": "list", "elements": "str", "default": []},
}


def _redis(module: AnsibleModule) -> Redis:
    redis = redis_of(module)
    return redis if redis.password else replace(redis, password=password_from(module.params["redis_password_file"]))


def _beneath(module: AnsibleModule) -> Beneath:
    params = module.params
    return Beneath(
        postgres=(lambda: server_of(module)) if params["pg_url"] else None,
        redis=(lambda: _redis(module)) if params["redis_container"] or params["redis_url"] else None,
        services=services_from(module) if params["services"] else [],
        secrets=secrets_of(params),
    )


def _named(**flaws: Iterable[Flaw]) -> dict[str, list[dict[str, str]]]:
    return {key: [{"name": each.name, "what": each.what} for each in found] for key, found in flaws.items()}


def body(module: AnsibleModule) -> dict[str, Any]:
    gate = Gate(**{name: module.params[name] for name in _GATE_OPTIONS})
    look = gate.wait(_beneath(module))
    found = {"changed": False, "answer": look.answer, "log": look.log, **_named(flaws=look.flaws, excused=look.excused)}
    return found if look.passed else {**found, "failed": True, **gate.failure(look).as_result()}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            **POSTGRES_OPTIONS,
            "pg_url": {"type": "str", "no_log": True},
            **REDIS_OPTIONS,
            "redis_password_file": {"type": "path", "default": "", "no_log": False},
            **SERVICES_OPTIONS,
            "services": {**SERVICES_OPTIONS["services"], "required": False, "default": []},
            **_GATE_OPTIONS,
        },
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
