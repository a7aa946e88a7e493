# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where drizzle-kit would go is read from its configuration: only to PG_URL, and with drizzle's own table."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._drizzle_config import addressed_by, variables
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._place import Engine
from ansible_collections.amanat.dbops.plugins.module_utils._release import Release

GOOD = 'export default defineConfig({ out: "./drizzle", dbCredentials: { url: process.env.PG_URL ?? "" } });'
ELSEWHERE = GOOD.replace("PG_URL", "DATABASE_URL")


def record(block: str) -> str:
    return GOOD.replace("dbCredentials", f"migrations: {{ {block} }}, dbCredentials")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (GOOD, {"PG_URL"}),
        ('url: process.env["PG_URL"]', {"PG_URL"}),
        # Whatever it prefers leads to the same database.
        (
            "url: process.env.DATABASE_URL ?? process.env.PG_URL ?? env.DB_DSN, strict: process.env.STRICT",
            {"PG_URL", "DATABASE_URL", "DB_DSN"},
        ),
        ("import { PG_URL } from './src/env';", {"PG_URL"}),
        ("const { DATABASE_URL, PG_URL } = process.env; url: DATABASE_URL ?? PG_URL", {"PG_URL", "DATABASE_URL"}),
        ("url: process.env?.DATABASE_URL ?? process.env!.PG_URL", {"PG_URL", "DATABASE_URL"}),
        ("const env = process.env; const key = 'LIVE_DSN'; url: env[key] ?? env.PG_URL", {"PG_URL", "LIVE_DSN"}),
        ("new URL(process.env.PG_URL).host", {"PG_URL"}),
        ('import "dotenv/config"; dotenv.config({ override: false });' + GOOD, {"PG_URL"}),
        (GOOD.replace('"./drizzle"', "process.env.OUT"), {"PG_URL"}),
        (GOOD.replace('"./drizzle"', "`./${folder}`"), {"PG_URL"}),
        (GOOD.replace('"./drizzle"', "'/drizzle/'"), {"PG_URL"}),
        (f"// url: process.env.DATABASE_URL\n{GOOD}", {"PG_URL"}),
        ('url: process.env.PG_URL ?? "postgres://localhost:5432/dev", // for now', {"PG_URL"}),
        (record('table: "__drizzle_migrations", schema: "drizzle"'), {"PG_URL"}),
        (record('prefix: "timestamp"'), {"PG_URL"}),
        (f'// migrations: {{ table: "other" }}\n{GOOD}', {"PG_URL"}),
        (f'const migrations = "./drizzle"; {GOOD}', {"PG_URL"}),
    ],
)
def test_a_configuration_that_is_led_by_pg_url(text: str, named: set[str]) -> None:
    assert variables("drizzle.config.ts", text, "drizzle") == named


@pytest.mark.parametrize(
    "text",
    [
        ELSEWHERE,
        "",
        f"// PG_URL\n{ELSEWHERE}",
        f"/* not\n PG_URL */ {ELSEWHERE}",
        '{ "dialect": "postgresql", "dbCredentials": { "url": "postgres://u:p@localhost/dev" } }',
        record('table: "migs"'),
        record("table: 'migs', schema: 'drizzle'"),
        record('schema: "public"'),
        record("table: TABLE"),
        record("\n  // ours\n  schema: `app`,\n"),
        '{ "url": "PG_URL", "migrations": { "schema": "public" } }',
        f"dotenv.config({{ path: '.env', override: true }}); {GOOD}",
        f"dotenv.config({{ override: process.env.CI !== '1' }}); {GOOD}",
        f"require('@dotenvx/dotenvx').config({{ overload: true }}); {GOOD}",
        GOOD.replace("./drizzle", "./migrations"),
        GOOD.replace('out: "./drizzle"', "'out': `drizzle/live`"),
        '{ "out": "other", "url": "PG_URL" }',
    ],
)
def test_a_configuration_that_goes_elsewhere(text: str) -> None:
    with pytest.raises(OperationError) as caught:
        variables("drizzle.config.ts", text, "./drizzle/")
    assert caught.value.slug == "migrations-elsewhere"
    assert "drizzle.config.ts" in caught.value.what
    assert "u:p@" not in str(caught.value)


KIT = ["npx", "--no-install", "drizzle-kit", "migrate"]


@pytest.mark.parametrize(
    ("files", "command", "refused"),
    [
        ({"drizzle.config.ts": GOOD, "drizzle.config.json": "{}"}, KIT, False),
        ({"drizzle.config.ts": ELSEWHERE, "drizzle.config.js": GOOD}, KIT, True),
        ({"drizzle.config.json": ELSEWHERE}, KIT, True),
        ({"drizzle.config.ts": GOOD, "config/live.ts": ELSEWHERE}, [*KIT, "--config=config/live.ts"], True),
        ({"drizzle.config.ts": ELSEWHERE, "config/live.ts": GOOD}, [*KIT, "--config", "config/live.ts"], False),
        # drizzle-kit itself says that it finds none.
        ({}, KIT, False),
        # Another program reads another file, if any.
        ({"drizzle.config.ts": ELSEWHERE}, ["node", "migrate.js"], False),
    ],
)
def test_the_configuration_is_that_of_the_command(tmp_path: Path, files: dict[str, str], command: list[str], refused: bool) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    release = Release(str(tmp_path), Engine())
    if refused:
        with pytest.raises(OperationError):
            addressed_by(release, command, "drizzle")
    else:
        addressed_by(release, command, "drizzle")


def test_a_variable_that_is_an_address_is_led_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPLICA", "postgresql://replica/live")
    monkeypatch.setenv("CACHE_URL", "redis://redis")
    (tmp_path / "drizzle.config.ts").write_text(GOOD, encoding="utf-8")
    names = addressed_by(Release(str(tmp_path), Engine()), KIT, "drizzle")
    assert {"REPLICA", "PG_URL"} <= names
    assert "CACHE_URL" not in names


def test_a_folder_may_be_named_by_its_whole_path(tmp_path: Path) -> None:
    (tmp_path / "drizzle.config.ts").write_text(GOOD, encoding="utf-8")
    assert addressed_by(Release(str(tmp_path), Engine()), KIT, str(tmp_path / "drizzle")) >= {"PG_URL"}


DOTENV = """
# LIVE_A=postgres://live/a
LIVE_B=postgres://live/b # LIVE_A
export LIVE_C="postgresql://live/c"
LIVE_D: 'postgres://live/d'
  LIVE_E = `postgres://live/e`
CACHE=redis://redis
MODE=live
"""


@pytest.mark.parametrize("name", [".env", ".env.local", ".env.production", "deploy/live.env"])
def test_what_a_dotenv_file_would_set_is_led_as_well(tmp_path: Path, name: str) -> None:
    """drizzle-kit brings dotenv along, which sets what is not set yet."""
    (tmp_path / "deploy").mkdir()
    (tmp_path / name).write_text(DOTENV, encoding="utf-8")
    config = f'dotenv.config({{ path: "deploy/live.env" }}); {GOOD}'
    (tmp_path / "drizzle.config.ts").write_text(config, encoding="utf-8")
    names = addressed_by(Release(str(tmp_path), Engine()), KIT, "drizzle")
    assert names >= {"PG_URL", "LIVE_B", "LIVE_C", "LIVE_D", "LIVE_E"}
    assert not names & {"LIVE_A", "CACHE", "MODE"}


def test_another_program_reads_no_dotenv_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(DOTENV, encoding="utf-8")
    assert "LIVE_B" not in addressed_by(Release(str(tmp_path), Engine()), ["node", "migrate.js"], "drizzle")
