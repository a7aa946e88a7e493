# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bare PostgreSQL in a container, databases of its own for each test, and the collection's modules called as Ansible calls them."""

from __future__ import annotations

import contextlib
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable
from urllib.parse import quote

import pytest

from tests.integration import modules
from tests.integration.plays import ROOT, engine, images

from .directories import Directory, WithBackups

USER, PASSWORD = "amanat", "secret-of-pg"
WINDOW, WINDOW_PASSWORD = "dbops_window_development_backups", "of-this-window"
STACK = "development/backups"

SOME_DATA = """
CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE payments (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id int REFERENCES users, amount numeric(12, 2), note text);
INSERT INTO users SELECT n, 'user ' || n FROM generate_series(1, 500) n;
INSERT INTO payments (user_id, amount, note) SELECT 1 + n % 500, n / 7.0, md5(n::text) FROM generate_series(1, 2000) n;
"""


@dataclass(frozen=True)
class Postgres:
    """A server in a container; its superuser is the application's role, as with the image alone."""

    container: str
    image: str
    user: str = USER
    password: str = PASSWORD

    def program(self, database: str, *argv: str) -> list[str]:
        """A command line of one of PostgreSQL's programs. The name stands in the environment: as an option it may be taken for more."""
        env = [f"PGDATABASE={database}", f"PGUSER={self.user}", f"PGPASSWORD={self.password}", "PGCLIENTENCODING=UTF8"]
        return ["docker", "exec", "--interactive", *(part for value in env for part in ("--env", value)), self.container, *argv]

    def psql(self, database: str, *options: str) -> list[str]:
        quiet = ["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set", "ON_ERROR_STOP=1"]
        return self.program(database, "psql", *quiet, *options)

    def sql(self, database: str, sql: str) -> str:
        done = subprocess.run(self.psql(database), input=sql, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def await_sql(self, database: str, condition: str, seconds: float = 10) -> None:
        """Until a query of one value says true."""
        until = time.monotonic() + seconds
        while self.sql(database, f"SELECT {condition}") != "t":
            assert time.monotonic() < until, f"never true: {condition}"
            time.sleep(0.05)

    def url(self, database: str) -> str:
        return f"postgres://{USER}:{PASSWORD}@postgres:5432/{quote(database, safe='')}"

    def behind_the_door(self) -> Postgres:
        """The same server for the one role that a shut door lets in."""
        return replace(self, user=WINDOW, password=WINDOW_PASSWORD)

    def is_ready(self) -> bool:
        ready = ["docker", "exec", self.container, "pg_isready", "--quiet", "--host", "127.0.0.1"]
        return subprocess.run(ready, check=False).returncode == 0

    def await_ready(self, seconds: float = 30) -> None:
        until = time.monotonic() + seconds
        while not self.is_ready():
            assert time.monotonic() < until, engine("logs", self.container)
            time.sleep(0.1)


def run_postgres(image: str, *settings: str, options: Sequence[str] = ()) -> Postgres:
    """Start a server whose data live no longer than its container. options: of the container."""
    name = f"dbops-backup-{secrets.token_hex(4)}"
    variables = {"POSTGRES_USER": USER, "POSTGRES_PASSWORD": PASSWORD}
    flags = [part for key, value in variables.items() for part in ("--env", f"{key}={value}")]
    engine("run", "--detach", "--name", name, "--shm-size", "256m", *flags, *options, image, "postgres", "-c", "fsync=off", *settings)
    server = Postgres(name, image)
    server.await_ready()
    return server


@contextlib.contextmanager
def pooled(server: Postgres, network: str, settings: str) -> Iterator[str]:
    """A pooler before it, by its name on that network; it listens on the server's own port."""
    name = f"dbops-pooler-{secrets.token_hex(4)}"
    databases = f"[databases]\n* = host=postgres user={USER} password={PASSWORD}\n"
    own = f"[pgbouncer]\nlisten_addr = *\nlisten_port = 5432\nauth_type = any\npool_mode = transaction\n{settings}"
    engine("run", "--detach", "--name", name, "--network", network, images("pgbouncer")["pgbouncer"], databases + own)
    probe = server.program("postgres", "pg_isready", "--quiet", "--host", name)
    until = time.monotonic() + 30
    while subprocess.run(probe, check=False).returncode:
        assert time.monotonic() < until, engine("logs", name)
        time.sleep(0.1)
    yield name
    engine("rm", "--force", "--volumes", name)


def programs() -> str:
    """The directory of PostgreSQL's programs for this machine itself."""
    find = "import sys; sys.path.insert(0, 'examples/stack'); import _tools; print(_tools.postgresql() / 'bin')"
    return subprocess.run([sys.executable, "-c", find], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def remove(server: Postgres) -> None:
    subprocess.run(["docker", "rm", "--force", "--volumes", server.container], capture_output=True, check=False)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """PostgreSQL of the newest major version, shared by all tests: leave it as it was found."""
    server = run_postgres(images("postgres")["postgres"])
    yield server
    remove(server)


@pytest.fixture
def make_database(postgres: Postgres) -> Iterator[Callable[..., str]]:
    """A function that makes a database with some content; all of them are gone after the test."""
    made: list[str] = []

    def make(sql: str = SOME_DATA, *, name: str = "", options: str = "") -> str:
        name = name or f"db_{secrets.token_hex(4)}"
        quoted = name.replace('"', '""')
        postgres.sql("postgres", f'CREATE DATABASE "{quoted}" {options}')
        made.append(quoted)
        postgres.sql(name, sql)
        return name

    yield make
    for quoted in made:
        postgres.sql("postgres", f'DROP DATABASE IF EXISTS "{quoted}" WITH (FORCE)')


@dataclass(frozen=True)
class Caller(WithBackups):
    """Calls modules of the collection on one server, with a state and a backup directory of its own."""

    server: Postgres
    directory: Path

    def arguments(self, database: str, **options: Any) -> dict[str, Any]:
        """What the modules of a backup are told; None takes an option away."""
        known = {
            "stack": STACK,
            "state_dir": str(self.directory / "state"),
            "postgres_container": self.server.container,
            "pg_url": self.server.url(database),
            "backup_dir": str(self.backups),
            **options,
        }
        return {key: value for key, value in known.items() if value is not None}

    def call(self, module: str, arguments: dict[str, Any], *, check: bool = False, environ: dict[str, str] | None = None) -> dict[str, Any]:
        """One call, as Ansible makes it; a job is followed to its end."""
        arguments = {"_ansible_check_mode": check, **arguments}
        while True:
            result, text = modules.call(module, arguments, environ)
            assert PASSWORD not in text.replace(arguments.get("pg_url", "-"), "")
            if not result.get("job", {}).get("running"):
                return result
            assert "job" in arguments, "give a job that may take long a name"

    def run(
        self, module: str, database: str, *, check: bool = False, environ: dict[str, str] | None = None, **options: Any
    ) -> dict[str, Any]:
        """A call that has to succeed."""
        result = self.call(module, self.arguments(database, **options), check=check, environ=environ)
        assert not result.get("failed"), result["msg"]
        return result

    def refused(self, module: str, database: str, slug: str, *, environ: dict[str, str] | None = None, **options: Any) -> str:
        """A call that has to fail for one reason; its message."""
        result = self.call(module, self.arguments(database, **options), environ=environ)
        assert result.get("failed"), result
        assert result.get("slug") == slug, result
        return result["msg"]

    def backup(self, database: str, **options: Any) -> dict[str, Any]:
        """A backup that has to succeed; at a size as in the tests its one call waits until it has ended."""
        return self.run("postgres_backup", database, **{"wait": 120.0, **options})


@pytest.fixture
def caller(postgres: Postgres, tmp_path: Path) -> Caller:
    return Caller(postgres, tmp_path)


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    """An empty directory of backups, without any server."""
    (tmp_path / "backups").mkdir()
    return Directory(tmp_path / "backups", tmp_path / "state")
