# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services of kind systemd, on a target where systemd runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.integration.plays import ROOT, engine
from tests.integration.systemd import machine

from .conftest import Stack

NAME = "window-systemd"
UNIT = "[Service]\nExecStart=/bin/sleep infinity\n"
SERVICE = {"name": "worker", "kind": "systemd", "unit": "worker.service"}

# A service of commands that only the path of whoever opens the window leads to.
SITE_PATH = "/opt/site/bin"
SITE = "#!/bin/sh\ncase $1 in start) touch $0.runs ;; stop) rm -f $0.runs ;; status) test -e $0.runs || exit 3 ;; esac\n"
COMMANDS = {"name": "site", "kind": "command", **{verb: ["site", verb] for verb in ("start", "stop", "status")}}


def inside(*argv: str, stdin: str = "", target: str = NAME) -> str:
    return engine("exec", "-i", target, *argv, stdin=stdin)


@contextmanager
def at_work(name: str, *options: str) -> Iterator[str]:
    """A machine on which one unit runs."""
    with machine(name, *options):
        inside("sh", "-c", "cat > /etc/systemd/system/worker.service", stdin=UNIT, target=name)
        inside("systemctl", "start", "worker.service", target=name)
        yield name


@pytest.fixture(scope="module")
def target() -> Iterator[None]:
    with at_work(NAME):
        yield


def module(name: str, target: str = NAME, **arguments: Any) -> dict[str, Any]:
    """Run a module of the collection on the target."""
    connection = ["-i", f"{target},", "-c", "community.docker.docker", "-e", "ansible_python_interpreter=/usr/bin/python3"]
    command = ["ansible", *connection, target, "-m", f"amanat.dbops.{name}", "-a", json.dumps({"stack": "development/x", **arguments})]
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


@pytest.mark.slow
def test_a_machine_that_is_started_anew_ends_its_window_before_the_unit_runs() -> None:
    """The unit would be started with the machine. It waits for the switch, which starts it itself, on what it has found."""
    worker = "[Service]\nExecStart=/usr/bin/python3 -m http.server 8099\n[Install]\nWantedBy=multi-user.target\n"
    # There is no PostgreSQL on it, as there was none before.
    health = {"url": "http://127.0.0.1:8099/", "timeout": 30, "successes": 1, "waived": ["postgres"]}
    undo = {"engine": {"binary": "docker", "socket": ""}, "postgres_container": "", "postgres_bin_dir": "", "services": [SERVICE, COMMANDS]}
    ran = {"running_before": True, "release_before": "", "image_before": "", "restart_policy": ""}
    before = [{"name": each["name"], "kind": each["kind"], **ran} for each in (SERVICE, COMMANDS)]
    record = {"services": before, "images": {}, "undo": {**undo, "guarded": False, "moment": "", "redis": {}, "health": health}}
    with at_work("window-systemd-boot", "--env", f"PATH={SITE_PATH}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin") as name:
        inside("sh", "-c", "cat > /etc/systemd/system/worker.service", stdin=worker, target=name)
        inside("sh", "-c", f"mkdir -p {SITE_PATH} && cat > {SITE_PATH}/site && chmod +x {SITE_PATH}/site", stdin=SITE, target=name)
        inside("site", "start", target=name)
        inside("systemctl", "enable", "--now", "worker.service", target=name)
        window = module("window_state", target=name, state="open", operation="none", record=record)["journal"]["id"]
        for phase in ("backed_up", "stopped"):
            module("window_state", target=name, state="advance", window=window, phase=phase)
        service = inside("cat", "/etc/systemd/system/dbops-window-development-x.service", target=name)
        assert "Before=worker.service" in service
        inside("systemctl", "stop", "worker.service", target=name)
        inside("site", "stop", target=name)
        engine("restart", name)
        ended = f"/var/lib/dbops/development/x/windows/{window}.json"
        inside("timeout", "120", "sh", "-c", f"until [ -e {ended} ]; do sleep 0.2; done", target=name)
        journal = json.loads(inside("cat", ended, target=name))
        assert (journal["state"], journal["going"]) == ("rolled_back", "start_again"), journal
        assert inside("systemctl", "is-active", "worker.service", target=name) == "active"
        inside("site", "status", target=name)
        inside("timeout", "60", "sh", "-c", "while ls /etc/systemd/system | grep -q dbops; do sleep 0.2; done", target=name)


@pytest.mark.slow
def test_a_window_stops_and_starts_a_unit(docker: Stack) -> None:
    """The target is the machine where systemd runs; it reaches the engine and the application as the machine of the tests does."""
    mounts = [f"{docker.directory}:{docker.directory}", "/var/run/docker.sock:/var/run/docker.sock"]
    mounts.append(f"{shutil.which('docker')}:/usr/bin/docker:ro")
    flags = [part for mount in mounts for part in ("--volume", mount)]
    with at_work("window-systemd-host", "--network", "host", *flags) as name:
        before = inside("systemctl", "show", "--value", "--property", "InvocationID", "worker.service", target=name)
        reached = {"ansible_connection": "community.docker.docker", "ansible_host": name, "ansible_python_interpreter": "/usr/bin/python3"}
        outcome = docker.play("maintenance", dbops_operation="none", dbops_services=[SERVICE], **reached)
        assert outcome.code == 0, outcome.out
        assert inside("systemctl", "is-active", "worker.service", target=name) == "active"
        assert inside("systemctl", "show", "--value", "--property", "InvocationID", "worker.service", target=name) != before
        assert [service["kind"] for service in docker.report()["services"]] == ["systemd"]
