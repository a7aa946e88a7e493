# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A clean copy of the clone and a machine that knows nothing of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.gates import export


@dataclass
class Machine:
    """A user with an empty home and no Ansible variable set, an inventory of one host on which nothing was deployed."""

    home: Path
    inventory: Path
    variables: dict[str, str]

    def run(self, *command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "MOLECULE_", "PYTHON"))}
        path = os.pathsep.join([str(Path(sys.executable).parent), inherited["PATH"]])
        return subprocess.run(
            command,
            cwd=cwd,
            env={**inherited, "HOME": str(self.home), "PATH": path, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def status(self, playbook: str, *, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the verb that only reads."""
        extra = json.dumps({**self.variables, **variables})
        return self.run("ansible-playbook", "-i", str(self.inventory), playbook, "--extra-vars", extra, cwd=cwd)


def assert_answered(done: subprocess.CompletedProcess[str]) -> None:
    """The collection's own last line is there, so its modules and roles were found and ran."""
    assert done.returncode == 0, done.stdout
    assert "dbops status development/here ok" in done.stdout, done.stdout


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `git clone` would give, under a path that Ansible knows nothing about."""
    folder = tmp_path_factory.mktemp("clone") / "database-operations"
    export.clone(folder)
    return folder


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    home, inventory = tmp_path / "home", tmp_path / "hosts.yml"
    home.mkdir()
    inventory.write_text(json.dumps({"all": {"hosts": {"here": {"ansible_connection": "local"}}}}), encoding="utf-8")
    variables = {
        "ansible_python_interpreter": sys.executable,
        "dbops_environment": "development",
        "dbops_state_dir": str(tmp_path / "state"),
        "dbops_report_dir": str(tmp_path / "reports"),
    }
    return Machine(home, inventory, variables)
