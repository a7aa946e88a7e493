# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_drill
short_description: Rehearse the restore of a backup in a throw-away server
version_added: 0.1.0
description:
  - Starts a server of the image that wrote the backup, without a network and with bounded memory and processors, restores the
    backup in it, compares what M(amanat.dbops.postgres_restore) compares, asks it what it has to answer rightly, and measures how
    long the restore took.
  - The result goes into the backup's manifest and into a report. A backup that does not come back as it was no longer counts.
  - The server is gone afterwards, however the drill ends, and so are its data.
  - The work is a job on the target. It outlives a lost connection.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._postgres
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
  backup:
    description: Name of the backup. V(newest) and V(oldest) are those of the series that can be used.
    type: str
    default: newest
  assertions:
    description:
      - Queries that the restored database has to answer rightly. They take the place of the usual ones, that it has as many
        tables, and as many foreign keys without a check, as were backed up.
      - Where one of them is not answered rightly the drill fails, but not the backup, whose manifest stays as it is.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What is asserted.
        type: str
        required: true
      sql:
        description: A query of one value.
        type: str
        required: true
      expect:
        description: That value as PostgreSQL writes it.
        type: str
        default: 'true'
  jobs:
    description: Connections that load at the same time. Defaults to O(cpus), rounded up.
    type: int
"""

EXAMPLES = r"""
- name: Rehearse the restore of the newest backup
  amanat.dbops.postgres_drill:
    stack: production/nickapp
    postgres_container: amanat-postgres
    pg_url: "{{ dbops_pg_url }}"
    backup_dir: /var/backups/dbops/production/nickapp
    memory: 2g
    assertions:
      - name: there are users
        sql: SELECT count(*) > 1000 FROM users
      - name: the newest payment is younger than a day
        sql: SELECT max(created_at) > now() - interval '1 day' FROM payments
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
tables:
  description: Number of tables in it.
  returned: success
  type: int
rows:
  description: Number of rows in it.
  returned: success
  type: int
image:
  description: Id of the image of the throw-away server.
  returned: success
  type: str
rto:
  description:
    - Seconds from the first byte read to a database that is loaded, compared and has its statistics; V(null) in check mode.
  returned: success
  type: float
load_seconds:
  description: How long the loading took alone; V(null) in check mode.
  returned: success
  type: float
seconds:
  description: How long all of it took; 0 in check mode.
  returned: success
  type: float
assertions:
  description: What was asked; empty in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: What was asserted.
      type: str
    expected:
      description: What it should be.
      type: str
    found:
      description: What it is.
      type: str
    passed:
      description: Whether the two agree.
      type: bool
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
from ansible_collections.amanat.dbops.plugins.module_utils._drill import Assertion, Drill, Plan
from ansible_collections.amanat.dbops.plugins.module_utils._drilling import foreseen
from ansible_collections.amanat.dbops.plugins.module_utils._module import (
    BACKUPS_OPTIONS,
    JOB_OPTIONS,
    POSTGRES_OPTIONS,
    TARGET_OPTIONS,
    main_of,
    planned_job,
)
from ansible_collections.amanat.dbops.plugins.module_utils._rebuild import rebuilding_of
from ansible_collections.amanat.dbops.plugins.module_utils._throwaway import THROWAWAY_OPTIONS


def _plan(module: AnsibleModule) -> Plan:
    assertions = tuple(Assertion(**entry) for entry in module.params["assertions"])
    return Plan(**rebuilding_of(module), assertions=assertions)


def body(module: AnsibleModule) -> dict[str, Any]:
    return planned_job(module, _plan, foreseen, lambda plan, progress: Drill(plan).make(progress))


def main() -> None:
    assertion = {
        "name": {"type": "str", "required": True},
        "sql": {"type": "str", "required": True},
        "expect": {"type": "str", "default": "true"},
    }
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            **POSTGRES_OPTIONS,
            **JOB_OPTIONS,
            **THROWAWAY_OPTIONS,
            **BACKUPS_OPTIONS,
            "backup": {"type": "str", "default": "newest"},
            "assertions": {"type": "list", "elements": "dict", "default": [], "options": assertion},
            "jobs": {"type": "int"},
        },
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
