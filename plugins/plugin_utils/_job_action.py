# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Follow a job on the target: start it, print its progress, attach again after a lost connection.

The one action plugin of every module that works as a job; plugins/action/ only gives it their names.
"""

from __future__ import annotations

import secrets
import time
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

display = Display()

RECONNECT_SECONDS = 300.0  # how long a lost connection is tried again before the host counts as unreachable
RECONNECT_PAUSE = 2.0
PROGRESS_SECONDS = 10.0  # between two lines of progress


class ActionModule(ActionBase):  # type: ignore[misc]
    """Run the task's own module again and again until its job has ended."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        arguments.setdefault("job", f"{self._task.action.rpartition('.')[2]}-{secrets.token_hex(6)}")
        told = time.monotonic()
        while True:
            result = self._call(arguments, task_vars)
            job = result.get("job", {})
            if not job.get("running"):
                return result
            if time.monotonic() - told >= PROGRESS_SECONDS:
                told = time.monotonic()
                figures = ", ".join(f"{name} {value}" for name, value in job.get("figures", {}).items())
                host = (task_vars or {}).get("inventory_hostname", "")
                display.display(f"  [{host}] {job['doing']}{': ' + figures if figures else ''}")

    def _call(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """One call of the module; a lost connection is awaited, since the job goes on without us."""
        until = time.monotonic() + RECONNECT_SECONDS
        while True:
            try:
                return self._execute_module(module_name=self._task.action, module_args=arguments, task_vars=task_vars)
            except AnsibleConnectionFailure as error:
                if time.monotonic() >= until:
                    raise
                # A warning would be shown when the task has ended.
                host = (task_vars or {}).get("inventory_hostname", "")
                display.display(f"  [{host}] Connection lost ({error.message}); what was begun goes on, trying to attach again")
                time.sleep(RECONNECT_PAUSE)
                self._connection.reset()
