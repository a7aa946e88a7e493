# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine of its own that Ansible reaches by SSH."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.integration.machine import ensure_ssh
from tests.integration.plays import engine, images


@contextmanager
def target(name: str, directory: Path, *options: str, account: str = "root", port: int = 22) -> Iterator[dict[str, Any]]:
    """Start the container `name`, and yield the variables with which Ansible logs in; the key stays in `directory`."""
    ensure_ssh()
    key = directory / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    subprocess.run(["docker", "rm", "--force", "--volumes", name], capture_output=True, check=False)
    engine("run", "--detach", "--name", name, *options, images("target")["target"], "-p", str(port))
    try:
        public = key.with_suffix(".pub").read_text(encoding="utf-8")
        engine("exec", "-i", "--user", account, name, "sh", "-c", "cat > ~/.ssh/authorized_keys", stdin=public)
        address = engine("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", name)
        yield {
            "ansible_connection": "ssh",
            # A container on the machine's own network has no address of its own.
            "ansible_host": address or "127.0.0.1",
            "ansible_port": port,
            "ansible_user": account,
            "ansible_ssh_private_key_file": str(key),
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={directory}/known_hosts -o StrictHostKeyChecking=accept-new",
            "ansible_python_interpreter": "/usr/bin/python3",
        }
    finally:
        engine("rm", "--force", "--volumes", name)
