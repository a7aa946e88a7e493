# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests want of the machine that they run on. It is put there where that is possible; else they fail, and say why."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest

from tests.images import debian


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def require_root(why: str) -> None:
    if os.geteuid() != 0:
        pytest.fail(f"[root-missing] {why} Nothing was changed. Next: run it as root.", pytrace=False)


def ensure_ssh() -> None:
    """OpenSSH's client, which a minimal machine lacks."""
    if shutil.which("ssh") and shutil.which("ssh-keygen"):
        return
    if not (debian.is_root() and shutil.which("apt-get")):
        pytest.fail("[ssh-missing] There is no OpenSSH client here. Next: install it (Debian: openssh-client).", pytrace=False)
    debian.install("openssh-client")


def faketime(directory: Path) -> str:
    """The library that gives a process another clock, unpacked from the distribution's package."""
    debian.unpack(["libfaketime"], "bookworm", directory)
    return str(next(directory.rglob("libfaketime.so.1")))
