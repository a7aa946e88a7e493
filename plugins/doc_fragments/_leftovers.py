# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at any time.

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  names:
    description:
      - What to remove, each by its name. Nothing is removed where none is named.
      - What an unfinished window's journal names, and what is in use, is refused.
    type: list
    elements: str
    default: []
  confirm:
    description: The same names, typed by whoever runs it.
    type: list
    elements: str
    default: []
  state_dir:
    description: Directory on the target with the journals of windows. One that is not there holds none.
    type: path
    default: /var/lib/dbops
"""
