# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_reset
short_description: Empty the database server of a development stack, container and data
version_added: 0.1.0
description:
  - Removes the container of PostgreSQL and all that is in the directory of its data, so that it can be created anew.
  - For a stack of the environment V(development) alone. The directory has to be that very container's own mount, no symbolic link
    is followed, no other file system entered, and nothing removed that another container mounts.
  - A container that neither C(deploy) nor Compose could create again is refused.
  - What is begun is written down first. A reset that was cut off goes on where it was.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._postgres
  - amanat.dbops._audit
attributes:
  check_mode:
    support: full
    description: Refuses what would be refused, and says what would go.
  diff_mode:
    support: none
    description: The path is returned instead.
  idempotent:
    support: none
    details: Each run empties the server again, once the last one is finished.
    description: A second run changes nothing.
options:
  state:
    description:
      - V(planned) only looks.
      - V(emptied) removes the container and its data.
      - V(created) has Compose create the container again, where it is Compose's, and waits until it answers.
      - V(finished) ends the reset; the next one begins anew.
    type: str
    choices: [planned, emptied, created, finished]
    required: true
  confirm:
    description: What the operator typed, V(<environment>/<name>).
    type: str
    default: ''
  backup_dir:
    description: Directory of the backups, which may not be in the one that is emptied.
    type: path
    required: true
  timeout:
    description: Seconds that the new server is given to answer.
    type: int
    default: 300
"""

EXAMPLES = r"""
- name: See what a reset would take
  amanat.dbops.postgres_reset:
    stack: development/nickapp
    postgres_container: amanat-postgres
    pg_url: "{{ dbops_pg_url }}"
    backup_dir: /var/backups/dbops/development/nickapp
    state: planned
    confirm: development/nickapp
"""

RETURN = r"""
how:
  description: Who creates the container again, V(deploy) or V(compose).
  returned: success
  type: str
resumed:
  description: When the reset that was cut off began, and goes on with this; empty for a new one.
  returned: success
  type: str
container:
  description: Name of the container.
  returned: success
  type: str
path:
  description: The directory on the target that is emptied.
  returned: success
  type: str
databases:
  description: Names of the databases that go.
  returned: success
  type: list
  elements: str
bytes:
  description: Their size in bytes.
  returned: success
  type: int
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils import _reset, _stamp
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._module import (
    AUDIT_OPTIONS,
    BACKUPS_OPTIONS,
    POSTGRES_OPTIONS,
    TARGET_OPTIONS,
    main_of,
    place_of,
    refusals_recorded,
    server_of,
    stack_of,
)
from ansible_collections.amanat.dbops.plugins.module_utils._reset_run import Reset


def _act(module: AnsibleModule) -> dict[str, Any]:
    stack, params = stack_of(module), module.params
    _reset.require_development(stack)
    _stamp.require_typed(stack, params["confirm"], f"This empties the database server of {stack}")
    place = place_of(module)
    if not place.container:
        raise OperationError(
            "container-name-missing",
            "No container is named for PostgreSQL, and a server without one is not disposable.",
            "Nothing was changed.",
            "Set dbops_postgres_container.",
        )
    kept = {params["backup_dir"]: "the backups"}
    reset = Reset(stack, place.engine, place.container, params["by"], kept)
    begun = reset.begun()
    if begun and params["state"] in ("planned", "emptied") and reset.is_outdated(begun, lambda: server_of(module)):
        begun = {}
    if not begun:  # else it agreed when the reset began, and there is no server to ask
        reset.agree(server_of(module), params["allowed_servers"])
    plan = begun or reset.plan(server_of(module))
    result = {key: plan[key] for key in ("how", "container", "path", "databases", "bytes")}
    result["resumed"] = begun.get("began", "")
    changed = True
    if params["state"] == "planned":
        changed = False
    elif not module.check_mode:
        if params["state"] == "emptied":
            changed = reset.empty(plan)
        elif params["state"] == "created":
            changed = reset.create(plan, lambda: server_of(module), params["timeout"])
        else:
            reset.finish()
    return {"changed": changed, **result}


def body(module: AnsibleModule) -> dict[str, Any]:
    with refusals_recorded(module, service="postgres", state="reset", confirm=module.params["confirm"]):
        return _act(module)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            **POSTGRES_OPTIONS,
            **AUDIT_OPTIONS,
            "backup_dir": BACKUPS_OPTIONS["backup_dir"],
            "state": {"type": "str", "required": True, "choices": ["planned", "emptied", "created", "finished"]},
            "confirm": {"type": "str", "default": ""},
            "timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
