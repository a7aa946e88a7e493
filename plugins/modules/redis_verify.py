# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_verify
short_description: Read a backup of a Redis again
version_added: 0.1.0
description:
  - Compares the size and the SHA-256 of the backup with the manifest, has C(redis-check-rdb) or C(redis-check-aof) read it to its end, and
    writes the result into the manifest. A backup that does not hold what its manifest says no longer counts as one.
  - The backup is read by a container without a network, of the image that wrote it. Where that image is gone, the server's image reads
    it. The server itself is not asked for anything, and need not run.
  - The work is a job on the target. It outlives a lost connection.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._redis
  - amanat.dbops._job
  - amanat.dbops._backups
attributes:
  check_mode:
    support: full
    description: Tells which backup would be read, and how large it is.
  diff_mode:
    support: none
    description: Nothing is replaced but the list of checks in the manifest.
  idempotent:
    support: none
    details: Every run reads the backup and writes its result into the manifest.
    description: A second run changes nothing.
options:
  series:
    description: Backups that rotate together. Defaults to C(<name>_redis), after the name of the stack.
    type: str
  backup:
    description: Name of the backup. V(newest) is the newest of the series.
    type: str
    default: newest
"""

EXAMPLES = r"""
- name: Read the newest backup again
  amanat.dbops.redis_verify:
    stack: production/nickapp
    redis_container: nickapp-redis
    backup_dir: /var/backups/dbops/production/nickapp
"""

RETURN = r"""
name:
  description: Name of the backup.
  returned: success
  type: str
path:
  description: Path of the backup on the target.
  returned: success
  type: str
series:
  description: Its series.
  returned: success
  type: str
sha256:
  description: One digest over the digests of all its files.
  returned: success
  type: str
bytes:
  description: Its size in bytes.
  returned: success
  type: int
keys:
  description: Number of keys in it, as they were counted when it was made; V(null) where they were not.
  returned: success
  type: int
seconds:
  description: How long the reading took; 0 in check mode.
  returned: success
  type: float
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils._choice import named_or_newest
from ansible_collections.amanat.dbops.plugins.module_utils._manifest import REDIS
from ansible_collections.amanat.dbops.plugins.module_utils._module import (
    BACKUPS_OPTIONS,
    JOB_OPTIONS,
    TARGET_OPTIONS,
    backup_dir_of,
    main_of,
    planned_job,
    stack_of,
)
from ansible_collections.amanat.dbops.plugins.module_utils._reading import Plan
from ansible_collections.amanat.dbops.plugins.module_utils._redis_image import image_for
from ansible_collections.amanat.dbops.plugins.module_utils._redis_module import REDIS_OPTIONS, redis_place_of, redis_series_of
from ansible_collections.amanat.dbops.plugins.module_utils._redis_verify import Verification


def _plan(module: AnsibleModule) -> Plan:
    params, place, directory = module.params, redis_place_of(module), backup_dir_of(module)
    manifest = named_or_newest(directory, redis_series_of(module), params["backup"], stack_of(module), REDIS)
    labels = {"stack": str(stack_of(module)), "run": params["job"] or "verify"}
    return Plan(place, directory, manifest, image_for(place, manifest), labels)


def body(module: AnsibleModule) -> dict[str, Any]:
    return planned_job(module, _plan, Plan.result, lambda plan, progress: Verification(plan, progress).make())


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            **REDIS_OPTIONS,
            **JOB_OPTIONS,
            **BACKUPS_OPTIONS,
            "backup": {"type": "str", "default": "newest"},
        },
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
