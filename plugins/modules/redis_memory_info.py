# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_memory_info
short_description: Say which keys that must stay a Redis may evict, and how near its limit is
version_added: 0.1.0
description:
  - Warns where an C(allkeys-*) policy meets keys that must not be evicted, where a C(volatile-*) one meets such keys that expire,
    and where C(noeviction) nears its limit. Each warning names the keys.
  - It looks for one key of each prefix, for ten seconds at most, and says where that was not enough.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._redis
attributes:
  check_mode:
    support: full
    description: It only reads, in either mode.
  diff_mode:
    support: none
    description: There is nothing to compare.
options:
  protected_prefixes:
    description: Beginnings of keys that must not be evicted, literally.
    type: list
    elements: str
    default: ['auth:refresh:', 'payment:idem:']
  policy:
    description: The policy to judge, where it is not the one that the server has now.
    type: str
    default: ''
  near:
    description: Share of C(maxmemory), between 0 and 1, from which on V(noeviction) is warned of.
    type: float
    default: 0.9
"""

EXAMPLES = r"""
- name: Ask what may be evicted
  amanat.dbops.redis_memory_info:
    stack: production/nickapp
    redis_container: nickapp-redis
    redis_password: "{{ dbops_redis_password }}"
"""

RETURN = r"""
policy:
  description: The policy that was judged.
  returned: success
  type: str
used:
  description: Bytes that count for the limit.
  returned: success
  type: int
limit:
  description: C(maxmemory) in bytes; 0 for none.
  returned: success
  type: int
exposed:
  description: The prefixes with a key that may be evicted, each with one such key.
  returned: success
  type: list
  elements: dict
  contains:
    prefix:
      description: The prefix.
      type: str
    key:
      description: A key, with escapes for what cannot be printed.
      type: str
findings:
  description: What is wrong, in words. The module warns of it, too.
  returned: success
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils._module import TARGET_OPTIONS, main_of, stack_of
from ansible_collections.amanat.dbops.plugins.module_utils._redis_memory import exposed, memory, warnings
from ansible_collections.amanat.dbops.plugins.module_utils._redis_module import REDIS_OPTIONS, redis_of


def body(module: AnsibleModule) -> dict[str, Any]:
    params, stack = module.params, stack_of(module)
    with redis_of(module).session() as session:
        now = memory(session)
        policy = params["policy"] or now.policy
        look = exposed(session, policy, params["protected_prefixes"])
    findings = warnings(now, policy, look, params["near"])
    return {
        "changed": False,
        "policy": policy,
        "used": now.used,
        "limit": now.limit,
        "exposed": [{"prefix": each.prefix, "key": each.key} for each in look.found],
        "findings": findings,
        "warnings": [f"Redis of {stack}: {finding}." for finding in findings],
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            **REDIS_OPTIONS,
            "protected_prefixes": {"type": "list", "elements": "str", "default": ["auth:refresh:", "payment:idem:"]},
            "policy": {"type": "str", "default": ""},
            "near": {"type": "float", "default": 0.9},
        },
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
