# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_import
short_description: Make a backup of a dump that was made by hand
version_added: 0.1.0
description:
  - Copies a dump of C(pg_dump), in custom or directory format, into the backup directory, reads every row out of it, restores it
    in a throw-away server, describes what came out in a manifest, and gives it a proper name. Only then it can be restored and
    rotated like any other backup.
  - The dump itself stays where it is.
  - A stamp in the dump says of which environment its data are; without one they are those of O(stack).
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
    description: Reads the head of the dump and says the name that it would have.
  diff_mode:
    support: none
    description: An import replaces nothing.
  idempotent:
    support: full
    description: A dump that was imported under the same name is not imported again.
options:
  source:
    description: Path of the dump on the target, a file or a directory.
    type: path
    required: true
  time:
    description:
      - When the dump was made, UTC, as V(2026-06-06T030000Z) or V(2026-06-06T03:00:00Z).
      - Defaults to what the dump says of itself, which is the wall clock of the machine that made it, taken as UTC.
    type: str
  jobs:
    description: Connections that load at the same time. Defaults to O(cpus), rounded up.
    type: int
"""

EXAMPLES = r"""
- name: Import a dump of last summer
  amanat.dbops.backup_import:
    stack: development/nickapp
    postgres_container: amanat-postgres
    pg_url: "{{ dbops_pg_url }}"
    backup_dir: /var/backups/dbops/production/nickapp
    source: /srv/backups/amanat_dev_pg_2026-06-06.dump
"""

RETURN = r"""
name:
  description: Name of the backup. In check mode the name that it would have.
  returned: success
  type: str
path:
  description: Path of the backup on the target.
  returned: success
  type: str
series:
  description: Its series.
  returned: success
  type: str
database:
  description: The database that was dumped.
  returned: success
  type: str
stack:
  description: Where its data are from, V(<environment>/<name>); empty in check mode.
  returned: success
  type: str
taken:
  description: When the dump was made, UTC.
  returned: success
  type: str
sha256:
  description: One digest over the digests of all its files; empty in check mode.
  returned: success
  type: str
bytes:
  description: Its size in bytes.
  returned: success
  type: int
tables:
  description: Number of tables in it; 0 in check mode.
  returned: success
  type: int
rows:
  description: Number of rows in it, each counted in the files and in the restored copy; 0 in check mode.
  returned: success
  type: int
seconds:
  description: How long it took; 0 in check mode, and where nothing was to be done.
  returned: success
  type: float
"""

import math
import os
from datetime import datetime, timezone
from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._files import require_absolute
from ansible_collections.amanat.dbops.plugins.module_utils._import import Import, Plan
from ansible_collections.amanat.dbops.plugins.module_utils._job import Progress
from ansible_collections.amanat.dbops.plugins.module_utils._module import (
    BACKUPS_OPTIONS,
    JOB_OPTIONS,
    POSTGRES_OPTIONS,
    TARGET_OPTIONS,
    backup_dir_of,
    main_of,
    place_of,
    run_as_job,
    series_of,
    stack_of,
)
from ansible_collections.amanat.dbops.plugins.module_utils._throwaway import THROWAWAY_OPTIONS, image_here, limits_of


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    for form in ("%Y-%m-%dT%H%M%SZ", "%Y-%m-%dT%H:%M:%SZ"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=timezone.utc)
        except ValueError:
            continue
    raise OperationError(
        "import-time", f"{text!r} is no time as in 2026-06-06T030000Z.", "Nothing was changed.", "Write it so, UTC: dbops_time."
    )


def _import(module: AnsibleModule) -> Import:
    params, place = module.params, place_of(module)
    for option in ("source", "backup_dir"):
        require_absolute(params[option], f"dbops_{option}")
    work = Import(
        Plan(
            stack=stack_of(module),
            engine=place.engine,
            image=image_here(place, params["image"]),
            source=os.path.realpath(params["source"]),
            directory=backup_dir_of(module),
            series=series_of(module),
            moment=_moment(params["time"]),
            limits=limits_of(params),
            jobs=params["jobs"] or math.ceil(params["cpus"]),
            run=params["job"] or "import",
        )
    )
    work.prepare()
    return work


def body(module: AnsibleModule) -> dict[str, Any]:
    if module.check_mode:
        result = _import(module).result()
        return {**result, "changed": not os.path.lexists(result["path"])}

    def prepare() -> Callable[[Progress], dict[str, Any]]:
        return _import(module).make

    return run_as_job(module, prepare)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            **POSTGRES_OPTIONS,
            **JOB_OPTIONS,
            **THROWAWAY_OPTIONS,
            "source": {"type": "path", "required": True},
            **BACKUPS_OPTIONS,
            "time": {"type": "str"},
            "jobs": {"type": "int"},
        },
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
