# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_restore
short_description: Restore a backup into a new database and compare it with what was backed up
version_added: 0.1.0
description:
  - Makes a new database beside the one of O(pg_url), C(<database>__new_<time>), loads the backup, gives it back what no dump
    carries, and compares tables, rows, contents, sequences, large objects, schema, owners, extensions and properties with the
    manifest. The database that the application uses is neither written to nor renamed.
  - Before a byte is loaded the backup's files, the server's version, extensions, roles, tablespaces and space are checked.
  - Whatever fails, the database that was being made is dropped again.
  - A server in a container is filled by a short-lived container of the server's own image.
  - The work is a job on the target. It outlives a lost connection.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._postgres
  - amanat.dbops._job
  - amanat.dbops._audit
  - amanat.dbops._backups
attributes:
  check_mode:
    support: full
    description: Refuses what would be refused without reading the files, and tells what was written since the backup.
  diff_mode:
    support: none
    description: RV(changes) and RV(since) are returned instead.
  idempotent:
    support: none
    details: Every run makes another database.
    description: A second run changes nothing.
options:
  backup:
    description: Name of the backup. V(newest) and V(oldest) are those of the series that can be used.
    type: str
    default: newest
  moment:
    description:
      - The time that the new database is named after, UTC as in V(20261122T170102Z). Defaults to now.
    type: str
  tables:
    description:
      - Tables whose rows alone are wanted, as V(schema.table); a part that holds a dot or a quote stands in double quotes.
      - They go into C(<database>__tables_<time>), which has the whole schema, but no foreign keys. The other tables stay empty.
    type: list
    elements: str
    default: []
  old_stamp:
    description:
      - The other stack of the same environment, V(<environment>/<name>), whose data O(stack) is to have, typed by whoever runs it.
        Without it, and without O(transform), they are refused.
    type: str
    default: ''
  transform:
    description:
      - SQL that makes the data fit for the environment of O(stack), for example by making them anonymous. Each text runs in
        one transaction, after the comparison.
      - Without it a backup of another environment is refused. With it the new database is stamped with O(stack).
      - A backup of another stack of the same environment wants it as well, or O(old_stamp).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What the text is called in messages.
        type: str
        required: true
      sql:
        description: The statements.
        type: str
        required: true
  create_roles:
    description:
      - Whether roles that the server lacks are made as they were on the server that was backed up.
      - They have their passwords again only if the backup holds the hashes, or by O(role_passwords).
    type: bool
    default: false
  role_passwords:
    description: Passwords of roles that O(create_roles) makes, by role. Roles that exist keep theirs.
    type: dict
    default: {}
  jobs:
    description: Connections that load at the same time. Defaults to the processors that the server may use.
    type: int
"""

EXAMPLES = r"""
- name: Restore the newest backup beside the database
  amanat.dbops.postgres_restore:
    stack: production/nickapp
    postgres_container: amanat-postgres
    pg_url: "{{ dbops_pg_url }}"
    backup_dir: /var/backups/dbops/production/nickapp
  register: restored

- name: Have two tables back as they were
  amanat.dbops.postgres_restore:
    stack: production/nickapp
    postgres_container: amanat-postgres
    pg_url: "{{ dbops_pg_url }}"
    backup_dir: /var/backups/dbops/production/nickapp
    backup: amanat_pg_2026-11-22T170102Z.pgdir
    tables:
      - public.users
      - public.addresses

- name: Load production's backup into development
  amanat.dbops.postgres_restore:
    stack: development/nickapp
    postgres_container: amanat-postgres
    pg_url: "{{ dbops_pg_url }}"
    backup_dir: /var/backups/dbops/production/nickapp
    backup: amanat_pg_2026-11-22T170102Z.pgdir
    transform:
      - name: anonymise.sql
        sql: "{{ lookup('ansible.builtin.file', 'anonymise.sql') }}"
"""

RETURN = r"""
database:
  description: Name of the new database.
  returned: success
  type: str
backup:
  description: Name of the backup.
  returned: success
  type: str
taken:
  description: When the backup was begun, UTC. What was written later is not in it.
  returned: success
  type: str
bytes:
  description: Size of the database when it was backed up, in bytes.
  returned: success
  type: int
tables:
  description: Number of tables with rows of the backup.
  returned: success
  type: int
rows:
  description: Number of rows in them.
  returned: success
  type: int
created_roles:
  description: Roles that were made.
  returned: success
  type: list
  elements: str
left_behind:
  description: What belonged to the database that was backed up and cannot belong to another one, replication slots and subscriptions.
  returned: success
  type: list
  elements: str
changes:
  description: In words, what O(transform) made of the data; empty in check mode.
  returned: success
  type: list
  elements: str
stamped:
  description: Whether the database was stamped with O(stack), because it carried no stamp or another one; V(false) in check mode.
  returned: success
  type: bool
notes:
  description:
    - What else is worth knowing, one sentence each.
    - Newer backups of the series that cannot be used are among them, in check mode, too.
  returned: success
  type: list
  elements: str
look:
  description: The command that looks into the new database.
  returned: success
  type: str
since:
  description: Rows of each table in the backup and in the database of O(pg_url) now; empty without check mode, or where there is none.
  returned: success
  type: list
  elements: dict
  contains:
    schema:
      description: Schema of the table.
      type: str
    table:
      description: Name of the table.
      type: str
    then:
      description: Its rows in the backup; V(null) where it is not in it.
      type: int
    now:
      description: Its rows now; V(null) where it is gone.
      type: int
load_seconds:
  description: How long the loading took alone; 0 in check mode.
  returned: success
  type: float
seconds:
  description: How long all of it took; 0 in check mode.
  returned: success
  type: float
"""

from datetime import datetime, timezone
from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils._choice import choose
from ansible_collections.amanat.dbops.plugins.module_utils._job import Progress
from ansible_collections.amanat.dbops.plugins.module_utils._module import (
    AUDIT_OPTIONS,
    BACKUPS_OPTIONS,
    JOB_OPTIONS,
    POSTGRES_OPTIONS,
    TARGET_OPTIONS,
    backup_dir_of,
    jobs_of,
    main_of,
    refusals_recorded,
    run_as_job,
    series_of,
    server_and_container_of,
    stack_of,
)
from ansible_collections.amanat.dbops.plugins.module_utils._pg_clone import STAMP, maintenance
from ansible_collections.amanat.dbops.plugins.module_utils._pg_restore import Plan, Restore, since, table_named


def _moment(module: AnsibleModule) -> datetime:
    text = module.params["moment"]
    try:
        return datetime.strptime(text, STAMP).replace(tzinfo=timezone.utc) if text else datetime.now(timezone.utc)
    except ValueError:
        module.fail_json(msg=f"moment: {text!r} is no time as in 20261122T170102Z")
        raise


def _plan(module: AnsibleModule) -> Plan:
    server, container = server_and_container_of(module)
    params, stack, directory = module.params, stack_of(module), backup_dir_of(module)
    return Plan(
        stack=stack,
        server=maintenance(server),
        database=server.database,
        directory=directory,
        manifest=choose(directory, series_of(module), params["backup"], stack),
        moment=_moment(module),
        image=container.get("Image", ""),
        container=container.get("Id", ""),
        jobs=jobs_of(module, container),
        run=params["job"] or "restore",
        tables=tuple(map(table_named, params["tables"])),
        old_stamp=params["old_stamp"],
        transform=tuple((entry["name"], entry["sql"]) for entry in params["transform"]),
        create_roles=params["create_roles"],
        passwords=params["role_passwords"],
        by=params["by"],
    )


def body(module: AnsibleModule) -> dict[str, Any]:
    if module.check_mode:
        plan = _plan(module)
        restore = Restore(plan)
        restore.prepare()
        return {**restore.result(), **since(plan)}

    def prepare() -> Callable[[Progress], dict[str, Any]]:
        restore = Restore(_plan(module))
        with refusals_recorded(module, backup=restore.plan.manifest["name"]):
            restore.prepare()
        return restore.make

    return run_as_job(module, prepare)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            **POSTGRES_OPTIONS,
            **JOB_OPTIONS,
            **BACKUPS_OPTIONS,
            **AUDIT_OPTIONS,
            "backup": {"type": "str", "default": "newest"},
            "moment": {"type": "str"},
            "tables": {"type": "list", "elements": "str", "default": []},
            "old_stamp": {"type": "str", "default": ""},
            "transform": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"name": {"type": "str", "required": True}, "sql": {"type": "str", "required": True}},
            },
            "create_roles": {"type": "bool", "default": False},
            "role_passwords": {"type": "dict", "default": {}, "no_log": True},
            "jobs": {"type": "int"},
        },
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
