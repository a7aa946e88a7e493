# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at any time.

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  release_id:
    description:
      - The identity that the image had when it was looked up first. With it, the release may be a tag that moves.
      - Empty to look it up now.
    type: str
    default: ''
  migrations_path:
    description: The folder of the migrations, relative to the image's working directory or to the release's directory.
    type: str
    default: drizzle
"""
