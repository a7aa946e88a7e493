# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image whose C library sorts text otherwise does not get at indexes that another one built."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.plays import engine

from .conftest import POSTGRES, Deployment

ASK = ["exec", POSTGRES, "psql", "-XAtq", "-U", "amanat", "-d", "amanat_dev", "-c"]


@pytest.fixture
def another_image(deployment: Deployment) -> Iterator[str]:
    name = "dbops-deploy-another:1"
    engine("tag", deployment.images["postgres"], name)
    yield name
    engine("rmi", name)


@pytest.mark.slow
def test_an_image_that_sorts_otherwise(deployment: Deployment, another_image: str) -> None:
    first = deployment.play(dbops_redis_container="")
    assert first.code == 0, first.out
    # This is how a database looks that was filled on Debian 8.
    engine(*ASK, "UPDATE pg_database SET datcollversion = '2.19' WHERE datname = current_database()")

    warned = deployment.play(dbops_redis_container="")
    assert "indexes of amanat_dev were built by another library than the one that sorts text now" in warned.out
    refused = deployment.play(dbops_redis_container="", postgres_image=another_image)
    assert f"refused: [collation-changes] {another_image} sorts text by the C library " in refused.last_line
    assert f"the indexes of {POSTGRES} were built by 2.19" in refused.last_line

    engine(*ASK, "REINDEX DATABASE amanat_dev")
    engine(*ASK, "ALTER DATABASE amanat_dev REFRESH COLLATION VERSION")
    taken = deployment.play(dbops_redis_container="", postgres_image=another_image)
    assert taken.code == 0, taken.out
    assert "indexes of" not in taken.out
