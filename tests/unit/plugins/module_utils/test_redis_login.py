# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""As whom a server is operated while another login waits for its restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._redis_login import MOUNTED, in_force
from ansible_collections.amanat.dbops.plugins.module_utils._stack import Stack

STACK = "development/keys"
# As a password may be.
SECRET = "p\"a's $wörd %41 "


@pytest.fixture
def config(tmp_path: Path) -> Path:
    directory = tmp_path / STACK / "redis/config"
    directory.mkdir(parents=True)
    (directory / "user").write_text("\n", encoding="utf-8")
    (directory / "password").write_text(f"{SECRET}\n", encoding="utf-8")
    return directory


def mounting(source: str, destination: str = MOUNTED) -> dict[str, Any]:
    return {"Mounts": [{"Source": "/srv/data", "Destination": "/data"}, {"Source": source, "Destination": destination}]}


def test_a_deployed_server_wants_what_it_was_started_with(tmp_path: Path, config: Path) -> None:
    stack = Stack.parse(STACK, str(tmp_path))
    assert in_force(stack, mounting(str(config))) == ("", SECRET)
    (config / "user").write_text("dbops\n", encoding="utf-8")
    assert in_force(stack, mounting(f"{config}/")) == ("dbops", SECRET)


def test_another_server_says_nothing_of_itself(tmp_path: Path, config: Path) -> None:
    stack = Stack.parse(STACK, str(tmp_path))
    for container in ({}, {"Mounts": []}, mounting("/srv/other"), mounting(str(config), "/elsewhere")):
        assert in_force(stack, container) is None
    (config / "password").unlink()
    assert in_force(stack, mounting(str(config))) is None
