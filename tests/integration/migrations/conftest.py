# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server on a network of its own, as an application reaches it, and releases with whatever migrations a test wants."""

from __future__ import annotations

import json
import secrets
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

import pytest

from tests.integration.backup.conftest import Caller, Postgres, make_database, remove, run_postgres
from tests.integration.plays import engine, images

__all__ = ["make_database"]

DIRECTORY = "migrations"  # in the release, since the example's own is called drizzle

CONFIG = f"""
import {{ defineConfig }} from "drizzle-kit";
export default defineConfig({{ dialect: "postgresql", out: "./{DIRECTORY}", dbCredentials: {{ url: process.env.PG_URL ?? "" }} }});
"""


def journal(*migrations: tuple[str, int, str]) -> dict[str, bytes]:
    """The files of a folder as drizzle-kit 0.x makes it, of name, `when` and SQL."""
    entries = [{"idx": n, "version": "7", "when": when, "tag": tag, "breakpoints": True} for n, (tag, when, _sql) in enumerate(migrations)]
    head = json.dumps({"version": "7", "dialect": "postgresql", "entries": entries}).encode()
    return {"meta/_journal.json": head, **{f"{tag}.sql": sql.encode() for tag, _when, sql in migrations}}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@dataclass
class Releases:
    """Releases with other migrations than the example application: images, whose drizzle-kit is that of `base`, and directories."""

    folder: Path
    base: str
    made: list[str] = field(default_factory=list)

    def directory(self, files: dict[str, bytes], config: str = CONFIG) -> str:
        root = self.folder / secrets.token_hex(4)
        write(root / DIRECTORY, files)
        (root / "drizzle.config.ts").write_text(config, encoding="utf-8")
        return str(root)

    def image(self, files: dict[str, bytes], config: str = CONFIG, **variables: str) -> str:
        root = Path(self.directory(files, config))
        lines = [f"FROM {self.base}", "COPY . ./", *(f"ENV {name}={value}" for name, value in variables.items())]
        (root / "Dockerfile").write_text("\n".join(lines), encoding="utf-8")
        tag = f"dbops-migrations:{root.name}"
        subprocess.run(["docker", "build", "--quiet", "--tag", tag, str(root)], capture_output=True, check=True)
        self.made.append(tag)
        return tag

    def remove(self) -> None:
        if self.made:
            engine("rmi", "--force", *self.made)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """PostgreSQL on a network, where its name is `postgres`."""
    network = f"dbops-migrations-{secrets.token_hex(4)}"
    engine("network", "create", network)
    server = run_postgres(images("postgres")["postgres"], options=["--network", network, "--network-alias", "postgres"])
    yield server
    remove(server)
    engine("network", "rm", network)


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Releases]:
    made = Releases(tmp_path_factory.mktemp("releases"), images("backend-1")["backend-1"])
    yield made
    made.remove()


@dataclass(frozen=True)
class Migrator:
    """Calls the modules of migrations on one database."""

    caller: Caller
    database: str

    def options(self, release: str, **options: Any) -> dict[str, Any]:
        return {"release": release, "migrations_path": DIRECTORY, "backup_dir": None, **options}

    def compare(self, release: str | None, **options: Any) -> dict[str, Any]:
        """The comparison, without what its action plugin adds on the controller."""
        result = self.caller.run("drizzle_migrations_info", self.database, **self.options(release, **options))
        assert result["changed"] is False
        return result

    def foresee(self, release: str, **options: Any) -> list[str]:
        result = self.caller.run("drizzle_migrate", self.database, check=True, **self.options(release, **options))
        assert result["changed"] == bool(result["migrated"])
        return result["migrated"]

    def run(self, release: str, **options: Any) -> dict[str, Any]:
        return self.caller.run("drizzle_migrate", self.database, wait=120.0, **self.options(release, **options))

    def refused(self, release: str, slug: str, *, check: bool = False, **options: Any) -> str:
        arguments = self.caller.arguments(self.database, wait=120.0, **self.options(release, **options))
        result = self.caller.call("drizzle_migrate", arguments, check=check)
        assert result.get("slug") == slug, result
        return result["msg"]

    def sql(self, sql: str) -> str:
        return self.caller.server.sql(self.database, sql)

    def content(self) -> str:
        """All that a migration could have changed. What a sequence gave away stays away, so its numbers are left out."""
        dump = self.caller.server.program(self.database, "pg_dump", "--inserts", "--restrict-key=x")
        text = subprocess.run(dump, stdout=subprocess.PIPE, text=True, check=True).stdout
        return "\n".join(line for line in text.splitlines() if "setval(" not in line)


@pytest.fixture
def migrator(postgres: Postgres, make_database: Callable[..., str], tmp_path: Path) -> Migrator:
    """An empty database."""
    return Migrator(Caller(postgres, tmp_path), make_database(""))


def in_background(work: Callable[[], Any]) -> Callable[[], Any]:
    """Begin the work beside this test; the function returned waits for its result."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()

    def wait() -> Any:
        thread.join()
        return results[0]

    return wait
