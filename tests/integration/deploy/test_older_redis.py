# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Redis whose data an older one would not read is not stopped for one, and takes the next newer one."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration import plays
from tests.integration.plays import engine

from .conftest import Deployment

NAME = "dbops-older-redis"


@pytest.fixture
def older(images: dict[str, str]) -> Iterator[Deployment]:
    with tempfile.TemporaryDirectory(prefix="dbops-") as path:
        yield Deployment(Path(path), {**images, **plays.images("redis7")})
        subprocess.run(["docker", "rm", "--force", "--volumes", NAME], capture_output=True, check=False)
        subprocess.run(["docker", "network", "rm", "development-older"], capture_output=True, check=False)


@pytest.mark.slow
def test_an_older_image(older: Deployment) -> None:
    def deploy(image: str, **more: Any) -> plays.Outcome:
        only = {"dbops_postgres_container": "", "dbops_pg_url": "", "dbops_redis_container": NAME}
        return older.play(hosts={"older": {**only, "redis_image": older.images[image], **more}})

    assert deploy("redis7").code == 0
    newer = deploy("redis", redis_may_restart=True)
    assert newer.code == 0, newer.out
    begun = engine("inspect", "--format", "{{.State.StartedAt}}", NAME)
    refused = deploy("redis7", redis_may_restart=True)
    assert refused.code == 2, refused.out
    assert f"[data-other-major] {older.images['redis7']} is Redis 7." in refused.last_line_of("development/older")
    assert engine("inspect", "--format", "{{.State.StartedAt}}", NAME) == begun
