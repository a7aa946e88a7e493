# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: failure
short_description: Take a failed task's result apart for an operator
version_added: 0.1.0
positional: task
description:
  - Reads slug, message, state and next step out of the result of a task that failed, whichever module it was.
  - What comes of it goes to journals, reports and announcements, which nobody censors as Ansible does its output.
options:
  _input:
    description: The result, usually C(ansible_failed_result).
    type: dict
    required: true
  task:
    description:
      - Name of the task that failed. A failure that is not the collection's own is told with it.
      - Or the task itself, C(ansible_failed_task), where it may be one of the user's. With C(no_log) its name is all that is told.
    type: raw
    default: ''
author:
  - amanat.dbops contributors (@amanat)
"""

EXAMPLES = r"""
- name: Tell why it failed
  ansible.builtin.debug:
    msg: "{{ (ansible_failed_result | amanat.dbops.failure(ansible_failed_task.name)).message }}"
"""

RETURN = r"""
_value:
  description: The keys C(slug), C(message), C(state) and C(next), each a string.
  type: dict
"""

from collections.abc import Mapping
from typing import Any, Callable

from ansible_collections.amanat.dbops.plugins.module_utils._errors import take_apart

_KEPT_BACK = "It has failed, and its words are kept back (no_log)."
_NEXT = "Look at what it works on, or run it again without no_log, where it says no secret."


def failure(result: dict[str, Any], task: str | Mapping[str, Any] = "") -> dict[str, str]:
    if isinstance(task, Mapping):
        if task.get("no_log"):  # a template counts, too: of a failed task nobody has kept what came of it
            return {**take_apart(_KEPT_BACK, task.get("name", "")), "next": _NEXT}
        task = task.get("name", "")
    # Of a loop, the first item that failed: the loop itself only says that one did.
    items = [item for item in result.get("results") or [] if isinstance(item, dict) and item.get("failed")]
    told = items[0] if items else result
    return take_apart(str(told.get("msg") or told.get("stderr") or ""), task)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"failure": failure}
