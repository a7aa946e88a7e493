# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_keyspace_info
short_description: Look through the keys of Redis, by prefix
version_added: 0.1.0
description:
  - Tells for each prefix C(<service>:<entity>:) how many keys there are, how large, how many of them live for ever and how long the
    idlest was not used; which keys are not named C(<service>:<entity>:<id>); and the biggest ones.
  - It goes through the keys in batches so small that nobody waits longer than O(max_latency). Each is one script in the server,
    so that no key changes while it is looked at. Nothing here counts as use of a key.
  - Memory is what C(MEMORY USAGE) says, which samples the elements of a large key.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._redis
  - amanat.dbops._job
attributes:
  check_mode:
    support: full
    description: It only reads, in either mode.
  diff_mode:
    support: none
    description: There is nothing to compare.
options:
  sample:
    description: As many keys are looked at, and what they tell is scaled up to all of them; 0 for all.
    type: int
    default: 100000
  prefixes:
    description: As many prefixes are returned, those with most memory.
    type: int
    default: 100
  max_latency:
    description: Milliseconds that another client may be kept waiting.
    type: float
    default: 4.0
"""

EXAMPLES = r"""
- name: See what takes up the memory
  amanat.dbops.redis_keyspace_info:
    stack: production/nickapp
    redis_container: nickapp-redis
    redis_password: "{{ dbops_redis_password }}"
    sample: 0
  register: keyspace
"""

RETURN = r"""
keys:
  description: Keys in the database.
  returned: success
  type: int
seen:
  description: Keys that were looked at.
  returned: success
  type: int
sampled:
  description: Whether the figures of RV(prefixes) are scaled up.
  returned: success
  type: bool
bytes:
  description: Memory that the keys take up.
  returned: success
  type: int
prefixes:
  description: What lies under each prefix, the largest first.
  returned: success
  type: list
  elements: dict
  contains:
    prefix:
      description: V(<service>:<entity>:), empty for keys that are not named so.
      type: str
    keys:
      description: Keys under it.
      type: int
    bytes:
      description: Memory that they take up.
      type: int
    without_ttl:
      description: Share of them that lives for ever, 0 to 1.
      type: float
    idle:
      description: Seconds since the idlest was used; null with an LFU policy, which keeps no time.
      type: int
more_prefixes:
  description: Prefixes beyond those.
  returned: success
  type: int
uncounted:
  description: Keys under prefixes beyond the first ten thousand, which are not told apart.
  returned: success
  type: int
unconventional:
  description: How many keys are not named C(<service>:<entity>:<id>), and up to twenty of them.
  returned: success
  type: dict
biggest:
  description: The ten biggest keys of those that were looked at, with RV(ignore:key), RV(ignore:type) and RV(ignore:bytes).
  returned: success
  type: list
  elements: dict
"""

from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils._job import Progress
from ansible_collections.amanat.dbops.plugins.module_utils._module import JOB_OPTIONS, TARGET_OPTIONS, main_of, run_as_job
from ansible_collections.amanat.dbops.plugins.module_utils._redis_keyspace import audit
from ansible_collections.amanat.dbops.plugins.module_utils._redis_module import REDIS_OPTIONS, redis_of


def body(module: AnsibleModule) -> dict[str, Any]:
    params = module.params

    def prepare() -> Callable[[Progress], dict[str, Any]]:
        redis = redis_of(module)

        def work(progress: Progress) -> dict[str, Any]:
            def say(seen: int, keys: int) -> None:
                progress.say("looking at keys", seen=seen, of=keys)

            with redis.session() as session:
                found, keys = audit(session, params["sample"], params["max_latency"] / 1000, say)
            return {"changed": False, **found.result(keys, params["prefixes"])}

        return work

    return run_as_job(module, prepare)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            **REDIS_OPTIONS,
            **JOB_OPTIONS,
            "sample": {"type": "int", "default": 100000},
            "prefixes": {"type": "int", "default": 100},
            "max_latency": {"type": "float", "default": 4.0},
        },
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
