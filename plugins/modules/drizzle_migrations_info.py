# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: drizzle_migrations_info
short_description: Compare the migrations of a release with those that a database has seen
version_added: 0.1.0
description:
  - Reads drizzle's journal and files out of a release, without running anything of it, and compares them with the table
    C(drizzle.__drizzle_migrations).
  - The pending files are parsed with PostgreSQL's own grammar on the controller, which names statements that destroy data.
author:
  - amanat.dbops contributors (@amanat)
requirements:
  - pglast (on the controller)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._postgres
  - amanat.dbops._release
attributes:
  check_mode:
    support: full
    description: It only reads.
  diff_mode:
    support: none
    description: It only reads.
"""

EXAMPLES = r"""
- name: See what a release would do to the database
  amanat.dbops.drizzle_migrations_info:
    stack: production/nickapp
    postgres_container: amanat-postgres
    pg_url: "{{ dbops_pg_url }}"
    release: registry.example/nickapp-backend:2
"""

RETURN = r"""
applied:
  description: Migrations that the database has seen.
  returned: success
  type: list
  elements: str
pending:
  description: Migrations that a run would apply, in order.
  returned: success
  type: list
  elements: str
will_be_skipped:
  description: Migrations that a run would pass over for ever, since a newer one is applied.
  returned: success
  type: list
  elements: str
edited_after_apply:
  description: Migrations whose file is not the one that was applied.
  returned: success
  type: list
  elements: str
unknown_in_database:
  description: What the database has seen and the release does not know.
  returned: success
  type: list
  elements: str
future_dated:
  description: Migrations dated in the future.
  returned: success
  type: list
  elements: str
destructive:
  description: Statements of pending migrations that destroy or rewrite data.
  returned: success
  type: list
  elements: dict
  contains:
    migration:
      description: Name of the migration.
      type: str
    line:
      description: Line in its file.
      type: int
    reason:
      description: What the statement does.
      type: str
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils import _drizzle
from ansible_collections.amanat.dbops.plugins.module_utils._drizzle_run import applied_rows
from ansible_collections.amanat.dbops.plugins.module_utils._module import (
    POSTGRES_OPTIONS,
    TARGET_OPTIONS,
    engine_of,
    main_of,
    server_of,
)
from ansible_collections.amanat.dbops.plugins.module_utils._release import RELEASE_OPTIONS, Release


def body(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    release = Release(params["release"], engine_of(module), params["release_id"])
    migrations = _drizzle.read(release.folder(params["migrations_path"]))
    verdict = _drizzle.compare(migrations, applied_rows(server_of(module)), int(time.time() * 1000))
    pending = [migration for migration in migrations if migration.name in verdict["pending"]]
    # The action plugin turns the texts into `destructive` and drops them.
    return {"changed": False, **verdict, "pending_sql": {migration.name: migration.sql for migration in pending}}


def main() -> None:
    module = AnsibleModule(argument_spec={**TARGET_OPTIONS, **POSTGRES_OPTIONS, **RELEASE_OPTIONS}, supports_check_mode=True)
    main_of(module, body)


if __name__ == "__main__":
    main()
