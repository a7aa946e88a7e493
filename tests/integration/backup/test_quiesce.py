# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a window does between its last look at a running application and its operation, and after it, on a real server."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._image_files import is_as_built
from ansible_collections.amanat.dbops.plugins.module_utils._place import Engine

from tests.integration.backup.conftest import WINDOW_PASSWORD, Caller, Postgres
from tests.integration.backup.test_door import log_in
from tests.integration.plays import engine

MOMENT = "20261122T170203Z"
MIGRATION = {"name": "0000_first", "when": 1000, "sha256": "aa"}


def write_release(directory: Path, *migrations: str) -> Path:
    """A directory with migrations, the first of them that of MIGRATION by its time."""
    release = directory / "release"
    (release / "drizzle" / "meta").mkdir(parents=True)
    entries = [{"tag": name, "when": 1000 * number} for number, name in enumerate(migrations, 1)]
    (release / "drizzle" / "meta" / "_journal.json").write_text(json.dumps({"entries": entries}), encoding="utf-8")
    for name in migrations:
        (release / "drizzle" / f"{name}.sql").write_text("SELECT 1", encoding="utf-8")
    return release


class Service:
    """One that is a file, and can be made to fail."""

    def __init__(self, directory: Path) -> None:
        self.file, self.stuck = directory / "runs", directory / "stuck"
        self.file.touch()
        status = f"test -e {self.file} && echo 1 || exit 3"
        commands = {"start": f"touch {self.file}", "stop": f"test -e {self.stuck} || rm {self.file}", "status": status}
        self.spec = {"name": "worker", "kind": "command", **{verb: ["sh", "-c", text] for verb, text in commands.items()}}

    @property
    def runs(self) -> bool:
        return self.file.exists()


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


@pytest.fixture
def database(caller: Caller, postgres: Postgres, make_database: Callable[..., str]) -> Iterator[str]:
    name = make_database("CREATE TABLE notes (t text); INSERT INTO notes VALUES ('kept')")
    yield name
    caller.run("postgres_door", name, state="open", backup_dir=None)
    postgres.sql("postgres", f'DROP DATABASE IF EXISTS "{copy_of(name)}" WITH (FORCE)')


def copy_of(database: str) -> str:
    return f"{database}__old_{MOMENT}"


def has_copy(postgres: Postgres, database: str) -> bool:
    return postgres.sql("postgres", f"SELECT count(*) FROM pg_database WHERE datname = '{copy_of(database)}'") == "1"


def options(service: Service, **more: Any) -> dict[str, Any]:
    return {"backup_dir": None, "services": [service.spec], "password": WINDOW_PASSWORD, **more}


def quiesce(caller: Caller, database: str, service: Service, *, check: bool = False, **more: Any) -> dict[str, Any]:
    return caller.run("window_quiesce", database, check=check, **options(service, **{"moment": MOMENT, "wait": 60.0, **more}))


def resume(caller: Caller, database: str, service: Service, *, check: bool = False, **more: Any) -> dict[str, Any]:
    before = [{"name": "worker", "running": True, "release": "1", "image_id": "1", "restart_policy": ""}]
    return caller.run("window_resume", database, check=check, **options(service, before=before, **more))


def test_the_application_is_down_and_shut_out_and_comes_back(caller: Caller, postgres: Postgres, database: str, service: Service) -> None:
    foreseen = quiesce(caller, database, service, check=True)
    assert (foreseen["changed"], foreseen["touched"], service.runs, has_copy(postgres, database)) == (True, ["worker"], True, False)
    assert log_in(postgres, database).returncode == 0

    done = quiesce(caller, database, service)
    assert (done["changed"], done["touched"], service.runs, done["rollback_point"]["name"]) == (True, ["worker"], False, copy_of(database))
    assert done["rollback_point"]["bytes"] > 7_000_000
    assert has_copy(postgres, database)
    assert "reject" in log_in(postgres, database).stderr
    assert log_in(postgres, database, done["door"]["role"], WINDOW_PASSWORD, "SELECT t FROM notes").stdout == "kept\n"
    assert not quiesce(caller, database, service)["changed"]
    assert not quiesce(caller, database, service, check=True)["changed"]

    assert resume(caller, database, service, check=True)["touched"] == ["worker"]
    assert not service.runs
    back = resume(caller, database, service)
    assert (back["changed"], back["touched"], back["services"][0]["running"], service.runs) == (True, ["worker"], True, True)
    assert log_in(postgres, database).returncode == 0
    again = resume(caller, database, service)
    assert (again["changed"], again["touched"]) == (False, [])


def test_whoever_asks_again_waits_for_the_first(
    caller: Caller, postgres: Postgres, database: str, service: Service, tmp_path: Path
) -> None:
    """As after a lost connection. What the first call does later than the second would shut a door that nobody opens any more."""
    waits, begun = tmp_path / "waits", tmp_path / "begun"
    waits.touch()
    stop = f"touch {begun}; while test -e {waits}; do sleep 0.05; done; rm -f {service.file}"
    service.spec["stop"] = ["sh", "-c", stop]
    with ThreadPoolExecutor(2) as calls:
        first = calls.submit(quiesce, caller, database, service, job="quiesce")
        while not begun.exists():
            time.sleep(0.05)
        begun.unlink()
        second = calls.submit(quiesce, caller, database, service, job="quiesce")
        time.sleep(2)
        assert (begun.exists(), first.done(), second.done()) == (False, False, False)
        waits.unlink()
        assert first.result() == second.result()
    assert has_copy(postgres, database)


def test_a_service_that_does_not_stop_leaves_the_door_open(caller: Caller, postgres: Postgres, database: str, service: Service) -> None:
    service.stuck.touch()
    message = caller.refused("window_quiesce", database, "service-failed", **options(service, moment=MOMENT, wait=60.0))
    assert "was told to stop, did not complain, and runs" in message
    assert (log_in(postgres, database).returncode, has_copy(postgres, database)) == (0, False)


def test_a_point_that_could_not_be_taken_stops_nothing(caller: Caller, service: Service) -> None:
    caller.refused("window_quiesce", "nowhere", "database-missing", **options(service, moment=MOMENT, wait=60.0))
    assert service.runs


def test_without_a_password_the_services_alone_are_stopped(caller: Caller, postgres: Postgres, database: str, service: Service) -> None:
    done = caller.run("window_quiesce", database, backup_dir=None, services=[service.spec])
    assert (done["touched"], service.runs, log_in(postgres, database).returncode) == (["worker"], False, 0)
    started = resume(caller, database, service, password=None)
    assert (started["touched"], "door" in started) == (["worker"], False)
    refused = caller.call("window_quiesce", caller.arguments(database, backup_dir=None, services=[service.spec], moment=MOMENT))
    assert "password" in refused["msg"]


@pytest.mark.parametrize("behind_the_door", [True, False])
def test_nothing_is_started_on_a_database_that_lacks_migrations(
    caller: Caller, postgres: Postgres, database: str, service: Service, tmp_path: Path, behind_the_door: bool
) -> None:
    password = {} if behind_the_door else {"password": None}
    known = {"service": "worker", "release": "shop:2", "layout": "journal", "migrations": [MIGRATION]}
    quiesce(caller, database, service, **(password and {**password, "moment": None}))
    server = postgres.behind_the_door() if behind_the_door else postgres

    def refused(**brought: Any) -> str:
        before = [{"name": "worker", "running": True, "release": "1", "image_id": "1", "restart_policy": ""}]
        given = options(service, before=before, releases=[{**known, **brought}], **password)
        return caller.refused("window_resume", database, "migrations-pending", **given)

    assert "worker would start on a database that lacks migrations of its release shop:2: 0000_first." in refused()
    assert (service.runs, log_in(postgres, database).returncode == 0) == (False, not behind_the_door)

    server.sql(
        database,
        "CREATE SCHEMA drizzle; CREATE TABLE drizzle.__drizzle_migrations (id serial, hash text, created_at bigint);"
        "INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ('aa', 1000)",
    )
    # A directory is read anew, whatever was learnt of it.
    release = write_release(tmp_path, "0000_first", "0001_second")
    assert f"of its release {release}: 0001_second." in refused(release=str(release))
    nothing = {**known, "release": str(tmp_path / "gone"), "layout": "none", "migrations": []}
    assert resume(caller, database, service, releases=[known, nothing], **password)["touched"] == ["worker"]
    assert (service.runs, log_in(postgres, database).returncode) == (True, 0)


@pytest.fixture
def worker(caller: Caller, postgres: Postgres) -> Iterator[dict[str, Any]]:
    """A stopped container as a service, and what a window has learnt of it before."""
    name = f"{postgres.container}-worker"
    engine("create", "--name", name, "--entrypoint", "sleep", "--workdir", "/srv", postgres.image, "infinity")
    try:
        service = {"name": "worker", "kind": "container", "container": name}
        none = dict.fromkeys(("backup_dir", "pg_url", "postgres_container"))
        looked = caller.run("stack_services_info", "", **none, services=[service])
        learnt = {"service": "worker", "release": postgres.image, "layout": "none", "migrations": []}
        yield {"backup_dir": None, "services": [service], "before": looked["services"], "releases": [learnt]}
    finally:
        engine("rm", "--force", name)


def test_what_an_operation_has_put_into_a_container_is_compared(
    caller: Caller, postgres: Postgres, database: str, worker: dict[str, Any], tmp_path: Path
) -> None:
    assert caller.run("window_resume", database, **worker)["touched"] == []
    engine("cp", f"{write_release(tmp_path, '0000_first')}/.", f"{worker['services'][0]['container']}:/srv")
    refused = caller.refused("window_resume", database, "migrations-pending", **worker)
    assert f"lacks migrations of its release {postgres.image}: 0000_first." in refused
    pinned = {**worker, "services": [{**worker["services"][0], "image": postgres.image}]}
    assert caller.run("window_resume", database, **pinned)["touched"] == []


def test_a_container_that_is_what_it_was_is_not_unmounted(caller: Caller, database: str, worker: dict[str, Any], tmp_path: Path) -> None:
    """Whoever copies out of it waits until the file system has written all that an operation has left to write."""
    told, client = tmp_path / "told", tmp_path / "engine"
    client.write_text(f'#!/bin/sh\necho "$1" >> {told}\nexec docker "$@"\n', encoding="utf-8")
    client.chmod(0o755)

    def copies(**changed: Any) -> int:
        told.write_text("", encoding="utf-8")
        assert caller.run("window_resume", database, **{**worker, "engine": str(client), **changed})["touched"] == []
        return told.read_text(encoding="utf-8").split().count("cp")

    assert copies() == 0
    assert copies(before=[{**worker["before"][0], "containers": ["another"]}]) == 1


@pytest.mark.parametrize(
    ("options", "change", "as_built"),
    [
        ([], "true", True),
        ([], "echo 1 > /srv/app/log", True),
        ([], "echo 1 > /srv/app/drizzle/file", False),
        ([], "rm -r /srv/app/drizzle", False),
        ([], "rm -r /srv/app; mkdir /srv/app", False),
        ([], "rm -r /srv; ln -s /tmp /srv", False),
        (["--tmpfs", "/mnt"], "true", True),
        (["--volume", "/srv/app"], "true", False),
        (["--volume", "/srv/app/drizzle/more"], "true", False),
        (["--volume", "/srv/other"], "true", True),
    ],
)
def test_whether_a_container_has_what_its_image_has(postgres: Postgres, options: list[str], change: str, as_built: bool) -> None:
    name, image = f"{postgres.container}-layers", f"{postgres.container}-layers:1"
    recipe = f"FROM {postgres.image}\nUSER root\nRUN mkdir -p /srv/app/drizzle\nENTRYPOINT []\n"
    subprocess.run(["docker", "build", "--quiet", "--tag", image, "-"], input=recipe.encode(), capture_output=True, check=True)
    try:
        engine("run", "--name", name, *options, image, "sh", "-c", change)
        facts = Engine().inspect("container", name)
        assert facts is not None
        assert is_as_built(facts, "/srv/app/drizzle") is as_built
    finally:
        engine("rm", "--force", "--volumes", name)
        engine("rmi", "--force", image)
