# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_drill
short_description: Rehearse the restore of a backup of a Redis in a throw-away server
version_added: 0.1.0
description:
  - Starts a server of the image that wrote the backup, without a network and with bounded memory and processors, has it load the backup,
    compares its keys by prefix with the manifest, and measures how long that took. Keys that expire may have gone since.
  - The result goes into the backup's manifest and into a report. A backup that does not come back as it was no longer counts.
  - The server is gone afterwards, however the drill ends, and so are its data. Where Redis runs without a container, the target's own
    program is started, without bounds, on a socket of its own.
  - The work is a job on the target. It outlives a lost connection.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._redis
  - amanat.dbops._job
  - amanat.dbops._backups
  - amanat.dbops._throwaway
attributes:
  check_mode:
    support: full
    description: Says which backup and which image would be taken, and refuses what would be refused without reading the files.
  diff_mode:
    support: none
    description: A drill replaces nothing.
  idempotent:
    support: none
    details: Every run rehearses again and writes its result into the manifest.
    description: A second run changes nothing.
options:
  series:
    description: Backups that rotate together. Defaults to C(<name>_redis), after the name of the stack.
    type: str
  backup:
    description: Name of the backup. V(newest) and V(oldest) are those of the series that can be used.
    type: str
    default: newest
"""

EXAMPLES = r"""
- name: Rehearse the restore of the newest backup
  amanat.dbops.redis_drill:
    stack: production/nickapp
    redis_container: nickapp-redis
    backup_dir: /var/backups/dbops/production/nickapp
    memory: 512m
"""

RETURN = r"""
backup:
  description: Name of the backup.
  returned: success
  type: str
series:
  description: Its series.
  returned: success
  type: str
bytes:
  description: Its size in bytes.
  returned: success
  type: int
keys:
  description: Number of keys that its manifest names; V(null) where they were not counted.
  returned: success
  type: int
image:
  description: Id of the image of the throw-away server; empty for the target's own programs.
  returned: success
  type: str
rto:
  description: Seconds from the first byte read to a server that is loaded and compared; V(null) in check mode.
  returned: success
  type: float
load_seconds:
  description: How long start and loading took alone; V(null) in check mode.
  returned: success
  type: float
seconds:
  description: How long all of it took; 0 in check mode.
  returned: success
  type: float
assertions:
  description: What else was asked, which for a Redis is nothing.
  returned: success
  type: list
  elements: dict
notes:
  description: What else is worth knowing, one sentence each.
  returned: success
  type: list
  elements: str
report:
  description: Path of the report on the target; empty in check mode.
  returned: success
  type: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils._choice import choose
from ansible_collections.amanat.dbops.plugins.module_utils._drilling import Plan, foreseen
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
from ansible_collections.amanat.dbops.plugins.module_utils._redis_drill import Drill
from ansible_collections.amanat.dbops.plugins.module_utils._redis_image import image_for
from ansible_collections.amanat.dbops.plugins.module_utils._redis_module import REDIS_OPTIONS, redis_place_of, redis_series_of
from ansible_collections.amanat.dbops.plugins.module_utils._throwaway import THROWAWAY_OPTIONS, limits_of


def _plan(module: AnsibleModule) -> Plan:
    params, place, stack, directory = module.params, redis_place_of(module), stack_of(module), backup_dir_of(module)
    manifest = choose(directory, redis_series_of(module), params["backup"], stack, REDIS)
    image = image_for(place, manifest, params["image"])
    return Plan(stack, place, directory, manifest, image, limits_of(params), params["job"] or "drill")


def body(module: AnsibleModule) -> dict[str, Any]:
    return planned_job(module, _plan, foreseen, lambda plan, progress: Drill(plan).make(progress))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            **REDIS_OPTIONS,
            **JOB_OPTIONS,
            **BACKUPS_OPTIONS,
            **THROWAWAY_OPTIONS,
            "backup": {"type": "str", "default": "newest"},
        },
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
