# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job that is killed in the middle of its work."""

from __future__ import annotations

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable

from tests.integration.backup.conftest import STACK, Caller

JOB = "to-be-killed"


def await_true(condition: Callable[[], object], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "never true"
        time.sleep(0.005)


def killed_when(condition: Callable[[], object], caller: Caller, module: str, database: str, **options: Any) -> dict[str, Any]:
    """What the module says of its job, whose process was killed as soon as the condition was true."""
    arguments = caller.arguments(database, job=JOB, wait=60.0, **options)
    with ThreadPoolExecutor(max_workers=1) as pool:
        called = pool.submit(caller.call, module, arguments)
        await_true(lambda: called.done() or condition())
        assert not called.done(), called.result()
        status = caller.directory / "state" / STACK / "jobs" / JOB / "status.json"
        os.kill(json.loads(status.read_text(encoding="utf-8"))["pid"], signal.SIGKILL)
        return called.result()
