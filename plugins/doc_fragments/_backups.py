# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at any time.

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  backup_dir:
    description: Directory on the target that holds the backups. Whatever writes the first one creates it with mode 0700.
    type: path
    required: true
  series:
    description: Backups that rotate together. Defaults to C(<database>_pg).
    type: str
"""
