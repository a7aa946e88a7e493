# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at any time.

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  image:
    description:
      - Image of the throw-away server, which the engine must have.
      - Defaults to the one that wrote the backup; where nobody knows it, or it is gone, to the one of the server that runs.
    type: str
    default: ''
  memory:
    description: Memory that the throw-away server may use, as the engine takes it.
    type: str
    default: 1g
  cpus:
    description: Processors that it may use.
    type: float
    default: 1.0
  settings:
    description: Settings of the throw-away server, for example C(shared_preload_libraries) where an extension asks for it.
    type: dict
    default: {}
"""
