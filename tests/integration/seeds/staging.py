# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stage, made and left open until this process is killed: `python -m tests.integration.seeds.staging < options`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from ansible_collections.amanat.dbops.plugins.module_utils._job import Progress
from ansible_collections.amanat.dbops.plugins.module_utils._pg_url import PgUrl
from ansible_collections.amanat.dbops.plugins.module_utils._place import Engine, Place
from ansible_collections.amanat.dbops.plugins.module_utils._stack import Stack
from ansible_collections.amanat.dbops.plugins.module_utils._stage import Plan, Stage
from ansible_collections.amanat.dbops.plugins.module_utils._throwaway import Limits


def stage(state: str, backups: str, name: str, image: str, url: str, redis_image: str = "") -> Stage:
    """A stage of one backup."""
    manifest = json.loads(Path(backups, f"{name}.manifest.json").read_text(encoding="utf-8"))
    plan = Plan(
        stack=Stack.parse("development/stage", state),
        place=Place(Engine()),
        directory=backups,
        manifest=manifest,
        image=image,
        limits=Limits("512m", 1.0),
        jobs=1,
        run="stage",
        url=PgUrl.parse(url),
        redis_image=redis_image,
    )
    return Stage(plan, Progress(f"{state}.status"))


def main() -> None:
    options: dict[str, Any] = json.load(sys.stdin)
    program = options.pop("program")
    with stage(**options) as made:
        made.run(**program)


if __name__ == "__main__":
    main()
