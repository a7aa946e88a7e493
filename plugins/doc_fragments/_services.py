# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at any time.

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  services:
    description:
      - The application's services, in the order in which they are stopped; they are started in the reverse order.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What the service is called here.
        type: str
        required: true
      kind:
        description:
          - What runs it. V(compose) is one service of a Compose project, V(container) a container,
            V(systemd) a unit, V(command) three commands.
        type: str
        choices: [compose, container, systemd, command]
        required: true
      image:
        description:
          - The release that runs after the window, an image of the engine or what a V(command) service calls a release.
          - Empty to start again what was stopped.
        type: str
        default: ''
      container:
        description: For V(container), its name where it differs from the service's.
        type: str
      unit:
        description: For V(systemd), the unit's name where it differs from the service's.
        type: str
      project_src:
        description: For V(compose), the directory of the project.
        type: path
      project_name:
        description: For V(compose), the project's name where it was started under another than Compose would choose.
        type: str
      files:
        description: For V(compose), the Compose files, relative to the project's directory.
        type: list
        elements: str
      env_files:
        description: For V(compose), files of variables for the Compose files, relative to the project's directory.
        type: list
        elements: str
      profiles:
        description: For V(compose), the profiles to enable.
        type: list
        elements: str
      service:
        description: For V(compose), the service's name in the project where it differs from this one's.
        type: str
      start:
        description: For V(command), the command that starts it. It finds the release to run in the variable E(DBOPS_IMAGE).
        type: list
        elements: str
      stop:
        description: For V(command), the command that stops it and returns when it has stopped.
        type: list
        elements: str
      status:
        description:
          - For V(command), the command that exits 0 when the service runs and 3 when it does not.
          - It may print the release that runs.
        type: list
        elements: str
      log:
        description:
          - For V(command), a command that prints what the service has logged since it was started.
          - The health gate looks for new kinds of errors there. It does not where this is left out.
        type: list
        elements: str
"""
