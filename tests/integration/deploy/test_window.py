# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What deploy leaves waiting for a restart, a window on the same servers brings."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration import plays
from tests.integration.machine import free_port
from tests.integration.plays import engine

from .conftest import NETWORK, POSTGRES, REDIS, Deployment, remove

BACKEND = "dbops-deploy-backend"
IN_POSTGRES = ["exec", POSTGRES, "psql", "-XAtq", "-U", "amanat", "-d", "amanat_dev", "-c"]
# The application has a login of its own, so that of the operator can change without it.
USERS = {"redis_users": [{"name": "backend", "role": "application", "password": "secret-of-backend"}]}
CHANGE = {
    "postgres_settings": {"max_connections": 150},
    "redis_settings": {"maxmemory": "100mb", "databases": 4},
    "dbops_redis_password": "secret-of-redis-next",
    **USERS,
}


@pytest.fixture
def backend(deployment: Deployment) -> Iterator[dict[str, Any]]:
    """The example application on servers that were deployed, and what a window has to know of it."""
    assert deployment.play(**USERS).code == 0
    image, port = plays.images("backend-1")["backend-1"], free_port()
    settings = {
        "PG_URL": "postgres://amanat:secret-of-pg@postgres:5432/amanat_dev",
        "REDIS_URL": "redis://backend:secret-of-backend@redis:6379",
    }
    options = [f"--network={NETWORK}", *(f"--env={name}={value}" for name, value in settings.items())]
    engine("run", "--rm", *options, image, "npx", "--no-install", "drizzle-kit", "migrate")
    engine("run", "--detach", f"--name={BACKEND}", f"--publish=127.0.0.1:{port}:5000", *options, image)
    try:
        yield {
            "dbops_services": [{"name": "backend", "kind": "container", "container": BACKEND}],
            "dbops_health_url": f"http://127.0.0.1:{port}/api/health",
            "dbops_backup_dir": str(deployment.directory / "backups"),
            "dbops_report_dir": str(deployment.directory / "reports"),
        }
    finally:
        remove(BACKEND)


@pytest.mark.slow
def test_what_waits_is_applied_by_the_window_that_deploy_names(deployment: Deployment, backend: dict[str, Any]) -> None:
    waiting = deployment.play(**CHANGE, **backend)
    settings = "setting max_connections, setting shared_preload_libraries, setting databases"
    assert f"waiting for a restart: {settings}, users" in waiting.last_line, waiting.out
    assert engine(*IN_POSTGRES, "SHOW max_connections") == "100"
    # Until then it is operated as it was, whatever the inventory says by now.
    backup = deployment.play(playbook="backup", dbops_service="redis", **CHANGE, **backend)
    assert backup.code == 0, backup.out
    playbook, *options = shlex.split(re.search(r"next: ansible-playbook (.*)$", waiting.last_line)[1])

    window = deployment.play(*options, playbook=playbook, **CHANGE, **backend)
    assert window.code == 0, window.out
    assert " closed, custom done, downtime " in window.last_line
    assert "the door of amanat_dev is shut" in window.out
    assert engine(*IN_POSTGRES, "SHOW max_connections") == "150"
    ask_redis = ["exec", "--env=REDISCLI_AUTH=secret-of-redis-next", REDIS, "redis-cli"]
    assert engine(*ask_redis, "CONFIG", "GET", "maxmemory").endswith("104857600")

    assert engine(*ask_redis, "GET", "dbops:environment") == "development/deploy"

    again = deployment.play(**CHANGE, **backend)
    assert "ok: everything is as described" in again.last_line
