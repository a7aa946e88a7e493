# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What a task file of the user's reaches, and what in it would leave a window past its rescue. Runs on the controller.

A rescue sees tasks that fail. It does not see a play that ends, nor a file that Ansible finds it cannot parse when it
comes to it: both would leave the services stopped. So everything that the file leads to is read beforehand, and what
cannot be known beforehand is a problem too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

_ENDS = re.compile(r"end_(?:play|host|batch|role)\b")
_INVENTORY_DIR = re.compile(r"\{\{\s*inventory_dir\s*\}\}")
_BUILTIN = re.compile(r"^ansible\.(?:builtin|legacy)\.")

# When such a task fails, the stacks beside it fail with it (ansible/plugins/strategy/linear.py).
_FATAL = ("any_errors_fatal", "run_once")


def _mappings(data: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in a piece of YAML, and so every task, however deep in blocks."""
    if isinstance(data, dict):
        yield data
    for value in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        yield from _mappings(value)


def _actions(task: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """What may be the task's action, and its arguments, in each of the ways to write it."""
    for key, value in task.items():
        if key in ("action", "local_action") and isinstance(value, str):
            name, _blank, arguments = value.partition(" ")
            yield _BUILTIN.sub("", name), arguments.strip()
        elif key in ("action", "local_action") and isinstance(value, dict):
            yield _BUILTIN.sub("", str(value.get("module", ""))), value
        else:
            yield _BUILTIN.sub("", str(key)), value


class Walk:
    """Reads a task file and all that it leads to.

    load: a YAML file's content, or ValueError. find_role: a role's directory, or "".
    first: the directories in which Ansible looks for a relative name before it looks beside the file.
    """

    def __init__(self, inventory_dir: str, first: list[str], load: Callable[[str], Any], find_role: Callable[[str], str]) -> None:
        self.inventory_dir = inventory_dir
        self.first = first
        self.load = load
        self.find_role = find_role
        self.files: list[str] = []
        self.problems: list[str] = []
        self._roles: set[str] = set()

    def task_file(self, path: str) -> None:
        if path not in self.files:
            self.files.append(path)
            self._read(path, in_role=False)

    def _problem(self, path: str, what: str) -> None:
        self.problems.append(f"{path} {what}")

    def _read(self, path: str, *, in_role: bool) -> None:
        try:
            content = self.load(path)
        except ValueError as error:
            self._problem(path, f"cannot be read: {error}")
            return
        if not isinstance(content, list) and not (in_role and content is None):
            self._problem(path, "is no list of tasks")
            return
        for mapping in _mappings(content):
            for key in _FATAL:
                if mapping.get(key) not in (None, False):
                    self._problem(path, f"says {key}")
            for action, arguments in _actions(mapping):
                self._action(path, action, arguments, in_role=in_role)

    def _action(self, path: str, action: str, arguments: Any, *, in_role: bool) -> None:
        if action == "meta" and _ENDS.search(str(arguments)):
            self._problem(path, f"ends the play (meta: {arguments})")
        elif action in ("include_tasks", "import_tasks"):
            name = arguments.get("file", arguments.get("_raw_params")) if isinstance(arguments, dict) else arguments
            self._include(path, str(name or ""), in_role=in_role)
        elif action in ("include_role", "import_role"):
            options = arguments if isinstance(arguments, dict) else {}
            self._role(path, str(options.get("name", options.get("role", ""))))

    def _include(self, path: str, name: str, *, in_role: bool) -> None:
        name = _INVENTORY_DIR.sub(self.inventory_dir, name)
        if in_role and not os.path.isabs(name):
            return  # one of the role's own files, all of which are read
        if "{{" in name or not name:
            self._problem(path, f"includes {name or 'a file'}, a name that is not known beforehand")
            return
        beside = os.path.dirname(path)
        found = os.path.normpath(os.path.join(beside, name))
        for directory in [] if os.path.isabs(name) else [*self.first, os.path.join(beside, "tasks")]:
            other = os.path.normpath(os.path.join(directory, name))
            if other != found and os.path.exists(other):
                self._problem(path, f"includes {name}, and Ansible would take {other}: write {{{{ inventory_dir }}}}/… in front of it")
                return
        self.task_file(found)

    def _role(self, path: str, name: str) -> None:
        directory = "" if "{{" in name else self.find_role(name)
        if not directory:
            self._problem(path, f"includes the role {name!r}, which is not found beforehand")
        elif directory not in self._roles:
            self._roles.add(directory)
            for folder in ("tasks", "handlers"):
                for file in sorted(Path(directory, folder).rglob("*.y*ml")):
                    self._read(str(file), in_role=True)
            self._dependencies(os.path.join(directory, "meta", "main.yml"))

    def _dependencies(self, path: str) -> None:
        if not os.path.exists(path):
            return
        try:
            content = self.load(path)
        except ValueError as error:
            self._problem(path, f"cannot be read: {error}")
            return
        for role in (content or {}).get("dependencies") or []:
            self._role(path, str(role.get("role", role.get("name", "")) if isinstance(role, dict) else role))
