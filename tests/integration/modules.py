# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules of the collection, called as Ansible calls them: in a process of their own, with their arguments on standard input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from .plays import ROOT

MODULES = "ansible_collections.amanat.dbops.plugins.modules"


def call(module: str, arguments: dict[str, Any], environ: dict[str, str] | None = None) -> tuple[dict[str, Any], str]:
    """The result of one call, and the text that it was printed as."""
    done = subprocess.run(
        [sys.executable, "-m", f"{MODULES}.{module}"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        env={**os.environ, "PYTHONPATH": str(ROOT / "collections"), **(environ or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    return json.loads(done.stdout), done.stdout
