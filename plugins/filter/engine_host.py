# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: engine_host
short_description: Tell where an engine listens, as its clients want to be told
version_added: 0.1.0
description:
  - C(dbops_engine_socket) is a path or a URL. The engine's command line and C(community.docker) take a URL.
options:
  _input:
    description: The socket's path, or the URL of an engine. Nothing stands for the client's own default.
    type: str
    required: true
author:
  - amanat.dbops contributors (@amanat)
"""

EXAMPLES = r"""
- name: Ask the engine of the inventory
  community.docker.docker_host_info:
    docker_host: "{{ dbops_engine_socket | amanat.dbops.engine_host }}"
"""

RETURN = r"""
_value:
  description: The URL, or an empty string for the client's own default.
  type: str
"""

from typing import Any, Callable

from ansible_collections.amanat.dbops.plugins.module_utils._place import Engine


def engine_host(socket: str) -> str:
    return Engine(socket=socket).host


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"engine_host": engine_host}
