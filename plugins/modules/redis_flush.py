# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_flush
short_description: Remove keys of Redis by a pattern, without its other clients noticing
version_added: 0.1.0
description:
  - Counts what matches, and removes it in batches. Each is one script in the server, so that no key's name leaves it, whatever it is
    made of, and nobody changes a key between the look at it and its removal. With O(confirm) it counts while it removes.
  - It goes no faster than O(rate), makes its batches so small that nobody waits longer than O(max_latency), and pauses while somebody
    else keeps the server busy or its memory grows.
  - Keys that begin with one of O(protected_prefixes), or with C(dbops:), are skipped and counted.
  - A pattern that names nothing in particular, V(*), V(?*), V([^x]*) or the empty one for example, means C(FLUSHDB). That is for
    development only, by inventory, stamp and confirmation, and Redis is stamped again in the same moment.
  - What was removed, also by a flush that was cut off, and what was refused is recorded in C(audit.jsonl) in the stack's directory on
    the target.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._postgres
  - amanat.dbops._redis
  - amanat.dbops._audit
  - amanat.dbops._job
attributes:
  check_mode:
    support: full
    description: Counts by prefix, shows time to live and type of some keys, and removes nothing. Nothing is recorded.
  diff_mode:
    support: none
    description: There is nothing to compare.
  idempotent:
    support: full
    description: A second run finds nothing to remove, unless somebody has written such keys meanwhile.
options:
  pattern:
    description:
      - The keys that are to go, in the database of O(redis_url), as C(SCAN) matches them.
      - A backslash takes its meaning from C(*), C(?) and C([).
    type: str
    default: ''
  scope:
    description:
      - How much a pattern that names nothing means, V(database) for C(FLUSHDB) or V(server) for C(FLUSHALL).
      - V(server) is refused with any other pattern.
    type: str
    choices: [database, server]
    default: database
  protected_prefixes:
    description: Beginnings of keys that stay, literally.
    type: list
    elements: str
    default: ['auth:refresh:', 'payment:idem:']
  max_keys:
    description: As many keys are removed without O(confirm).
    type: int
    default: 10000
  confirm:
    description: What the operator typed, V(<environment>/<name>/redis).
    type: str
    default: ''
  rate:
    description: Keys a second that are removed at most; 0 for as many as can be.
    type: float
    default: 200000
  max_latency:
    description: Milliseconds that another client may be kept waiting.
    type: float
    default: 4.0
  max_memory_growth:
    description:
      - Bytes by which the server's memory may grow before it is left alone for up to half a minute.
      - What a saving child makes it copy is part of it.
    type: int
    default: 67108864
  refresh_prefixes:
    description: Beginnings of refresh tokens, which are counted before everything goes.
    type: list
    elements: str
    default: ['auth:refresh:']
  rate_limit_prefixes:
    description: Beginnings of the counters of rate limits, which are counted before everything goes.
    type: list
    elements: str
    default: ['ratelimit:', 'rl:']
  lets_go:
    description:
      - Whether writers whom M(amanat.dbops.redis_hold) keeps waiting are let go before the first key is removed, which would wait with
        them. Not in check mode.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: The schema of what is cached has changed
  amanat.dbops.redis_flush:
    stack: production/nickapp
    pg_url: "{{ dbops_pg_url }}"
    redis_container: nickapp-redis
    redis_password: "{{ dbops_redis_password }}"
    pattern: cache:stats:*

- name: A million of them, as was typed
  amanat.dbops.redis_flush:
    stack: production/nickapp
    pg_url: "{{ dbops_pg_url }}"
    redis_container: nickapp-redis
    redis_password: "{{ dbops_redis_password }}"
    pattern: cache:*
    rate: 20000
    confirm: "{{ dbops_confirm }}"
"""

RETURN = r"""
command:
  description: V(UNLINK), or V(FLUSHDB) or V(FLUSHALL) where the pattern named nothing.
  returned: success
  type: str
matching:
  description: Keys that matched.
  returned: success
  type: int
removed:
  description: Keys that were removed; in check mode those that would be.
  returned: success
  type: int
protected:
  description: Keys that matched and stay.
  returned: success
  type: int
prefixes:
  description: The hundred prefixes with most of what matched.
  returned: success
  type: list
  elements: dict
  contains:
    prefix:
      description: V(<service>:<entity>:), empty for keys that are not named so.
      type: str
    keys:
      description: Keys that matched.
      type: int
    protected:
      description: How many of them stay.
      type: int
sample:
  description: Some of the keys that go, where they were counted first; their names with escapes for what cannot be printed.
  returned: success
  type: list
  elements: dict
  contains:
    key:
      description: Its name, or the beginning of a long one.
      type: str
    type:
      description: Its type.
      type: str
    ttl:
      description: Seconds that it would live; null for ever.
      type: float
groups:
  description: Refresh tokens and counters of rate limits among what goes with everything, by name; empty with any other pattern.
  returned: success
  type: dict
confirmation:
  description: In check mode what has to be typed for it, empty where nothing has.
  returned: success
  type: str
seconds:
  description: Seconds that the removal took.
  returned: success
  type: float
paused:
  description: Seconds of it in which the server was left alone.
  returned: success
  type: float
"""

from contextlib import AbstractContextManager
from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils._job import Progress
from ansible_collections.amanat.dbops.plugins.module_utils._module import (
    AUDIT_OPTIONS,
    JOB_OPTIONS,
    POSTGRES_OPTIONS,
    TARGET_OPTIONS,
    main_of,
    refusals_recorded,
    removal_recorded,
    run_as_job,
    stack_of,
)
from ansible_collections.amanat.dbops.plugins.module_utils._redis_flush import Counted, Emptying, Flush, emptying, require_few, typed
from ansible_collections.amanat.dbops.plugins.module_utils._redis_hold import release
from ansible_collections.amanat.dbops.plugins.module_utils._redis_module import REDIS_OPTIONS, redis_of, require_redis_stamp
from ansible_collections.amanat.dbops.plugins.module_utils._redis_session import Session

PREFIXES = 100  # that are returned


def _refusals(module: AnsibleModule) -> AbstractContextManager[None]:
    """What is refused within is remembered."""
    return refusals_recorded(module, service="redis", state="flush", **{name: module.params[name] for name in ("pattern", "confirm")})


def _removal(module: AnsibleModule, command: str) -> AbstractContextManager[dict[str, Any]]:
    """What is removed within is remembered."""
    return removal_recorded(module, "flushed", service="redis", pattern=module.params["pattern"], command=command)


def _result(command: str, counted: Counted, removed: int, **known: Any) -> dict[str, Any]:
    about = {"command": command, "matching": counted.matching, "protected": counted.protected, "removed": removed}
    found = {"prefixes": counted.largest(PREFIXES), "sample": counted.sample}
    return {"changed": removed > 0, **about, **found, "groups": {}, "confirmation": "", "seconds": 0.0, "paused": 0.0, **known}


def _let_go(module: AnsibleModule, session: Session) -> None:
    if module.params["lets_go"]:
        release(session)


def _matching(module: AnsibleModule, session: Session, say: Callable[..., None]) -> dict[str, Any]:
    stack, params = stack_of(module), module.params
    flush = Flush(
        session,
        params["pattern"],
        params["protected_prefixes"],
        params["max_latency"] / 1000,
        params["rate"],
        params["max_memory_growth"],
    )
    most, confirmed = params["max_keys"], params["confirm"] == typed(stack)

    def remove(limit: int | None, **known: int) -> tuple[Counted, dict[str, Any]]:
        _let_go(module, session)
        with _removal(module, "UNLINK") as facts:

            def tell(removed: int) -> None:
                facts["removed"] = removed
                say("removing keys", removed=removed, **known)

            counted, done = flush.remove(limit, tell)
            facts["protected"] = counted.protected
        return counted, done

    if confirmed and not module.check_mode:  # then it is no matter how many they are
        counted, done = remove(None)
        return _result("UNLINK", counted, **done)
    counted = flush.count(Counted())
    if module.check_mode:
        return _result("UNLINK", counted, counted.removable, confirmation=typed(stack) if counted.removable > most else "")
    with _refusals(module):
        require_few(stack, counted, most, params["confirm"])
    _counted, done = remove(most, of=counted.removable)
    return _result("UNLINK", counted, **done)


def _everything(module: AnsibleModule, session: Session, command: str) -> dict[str, Any]:
    stack, params = stack_of(module), module.params
    groups = {"refresh_tokens": params["refresh_prefixes"], "rate_limit_counters": params["rate_limit_prefixes"]}
    whole = Emptying(session, command, redis_of(module).database, groups)
    whole.require_own(stack)
    counted, sizes = whole.count(params["max_latency"] / 1000)
    if not module.check_mode:
        with _refusals(module):
            whole.require_typed(stack, counted, sizes, params["confirm"])
        _let_go(module, session)
        with _removal(module, command) as facts:
            whole.empty(stack)
            facts.update(removed=counted.removable, protected=counted.protected)
    return _result(command, counted, counted.removable, groups=sizes, confirmation=typed(stack) if module.check_mode else "")


def _flush(module: AnsibleModule, command: str, say: Callable[..., None]) -> dict[str, Any]:
    say("counting keys")
    with redis_of(module).session() as session:
        return _everything(module, session, command) if command else _matching(module, session, say)


def _prepare(module: AnsibleModule) -> str:
    """Everything that can be found wrong before the keys are counted; the command, where everything is to go."""
    stack, params = stack_of(module), module.params
    command = emptying(stack, params["pattern"], params["scope"])
    redis = redis_of(module)
    with redis.session() as session:
        require_redis_stamp(module, redis, session)
    return command


def body(module: AnsibleModule) -> dict[str, Any]:
    if module.check_mode:
        return _flush(module, _prepare(module), lambda *_words: None)

    def prepare() -> Callable[[Progress], dict[str, Any]]:
        with _refusals(module):
            command = _prepare(module)
        return lambda progress: _flush(module, command, progress.say)

    return run_as_job(module, prepare)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            **POSTGRES_OPTIONS,
            **REDIS_OPTIONS,
            **AUDIT_OPTIONS,
            **JOB_OPTIONS,
            "pattern": {"type": "str", "default": ""},
            "scope": {"type": "str", "choices": ["database", "server"], "default": "database"},
            "protected_prefixes": {"type": "list", "elements": "str", "default": ["auth:refresh:", "payment:idem:"]},
            "max_keys": {"type": "int", "default": 10000, "no_log": False},
            "confirm": {"type": "str", "default": ""},
            "rate": {"type": "float", "default": 200000},
            "max_latency": {"type": "float", "default": 4.0},
            "max_memory_growth": {"type": "int", "default": 67108864},
            "refresh_prefixes": {"type": "list", "elements": "str", "default": ["auth:refresh:"]},
            "rate_limit_prefixes": {"type": "list", "elements": "str", "default": ["ratelimit:", "rl:"]},
            "lets_go": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
