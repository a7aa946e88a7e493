# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo on containers; the embedded one is a gate of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
DEMO = [sys.executable, "examples/stack/demo.py", "--kind", "docker"]


@pytest.mark.slow
def test_the_demo_on_containers() -> None:
    """`make demo STACK=docker`: one window that brings release 2, and nothing is left."""
    done = subprocess.run(DEMO, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = " ".join(done.stdout.split())
    assert "dbops maintenance development/docker changed: window " in told
    assert " closed, migrate done, downtime " in told
    assert "demo: ok after" in told
    assert not (REPOSITORY / ".stack/docker.json").exists()
    left = ["docker", "ps", "--all", "--quiet", "--filter", "label=com.docker.compose.project=amanat-development"]
    assert subprocess.run(left, capture_output=True, text=True, check=True).stdout == ""
