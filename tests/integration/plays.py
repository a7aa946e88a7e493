# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks run as an operator types them, and the line that each of them ends with."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Outcome:
    """How a playbook ended, and what it printed."""

    code: int
    out: str

    def last_line_of(self, stack: str) -> str:
        """The line that every playbook of the collection ends with, once per stack."""
        lines = re.findall(rf'"msg": "(dbops [a-z_]+ {stack} (?:[^"\\]|\\.)*)"', self.out)
        assert lines, self.out
        return json.loads(f'"{lines[-1]}"')

    @property
    def recap(self) -> str:
        """What Ansible counted."""
        return self.out.rpartition("PLAY RECAP")[2]

    @property
    def last_line(self) -> str:
        return self.last_line_of("[a-z]+/[A-Za-z0-9._-]+")


def play(playbook: str, *options: str, environ: Mapping[str, str] | None = None) -> Outcome:
    """Run a playbook from the root of the repository: one of the collection by its verb, another one by its path."""
    path = playbook if playbook.endswith(".yml") else f"playbooks/{playbook}.yml"
    command = [str(Path(sys.executable).with_name("ansible-playbook")), path, *options]
    settings = {"ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "ANSIBLE_NOCOLOR": "1", **(environ or {})}
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **settings},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    return Outcome(done.returncode, done.stdout)


def engine(*arguments: str, stdin: str = "") -> str:
    """Ask the engine's client."""
    return subprocess.run(["docker", *arguments], input=stdin, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def images(*names: str) -> dict[str, str]:
    """The tags of test images, built where they are missing."""
    command = [sys.executable, "tests/images/build.py", *names]
    return json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)
