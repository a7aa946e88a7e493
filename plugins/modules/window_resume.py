# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: window_resume
short_description: Open the door of a database and start the services of its stack
version_added: 0.1.0
description:
  - What a window does between its operation and the moment from which its application answers, in one task. Each task takes half a
    second before it does anything, and clients wait for all of them.
  - It does what M(amanat.dbops.postgres_door) and M(amanat.dbops.stack_services) do, in this order. No service is started on a database
    that lacks migrations of its release.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._postgres
  - amanat.dbops._services
  - amanat.dbops._audit
attributes:
  check_mode:
    support: full
    description: Says which services would be started.
  diff_mode:
    support: none
    description: What was done is returned instead.
  idempotent:
    support: full
    description: A second run changes nothing.
options:
  before:
    description:
      - What M(amanat.dbops.stack_services_info) said before the stop. What ran then is started, and what it calls C(wanted), each with its
        C(image) where one is named.
    type: list
    elements: dict
    required: true
  images:
    description:
      - The identity of each image that services of kind V(compose) and V(container) name, as it was looked up beforehand.
        That one is started, even where the tag has moved since.
    type: dict
    default: {}
  password:
    description:
      - The password of the window's own role, behind whose door the database is.
      - Without it the door is left as it is.
    type: str
  releases:
    description:
      - What the services are going to run, with the migrations that the database has to have seen.
    type: list
    elements: dict
    default: []
    suboptions:
      service:
        description: Name of the service.
        type: str
        required: true
      release:
        description:
          - What it runs, an image or a directory. A directory is read anew, as an operation may have changed it, and so is the container
            of a service that is started as it is, unless its layers show that it has not.
        type: str
        required: true
      layout:
        description: As M(amanat.dbops.drizzle_migrations_info) returns it.
        type: str
        required: true
      migrations:
        description: The release's migrations, as M(amanat.dbops.drizzle_migrations_info) returns them.
        type: list
        elements: dict
        required: true
  migrations_path:
    description:
      - Folder of the migrations in a release that is read anew.
    type: str
    default: drizzle
"""

EXAMPLES = r"""
- name: Let the application in again, and start it
  amanat.dbops.window_resume:
    stack: production/nickapp
    services: "{{ dbops_services }}"
    postgres_container: amanat-postgres
    pg_url: "{{ dbops_pg_url }}"
    password: "{{ password_of_the_window }}"
    before: "{{ looked.services }}"
"""

RETURN = r"""
door:
  description: What M(amanat.dbops.postgres_door) returns of a door that it has opened.
  returned: when O(password) is given, except in check mode
  type: dict
touched:
  description: Names of the services that were started, in that order.
  returned: success
  type: list
  elements: str
services:
  description: What stands there afterwards, as M(amanat.dbops.stack_services_info) tells it.
  returned: success
  type: list
  elements: dict
missed:
  description: Which service that was down before could not be started, and why, in words.
  returned: success
  type: list
  elements: str
"""

from dataclasses import replace
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils import _drizzle
from ansible_collections.amanat.dbops.plugins.module_utils._door import window_role
from ansible_collections.amanat.dbops.plugins.module_utils._door_run import Door, await_door
from ansible_collections.amanat.dbops.plugins.module_utils._drizzle_look import compare
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._kept import Kept
from ansible_collections.amanat.dbops.plugins.module_utils._module import (
    AUDIT_OPTIONS,
    POSTGRES_OPTIONS,
    TARGET_OPTIONS,
    begin,
    engine_of,
    main_of,
    marks_opening,
    server_of,
    stack_of,
    url_of,
)
from ansible_collections.amanat.dbops.plugins.module_utils._psql import Server
from ansible_collections.amanat.dbops.plugins.module_utils._release import MISSING, Release
from ansible_collections.amanat.dbops.plugins.module_utils._services import ContainerService, Facts, Service
from ansible_collections.amanat.dbops.plugins.module_utils._services_module import SERVICES_OPTIONS, services_from
from ansible_collections.amanat.dbops.plugins.module_utils._services_run import bring_up


def _changed(module: AnsibleModule, known: dict[str, Any], service: Service, seen: dict[str, Facts]) -> Release | None:
    """What an operation may have changed since its migrations were learnt; None for an image, which is what it was, or what is like one."""
    release = Release(known["release"], engine_of(module))
    if release.is_directory:
        return release
    if not isinstance(service, ContainerService) or service.spec["image"]:
        return None
    facts = seen[service.name] = service.look()
    container = facts["containers"][0]
    release = Release(facts["release"], engine_of(module), container=container)
    ran = {each for earlier in module.params["before"] for each in earlier.get("containers") or []}
    return None if container in ran and release.is_as_built(module.params["migrations_path"]) else release


def _folder(module: AnsibleModule, known: dict[str, Any], service: Service, seen: dict[str, Facts]) -> _drizzle.Folder:
    """The migrations of what is going to run."""
    release = _changed(module, known, service, seen)
    if release is None:
        return _drizzle.known(known["layout"], known["migrations"])
    try:
        return _drizzle.read(release.folder(module.params["migrations_path"]))
    except OperationError as error:
        if error.slug != MISSING:
            raise
        return _drizzle.known("none", [])


def _require_migrated(module: AnsibleModule, services: list[Service], server: Server, seen: dict[str, Facts]) -> None:
    """No service is started on a database that lacks migrations of its release: drizzle's applications do not migrate by themselves."""
    named = {service.name: service for service in services}
    for known in module.params["releases"]:
        verdict = compare(_folder(module, known, named[known["service"]], seen), server)
        if lacking := verdict["pending"] + verdict["will_be_skipped"]:
            raise OperationError(
                "migrations-pending",
                f"{known['service']} would start on a database that lacks migrations of its release {known['release']}:"
                f" {', '.join(lacking)}.",
                "It was not started.",
                "Name the release that fits the database, -e dbops_release_image=<image>, and migrate afterwards.",
            )


def _let_in(module: AnsibleModule, services: list[Service], seen: dict[str, Facts]) -> dict[str, Any]:
    """Open the door where it was shut, when nothing stands against the start. seen: gets the looks at services that this takes."""
    password, releases, stack = module.params["password"], module.params["releases"], stack_of(module)
    if not password and not releases:
        begin(module)
        return {}
    server = replace(server_of(module), kept=Kept())  # it ends with this process: clients wait meanwhile
    if password:
        await_door(server)
    if releases:
        with Kept() as sessions:  # nobody is in the database when its door opens
            # Behind it only the window's own role gets in.
            inside = {"PGUSER": window_role(stack), "PGPASSWORD": password} if password else {}
            behind = replace(server, env={**server.env, **inside}, kept=sessions)
            behind.await_one()
            _require_migrated(module, services, behind, seen)
    begin(module)
    return {"door": Door.of(stack, server, url_of(module).user).open(marks_opening(module))} if password else {}


def body(module: AnsibleModule) -> dict[str, Any]:
    before, images = module.params["before"], module.params["images"]
    services = services_from(module)
    seen: dict[str, Facts] = {}
    opened = {} if module.check_mode else _let_in(module, services, seen)
    result = bring_up(services, before, images, seen, check_mode=module.check_mode)
    return {**result, **opened, "changed": result["changed"] or bool(opened and opened["door"]["changed"])}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            **POSTGRES_OPTIONS,
            **SERVICES_OPTIONS,
            **AUDIT_OPTIONS,
            "before": {"type": "list", "elements": "dict", "required": True},
            "images": {"type": "dict", "default": {}},
            "password": {"type": "str", "no_log": True},
            "releases": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "service": {"type": "str", "required": True},
                    "release": {"type": "str", "required": True},
                    "layout": {"type": "str", "required": True},
                    "migrations": {"type": "list", "elements": "dict", "required": True},
                },
            },
            "migrations_path": {"type": "str", "default": "drizzle"},
        },
        supports_check_mode=True,
    )
    main_of(module, body, begins_itself=True)


if __name__ == "__main__":
    main()
