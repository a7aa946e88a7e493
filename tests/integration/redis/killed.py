# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module whose job is killed as soon as it says that it does $KILLED_AT."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from typing import Any

from ansible_collections.amanat.dbops.plugins.module_utils._job import Progress

from tests.integration.modules import MODULES
from tests.integration.plays import ROOT


def killed(module: str, step: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """What the module says of its job."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.redis.killed", module],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        env={**os.environ, "KILLED_AT": step, "PYTHONPATH": f"{ROOT / 'collections'}:{ROOT}"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def main() -> None:
    say = Progress.say

    def until_killed(self: Progress, doing: str, **figures: Any) -> None:
        say(self, doing, **figures)
        if doing == os.environ["KILLED_AT"]:
            os.kill(os.getpid(), signal.SIGKILL)

    Progress.say = until_killed  # type: ignore[method-assign]
    importlib.import_module(f"{MODULES}.{sys.argv.pop(1)}").main()


if __name__ == "__main__":
    main()
