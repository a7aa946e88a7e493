# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A controller that waits at a gate before a task, as if it were slow just there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

from tests.integration.faults.gates import pass_by

DOCUMENTATION = """
name: gated
type: aggregate
short_description: Waits at a gate before a task
description: The gate has the task's name; the environment variable GATES names the directory.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "gated"

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:  # noqa: ARG002 - Ansible's own signature
        pass_by(Path(os.environ["GATES"]), task.name)
