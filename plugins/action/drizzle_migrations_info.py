# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Add what wants a parser to the module's comparison: what the statements of the pending migrations do."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.amanat.dbops.plugins.plugin_utils._sql import judge


class ActionModule(ActionBase):  # type: ignore[misc]
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        result = self._execute_module(task_vars=task_vars)
        given = result.pop("to_judge", None)
        if given and not result.get("failed"):
            result.update(judge(**given))
        return result
