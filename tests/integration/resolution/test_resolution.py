# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One test for each way in which Ansible finds `amanat.dbops`; none sets an environment variable to help it."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.gates import pythons

from .conftest import Machine, assert_answered

# The parameters with which a module of ours only reads.
SHOW = {"stack": "development/here", "state": "show"}


def needs(program: str) -> None:
    """Skip where this Python's environment lacks a tool: the second Python's has what units need."""
    if not Path(sys.executable).with_name(program).exists():
        pytest.skip(f"{program} is not installed for this Python")


def test_clone_from_its_root(checkout: Path, machine: Machine) -> None:
    assert_answered(machine.status("playbooks/status.yml", cwd=checkout))


def test_clone_from_another_folder(checkout: Path, machine: Machine, tmp_path: Path) -> None:
    assert_answered(machine.status(str(checkout / "playbooks/status.yml"), cwd=tmp_path))


def test_target_with_the_oldest_python(checkout: Path, machine: Machine) -> None:
    assert_answered(machine.status("playbooks/status.yml", cwd=checkout, ansible_python_interpreter=pythons.oldest()))


def test_installed_artefact(checkout: Path, machine: Machine, tmp_path: Path) -> None:
    built = machine.run("ansible-galaxy", "collection", "build", "--output-path", str(tmp_path), str(checkout), cwd=tmp_path)
    assert built.returncode == 0, built.stdout
    artefact = next(tmp_path.glob("amanat-dbops-*.tar.gz"))
    # The dependencies are installed already: the package `ansible` carries them.
    installed = machine.run("ansible-galaxy", "collection", "install", "--offline", str(artefact), cwd=tmp_path)
    assert installed.returncode == 0, installed.stdout
    collection = machine.home / ".ansible/collections/ansible_collections/amanat/dbops"
    assert not [path for path in collection.rglob("*") if path.is_symlink()]
    assert_answered(machine.status("amanat.dbops.status", cwd=tmp_path))


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param({}, id="ansible-runner"),
        # AWX sets this itself, to where it installed the requirements; so ansible.cfg does not count there.
        pytest.param({"ANSIBLE_COLLECTIONS_PATH": "/nonexistent"}, id="as-awx-calls-it"),
    ],
)
def test_ansible_runner(checkout: Path, machine: Machine, tmp_path: Path, environment: dict[str, str]) -> None:
    """The repository is the project folder; extra variables are the only input."""
    data = tmp_path / "private_data_dir"
    (data / "env").mkdir(parents=True)
    (data / "env/extravars").write_text(json.dumps(machine.variables), encoding="utf-8")
    command = ["ansible-runner", "run", str(data), "--project-dir", str(checkout), "--inventory", str(machine.inventory)]
    assert_answered(machine.run(*command, "--playbook", "playbooks/status.yml", cwd=tmp_path, **environment))


def test_molecule(checkout: Path, machine: Machine) -> None:
    needs("molecule")
    scenario = checkout / "molecule/resolution"
    scenario.mkdir(parents=True)
    (scenario / "molecule.yml").write_text("---\nplatforms:\n  - name: here\n", encoding="utf-8")
    tasks = [
        {"name": "Show the window", "amanat.dbops.window_state": SHOW | {"state_dir": machine.variables["dbops_state_dir"]}},
        {"name": "Say it", "ansible.builtin.include_role": {"name": "amanat.dbops.maintenance_window", "tasks_from": "status"}},
    ]
    play = {"name": "Converge", "hosts": "all", "gather_facts": False, "vars": machine.variables, "tasks": tasks}
    (scenario / "converge.yml").write_text(json.dumps([play]), encoding="utf-8")
    try:
        done = machine.run("molecule", "converge", "--scenario-name", "resolution", cwd=checkout)
    finally:
        shutil.rmtree(scenario)
    assert done.returncode == 0, done.stdout
    stale = machine.home / ".ansible/collections/ansible_collections/amanat"
    assert not stale.exists(), "Molecule copied the collection to the home folder"


@pytest.mark.parametrize(("module", "code"), [("window_state", 0), ("no_such_module", 2)])
def test_ansible_lint(checkout: Path, machine: Machine, module: str, code: int) -> None:
    needs("ansible-lint")
    playbook = checkout / "playbooks" / f"lint_{module}.yml"
    tasks = [{"name": "Show the window", f"amanat.dbops.{module}": SHOW}]
    playbook.write_text(json.dumps([{"name": "Lint", "hosts": "all", "tasks": tasks}]), encoding="utf-8")
    try:
        done = machine.run("ansible-lint", "--offline", "--profile", "min", f"playbooks/{playbook.name}", cwd=checkout)
    finally:
        playbook.unlink()
    assert done.returncode == code, done.stdout
    assert (f"amanat.dbops.{module}" in done.stdout) == bool(code), done.stdout
