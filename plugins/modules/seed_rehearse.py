# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: seed_rehearse
short_description: Run a seed twice on a copy of the database that nobody else reaches
version_added: 0.1.0
description:
  - Restores the newest backup in a throw-away server without a network, runs the seed there twice in the image of its service, with
    every address and secret of the service's environment replaced, and compares every row of every table by its key.
  - A seed came through when both runs ended well within the time-out, tried to reach nobody, left the rest of the server, Redis as a
    whole and the numbers of sequences alone, the first one deleted nothing and wrote to no table but its own, and the second one
    changed nothing.
  - What was found on the newest backup is kept for exactly its files and exactly its image; it is always written into a report.
  - The work is a job on the target. It outlives a lost connection, and nothing of it outlives the job.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._postgres
  - amanat.dbops._services
  - amanat.dbops._seed
  - amanat.dbops._audit
  - amanat.dbops._job
  - amanat.dbops._backups
  - amanat.dbops._throwaway
attributes:
  check_mode:
    support: full
    description: Says which seed, which image and which backup would be taken.
  diff_mode:
    support: none
    description: A rehearsal replaces nothing.
  idempotent:
    support: none
    details: Every run rehearses again.
    description: A second run changes nothing.
options:
  backup:
    description:
      - Name of the backup. V(newest) and V(oldest) are those of the series that can be used.
      - Only a rehearsal on the newest one of the stack counts as proof.
    type: str
    default: newest
  redis_image:
    description: Image of a throw-away Redis beside the server. Without one nothing answers to the address of Redis.
    type: str
    default: ''
  redis_container:
    description: Container whose image is taken where O(redis_image) is empty.
    type: str
    default: ''
  timeout:
    description: Seconds that each run of the seed may take.
    type: float
    default: 600.0
"""

EXAMPLES = r"""
- name: Find out what a seed does
  amanat.dbops.seed_rehearse:
    stack: production/nickapp
    postgres_container: amanat-postgres
    pg_url: "{{ dbops_pg_url }}"
    backup_dir: /var/backups/dbops/production/nickapp
    services: "{{ dbops_services }}"
    seed: seedCities
    seeds:
      - name: seedCities
        tables: [public.cities]
"""

RETURN = r"""
passed:
  description: Whether it is safe and idempotent; V(false) in check mode.
  returned: success
  type: bool
reasons:
  description: Why it is not.
  returned: success
  type: list
  elements: str
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
hints:
  description: Words in it that are worth a look.
  returned: success
  type: list
  elements: str
backup:
  description: Name of the backup that was restored.
  returned: success
  type: str
counts:
  description:
    - Whether the guard goes by it. It does where the backup is the newest one of the stack that can be used; another one, which somebody
      named, informs.
  returned: success
  type: bool
runs:
  description: What each run did; empty in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    code:
      description: Its exit code; 124 for one that did not end in time.
      type: int
    seconds:
      description: How long it took.
      type: float
    attempts:
      description: How often something in it tried to reach another host.
      type: int
    complaint:
      description: The first line of its error output that speaks of an error, although it ended with 0.
      type: str
    said:
      description: The end of its output.
      type: str
    changes:
      description: Rows C(added), C(changed) and C(deleted) by C(table), where there are any.
      type: list
      elements: dict
    beyond:
      description: What it did to more than its database, such as C(FLUSHALL in Redis) or C(ALTER ROLE in PostgreSQL).
      type: list
      elements: str
    beside:
      description: What else is another, such as the schema.
      type: list
      elements: str
    sequences:
      description: Sequences that moved, C(before) and C(after). They may, but not C(backwards).
      type: list
      elements: dict
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
from ansible_collections.amanat.dbops.plugins.module_utils import _choice
from ansible_collections.amanat.dbops.plugins.module_utils._job import Progress
from ansible_collections.amanat.dbops.plugins.module_utils._module import (
    AUDIT_OPTIONS,
    BACKUPS_OPTIONS,
    JOB_OPTIONS,
    POSTGRES_OPTIONS,
    TARGET_OPTIONS,
    main_of,
    refusals_recorded,
    run_as_job,
    series_of,
    url_of,
)
from ansible_collections.amanat.dbops.plugins.module_utils._rebuild import rebuilding_of
from ansible_collections.amanat.dbops.plugins.module_utils._seed_module import SEED_OPTIONS, program_from, redis_image_of
from ansible_collections.amanat.dbops.plugins.module_utils._seed_rehearsal import Rehearsal, Rehearsing
from ansible_collections.amanat.dbops.plugins.module_utils._stage import Plan
from ansible_collections.amanat.dbops.plugins.module_utils._throwaway import THROWAWAY_OPTIONS


def _plan(module: AnsibleModule) -> Rehearsing:
    program = program_from(module)
    stage = Plan(**rebuilding_of(module), url=url_of(module), redis_image=redis_image_of(module))
    is_newest = _choice.is_newest(stage.directory, series_of(module), stage.manifest, stage.stack)
    return Rehearsing(stage, program, module.params["timeout"], is_newest)


def _predict(plan: Rehearsing) -> dict[str, Any]:
    program = plan.program
    return {
        "changed": True,
        "passed": False,
        "reasons": [],
        "seed": program.seed.name,
        "sha256": program.sha256,
        "image": program.image,
        "hints": program.hints,
        "backup": plan.stage.manifest["name"],
        "counts": plan.is_newest,
        "runs": [],
        "seconds": 0.0,
        "report": "",
    }


def body(module: AnsibleModule) -> dict[str, Any]:
    def prepare() -> Callable[[Progress], dict[str, Any]]:
        return Rehearsal(_plan(module)).make

    with refusals_recorded(module, seed=module.params["seed"]):
        return _predict(_plan(module)) if module.check_mode else run_as_job(module, prepare)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            **POSTGRES_OPTIONS,
            **SEED_OPTIONS,
            **AUDIT_OPTIONS,
            **JOB_OPTIONS,
            **THROWAWAY_OPTIONS,
            **BACKUPS_OPTIONS,
            "backup": {"type": "str", "default": "newest"},
            "redis_image": {"type": "str", "default": ""},
            "redis_container": {"type": "str", "default": ""},
            "timeout": {"type": "float", "default": 600.0},
        },
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
