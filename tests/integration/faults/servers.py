# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers of the stack that are killed as by the kernel, and come again as their manager would start them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.integration.plays import ROOT
from tests.integration.window.conftest import Stack

sys.path.insert(0, str(ROOT / "examples" / "stack"))
from _embedded import Embedded
from _process import Server

POSTGRES, REDIS, BACKEND = "postgres", "redis", "backend"


@dataclass(frozen=True)
class Gone:
    """How a server ran that was killed."""

    name: str
    argv: list[str]
    environ: dict[str, str]
    directory: str


def _server(stack: Stack, name: str) -> Server:
    return getattr(Embedded(stack.state), name)


def kill(stack: Stack, name: str) -> Gone:
    """The server with all of its processes, as when its container is killed."""
    pid = _server(stack, name).pid()
    assert pid is not None, f"{name} does not run"
    process = Path(f"/proc/{pid}")
    argv = process.joinpath("cmdline").read_text(encoding="utf-8").split("\0")[:-1]
    environ = dict(line.split("=", 1) for line in process.joinpath("environ").read_text(encoding="utf-8").split("\0") if "=" in line)
    if name == REDIS:  # it writes its title over both
        argv, environ = [stack.state["redis"]["server"], f"{stack.state['redis']['data']}/redis.conf"], {"PATH": os.defpath}
    gone = Gone(name, argv, environ, str((process / "cwd").readlink()))
    members = _tree(pid)
    for member in members:
        os.kill(member, signal.SIGKILL)
    while any(_parent(member) is not None for member in members):
        time.sleep(0.02)
    if name == POSTGRES:
        # Its number is nobody's where a machine or a container was started anew; here it is a zombie's until that is reaped.
        Path(stack.state["postgres"]["data"], "postmaster.pid").unlink()
        for lock in Path(stack.state["postgres"]["socket"]).glob(".s.PGSQL.*.lock"):
            lock.unlink()
    return gone


def _parent(pid: int) -> int | None:
    """None of one that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[1])


def _tree(pid: int) -> list[int]:
    """A process and its children, who are in sessions of their own where it is PostgreSQL."""
    parents = {each: _parent(each) for each in (int(path.name) for path in Path("/proc").glob("[0-9]*"))}
    return [pid, *(each for each, parent in parents.items() if parent == pid)]


def start(stack: Stack, gone: Gone) -> None:
    """Until it answers: PostgreSQL recovers first, and the application loads its programs."""
    embedded = Embedded(stack.state)
    getattr(embedded, gone.name).start(gone.argv, embedded.account, gone.environ, Path(gone.directory))
    end = time.monotonic() + 30
    while not _answers(stack, gone.name):
        assert time.monotonic() < end, f"{gone.name} does not come back"
        time.sleep(0.05)


def _answers(stack: Stack, name: str) -> bool:
    if name == POSTGRES:
        state = stack.state["postgres"]
        ready = [f"{state['bin']}/pg_isready", "--quiet", f"--host={state['socket']}", f"--port={state['port']}"]
        return subprocess.run(ready, check=False).returncode == 0
    if name == BACKEND:
        try:
            return stack.health()["status"] == "ok"
        except OSError:
            return False
    return True
