# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: seed_guard_info
short_description: Say whether a seed may run on a database
version_added: 0.1.0
description:
  - Decides by the environment of the inventory, the database's stamp, the lists of names, and above all by whether exactly this
    seed came through its rehearsal in exactly this image.
  - Before anything it logs in on the networks of the service, where PG_URL, and the service's address of Redis, have to mean the very
    servers that are asked for their stamps.
  - What it fails with is written into the stack's audit log.
  - What a seed is made of is searched for words such as C(TRUNCATE). They are a hint for people; nothing is decided by them.
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
attributes:
  check_mode:
    support: full
    description: It only reads. In check mode a refusal is not written into the audit log.
  diff_mode:
    support: none
    description: It changes nothing.
options:
  required:
    description: Whether a refusal is a failure.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Ask whether the categories may be seeded
  amanat.dbops.seed_guard_info:
    stack: production/nickapp
    postgres_container: amanat-postgres
    pg_url: "{{ dbops_pg_url }}"
    services: "{{ dbops_services }}"
    seed: seedCategories
  register: guard
"""

RETURN = r"""
verdict:
  description: V(allow) or V(refuse).
  returned: success
  type: str
reasons:
  description: Why.
  returned: success
  type: list
  elements: str
rehearse:
  description: Whether a rehearsal is all that is missing, and a run of C(seed.yml) makes it first.
  returned: success
  type: bool
slug:
  description: What the refusal is called; empty where it is allowed.
  returned: success
  type: str
next:
  description: What to do about the refusal; empty where it is allowed.
  returned: success
  type: str
seed:
  description: Name of the seed.
  returned: success
  type: str
sha256:
  description: SHA-256 of its files, its command, and the environment of its service less secrets.
  returned: success
  type: str
image:
  description: Id of the image that it runs in.
  returned: success
  type: str
hints:
  description: Words in it that are worth a look.
  returned: success
  type: list
  elements: str
record:
  description: What its newest rehearsal found; V(null) where there was none.
  returned: success
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils._module import (
    AUDIT_OPTIONS,
    POSTGRES_OPTIONS,
    TARGET_OPTIONS,
    main_of,
    refusals_recorded,
)
from ansible_collections.amanat.dbops.plugins.module_utils._seed_module import (
    REACH_OPTIONS,
    SEED_OPTIONS,
    program_from,
    reach_from,
    verdict_from,
)


def body(module: AnsibleModule) -> dict[str, Any]:
    with refusals_recorded(module, seed=module.params["seed"]):
        program = program_from(module)
        reach_from(module, program)
        verdict, record = verdict_from(module, program)
        if module.params["required"]:
            verdict.require(program.seed)
    return {
        "changed": False,
        "verdict": verdict.word,
        "reasons": verdict.reasons,
        "rehearse": verdict.rehearse,
        "slug": verdict.slug,
        "next": verdict.next,
        "seed": program.seed.name,
        "sha256": program.sha256,
        "image": program.image,
        "hints": program.hints,
        "record": record,
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            **POSTGRES_OPTIONS,
            **SEED_OPTIONS,
            **REACH_OPTIONS,
            **AUDIT_OPTIONS,
            "required": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
