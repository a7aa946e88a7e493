# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: drizzle_migrate
short_description: Apply a release's drizzle migrations and prove that exactly those were applied
version_added: 0.1.0
description:
  - Runs C(drizzle-kit migrate) of the release and compares the database with the release before and afterwards.
  - drizzle-kit applies all pending migrations in one transaction, so that a failure leaves none of them behind.
  - The work is a job on the target. It outlives a lost connection.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._postgres
  - amanat.dbops._release
  - amanat.dbops._job
attributes:
  check_mode:
    support: full
    description: Names the migrations that would be applied.
  diff_mode:
    support: full
    description: Lists the migrations that are applied, before and after.
options:
  command:
    description: The command that migrates, run in the release's directory.
    type: list
    elements: str
    default: [npx, --no-install, drizzle-kit, migrate]
  timeout:
    description: Seconds after which the run is ended. All pending migrations are one transaction, so nothing of it stays.
    type: float
    default: 3600.0
"""

EXAMPLES = r"""
- name: Migrate
  amanat.dbops.drizzle_migrate:
    stack: production/nickapp
    postgres_container: amanat-postgres
    pg_url: "{{ dbops_pg_url }}"
    release: registry.example/nickapp-backend:2
"""

RETURN = r"""
migrated:
  description: The migrations that were applied, or would be.
  returned: success
  type: list
  elements: str
seconds:
  description: How long the run took; 0 in check mode.
  returned: success
  type: float
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils._drizzle_run import DEFAULT_COMMAND, Run
from ansible_collections.amanat.dbops.plugins.module_utils._module import (
    JOB_OPTIONS,
    POSTGRES_OPTIONS,
    TARGET_OPTIONS,
    engine_of,
    main_of,
    run_as_job,
    server_of,
)
from ansible_collections.amanat.dbops.plugins.module_utils._release import RELEASE_OPTIONS, Release


def _run(module: AnsibleModule) -> Run:
    params = module.params
    return Run(
        release=Release(params["release"], engine_of(module), params["release_id"]),
        path=params["migrations_path"],
        server=server_of(module),
        url=params["pg_url"],
        command=params["command"],
        timeout=params["timeout"],
    )


def body(module: AnsibleModule) -> dict[str, Any]:
    if module.check_mode:
        return _run(module).predict()
    return run_as_job(module, lambda: _run(module).prepare())


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            **POSTGRES_OPTIONS,
            **RELEASE_OPTIONS,
            **JOB_OPTIONS,
            "command": {"type": "list", "elements": "str", "default": DEFAULT_COMMAND},
            "timeout": {"type": "float", "default": 3600.0},
        },
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
