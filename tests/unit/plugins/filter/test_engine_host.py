# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A path of a socket becomes a URL, a URL stays one."""

from __future__ import annotations

import pytest
from ansible_collections.amanat.dbops.plugins.filter.engine_host import FilterModule


@pytest.mark.parametrize(
    ("socket", "host"),
    [
        ("", ""),
        ("/run/user/1000/docker.sock", "unix:///run/user/1000/docker.sock"),
        ("unix:///run/docker.sock", "unix:///run/docker.sock"),
        ("tcp://engine.example:2376", "tcp://engine.example:2376"),
    ],
)
def test_engine_host(socket: str, host: str) -> None:
    assert FilterModule().filters()["engine_host"](socket) == host
