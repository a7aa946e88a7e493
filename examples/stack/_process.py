# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers without a supervisor: started in a session of their own, known by pid and start time."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Account:
    """Whom the servers run as. None of them wants to be root, and PostgreSQL refuses to be."""

    uid: int
    gid: int

    @classmethod
    def for_servers(cls) -> Account:
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            return cls(nobody.pw_uid, nobody.pw_gid)
        return cls(os.geteuid(), os.getegid())

    def make_directory(self, path: Path) -> Path:
        path.mkdir(mode=0o700)
        os.chown(path, self.uid, self.gid)
        return path

    def write(self, path: Path, text: str) -> None:
        """A file that only this account (and root) can read."""
        with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            os.fchown(file.fileno(), self.uid, self.gid)
            file.write(text)

    def identity(self) -> dict[str, object]:
        """Arguments for `subprocess`."""
        if os.geteuid() != 0:
            return {"umask": 0o077}
        return {"umask": 0o077, "user": self.uid, "group": self.gid, "extra_groups": []}


def _start_time(pid: int) -> str | None:
    """When a living process began, in clock ticks since boot; a pid alone may be somebody else's by now."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else fields[19]


@dataclass(frozen=True)
class Server:
    """A detached process, its log since it was started (that of before lies beside it) and its pid file."""

    log: Path
    pid_file: Path

    def pid(self) -> int | None:
        """Its process id while it runs."""
        try:
            pid, started = self.pid_file.read_text(encoding="utf-8").split()
        except (FileNotFoundError, ValueError):
            return None
        return int(pid) if _start_time(int(pid)) == started else None

    def is_running(self) -> bool:
        return self.pid() is not None

    def start(self, argv: Sequence[str], account: Account, env: Mapping[str, str], cwd: Path) -> None:
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=env, cwd=cwd, **account.identity()
            )
        partial = self.pid_file.with_suffix(".partial")
        partial.write_text(f"{process.pid} {_start_time(process.pid)}\n", encoding="utf-8")
        partial.rename(self.pid_file)

    def stop(self, with_signal: signal.Signals = signal.SIGTERM, seconds: float = 30) -> None:
        """End it; what has not gone after so many seconds is killed with all that it started."""
        pid = self.pid()
        if pid is not None:
            os.kill(pid, with_signal)
            deadline = time.monotonic() + seconds
            while self.is_running():
                if time.monotonic() > deadline:
                    os.killpg(pid, signal.SIGKILL)
                    break
                time.sleep(0.02)
        self.pid_file.unlink(missing_ok=True)

    def last_words(self) -> str:
        try:
            return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])
        except FileNotFoundError:
            return ""
