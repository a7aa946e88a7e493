# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at any time.

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  stack:
    description:
      - The stack that is operated, V(<environment>/<name>).
      - The environment is V(development), V(staging) or V(production).
    type: str
    required: true
  state_dir:
    description:
      - Directory on the target under which journals, jobs and reports live, one folder a stack, mode 0700.
    type: path
    default: /var/lib/dbops
  engine:
    description:
      - Name or path of the engine's command line client, Docker's or one that takes the same arguments.
    type: str
    default: docker
  engine_socket:
    description:
      - Socket of the engine, as a path or a URL.
      - Empty for the client's own default.
    type: str
    default: ''
  fence:
    description:
      - The open window that this step belongs to, V(<its identity>/<its epoch>). The step is refused once somebody else, as the dead
        man's switch, has taken the window over.
      - Empty outside a window.
    type: str
    default: ''
  begins:
    description:
      - Where this is the first step of a phase of the window that O(fence) names, that phase. The journal says so before the step works.
      - Where O(begins.done) is set it is the last step before that phase, which begins when the step has done its work.
      - Not done again where the phase has begun.
    type: dict
    suboptions:
      phase:
        description: The phase that begins. It has to be the one that follows.
        type: str
        choices: [operated, started]
        required: true
      record:
        description: What the journal shall say from then on; its keys replace those of the journal.
        type: dict
        default: {}
      done:
        description: Whether the phase begins after the step's work, and not before it.
        type: bool
        default: false
"""
