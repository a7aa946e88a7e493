# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows on containers whose engine is started anew: it stops them all, and brings back what their restart policies say."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.integration.announce.alertmanager import Alertmanager
from tests.integration.window.receiver import Receiver

from .containers import ContainerSite, stack
from .engine import Engine, another
from .site import until
from .test_faults import ENDERS, PHASES, PLACES

pytestmark = pytest.mark.faults

WAITS = {phase: place for phase, (place, _end) in PLACES.items()}
DOWN = ("stopped", "operated", "started")


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with another() as engine:
        yield engine


@pytest.fixture(scope="module")
def place(engine: Engine, alerts: Alertmanager, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerSite]:
    """The application in containers of that engine, a client that writes all the time, and those who are told of windows."""
    with stack(engine, tmp_path_factory.mktemp("containers")) as brought_up:
        site = ContainerSite.of(brought_up, tmp_path_factory.mktemp("faults"), alerts, receiver)
        site.writer.start()
        try:
            yield site
        finally:
            site.writer.stop()


def start_anew(site: ContainerSite, engine: Engine) -> None:
    """What the window has stopped stays down; what serves comes again."""
    phase, before = site.journal["phase"], site.started()
    engine.stop()
    engine.start()
    site.await_servers()
    if phase in DOWN:
        assert site.started() == before
        assert not [name for name, state in before.items() if state.endswith("true")]
    else:
        site.await_health()


@pytest.mark.parametrize("phase", PHASES)
def test_engine_started_anew(site: ContainerSite, engine: Engine, phase: str) -> None:
    """The engine started anew, and the controller killed"""
    site.begin_until(WAITS[phase])
    site.signal(signal.SIGKILL)
    start_anew(site, engine)
    site.end_by(ENDERS[phase])
    site.expect_end(PLACES[phase][1])


@pytest.mark.parametrize("phase", PHASES)
def test_engine_started_anew_while_the_controller_works(site: ContainerSite, engine: Engine, phase: str) -> None:
    """The engine started anew, and the controller goes on"""
    site.begin_until(WAITS[phase])
    start_anew(site, engine)
    site.gates.open()
    site.await_controller()
    site.expect_end("closed")


def test_engine_started_anew_while_a_backup_is_made(site: ContainerSite, engine: Engine) -> None:
    """The engine started anew while a backup is made"""
    with site.locked("users") as awaited:
        site.begin()
        until(awaited, "the backup waits for the table")
        site.note()
        start_anew(site, engine)
    site.await_controller()
    site.expect_end("aborted")


def test_engine_down_when_the_switch_fires(site: ContainerSite, engine: Engine) -> None:
    """The engine down when the switch fires, and back when that has tried in vain"""
    site.begin_until(WAITS["operated"])
    site.signal(signal.SIGKILL)
    engine.stop()
    site.let_time_pass()
    until(lambda: site.journal["epoch"] > 2, "the switch has taken the window over once more")
    engine.start()
    until(lambda: site.ended()["state"] != "open", "the switch has brought the window to an end")
    site.expect_end("rolled_back")
