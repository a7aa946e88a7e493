# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`stack.py down` leaves nothing: no process, container, volume, network or file of either kind of stack."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.plays import engine

REPOSITORY = Path(__file__).resolve().parents[3]
STACK = REPOSITORY / "examples" / "stack" / "stack.py"
STATE = REPOSITORY / ".stack"


def processes_of(directory: Path) -> set[str]:
    """Processes that mention the stack's directory in their arguments, environment, program or working directory."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            places = [str((process / link).readlink()) for link in ("exe", "cwd")]
        except OSError:  # it ended meanwhile, or belongs to somebody else
            continue
        if str(directory).encode() in told or any(place.startswith(str(directory)) for place in places):
            found.add(process.name)
    return found


def docker(*arguments: str) -> set[str]:
    return set(engine(*arguments).split())


def in_docker(name: str) -> dict[str, set[str]]:
    """What the engine holds of this stack; anonymous volumes have no telling name, so they are found through the containers."""
    containers = docker("ps", "--all", "--quiet", "--filter", f"name={name}-")
    mounts = "{{range .Mounts}}{{.Name}} {{end}}"
    return {
        "containers": containers,
        "volumes": docker("volume", "ls", "--quiet", "--filter", f"name={name}-")
        | (docker("inspect", "--format", mounts, *containers) if containers else set()),
        "networks": docker("network", "ls", "--quiet", "--filter", f"name={name}-"),
    }


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A place for temporary files that only the stack uses, and that its servers' account can reach."""
    folder = Path(tempfile.mkdtemp(prefix="dbops-test-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def name() -> Iterator[str]:
    """A name of its own, so that no other stack of this machine is touched."""
    unique = f"t{uuid.uuid4().hex[:8]}"
    yield unique
    if (STATE / f"{unique}.json").exists():
        subprocess.run([sys.executable, STACK, "down", "--name", unique], check=True)


def stack(temporary: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, STACK, *arguments], env={**os.environ, "TMPDIR": str(temporary)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_embedded_leaves_nothing(name: str, temporary: Path) -> None:
    stack(temporary, "up", "--kind", "embedded", "--name", name, "--megabytes", "1")
    directory = Path(json.loads((STATE / f"{name}.json").read_text(encoding="utf-8"))["directory"])
    assert len(processes_of(directory)) >= 3
    stack(temporary, "down", "--name", name)
    assert processes_of(directory) == set()
    assert not directory.exists()
    assert not list(STATE.glob(f"{name}*"))
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("environment", [pytest.param("development", marks=pytest.mark.slow), "production"])
def test_docker_leaves_nothing(name: str, temporary: Path, environment: str) -> None:
    stack(temporary, "up", "--kind", "docker", "--name", name, "--environment", environment, "--megabytes", "1")
    directory = Path(json.loads((STATE / f"{name}.json").read_text(encoding="utf-8"))["directory"])
    made = in_docker(name)
    assert {kind: len(ids) for kind, ids in made.items()} == {"containers": 3, "volumes": 2, "networks": 1}
    stack(temporary, "down", "--name", name)
    assert in_docker(name) == {"containers": set(), "volumes": set(), "networks": set()}
    assert made["volumes"].isdisjoint(docker("volume", "ls", "--quiet"))
    assert not directory.exists()
    assert not list(STATE.glob(f"{name}*"))
    assert list(temporary.iterdir()) == []


def test_down_without_a_name_spares_named_stacks(name: str, temporary: Path) -> None:
    """In a copy of the checkout, so that no stack of this one is in reach."""
    copy = temporary / "checkout"
    shutil.copytree(STACK.parent, copy / "examples" / "stack", ignore=shutil.ignore_patterns("node_modules", "dist"))
    shutil.copytree(REPOSITORY / "tests" / "images", copy / "tests" / "images")
    state = copy / ".stack" / f"{name}.json"
    state.parent.mkdir()
    state.write_text(json.dumps({"kind": "embedded", "directory": str(temporary / "none")}), encoding="utf-8")
    subprocess.run([sys.executable, copy / "examples" / "stack" / "stack.py", "down"], check=True)
    assert state.exists()
