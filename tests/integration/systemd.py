# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine of its own on which systemd runs."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.integration.plays import engine, images

# What systemd wants of a container that has no privileges.
FLAGS = ["--security-opt", "seccomp=unconfined", "--cgroupns=host", "--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw"]
FLAGS += ["--tmpfs", "/run", "--tmpfs", "/run/lock"]


@contextmanager
def machine(name: str, *options: str) -> Iterator[str]:
    """Start the container `name`, whose first process is systemd, and wait until it is up."""
    subprocess.run(["docker", "rm", "--force", "--volumes", name], capture_output=True, check=False)
    engine("run", "--detach", "--name", name, *FLAGS, *options, images("systemd")["systemd"])
    try:
        engine("exec", name, "sh", "-c", "until systemctl is-system-running 2>&1 | grep -qE 'running|degraded'; do sleep 0.1; done")
        yield name
    finally:
        engine("rm", "--force", "--volumes", name)
