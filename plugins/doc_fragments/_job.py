# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at any time.

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  job:
    description:
      - Identity of the job. A call with the identity of a job that was started before attaches to it.
      - The action plugin chooses one where none is given.
    type: str
  wait:
    description:
      - Seconds that one call waits for the job before it tells how far it is.
      - The action plugin calls again until the job has ended.
    type: float
    default: 5.0
"""
