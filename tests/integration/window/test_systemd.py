# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services of kind systemd, on a target where systemd runs."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.plays import ROOT, images

NAME = "window-systemd"
# What systemd wants of a container that has no privileges.
FLAGS = ["--security-opt", "seccomp=unconfined", "--cgroupns=host", "--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw"]
FLAGS += ["--tmpfs", "/run", "--tmpfs", "/run/lock"]
UNIT = "[Service]\nExecStart=/bin/sleep infinity\n"
SERVICE = {"name": "worker", "kind": "systemd", "unit": "worker.service"}


def inside(*argv: str, stdin: str = "") -> str:
    return subprocess.run(["docker", "exec", "-i", NAME, *argv], input=stdin, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


@pytest.fixture(scope="module")
def target() -> Iterator[None]:
    """A container whose first process is systemd, with one unit that runs."""
    image = images("systemd")["systemd"]
    subprocess.run(["docker", "rm", "--force", NAME], capture_output=True, check=False)
    subprocess.run(["docker", "run", "--detach", "--name", NAME, *FLAGS, image], stdout=subprocess.DEVNULL, check=True)
    try:
        inside("sh", "-c", "until systemctl is-system-running 2>&1 | grep -qE 'running|degraded'; do sleep 0.1; done")
        inside("sh", "-c", "cat > /etc/systemd/system/worker.service", stdin=UNIT)
        inside("systemctl", "start", "worker.service")
        yield
    finally:
        subprocess.run(["docker", "rm", "--force", NAME], stdout=subprocess.DEVNULL, check=True)


def module(name: str, **arguments: Any) -> dict[str, Any]:
    """Run a module of the collection on the target."""
    connection = ["-i", f"{NAME},", "-c", "community.docker.docker", "-e", "ansible_python_interpreter=/usr/bin/python3"]
    command = ["ansible", *connection, NAME, "-m", f"amanat.dbops.{name}", "-a", json.dumps({"stack": "development/x", **arguments})]
    environ = {**os.environ, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
    done = subprocess.run(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True, check=False)
    return json.JSONDecoder().raw_decode(done.stdout.partition(" => ")[2])[0]


@pytest.mark.usefixtures("target")
def test_a_unit_is_stopped_and_started_once() -> None:
    looked = module("stack_services_info", services=[SERVICE])["services"]
    assert looked[0]["running"]
    assert module("stack_services", services=[SERVICE], state="stopped")["touched"] == ["worker"]
    assert inside("sh", "-c", "systemctl is-active worker.service || true") == "inactive"
    assert module("stack_services", services=[SERVICE], state="stopped")["touched"] == []
    assert module("stack_services", services=[SERVICE], state="started", before=looked)["touched"] == ["worker"]
    assert inside("systemctl", "is-active", "worker.service") == "active"
    assert module("stack_services", services=[SERVICE], state="started", before=looked)["touched"] == []


@pytest.mark.usefixtures("target")
def test_an_unknown_unit_is_named() -> None:
    answer = module("stack_services_info", services=[{"name": "x", "kind": "systemd", "unit": "no-such.service"}])
    assert answer["slug"] == "service-unknown"
    assert "no-such.service" in answer["msg"]
