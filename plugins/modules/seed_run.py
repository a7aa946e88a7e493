# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: seed_run
short_description: Run a seed on the database, where its guard allows it
version_added: 0.1.0
description:
  - Asks what M(amanat.dbops.seed_guard_info) asks, and refuses what that refuses; the audit log remembers it. Then the seed
    runs in a container of its own, of the very image that was rehearsed, with the environment and in the networks of its service.
  - Rows are counted and compared before and after; it is changed only if rows are. Where tables that are not its own have fewer rows
    afterwards, or rows of its own tables are gone, that is a failure, but for a seed that is known to destroy data, in development.
  - While another seed or a migration works on the database it is refused.
  - A seed that does not end in time is ended, and so are its container and its sessions in the server.
  - The work is a job on the target. It outlives a lost connection.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._postgres
  - amanat.dbops._redis
  - amanat.dbops._services
  - amanat.dbops._seed
  - amanat.dbops._seed_reach
  - amanat.dbops._audit
  - amanat.dbops._job
attributes:
  check_mode:
    support: full
    description: Refuses what would be refused. Whether rows would change is not known; it says so by V(changed=true).
  diff_mode:
    support: none
    description: The report names the tables.
  idempotent:
    support: full
    description: A second run of a seed that came through its rehearsal changes nothing.
options:
  timeout:
    description: Seconds that the seed may take.
    type: float
    default: 600.0
  backup:
    description: Name of the backup that was made before, for whoever has to go back to it.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Seed the categories
  amanat.dbops.seed_run:
    stack: production/nickapp
    postgres_container: amanat-postgres
    pg_url: "{{ dbops_pg_url }}"
    services: "{{ dbops_services }}"
    seed: seedCategories
"""

RETURN = r"""
seed:
  description: Name of the seed.
  returned: success
  type: str
sha256:
  description: SHA-256 of its files, its command, and the environment of its service less secrets.
  returned: success
  type: str
image:
  description: Id of the image that it ran in.
  returned: success
  type: str
tables:
  description:
    - The tables that are not what they were. Those that are not the seed's own do not count as changed by it, unless it declares none.
  returned: success
  type: list
  elements: dict
  contains:
    table:
      description: Its name.
      type: str
    before:
      description: Its rows before.
      type: int
    after:
      description: Its rows afterwards.
      type: int
    own:
      description: Whether it is one of the seed's own.
      type: bool
notes:
  description: What else is worth knowing, one sentence each.
  returned: success
  type: list
  elements: str
seconds:
  description: How long all of it took; 0 in check mode.
  returned: success
  type: float
report:
  description: Path of the report on the target; empty in check mode.
  returned: success
  type: str
"""

from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils._job import Progress
from ansible_collections.amanat.dbops.plugins.module_utils._module import (
    AUDIT_OPTIONS,
    JOB_OPTIONS,
    POSTGRES_OPTIONS,
    TARGET_OPTIONS,
    main_of,
    place_of,
    refusals_recorded,
    run_as_job,
    server_of,
    stack_of,
)
from ansible_collections.amanat.dbops.plugins.module_utils._seed import NEVER, is_one_of
from ansible_collections.amanat.dbops.plugins.module_utils._seed_module import (
    REACH_OPTIONS,
    SEED_OPTIONS,
    program_from,
    reach_from,
    verdict_from,
)
from ansible_collections.amanat.dbops.plugins.module_utils._seed_run import Run, Running


def _plan(module: AnsibleModule) -> Running:
    program = program_from(module)
    redis_url = reach_from(module, program)
    verdict, _record = verdict_from(module, program)
    verdict.require(program.seed)
    params = module.params
    plan = Running(
        stack=stack_of(module),
        place=place_of(module),
        server=server_of(module),
        url=params["pg_url"],
        redis_url=redis_url,
        program=program,
        timeout=params["timeout"],
        run=params["job"] or "seed",
        backup=params["backup"],
        destroys=is_one_of(program.seed, [*NEVER, *params["seeds_never"]]),
    )
    plan.lock.require_free()
    return plan


def _predict(plan: Running) -> dict[str, Any]:
    program = plan.program
    known = {"seed": program.seed.name, "sha256": program.sha256, "image": program.image}
    return {"changed": True, **known, "tables": [], "notes": [], "seconds": 0.0, "report": ""}


def body(module: AnsibleModule) -> dict[str, Any]:
    def prepare() -> Callable[[Progress], dict[str, Any]]:
        return Run(_plan(module)).make

    with refusals_recorded(module, seed=module.params["seed"]):
        return _predict(_plan(module)) if module.check_mode else run_as_job(module, prepare)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            **POSTGRES_OPTIONS,
            **SEED_OPTIONS,
            **REACH_OPTIONS,
            **AUDIT_OPTIONS,
            **JOB_OPTIONS,
            "timeout": {"type": "float", "default": 600.0},
            "backup": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
