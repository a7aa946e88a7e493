# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: drizzle_rehearse
short_description: Find out what a release's pending migrations do to the newest data
version_added: 0.1.0
description:
  - Restores a backup into a throw-away server without any network, runs the release's migrations there in the release's own image, and
    measures them. Seconds, locks that keep others out, tables and indexes that are written anew, and sizes.
  - The live database is only compared. What was found out is kept by the image's identity, for the plan of the window that follows.
  - The work is a job on the target. It outlives a lost connection.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._postgres
  - amanat.dbops._release
  - amanat.dbops._job
  - amanat.dbops._backups
  - amanat.dbops._throwaway
  - amanat.dbops._audit
attributes:
  check_mode:
    support: full
    description: Names the backup and the migrations, and finds every reason to refuse that is known beforehand.
  diff_mode:
    support: none
    description: Nothing that stays is changed but its own record.
options:
  release:
    description: The release whose migrations are rehearsed, an image that is on the engine.
    type: str
    required: true
  backup:
    description: Name of the backup, V(newest) or V(oldest).
    type: str
    default: newest
  command:
    description: The command that migrates, run in the image's own directory.
    type: list
    elements: str
    default: [npx, --no-install, drizzle-kit, migrate]
  timeout:
    description: Seconds after which the run is ended.
    type: float
    default: 3600.0
  lock_timeout:
    description: Seconds that a statement waits for a lock, as in the window.
    type: float
    default: 10.0
  statement_timeout:
    description: Seconds that one statement may take, as in the window.
    type: float
    default: 3600.0
"""

EXAMPLES = r"""
- name: Rehearse the migrations of a release
  amanat.dbops.drizzle_rehearse:
    stack: production/nickapp
    postgres_container: amanat-postgres
    pg_url: "{{ dbops_pg_url }}"
    backup_dir: /var/backups/dbops/production/nickapp
    release: registry.example/nickapp-backend:2
    memory: 2g
"""

RETURN = r"""
backup:
  description: Name of the backup.
  returned: success
  type: str
migrated:
  description: The migrations that were rehearsed, or would be.
  returned: success
  type: list
  elements: str
image:
  description: Identity of the release's image.
  returned: success
  type: str
at:
  description: When it began, in UTC.
  returned: success, not in check mode
  type: str
passed:
  description: Whether exactly the pending migrations were applied.
  returned: success, not in check mode
  type: bool
seconds:
  description: How long the run took.
  returned: success, not in check mode
  type: float
statements:
  description: Statements that took long enough to be seen, the longest first.
  returned: success, not in check mode
  type: list
  elements: dict
  contains:
    where:
      description: File and line.
      type: str
    seconds:
      description: How long it worked.
      type: float
locks:
  description: Locks on existing tables that keep others from reading or writing.
  returned: success, not in check mode
  type: list
  elements: dict
  contains:
    table:
      description: The table.
      type: str
    mode:
      description: PostgreSQL's name of the lock.
      type: str
    blocks:
      description: What nobody else can do meanwhile.
      type: str
    seconds:
      description: How long it was held, to a twentieth of a second.
      type: float
rewrites:
  description: Tables and indexes that were written anew.
  returned: success, not in check mode
  type: list
  elements: dict
  contains:
    name:
      description: Its name, with its schema.
      type: str
    kind:
      description: V(table) or V(index).
      type: str
    bytes:
      description: Its size afterwards.
      type: int
bytes_before:
  description: Size of all tables and indexes before.
  returned: success, not in check mode
  type: int
bytes_after:
  description: Size of all tables and indexes afterwards.
  returned: success, not in check mode
  type: int
report:
  description: Path of the report on the target.
  returned: success, not in check mode
  type: str
"""

from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils._drizzle_env import timeouts
from ansible_collections.amanat.dbops.plugins.module_utils._drizzle_rehearsal import Rehearsal
from ansible_collections.amanat.dbops.plugins.module_utils._drizzle_run import DEFAULT_COMMAND
from ansible_collections.amanat.dbops.plugins.module_utils._job import Progress
from ansible_collections.amanat.dbops.plugins.module_utils._module import (
    AUDIT_OPTIONS,
    BACKUPS_OPTIONS,
    JOB_OPTIONS,
    POSTGRES_OPTIONS,
    TARGET_OPTIONS,
    engine_of,
    main_of,
    run_as_job,
    server_of,
    url_of,
)
from ansible_collections.amanat.dbops.plugins.module_utils._rebuild import rebuilding_of
from ansible_collections.amanat.dbops.plugins.module_utils._release import RELEASE_OPTIONS, Release
from ansible_collections.amanat.dbops.plugins.module_utils._stage import Plan
from ansible_collections.amanat.dbops.plugins.module_utils._throwaway import THROWAWAY_OPTIONS


def _rehearsal(module: AnsibleModule) -> Rehearsal:
    params = module.params
    return Rehearsal(
        plan=Plan(**rebuilding_of(module), url=url_of(module)),
        release=Release(params["release"], engine_of(module), params["release_id"]),
        path=params["migrations_path"],
        live=server_of(module),
        command=params["command"],
        timeout=params["timeout"],
        settings=timeouts(params["lock_timeout"], params["statement_timeout"]),
    )


def body(module: AnsibleModule) -> dict[str, Any]:
    if module.check_mode:
        return _rehearsal(module).predict()

    def prepare() -> Callable[[Progress], dict[str, Any]]:
        rehearsal = _rehearsal(module)
        rehearsal.predict()
        return rehearsal.make

    return run_as_job(module, prepare)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            **POSTGRES_OPTIONS,
            **AUDIT_OPTIONS,
            **RELEASE_OPTIONS,
            **JOB_OPTIONS,
            **BACKUPS_OPTIONS,
            **THROWAWAY_OPTIONS,
            "release": {"type": "str", "required": True},
            "backup": {"type": "str", "default": "newest"},
            "command": {"type": "list", "elements": "str", "default": DEFAULT_COMMAND},
            "timeout": {"type": "float", "default": 3600.0},
            "lock_timeout": {"type": "float", "default": 10.0},
            "statement_timeout": {"type": "float", "default": 3600.0},
        },
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
