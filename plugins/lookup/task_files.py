# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: task_files
short_description: Read a task file and all that it leads to, before any of it runs
version_added: 0.1.0
description:
  - Follows the task files and roles that a task file includes or imports, and names what in them would end the play, fail
    other hosts or not be known beforehand. A C(rescue) does not run then.
  - Runs nothing. Inside a role, what the role includes from elsewhere under a name made at run time is not followed.
options:
  _terms:
    description: Absolute path of one task file.
    type: list
    elements: path
    required: true
author:
  - amanat.dbops contributors (@amanat)
"""

EXAMPLES = r"""
- name: See what a task file leads to
  ansible.builtin.debug:
    msg: "{{ lookup('amanat.dbops.task_files', inventory_dir ~ '/vacuum.yml').problems }}"
"""

RETURN = r"""
_raw:
  description:
    - One dictionary. Its C(files) are the task files reached, roles' files apart, and its C(problems) one sentence each.
  type: list
  elements: dict
"""

import os
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible.utils.collection_loader._collection_finder import _get_collection_role_path
from ansible_collections.amanat.dbops.plugins.plugin_utils._task_files import Walk


class LookupModule(LookupBase):  # type: ignore[misc]
    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **_options: Any) -> list[dict[str, Any]]:
        known = variables or {}
        # Ansible's own order: an including role's folders, then the playbook's.
        homes = [known[name] for name in ("role_path", "playbook_dir") if known.get(name)]
        first = [directory for home in homes for directory in (os.path.join(home, "tasks"), home)]
        walk = Walk(known.get("inventory_dir") or "", first, self._load, self._find_role)
        walk.task_file(terms[0])
        return [{"files": walk.files, "problems": walk.problems}]

    def _load(self, path: str) -> Any:
        try:
            return self._loader.load_from_file(path)
        except AnsibleError as error:
            raise ValueError(" ".join(str(error).split())) from error

    def _find_role(self, name: str) -> str:
        # Our own first: a task file that this collection includes sees its roles by their short names.
        found = _get_collection_role_path(name, ["amanat.dbops"])
        if found:
            return str(found[1])
        basedir = self._loader.get_basedir()
        places = [os.path.join(basedir, "roles"), *(C.DEFAULT_ROLES_PATH or []), basedir]
        paths = [os.path.join(place, name) for place in places if name]
        return next((path for path in paths if os.path.isdir(path)), "")
