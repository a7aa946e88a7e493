# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: drizzle_migrations_info
short_description: Compare the migrations of a release with those that a database has seen
version_added: 0.1.0
description:
  - Reads drizzle's migrations out of a release, without running anything of it, and compares them with the table
    C(drizzle.__drizzle_migrations). It reads the journal of drizzle 0.x and the folders of 1.x.
  - The pending files are judged on the controller, by PostgreSQL's own grammar and by squawk. Comments that silence squawk are
    listed and not obeyed.
author:
  - amanat.dbops contributors (@amanat)
requirements:
  - pglast (on the controller)
  - squawk-cli (on the controller)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._postgres
  - amanat.dbops._release
  - amanat.dbops._audit
attributes:
  check_mode:
    support: full
    description: It only reads.
  diff_mode:
    support: none
    description: It only reads.
options:
  release:
    description:
      - The release whose migrations are meant. An image that is on the engine, or an absolute path of a directory on the target.
      - Exactly one of O(release), O(container) and O(service) is named.
    type: str
  container:
    description: A container that runs the release; its files are read as they are in it now.
    type: str
  service:
    description: The entry of O(services) whose container, or whose release where it is of kind V(command), is meant.
    type: str
  services:
    description: The application's services, as M(amanat.dbops.stack_services_info) describes them.
    type: list
    elements: dict
    default: []
  missing_ok:
    description:
      - A release without such a folder has no migrations, and that is no failure. All lists are empty then, and what the database
        has seen is not compared with them.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: See what a release would do to the database
  amanat.dbops.drizzle_migrations_info:
    stack: production/nickapp
    postgres_container: amanat-postgres
    pg_url: "{{ dbops_pg_url }}"
    release: registry.example/nickapp-backend:2

- name: See whether the database has seen all that what runs now brings along
  amanat.dbops.drizzle_migrations_info:
    stack: production/nickapp
    postgres_container: amanat-postgres
    pg_url: "{{ dbops_pg_url }}"
    service: backend
    services: "{{ dbops_services }}"
"""

RETURN = r"""
layout:
  description: V(journal) for drizzle 0.x, V(folders) for 1.x, V(none) where there are none.
  returned: success
  type: str
release:
  description: What was read, an image, a container or a directory; empty where that is not known.
  returned: success
  type: str
migrations:
  description: The release's migrations, for O(amanat.dbops.window_resume#module:releases).
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the migration.
      type: str
    when:
      description: The time that drizzle knows it by, in milliseconds since 1970.
      type: int
    sha256:
      description: The SHA-256 of its file.
      type: str
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
pending_sha256:
  description: The SHA-256 of their files, by name, for O(amanat.dbops.drizzle_migrate#module:judged).
  returned: success
  type: dict
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
  description: Migrations dated more than a day in the future.
  returned: success
  type: list
  elements: str
duplicated_when:
  description: Pending migrations that share their time with another one, where drizzle goes by times.
  returned: success
  type: list
  elements: str
destructive:
  description: Statements of pending migrations that destroy data, or take away what the running release may use.
  returned: success
  type: list
  elements: dict
  contains: &finding
    migration:
      description: Name of the migration.
      type: str
    file:
      description: Its file, relative to the folder of the migrations.
      type: str
    line:
      description: Line in its file.
      type: int
    rule:
      description: Name of the rule, squawk's where it has one.
      type: str
    reason:
      description: What the statement does.
      type: str
    tools:
      description: Who found it, C(pglast), C(squawk) or both.
      type: list
      elements: str
locking:
  description: Statements of pending migrations that hold a lock while they read or write a table.
  returned: success
  type: list
  elements: dict
  contains: *finding
impossible:
  description: Statements of pending migrations that fail in drizzle's transaction, or end it in the middle.
  returned: success
  type: list
  elements: dict
  contains: *finding
suppressed:
  description: Comments in pending migrations that would silence squawk.
  returned: success
  type: list
  elements: dict
  contains:
    migration:
      description: Name of the migration.
      type: str
    file:
      description: Its file, relative to the folder of the migrations.
      type: str
    line:
      description: Line in its file.
      type: int
    comment:
      description: The comment.
      type: str
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils import _drizzle, _pg_functions
from ansible_collections.amanat.dbops.plugins.module_utils._drizzle_look import look
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._module import (
    AUDIT_OPTIONS,
    POSTGRES_OPTIONS,
    TARGET_OPTIONS,
    engine_of,
    main_of,
    server_of,
)
from ansible_collections.amanat.dbops.plugins.module_utils._release import MISSING, RELEASE_OPTIONS, Release
from ansible_collections.amanat.dbops.plugins.module_utils._services_module import services_from


def _of_service(module: AnsibleModule) -> Release:
    """What a service runs now."""
    engine, wanted = engine_of(module), module.params["service"]
    found = [service for service in services_from(module) if service.name == wanted]
    facts = found[0].look() if found else {}
    if facts.get("containers"):
        return Release(facts["release"], engine, container=facts["containers"][0])
    if os.path.isabs(facts.get("release", "")):
        return Release(facts["release"], engine)
    raise OperationError(
        MISSING,
        f"What the service {wanted!r} runs is not known: it is no container, and its status names no directory.",
        "Nothing was changed.",
        "Name an image, a directory or a container instead.",
    )


def _release(module: AnsibleModule) -> Release:
    params = module.params
    if params["service"]:
        return _of_service(module)
    engine = engine_of(module)
    return Release(params["release"] or params["container"], engine, params["release_id"], params["container"] or "")


def body(module: AnsibleModule) -> dict[str, Any]:
    server = server_of(module)
    release = Release("", engine_of(module))
    try:
        release = _release(module)
        folder, verdict = look(release, module.params["migrations_path"], server)
    except OperationError as error:
        if error.slug != MISSING or not module.params["missing_ok"]:
            raise
        folder = _drizzle.Folder("none", ())
        verdict = _drizzle.compare(folder, [], 0)
    pending = [
        {"name": migration.name, "file": migration.file, "sql": migration.sql}
        for migration in folder.migrations
        if migration.name in verdict["pending"]
    ]
    major = server.value("SELECT current_setting('server_version_num')::int / 10000 AS major")
    # The action plugin turns this into what the statements do.
    to_judge = {
        "migrations": pending,
        "postgres_major": major,
        "harmless": _pg_functions.harmless(server, [migration["sql"] for migration in pending]),
    }
    brought = [{"name": each.name, "when": each.when, "sha256": each.sha256} for each in folder.migrations]
    digests = _drizzle.digests(folder, verdict)
    return {"changed": False, "release": release.name, "migrations": brought, **verdict, "pending_sha256": digests, "to_judge": to_judge}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            **POSTGRES_OPTIONS,
            **AUDIT_OPTIONS,
            **RELEASE_OPTIONS,
            "release": {"type": "str"},
            "container": {"type": "str"},
            "service": {"type": "str"},
            "services": {"type": "list", "elements": "dict", "default": []},
            "missing_ok": {"type": "bool", "default": False},
        },
        required_one_of=[("release", "container", "service")],
        mutually_exclusive=[("release", "container", "service")],
        required_by={"service": ("services",)},
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
