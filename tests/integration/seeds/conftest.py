# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example application's database with a few users, and containers of its backend in whose images seeds are found."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.backup.conftest import PASSWORD, Caller, Postgres, caller, make_database, postgres, remove, run_postgres
from tests.integration.plays import engine, images

__all__ = ["caller", "make_database", "postgres"]

VARIANTS = Path(__file__).with_name("variants")
SHORT_SECRET = "sesame"  # as good as a mode, so that a rehearsal leaves it
SECRET = "eyJhbGciOiJIUzI1NiJ9x"
TABLES = [{"name": path.stem, "tables": ["public.categories"]} for path in VARIANTS.iterdir()]

USERS = """
INSERT INTO users (name, email) SELECT 'user ' || n, n || '@example.test' FROM generate_series(1, 200) n;
INSERT INTO addresses (user_id, label, line1, city, postal_code, country)
  SELECT id, 'Home', '1 Street', 'Town', '10001', 'DE' FROM users;
"""


@dataclass(frozen=True)
class Shop:
    """A stack: its database, and its backend, whose container only waits."""

    caller: Caller
    stack: str
    database: str
    backend: str

    def options(self, seed: str, **more: Any) -> dict[str, Any]:
        services = [{"name": "backend", "kind": "container", "container": self.backend}]
        return {"stack": self.stack, "services": services, "seed": seed, "seeds": TABLES, **more}

    def guard(self, seed: str, **more: Any) -> dict[str, Any]:
        return self.caller.run("seed_guard_info", self.database, **self.options(seed, backup_dir=None, **more))

    def rehearse(self, seed: str, **more: Any) -> dict[str, Any]:
        return self.caller.run("seed_rehearse", self.database, **self.options(seed, memory="512m", wait=120.0, **more))

    def seed(self, seed: str, **more: Any) -> dict[str, Any]:
        return self.caller.run("seed_run", self.database, **self.options(seed, backup_dir=None, wait=120.0, **more))

    def refused(self, seed: str, slug: str, **more: Any) -> str:
        return self.caller.refused("seed_run", self.database, slug, **self.options(seed, backup_dir=None, wait=120.0, **more))

    def audit(self) -> list[dict[str, Any]]:
        """What its audit log remembers of seeds."""
        path = self.caller.directory / "state" / self.stack / "audit.jsonl"
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
        return [line for line in lines if "seed" in line]

    def sql(self, sql: str) -> str:
        return self.caller.server.sql(self.database, sql)

    def content(self) -> str:
        """All that it holds, to be compared."""
        dump = self.caller.server.program(self.database, "pg_dump", "--data-only", "--inserts")
        done = subprocess.run(dump, capture_output=True, text=True, check=True)
        return "\n".join(line for line in done.stdout.splitlines() if not line.startswith("\\"))


@pytest.fixture(scope="session")
def network() -> Iterator[str]:
    name = f"dbops-seeds-{secrets.token_hex(4)}"
    engine("network", "create", name)
    yield name
    engine("network", "rm", name)


@pytest.fixture(scope="session")
def shop_server(network: str) -> Iterator[Postgres]:
    """A server with a database `template` that the backend's migrations made."""
    published = ["--publish", "127.0.0.1::5432"]
    server = run_postgres(images("postgres")["postgres"], options=["--network", network, "--network-alias", "postgres", *published])
    server.sql("postgres", "CREATE DATABASE template")
    url = f"PG_URL={server.url('template')}"
    migrate = ["node_modules/.bin/drizzle-kit", "migrate"]
    engine("run", "--rm", "--network", network, "--env", url, images("backend-1")["backend-1"], *migrate)
    server.sql("template", USERS)
    yield server
    remove(server)


@dataclass(frozen=True)
class Elsewhere:
    """A server that nobody checked. On a network of its own it is called what the shop's server is called on the other one."""

    server: Postgres
    network: str
    port: str

    def url(self, database: str, host: str) -> str:
        return self.server.url(database).replace("@postgres:5432", f"@{host}:{self.port}")


@pytest.fixture
def elsewhere(shop_server: Postgres) -> Iterator[Elsewhere]:
    """It listens on the port on which this machine publishes the shop's server: 127.0.0.1 may mean either, too."""
    network = f"dbops-seeds-{secrets.token_hex(4)}"
    port = engine("port", shop_server.container, "5432/tcp").rpartition(":")[2]
    engine("network", "create", network)
    options = ["--network", network, "--network-alias", "postgres", "--env", f"PGPORT={port}"]
    server = run_postgres(shop_server.image, options=options)
    yield Elsewhere(server, network, port)
    remove(server)
    engine("network", "rm", network)


@pytest.fixture(scope="session")
def seed_images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """honest: the backend with the variants beside its own seeds; lying: one whose seedCategories is not what it says."""
    context = tmp_path_factory.mktemp("images")
    backend = images("backend-1")["backend-1"]
    made = {name: f"dbops-seeds-{name}:{secrets.token_hex(4)}" for name in ("honest", "lying")}
    shutil.copytree(VARIANTS, context / "variants")
    honest = f"FROM {backend}\nCOPY variants/ dist/seeds/\n"
    (context / "honest").write_text(honest)
    (context / "lying").write_text(honest + "COPY variants/wipes.js dist/seeds/seedCategories.js\n")
    for name, image in made.items():
        engine("build", "--quiet", "--file", str(context / name), "--tag", image, str(context))
    yield made
    engine("image", "rm", "--force", *made.values())


@pytest.fixture
def make_shop(network: str, shop_server: Postgres, seed_images: dict[str, str], tmp_path: Path) -> Iterator[Any]:
    """A function that makes a stack; gone after the test."""
    made: list[Shop] = []

    def make(
        stack: str = "development/shop", image: str = "honest", *, backed_up: bool = True, leads_to: str = "", on: str = network
    ) -> Shop:
        database = f"shop_{secrets.token_hex(4)}"
        shop_server.sql("postgres", f"CREATE DATABASE {database} TEMPLATE template")
        backend = f"{network}-{database}"
        environment = {
            "PG_URL": shop_server.url(leads_to or database),
            "JWT_SECRET": SECRET,
            "SEED_ADMIN_PASSWORD": SHORT_SECRET,
            "MAIL_HOST": "mail",
            "REDIS_URL": "redis://redis:6379",
            "CERTIFICATE": "a\nb",
            "PATH": "/usr/local/bin:/usr/bin:/bin:/nowhere",
        }
        flags = [part for name, value in environment.items() for part in ("--env", f"{name}={value}")]
        engine("run", "--detach", "--name", backend, "--network", on, "--init", *flags, seed_images[image], "sleep", "infinity")
        shop = Shop(Caller(shop_server, tmp_path), stack, database, backend)
        made.append(shop)
        shop.caller.run("environment_stamp", database, stack=stack, state="present", confirm=stack, backup_dir=None)
        if backed_up:
            shop.caller.backup(database, stack=stack)
        return shop

    yield make
    for shop in made:
        engine("rm", "--force", shop.backend)
        shop_server.sql("postgres", f"DROP DATABASE {shop.database} WITH (FORCE)")


def report(path: str) -> dict[str, Any]:
    """A report, which holds no secret."""
    text = Path(path).read_text(encoding="utf-8")
    assert PASSWORD not in text
    assert SECRET not in text
    assert SHORT_SECRET not in text
    return json.loads(text)
