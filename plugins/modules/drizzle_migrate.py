# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: drizzle_migrate
short_description: Apply a release's drizzle migrations and prove that exactly those were applied
version_added: 0.1.0
description:
  - Runs C(drizzle-kit migrate) of the release and compares the database with the release before and afterwards. It fails unless
    exactly what was foreseen was applied.
  - One run at a time works on a database. An advisory lock in the database C(postgres) sees to it, which ends with the run.
  - drizzle-kit says nothing of most failures. Their cause is read from the server's log, where that can be read.
  - drizzle-kit applies all pending migrations in one transaction, so that a failure leaves none of them behind.
  - It is led to O(pg_url) by every variable of the image, or of a C(.env) file of the release, that is an address of PostgreSQL. A
    C(drizzle.config.*) that does not read E(PG_URL), lets a C(.env) file override it, takes its migrations from another folder than
    O(migrations_path), or keeps drizzle's record in another table, is refused; so is a connection pooler, which drops the time-outs.
  - A release that is a directory is migrated on the target itself. There, too, O(pg_url) has to mean the server in O(postgres_container).
  - The work is a job on the target. It outlives a lost connection.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._postgres
  - amanat.dbops._release
  - amanat.dbops._job
  - amanat.dbops._audit
attributes:
  check_mode:
    support: full
    description: Names the migrations that would be applied.
  diff_mode:
    support: full
    description: Lists the migrations that are applied, before and after.
options:
  release:
    description:
      - The release whose migrations are applied. An image that is on the engine, or an absolute path of a directory on the target.
    type: str
    required: true
  command:
    description: The command that migrates, run in the release's directory.
    type: list
    elements: str
    default: [npx, --no-install, drizzle-kit, migrate]
  timeout:
    description: Seconds after which the run is ended. All pending migrations are one transaction, so nothing of it stays.
    type: float
    default: 3600.0
  lock_timeout:
    description:
      - Seconds that a statement waits for a lock before the run fails. It holds for the sessions of this run alone.
      - Whoever waits for a lock makes everybody wait who wants the table after it.
    type: float
    default: 10.0
  statement_timeout:
    description: Seconds that one statement may take before the run fails. It holds for the sessions of this run alone; 0 is no limit.
    type: float
    default: 3600.0
  expected_tables:
    description: Number of tables that the schema C(public) has to have afterwards. 0 where nobody counts them.
    type: int
    default: 0
  judged:
    description:
      - The migrations that may be applied, SHA-256 by name, as RV(amanat.dbops.drizzle_migrations_info#module:pending_sha256) tells them.
        The run is refused where anything else is pending by then. Without it, whatever is pending is applied.
    type: dict
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
layout:
  description: V(journal) for drizzle 0.x, V(folders) for 1.x.
  returned: success
  type: str
tables:
  description: Number of tables in the schema C(public), as they are now.
  returned: success
  type: int
rehearsed:
  description:
    - What M(amanat.dbops.drizzle_rehearse) found out about exactly these migrations of this very image; empty where nobody
      rehearsed them.
  returned: success
  type: dict
seconds:
  description: How long the run took; 0 in check mode.
  returned: success
  type: float
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils._drizzle_run import DEFAULT_COMMAND, Run
from ansible_collections.amanat.dbops.plugins.module_utils._module import (
    AUDIT_OPTIONS,
    JOB_OPTIONS,
    POSTGRES_OPTIONS,
    TARGET_OPTIONS,
    engine_of,
    main_of,
    run_as_job,
    server_of,
    stack_of,
)
from ansible_collections.amanat.dbops.plugins.module_utils._release import RELEASE_OPTIONS, Release


def _run(module: AnsibleModule) -> Run:
    params = module.params
    return Run(
        release=Release(params["release"], engine_of(module), params["release_id"]),
        path=params["migrations_path"],
        server=server_of(module),
        stack=stack_of(module),
        url=params["pg_url"],
        **{key: params[key] for key in ("command", "timeout", "lock_timeout", "statement_timeout", "expected_tables", "judged")},
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
            **AUDIT_OPTIONS,
            **RELEASE_OPTIONS,
            **JOB_OPTIONS,
            "release": {"type": "str", "required": True},
            "command": {"type": "list", "elements": "str", "default": DEFAULT_COMMAND},
            "timeout": {"type": "float", "default": 3600.0},
            "lock_timeout": {"type": "float", "default": 10.0},
            "statement_timeout": {"type": "float", "default": 3600.0},
            "expected_tables": {"type": "int", "default": 0},
            "judged": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
