# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at any time.

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  by:
    description: Who asked for it, as the stack's audit log on the target remembers it. The login there is added.
    type: dict
    default: {}
    suboptions:
      user:
        description: The person's login on the controller.
        type: str
      controller:
        description: The controller's host name.
        type: str
      job_id:
        description: The job of AWX, where it runs there.
        type: str
      revision:
        description: The revision of the inventory or project.
        type: str
  audited:
    description:
      - Whether a refusal is written into the stack's audit log. By default it is, but for check mode.
      - A run that looks ahead by a task in check mode says V(true), as nobody asked for a check.
    type: bool
"""
