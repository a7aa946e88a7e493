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

# A service of commands that only the path of whoever opens the window leads to: a daemon without a manager of its own.
SITE_PATH = "/opt/site/bin"
SITE = """#!/bin/sh
pid=$(cat $0.pid 2>/dev/null)
case $1 in
start) setsid sleep infinity >/dev/null 2>&1 & echo $! > $0.pid ;;
stop) kill $pid; rm $0.pid ;;
status) kill -0 $pid 2>/dev/null || exit 3 ;;
esac
"""
COMMANDS = {"name": "site", "kind": "command", **{verb: ["site", verb] for verb in ("start", "stop", "status")}}
PATH = f"{SITE_PATH}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# What runs as soon as the machine does, and answers.
WORKER = "[Service]\nExecStart=/usr/bin/python3 -m http.server 8099\n[Install]\nWantedBy=multi-user.target\n"
STATE = "/var/lib/dbops/development/x"
UNITS = "/etc/systemd/system"


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


@contextmanager
def application(name: str) -> Iterator[str]:
    """A machine on which the application is a unit that starts with it, and a daemon."""
    with at_work(name, "--env", f"PATH={PATH}"):
        inside("sh", "-c", f"cat > {UNITS}/worker.service", stdin=WORKER, target=name)
        inside("sh", "-c", f"mkdir -p {SITE_PATH} && cat > {SITE_PATH}/site && chmod +x {SITE_PATH}/site", stdin=SITE, target=name)
        inside("systemctl", "enable", "worker.service", target=name)
        inside("systemctl", "restart", "worker.service", target=name)
        inside("site", "start", target=name)
        yield name


def stopped_in_a_window(name: str, operation: str = "none", **more: Any) -> str:
    """A window that has stopped the application, and whose controller is gone then; its id."""
    # There is no PostgreSQL on it, as there was none before.
    health = {"url": "http://127.0.0.1:8099/", "timeout": 30, "successes": 1, "waived": ["postgres"]}
    services = [SERVICE, COMMANDS]
    undo = {"engine": {"binary": "docker", "socket": ""}, "postgres_container": "", "postgres_bin_dir": "", "services": services}
    ran = {"running_before": True, "release_before": "", "image_before": "", "restart_policy": ""}
    before = [{"name": each["name"], "kind": each["kind"], **ran} for each in services]
    record = {"services": before, "images": {}, "undo": {**undo, "guarded": False, "moment": "", "redis": {}, "health": health}}
    window = module("window_state", target=name, state="open", operation=operation, record=record, **more)["journal"]["id"]
    for phase in ("backed_up", "stopped"):
        module("window_state", target=name, state="advance", window=window, phase=phase)
    assert module("stack_services", target=name, services=services, state="stopped")["touched"] == ["worker", "site"]
    return str(window)


def ended(name: str, window: str, seconds: int = 120) -> dict[str, Any]:
    """Its journal, when it has ended and nothing of its switch is left."""
    path = f"{STATE}/windows/{window}.json"
    inside("timeout", str(seconds), "sh", "-c", f"until [ -e {path} ]; do sleep 0.2; done", target=name)
    inside("timeout", "60", "sh", "-c", f"while ls {UNITS} | grep -q dbops; do sleep 0.2; done", target=name)
    return dict(json.loads(inside("cat", path, target=name)))


def require_running(name: str) -> None:
    """Both, also when whoever has started them is long gone."""
    idle = "! systemctl list-units --plain --no-legend --state=active,activating,deactivating 'dbops-window-*' | grep -q ."
    inside("timeout", "60", "sh", "-c", f"until {idle}; do sleep 0.2; done", target=name)
    assert inside("systemctl", "is-active", "worker.service", target=name) == "active"
    inside("site", "status", target=name)


@pytest.mark.slow
def test_a_machine_that_is_started_anew_ends_its_window_before_the_unit_runs() -> None:
    """The unit would be started with the machine. It waits for the switch, which starts it itself, on what it has found."""
    with application("window-systemd-boot") as name:
        window = stopped_in_a_window(name)
        assert "Before=worker.service" in inside("cat", f"{UNITS}/dbops-window-development-x.service", target=name)
        engine("restart", name)
        journal = ended(name, window)
        assert (journal["state"], journal["going"]) == ("rolled_back", "start_again"), journal
        require_running(name)


@pytest.mark.slow
def test_the_timer_ends_a_window_whose_controller_is_gone() -> None:
    """It looks too early, winds itself up again from within its own service, and fires when the time of the phase is over."""
    with application("window-systemd-timer") as name:
        window = stopped_in_a_window(name, minutes=2)
        inside("systemctl", "start", "dbops-window-development-x.service", target=name)
        assert inside("systemctl", "is-active", "dbops-window-development-x.timer", target=name) == "active"
        assert inside("sh", "-c", "site status || echo down", target=name) == "down"
        journal = ended(name, window)
        assert (journal["state"], journal["going"]) == ("rolled_back", "start_again"), journal
        assert "the dead man's switch fired" in journal["taken_over"][0]["why"]
        require_running(name)


@pytest.mark.slow
def test_a_switch_that_waits_for_its_next_try_goes_with_its_window() -> None:
    """What it calls has failed, somebody mends that, and is faster."""
    service = "dbops-window-development-x.service"
    with application("window-systemd-waits") as name:
        window = stopped_in_a_window(name)
        inside("sed", "-i", "s/^RestartSec=.*/RestartSec=600/", f"{UNITS}/{service}", target=name)  # however slow this machine is
        inside("systemctl", "daemon-reload", target=name)
        inside("mv", f"{STATE}/dbops-window", f"{STATE}/away", target=name)
        inside("sh", "-c", f"! systemctl start {service}", target=name)
        assert inside("systemctl", "show", "--value", "--property", "SubState", service, target=name) == "auto-restart"
        inside("mv", f"{STATE}/away", f"{STATE}/dbops-window", target=name)
        error = {"slug": "window-aborted", "message": "", "state": "", "next": ""}
        assert module("window_recovery", target=name, state="aborted", window=window, why="by hand", error=error)["changed"]
        assert ended(name, window)["state"] == "rolled_back"
        assert inside("systemctl", "list-units", "--all", "--plain", "--no-legend", "dbops-window-*", target=name) == ""
        require_running(name)


@pytest.mark.slow
def test_what_a_failed_window_has_stopped_does_not_start_with_the_machine() -> None:
    """Nor by anybody's hand, until somebody acknowledges the window, who starts nothing."""
    with application("window-systemd-held") as name:
        window = stopped_in_a_window(name, operation="restore")
        module("window_state", target=name, state="advance", window=window, phase="operated")
        error = {"slug": "window-aborted", "message": "", "state": "", "next": ""}
        held = module("window_recovery", target=name, state="aborted", window=window, why="by hand", error=error)["journal"]
        assert (held["state"], held["going"]) == ("failed", "hold"), held
        assert "systemd does not start worker, nor does a start of the machine" in held["error"]["state"]
        engine("restart", name)
        inside("sh", "-c", "until systemctl is-system-running 2>&1 | grep -qE 'running|degraded'; do sleep 0.1; done", target=name)
        started = "systemctl start worker.service 2>&1; systemctl is-active worker.service"
        refused = inside("sh", "-c", f"{started} || true", target=name)
        assert "Assertion failed" in refused
        assert refused.endswith("inactive")
        assert module("window_state", target=name, state="attend", window=window)["journal"]["attended"]
        assert module("window_state", target=name, state="acknowledge", window=window)["journal"]["acknowledged"]
        assert inside("sh", "-c", f"ls {UNITS} | grep worker", target=name) == "worker.service"
        assert inside("sh", "-c", "systemctl is-active worker.service || true", target=name) == "inactive"
        assert inside("sh", "-c", started, target=name) == "active"


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
