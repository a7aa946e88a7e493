# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_backup
short_description: Back up a PostgreSQL database, read the backup through and describe it in a manifest
version_added: 0.1.0
description:
  - Dumps a database from one exported snapshot, reads every row back out of the written files and compares with the
    snapshot's exact counts. Only then the backup gets its name and its manifest.
  - The manifest says what the snapshot held. It has the rows and a content digest of each table, sequences, large objects,
    a digest of the schema, and the database's own properties. A restore is compared with it.
  - Roles and tablespaces of the server go into a file beside the backup.
  - A server in a container is dumped by a short-lived container of the server's own image in the server's network
    namespace, so that versions always match and the served container is not touched.
  - The work is a job on the target. It outlives a lost connection.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._postgres
  - amanat.dbops._job
  - amanat.dbops._backups
attributes:
  check_mode:
    support: full
    description: Tells the name, the expected size and the free space, and refuses where the space will not do.
  diff_mode:
    support: none
    description: A backup replaces nothing.
  idempotent:
    support: none
    details: Every run makes another backup.
    description: A second run changes nothing.
options:
  format:
    description: V(directory) is written and restored in parallel, V(custom) is a single file.
    type: str
    choices: [directory, custom]
    default: directory
  jobs:
    description: Connections that dump at the same time. Defaults to the processors that the server's container, or the target, may use.
    type: int
  verify:
    description:
      - Whether the dump is read through once it is written, and its rows are counted.
      - A backup that was not counts as complete, not as verified, until M(amanat.dbops.postgres_verify) has read it.
    type: bool
    default: true
  digest_max_bytes:
    description:
      - Tables that take more bytes (such as V(20G), indexes not counted) get no content digest, only an exact row count.
      - V(0) leaves every digest out. Without a limit every table has one.
    type: bytes
  password_hashes:
    description: Whether the hashes of the roles' passwords are kept beside the backup. Reading them takes a superuser.
    type: bool
    default: false
  busy:
    description: What to do while another backup or a rotation is at work in the directory, V(wait) or V(refuse).
    type: str
    choices: [wait, refuse]
    default: wait
"""

EXAMPLES = r"""
- name: Back up
  amanat.dbops.postgres_backup:
    stack: production/nickapp
    postgres_container: amanat-postgres
    pg_url: "{{ dbops_pg_url }}"
    backup_dir: /var/backups/dbops/production/nickapp
"""

RETURN = r"""
name:
  description: Name of the backup. In check mode the name that it would have now.
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
  description: One digest over the digests of all its files; empty in check mode.
  returned: success
  type: str
bytes:
  description: Its size in bytes. In check mode the expected one.
  returned: success
  type: int
free:
  description: Bytes free where it goes.
  returned: in check mode
  type: int
seconds:
  description: How long it took; 0 in check mode.
  returned: success
  type: float
tables:
  description: Number of tables in it; 0 in check mode.
  returned: success
  type: int
rows:
  description: Number of rows in it, each counted in the snapshot and, with O(verify), in the files; 0 in check mode.
  returned: success
  type: int
verified:
  description: Whether it was read through; V(false) in check mode.
  returned: success
  type: bool
"""

import os
from datetime import datetime, timezone
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils import _manifest
from ansible_collections.amanat.dbops.plugins.module_utils._module import (
    BACKUPS_OPTIONS,
    JOB_OPTIONS,
    POSTGRES_OPTIONS,
    TARGET_OPTIONS,
    backup_dir_of,
    jobs_of,
    main_of,
    planned_job,
    series_of,
    server_and_container_of,
    stack_of,
)
from ansible_collections.amanat.dbops.plugins.module_utils._new_backup import require_space, require_writable
from ansible_collections.amanat.dbops.plugins.module_utils._pg_backup import EXTENSIONS, Backup, Plan, foreseen


def _plan(module: AnsibleModule) -> Plan:
    server, container = server_and_container_of(module)
    params = module.params
    return Plan(
        stack=stack_of(module),
        server=server,
        image=container.get("Image", ""),
        container=container.get("Id", ""),
        directory=backup_dir_of(module),
        series=series_of(module),
        format=params["format"],
        jobs=jobs_of(module, container),
        run=params["job"] or "backup",
        verify=params["verify"],
        digest_max_bytes=params["digest_max_bytes"],
        password_hashes=params["password_hashes"],
        wait_for_others=params["busy"] == "wait",
    )


def _prepare(module: AnsibleModule) -> Plan:
    plan = _plan(module)
    require_writable(plan.directory)
    return plan


def _predict(plan: Plan) -> dict[str, Any]:
    """What a backup finds wrong before it writes a byte, this finds as well."""
    figures = foreseen(plan, int(plan.server.value("SELECT pg_database_size(current_database()) AS bytes")))
    require_space(plan.directory, figures)
    name = _manifest.backup_name(plan.series, datetime.now(timezone.utc), EXTENSIONS[plan.format])
    return {
        "changed": True,
        "name": name,
        "path": os.path.join(plan.directory, name),
        "series": plan.series,
        "sha256": "",
        "bytes": figures["expected"],
        "free": figures["free"],
        "seconds": 0.0,
        "tables": 0,
        "rows": 0,
        "verified": False,
    }


def body(module: AnsibleModule) -> dict[str, Any]:
    return planned_job(module, _prepare, _predict, lambda plan, progress: Backup(plan, progress).make())


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            **POSTGRES_OPTIONS,
            **JOB_OPTIONS,
            **BACKUPS_OPTIONS,
            "format": {"type": "str", "choices": ["directory", "custom"], "default": "directory"},
            "jobs": {"type": "int"},
            "verify": {"type": "bool", "default": True},
            "digest_max_bytes": {"type": "bytes"},
            "password_hashes": {"type": "bool", "default": False, "no_log": False},
            "busy": {"type": "str", "choices": ["wait", "refuse"], "default": "wait"},
        },
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
