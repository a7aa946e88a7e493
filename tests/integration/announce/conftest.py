# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is told of windows: real servers, without a window."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.window.receiver import Receiver, listening
from tests.integration.window.slack import Proxy, slack

from .alertmanager import Alertmanager, alertmanager


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening() as server:
        yield server


@pytest.fixture
def workspace(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """Slack, which programs that the test starts come to as well."""
    with slack(tmp_path_factory.mktemp("slack")) as proxy:
        for name, value in proxy.environ.items():
            monkeypatch.setenv(name, value)
        yield proxy


@pytest.fixture(scope="session")
def alerts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alertmanager]:
    with alertmanager(tmp_path_factory.mktemp("alertmanager")) as server:
        yield server
