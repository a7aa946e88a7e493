# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was deployed, asked of the engine and of the servers themselves."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

POSTGRES, REDIS = "molecule-deploy-postgres", "molecule-deploy-redis"
HOME = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "state/development/molecule-deploy")
PG_PASSWORD = "p+q 'x+y\"\\%"  # noqa: S105 - made up
REDIS_PASSWORD = "r \"q\\ $HOME 'ü"  # noqa: S105 - made up


def inspect(host: Host, name: str) -> dict[str, Any]:
    return json.loads(host.check_output("docker inspect %s", name))[0]


def sql(host: Host, statement: str, database: str = "amanat_dev") -> str:
    return host.check_output("docker exec %s psql -X -A -t -U amanat -d %s -c %s", POSTGRES, database, statement)


def redis(host: Host, *command: str, password: str = REDIS_PASSWORD) -> str:
    words = " ".join(["%s"] * len(command))
    done = host.run(f"docker exec --env REDISCLI_AUTH=%s %s redis-cli {words}", password, REDIS, *command)
    return (done.stdout + done.stderr).strip()


@pytest.mark.parametrize("name", [POSTGRES, REDIS])
def test_it_is_healthy_and_labelled(host: Host, name: str) -> None:
    facts = inspect(host, name)
    assert facts["State"]["Health"]["Status"] == "healthy"
    assert facts["Config"]["Labels"]["amanat.dbops.stack"] == "development/molecule-deploy"
    assert facts["Config"]["Labels"]["amanat.dbops.service"] == name.rpartition("-")[2]
    assert facts["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    assert facts["Config"]["StopTimeout"] >= 60
    assert not facts["HostConfig"]["PortBindings"]
    assert all(mount["Type"] == "bind" for mount in facts["Mounts"])
    # Changed while it served, and neither stopped nor made anew.
    assert facts["RestartCount"] == 0


@pytest.mark.parametrize(("name", "password"), [(POSTGRES, PG_PASSWORD), (REDIS, REDIS_PASSWORD)])
def test_the_password_is_in_files_alone(host: Host, name: str, password: str) -> None:
    assert password not in json.dumps(inspect(host, name), ensure_ascii=False)
    assert password.encode() not in b"".join(path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists())
    for path in (HOME / name.rpartition("-")[2]).glob("[cs]*/*"):
        if password in path.read_text(encoding="utf-8"):
            assert path.stat().st_mode & 0o077 == 0, path
    assert (HOME / name.rpartition("-")[2]).stat().st_mode & 0o777 == 0o700


def test_the_data_are_on_the_target(host: Host) -> None:
    assert sql(host, "SHOW data_directory") == "/var/lib/postgresql/18/docker"
    assert (HOME / "postgres/data/18/docker/PG_VERSION").read_text(encoding="utf-8").strip() == "18"


def test_pg_url_works_as_the_application_uses_it(host: Host) -> None:
    psql = ["psql", "-X", "-A", "-t", "-h", "postgres", "-U", "amanat", "-d", "amanat_dev", "-c", "SELECT current_user"]
    client = ["docker", "run", "--rm", "--network=development-molecule-deploy", "--env=PGPASSWORD", inspect(host, POSTGRES)["Image"]]
    done = subprocess.run(
        [*client, *psql],
        env={"PGPASSWORD": PG_PASSWORD, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "amanat", done.stderr


def test_roles_privileges_extensions_and_stamp_are_there(host: Host) -> None:
    assert sql(host, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'amanat_dev'") == "amanat"
    assert sql(host, "SELECT pg_has_role('analyst', 'reader', 'MEMBER')") == "t"
    assert sql(host, "SELECT has_database_privilege('reader', 'amanat_dev', 'CONNECT')") == "t"
    assert sql(host, "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'reader'") == "f"
    assert int(sql(host, "SELECT count(*) FROM pg_stat_statements")) > 0
    assert sql(host, "SELECT environment || '/' || name FROM dbops.environment") == "development/molecule-deploy"


def test_settings_are_reloaded_and_the_others_wait(host: Host) -> None:
    assert sql(host, "SHOW work_mem") == "8MB"
    assert sql(host, "SHOW max_connections") == "100"
    assert sql(host, "SELECT string_agg(name, ',') FROM pg_settings WHERE pending_restart") == "max_connections"
    assert sql(host, "SHOW default_text_search_config") == "pg_catalog.english"


def test_the_health_check_of_redis_authenticates(host: Host) -> None:
    assert redis(host, "PING") == "PONG"
    assert "NOAUTH" in host.check_output("docker exec %s redis-cli PING", REDIS)
    assert "WRONGPASS" in redis(host, "PING", password="wrong")  # noqa: S106 - nobody's
    test = inspect(host, REDIS)["Config"]["Healthcheck"]["Test"][1]
    assert host.run("docker exec %s sh -c %s", REDIS, test).rc == 0
    assert host.run("docker exec %s sh -c %s", REDIS, test.replace("etc/redis/password", "etc/redis/redis.conf")).rc != 0


def test_redis_has_what_it_can_use_at_once_and_the_others_wait(host: Host) -> None:
    assert redis(host, "CONFIG", "GET", "maxmemory").split() == ["maxmemory", "104857600"]
    file = (HOME / "redis/config/redis.conf").read_text(encoding="utf-8")
    assert "maxmemory 100mb\n" in file
    assert "databases" not in file
    assert redis(host, "CONFIG", "GET", "save").splitlines()[1] == "3600 1 300 100 60 10000"
    assert redis(host, "CONFIG", "REWRITE") == "OK"


def test_a_stop_ends_redis_itself_with_its_data_saved(host: Host) -> None:
    assert redis(host, "SET", "auth:refresh:1", "kept") == "OK"
    started = time.monotonic()
    host.check_output("docker stop %s", REDIS)
    assert time.monotonic() - started < 5
    assert inspect(host, REDIS)["State"]["ExitCode"] == 0
    host.check_output("docker start %s", REDIS)
    for _ in range(50):
        if redis(host, "GET", "auth:refresh:1") == "kept":
            return
        time.sleep(0.1)
    pytest.fail("the key did not come back")
