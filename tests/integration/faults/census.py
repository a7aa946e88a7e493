# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is of a stack besides its data: two looks at it are the same when a window has left nothing behind."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

from ansible_collections.amanat.dbops.plugins.module_utils._place import Engine

from tests.integration.window.conftest import Stack
from tests.integration.window.guarded import url

from .writer import Keeper, ask

# Of the state directory: what is kept for ever, and what every window writes anew.
KEPT = re.compile(r"(windows|jobs|reports)/|audit\.jsonl$|server\.json$|dbops-window$|(window|recovery|restore)\.lock$")

SESSIONS = """
SELECT application_name FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
  AND (application_name ~ 'dbops' OR usename ~ '^dbops_window') ORDER BY 1
"""


def processes() -> Iterator[tuple[int, str]]:
    """Every process of this machine and its argument vector."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            yield int(process.name), (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")


def at_work(directory: Path) -> list[str]:
    """Processes that hold a file of the state directory open, as every job and every step of a window does."""
    found = []
    for pid, argv in processes():
        with contextlib.suppress(OSError):
            if any(link.readlink().is_relative_to(directory) for link in Path(f"/proc/{pid}/fd").iterdir()):
                found.append(f"{pid} {argv}")
    return found


def given(name: str, value: str) -> list[str]:
    """Processes that have a variable, or inherited it."""
    found = []
    for pid, argv in processes():
        with contextlib.suppress(OSError):
            if f"{name}={value}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found.append(f"{pid} {argv}")
    return found


def half_written(stack: Stack) -> list[str]:
    return [name for name in stack.half_written() if not name.endswith(".lock")]


def containers(stack: Stack) -> list[str]:
    """All of the stack's own engine, whether they run, and what it does with them when it is started anew."""
    if "engine_socket" not in stack.state:
        return []
    engine = Engine(socket=stack.state["engine_socket"])
    found = [engine.inspect("container", name) for name in engine.run("ps", "--all", "--quiet").out.split()]
    return sorted(f"{each['Name']} {each['State']['Running']} {each['HostConfig']['RestartPolicy']}" for each in found if each)


def census(stack: Stack, keeper: Keeper, state: Path) -> dict[str, Any]:
    """state: the directory of its journal."""
    server = url(stack, "postgres")
    names = [str(path.relative_to(state)) for path in state.rglob("*") if path.is_file()]
    clients = dict(line.split(":", 1) for line in keeper.ask("INFO", "clients").splitlines() if ":" in line)
    return {
        "databases": ask(server, "SELECT datname FROM pg_database ORDER BY 1"),
        "closed databases": ask(server, "SELECT datname FROM pg_database WHERE NOT datallowconn ORDER BY 1"),
        "roles": ask(server, "SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY 1"),
        "hba": ask(server, "SELECT pg_read_file(current_setting('hba_file'))"),
        "files beside it": ask(server, "SELECT file FROM pg_ls_dir('.') AS file WHERE file ~ '^pg_hba' ORDER BY 1"),
        "sessions": ask(server, SESSIONS),
        "paused clients": clients.get("paused_reason", "none"),
        "files": sorted(name for name in names if not KEPT.match(name) or name.endswith(".tmp")),
        "backups": half_written(stack),
        "processes": at_work(state),
        "containers": containers(stack),
        "release": stack.health()["release"],
    }


class Sampler(threading.Thread):
    """Looks at the argument vectors of all processes again and again, for secrets."""

    INTERVAL = 0.1  # seconds

    def __init__(self, secrets: Callable[[], list[str]]) -> None:
        super().__init__(daemon=True)
        self._secrets = secrets
        self._ended = threading.Event()
        self.seen: list[str] = []
        self.looks = 0

    def run(self) -> None:
        while not self._ended.wait(self.INTERVAL):
            self.looks += 1
            secrets = self._secrets()
            self.seen += [argv for _pid, argv in processes() if any(secret in argv for secret in secrets)]

    def stop(self) -> None:
        self._ended.set()
        self.join()


def files_with(secrets: list[str], *directories: Path) -> list[str]:
    """Files in which one of the secrets stands; what a window logs in with does not count, as it is gone after the window."""
    return [
        str(path)
        for directory in directories
        for path in directory.rglob("*")
        if path.is_file() and path.name != "window.private.json" and any(secret.encode() in path.read_bytes() for secret in secrets)
    ]
