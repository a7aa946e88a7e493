# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode predicts the first deploy and what waits in a server that serves; a restart that is allowed brings it."""

from __future__ import annotations

import pytest

from tests.integration.plays import Outcome, engine

from .conftest import NETWORK, POSTGRES, REDIS, Deployment, exists

OPERATED = {
    "dbops_postgres_user": "operator",
    "dbops_postgres_password": "secret-of-operator",
    "postgres_roles": [{"name": "reading"}, {"name": "reader", "password": "secret-of-reader", "member_of": ["reading"]}],
    "postgres_privileges": [{"roles": "reading", "privs": "CONNECT", "type": "database", "objs": "amanat_dev"}],
}


def told(outcome: Outcome) -> str:
    """What a deploy changed or would change."""
    return outcome.last_line.partition(" · next: ")[0].replace("would change: ", "")


@pytest.mark.slow
def test_the_first_deploy_is_predicted(deployment: Deployment) -> None:
    outcome = deployment.play("--check", "--diff")
    assert outcome.code == 0, outcome.out
    assert "FutureWarning" not in outcome.out
    assert "dbops deploy development/deploy changed: would change: PostgreSQL: " in outcome.last_line
    for line in ("+shared_preload_libraries = 'pg_stat_statements'", "+save 3600 1 300 100 60 10000"):
        assert line in outcome.out
    assert not deployment.home.exists()
    assert not any((exists("container", POSTGRES), exists("container", REDIS), exists("network", NETWORK)))


@pytest.mark.slow
def test_changes_wait_until_a_restart_is_allowed(deployment: Deployment) -> None:
    predicted = deployment.play("--check", **OPERATED)
    first = deployment.play(**OPERATED)
    assert first.code == 0, first.out
    assert told(predicted) == told(first)
    assert "database, roles, memberships, extensions, privileges, stamp" in first.last_line
    asked = ["exec", "--env", "REDISCLI_AUTH=secret-of-redis", REDIS, "redis-cli"]
    assert engine(*asked, "GET", "dbops:environment") == "development/deploy"
    running = engine("inspect", "--format", "{{.Id}} {{.State.StartedAt}}", POSTGRES, REDIS)
    change = {
        **OPERATED,
        "postgres_settings": {"work_mem": "8MB", "max_connections": 150},
        "redis_settings": {"maxmemory": "100mb", "databases": 4},
        "dbops_redis_password": "secret-of-redis-2",
    }
    waiting = "waiting for a restart: setting max_connections, setting shared_preload_libraries, setting databases, password"

    predicted = deployment.play("--check", "--diff", **change)
    assert waiting in predicted.last_line
    assert "-shared_preload_libraries = 'pg_stat_statements'" in predicted.out
    for line in ("-maxmemory 0", "+maxmemory 100mb", "+databases 16 # by a restart: 4"):
        assert line in predicted.out
    assert "work_mem" not in (deployment.home / "postgres/config/postgresql.conf").read_text(encoding="utf-8")

    assert running == engine("inspect", "--format", "{{.Id}} {{.State.StartedAt}}", POSTGRES, REDIS)

    # A database that holds data is not stamped.
    ask = ["exec", POSTGRES, "psql", "-XAt", "-U", "operator", "-d", "amanat_dev", "-c"]
    engine(*ask, "DROP SCHEMA dbops CASCADE; CREATE TABLE kept AS SELECT 1 AS one")
    forced = deployment.play(**change, postgres_may_restart=True, redis_may_restart=True)
    assert forced.code == 0, forced.out
    assert "waiting" not in forced.last_line
    assert "holds data and no environment stamp" in forced.out
    assert engine(*ask, "SHOW max_connections") == "150"
    assert engine(*ask, "SELECT one FROM kept") == "1"
    assert engine("exec", "--env", "REDISCLI_AUTH=secret-of-redis-2", REDIS, "redis-cli", "CONFIG", "GET", "maxmemory").endswith(
        "104857600"
    )
