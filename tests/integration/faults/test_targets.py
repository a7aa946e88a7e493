# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows on another machine, which cannot be reached any more, or is started anew."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.integration import ssh
from tests.integration.machine import free_port
from tests.integration.plays import ROOT, engine
from tests.integration.systemd import machine

from .cable import Cable
from .gates import Gates
from .site import Site, until
from .test_faults import BEFORE, PLACES

pytestmark = pytest.mark.faults

# From another machine nobody reads the files of this one's Redis, so that it has no part in these windows.
WITHOUT_REDIS = {"dbops_redis_url": ""}

FAR = "faults-ssh"
BOOTED = "faults-systemd"

# Where a window waits in every phase. There is no Redis in it, so that one task leads from the stop to the rollback point.
STEPS = {
    **{phase: place for phase, (place, _end) in (BEFORE | PLACES).items()},
    "backed_up": "Begin to stop",
    "stopped": "Stop the services, and shut the door behind them",
    "closed": "Stop measuring",
}

# Where nobody comes to end a window that is cut off: its switch, a process of that machine, has outlived every connection.
LEFT_ALONE = ("operated", "started")


def reaches(site: Site) -> list[str]:
    """Options of a container that is another machine, where the servers are those of this one."""
    paths = {str(site.stack.directory), str(site.directory), str(ROOT / "tests")}
    return ["--network", "host", *(part for path in sorted(paths) for part in ("--volume", f"{path}:{path}"))]


def worker(directory: Path, gates: Gates) -> dict[str, Any]:
    """A service that is a file. The backend, which is none of this machine, is kept out by the door."""
    running = directory / "worker"
    running.write_text("1", encoding="utf-8")
    verbs = {"status": f"cat {running} 2>/dev/null || exit 3", "start": f"echo 1 > {running}", "stop": f"rm {running}"}
    commands = {verb: ["sh", "-c", text] for verb, text in verbs.items()}
    return {"name": "worker", "kind": "command", **commands, "start": gates.command("start the backend", *commands["start"])}


@pytest.fixture
def cable(place: Site, tmp_path: Path) -> Iterator[Cable]:
    port = free_port()
    with ssh.target(FAR, tmp_path, *reaches(place), port=port) as reached, closing(Cable(port)) as cable:
        place.shell = ["docker", "exec", FAR]
        place.host = {**reached, **WITHOUT_REDIS, "ansible_port": cable.port, "dbops_services": [worker(place.directory, place.gates)]}
        yield cable


@pytest.mark.parametrize("phase", STEPS)
def test_cut_off(site: Site, cable: Cable, phase: str) -> None:
    """The connection to the target cut"""
    site.play_until(STEPS[phase])
    cable.cut()
    site.gates.open()
    if phase == "stopped":  # a job is attached to again, and by then the window is somebody else's
        until(lambda: "trying to attach again" in Path(site.log).read_text(encoding="utf-8"), "the controller knows of it")
        site.end_by("abort")
        cable.mend()
        assert "[window-lost]" in site.await_controller()
    else:
        assert "unreachable=1" in site.await_controller()
    if phase in PLACES and phase != "stopped":
        site.end_by("switch" if phase in LEFT_ALONE else "abort")
    site.expect_end((BEFORE | PLACES)[phase][1])
    assert (site.directory / "worker").exists(), "the service of that machine runs"


def test_cut_off_for_a_moment(site: Site, cable: Cable) -> None:
    """The connection to the target cut for a moment while a backup is made"""
    with site.locked("users") as awaited:
        site.play()
        until(awaited, "the backup waits for the table")
        site.note()
        cable.cut()
    cable.mend()
    assert "trying to attach again" in site.await_controller()
    site.expect_end("closed")


def unit(gates: Gates) -> str:
    """A service whose start and stop can be made to wait."""
    waits = {verb: " ".join(f'"{part}"' for part in gates.command(f"{verb} the backend")) for verb in ("start", "stop")}
    commands = f"ExecStartPre=/usr/bin/env {waits['start']}\nExecStart=/bin/sleep infinity\nExecStop=/usr/bin/env {waits['stop']}\n"
    return f"[Service]\n{commands}[Install]\nWantedBy=multi-user.target\n"


@pytest.fixture
def booted(place: Site) -> Iterator[str]:
    with machine(BOOTED, *reaches(place)) as name:
        engine("exec", "-i", name, "sh", "-c", "cat > /etc/systemd/system/worker.service", stdin=unit(place.gates))
        engine("exec", name, "systemctl", "enable", "--now", "worker.service")
        place.shell = ["docker", "exec", name]
        place.host = {
            **WITHOUT_REDIS,
            "ansible_connection": "community.docker.docker",
            "ansible_host": name,
            "ansible_python_interpreter": "/usr/bin/python3",
            "dbops_services": [{"name": "worker", "kind": "systemd", "unit": "worker.service"}],
        }
        yield name


@pytest.mark.parametrize("phase", ["stopped", "operated", "started", "verified", "closed"])
def test_target_started_anew(site: Site, booted: str, phase: str) -> None:
    """The target started anew"""
    site.play_until("stop the backend" if phase == "stopped" else STEPS[phase])
    assert site.journal["switch"] == "systemd"
    site.signal(signal.SIGKILL)
    engine("restart", "--time", "1", booted)
    until(lambda: site.ended()["state"] != "open", "the switch has brought the window to an end")
    site.expect_end(PLACES[phase][1])
    # It disarms itself when the journal says how the window ended.
    left = ("exec", booted, "sh", "-c", "ls /etc/systemd/system | grep dbops-window || true")
    until(lambda: not engine(*left), "nothing of the switch is left", 30)
    assert engine("exec", booted, "systemctl", "is-active", "worker.service") == "active"
