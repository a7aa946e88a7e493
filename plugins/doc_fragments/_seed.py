# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at any time.

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  seed:
    description:
      - Name of the seed. Without an entry in O(seeds), C(<name>) is C(dist/seeds/<name>.js) in the service's image, and a name with a
        colon a script of its C(package.json).
    type: str
    required: true
  seeds:
    description: What is to be known of seeds. C(seedCategories) and C(seedLevels) are known, with the one table of each.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the seed.
        type: str
        required: true
      argv:
        description: The command that runs in the image, in the working directory of the service.
        type: list
        elements: str
      files:
        description:
          - The files that decide what it does, relative to the working directory. What they load besides is covered by the image's id.
        type: list
        elements: str
      tables:
        description: The tables that are its own to write, as C(<schema>.<table>). Without any it may write nothing.
        type: list
        elements: str
      service:
        description: The service in whose image it runs. Defaults to the first of kind C(compose) or C(container).
        type: str
  seeds_allowed:
    description: Seeds that a run rehearses by itself outside development. Others have to be rehearsed on purpose before.
    type: list
    elements: str
    default: [seedCategories, seedLevels]
  seeds_never:
    description:
      - Seeds that are known to destroy data, besides C(seed:all) and C(seed:users). They run in development only, whatever a
        rehearsal says.
    type: list
    elements: str
    default: []
"""
