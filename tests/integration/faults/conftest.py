# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One stack for all interrupted windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.integration.announce.alertmanager import Alertmanager, alertmanager
from tests.integration.window.conftest import bring_up
from tests.integration.window.receiver import Receiver, listening

from .site import Site


@pytest.fixture(scope="session")
def alerts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alertmanager]:
    with alertmanager(tmp_path_factory.mktemp("alertmanager")) as server:
        yield server


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    with listening() as server:
        yield server


@pytest.fixture(scope="session")
def place(alerts: Alertmanager, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The application as processes of this machine, a client that writes all the time, and those who are told of windows."""
    for stack in bring_up("embedded", "faults", tmp_path_factory.mktemp("reports")):
        site = Site.of(stack, tmp_path_factory.mktemp("faults"), alerts, receiver)
        site.writer.start()
        try:
            yield site
        finally:
            site.writer.stop()


def variant(test: pytest.Function) -> list[str]:
    """What distinguishes a fault from others of its kind, besides the phase, which is told by itself, and its end."""
    given = test.callspec.params if hasattr(test, "callspec") else {}
    return [value for name, value in given.items() if name not in ("phase", "step", "end")]


@pytest.fixture
def site(place: Site, request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Iterator[Site]:
    """Watched: when the test ends, nobody has lost a write or seen a secret, and nothing is left behind."""
    record_property("fault", ": ".join([request.function.__doc__, *variant(request.node)]))
    with place.watched():
        yield place
        for name, value in place.result().items():
            record_property(name, value)
