# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows on real stacks: brought up once, operated by the playbooks as an operator would."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.plays import ROOT, Outcome, images, play
from tests.integration.report import schema

from .receiver import Receiver, listening

STACK = [sys.executable, str(ROOT / "examples/stack/stack.py")]


@dataclass(frozen=True)
class Stack:
    """A running example stack, and the playbooks that operate it."""

    kind: str
    name: str
    reports: Path

    @property
    def state(self) -> dict[str, Any]:
        return json.loads((ROOT / f".stack/{self.name}.json").read_text(encoding="utf-8"))

    @property
    def key(self) -> str:
        return f"development/{self.kind}"

    @property
    def directory(self) -> Path:
        return Path(self.state["directory"])

    @property
    def journal(self) -> Path:
        return self.directory / "dbops" / self.key / "window.json"

    @property
    def backups(self) -> Path:
        return self.directory / "backups"

    def release(self, name: str) -> str:
        """A release of the example application as this kind of stack runs it: an image, or a directory."""
        if name in self.state["releases"]:
            return self.state["releases"][name]
        if self.kind == "docker":
            return images(f"backend-{name}")[f"backend-{name}"]
        build = "import sys; sys.path.insert(0, 'examples/stack'); import _tools; print(_tools.built_release(sys.argv[1]) / 'app')"
        command = [sys.executable, "-c", build, name]
        return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()

    def play(self, verb: str, *arguments: str, environ: dict[str, str] | None = None, **variables: Any) -> Outcome:
        """Run a playbook of the collection; variables become extra variables."""
        extra = {"demo_name": self.name, "dbops_report_dir": str(self.reports), **variables}
        options = ["-i", "inventories/demo", "--limit", self.kind, "-e", json.dumps(extra), *arguments]
        return play(verb, *options, environ=environ)

    def health(self) -> dict[str, Any]:
        with urllib.request.urlopen(self.state["health_url"], timeout=5) as response:  # noqa: S310 - our own URL
            return json.load(response)

    def report(self) -> dict[str, Any]:
        """The newest window's report, which is as it is said to be; what is of something else begins with its name."""
        report = json.loads(max(self.reports.glob("[0-9]*.json")).read_text(encoding="utf-8"))
        assert not schema.flaws(report)
        return report

    def half_written(self) -> list[str]:
        """Whatever in the backup directory is no complete backup."""
        names = {path.name for path in self.backups.iterdir()} if self.backups.exists() else set()
        complete = {name for name in names if f"{name}.manifest.json" in names}
        # Manifest and roles lie beside a backup, under its name.
        return sorted(name for name in names - complete if not any(name.startswith(f"{whole}.") for whole in complete))


def bring_up(kind: str, name: str, reports: Path) -> Iterator[Stack]:
    """A stack of release 1, stamped."""
    stack = Stack(kind, name, reports)
    subprocess.run([*STACK, "down", "--name", stack.name], cwd=ROOT, capture_output=True, check=False)
    try:
        subprocess.run([*STACK, "up", "--kind", kind, "--name", stack.name], cwd=ROOT, check=True)
        stamped = stack.play("stamp", dbops_confirm=stack.key)
        assert stamped.code == 0, stamped.out
        yield stack
    finally:
        subprocess.run([*STACK, "down", "--name", stack.name], cwd=ROOT, check=True)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening() as server:
        yield server


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The application as processes of this machine, release 1, stamped."""
    yield from bring_up("embedded", "window-embedded", tmp_path_factory.mktemp("reports"))


@pytest.fixture(scope="session")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The application in containers, release 1, stamped."""
    yield from bring_up("docker", "window-docker", tmp_path_factory.mktemp("reports"))
