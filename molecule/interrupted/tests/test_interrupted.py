# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left of a window that was killed and recovered, asked of the engine, the server and the application themselves."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def stack() -> dict[str, Any]:
    return json.loads((ROOT / ".stack/molecule-interrupted.json").read_text(encoding="utf-8"))


@pytest.fixture
def state(stack: dict[str, Any]) -> Path:
    return Path(stack["directory"], "dbops/development/molecule-interrupted")


@pytest.fixture
def journal(state: Path) -> dict[str, Any]:
    (path,) = (state / "windows").glob("*.json")
    return json.loads(path.read_text(encoding="utf-8"))


def ask(host: Host, stack: dict[str, Any], sql: str, database: str) -> list[str]:
    postgres = stack["postgres"]
    psql = f"docker exec {postgres['container']} psql -XAt -U {postgres['user']} -d {database} -c %s"
    return host.check_output(psql, sql).splitlines()


def test_the_application_is_healthy_with_what_it_ran_before(host: Host, stack: dict[str, Any]) -> None:
    with urllib.request.urlopen(stack["health_url"], timeout=5) as response:  # noqa: S310 - our own URL
        health = json.load(response)
    assert (health["status"], health["release"]) == ("ok", "1")
    looked = "{{.Config.Image}} {{.State.Running}} {{.HostConfig.RestartPolicy.Name}}"
    backend = host.check_output("docker inspect --format %s %s", looked, stack["backend"]["container"])
    assert backend == f"{stack['releases']['1']} true unless-stopped"


def test_the_journal_says_how_it_ended(stack: dict[str, Any], journal: dict[str, Any]) -> None:
    assert (journal["state"], journal["phase"], journal["epoch"]) == ("rolled_back", "operated", 2)
    assert [each["why"] for each in journal["taken_over"]] == ["recover.yml"]
    assert journal["error"]["state"].startswith("The services run again with what they ran before, and are healthy.")
    report = json.loads(next(Path(stack["directory"], "reports").glob("*.json")).read_text(encoding="utf-8"))
    assert (report["id"], report["state"]) == (journal["id"], "rolled_back")


def test_the_operation_is_undone_and_what_it_did_is_kept_by_the_name_in_the_journal(
    host: Host, stack: dict[str, Any], journal: dict[str, Any]
) -> None:
    database, looked = stack["postgres"]["database"], "SELECT to_regclass('half_done') IS NOT NULL"
    kept = journal["rollback_point"]["failed_database"]
    assert ask(host, stack, "SELECT datname FROM pg_database WHERE datname ~ '__' ORDER BY 1", "postgres") == [kept]
    assert (ask(host, stack, looked, database), ask(host, stack, looked, kept)) == (["f"], ["t"])


def test_no_acknowledged_write_is_lost(host: Host, stack: dict[str, Any]) -> None:
    assert ask(host, stack, "SELECT n FROM acknowledged", stack["postgres"]["database"]) == ["1"]


def test_nobody_was_told_a_secret(stack: dict[str, Any], state: Path) -> None:
    directory = Path(stack["directory"])
    known = json.loads(Path(stack["secrets_file"]).read_text(encoding="utf-8"))
    secrets = [*known.values(), (directory / "window.password").read_text(encoding="utf-8")]
    said = [path for folder in (state, directory / "reports") for path in folder.rglob("*") if path.is_file()]
    assert {path.parent.name for path in said} >= {"windows", "reports"}
    assert not [path for path in (*said, directory / "controller.log") if any(each.encode() in path.read_bytes() for each in secrets)]


def test_nobody_is_held_off(host: Host, stack: dict[str, Any]) -> None:
    assert host.check_output(f"timeout 10 docker exec {stack['redis']['container']} redis-cli SET molecule 1") == "OK"


def test_nothing_else_is_left(host: Host, stack: dict[str, Any], state: Path) -> None:
    assert not list(state.glob("window.*json"))
    assert ask(host, stack, "SELECT rolname FROM pg_roles WHERE rolname ~ '^dbops_window'", "postgres") == []
    assert "dbops_window" not in host.check_output("docker exec %s sh -c 'cat $PGDATA/pg_hba.conf'", stack["postgres"]["container"])
    session = "SELECT application_name FROM pg_stat_activity WHERE application_name ~ 'dbops' OR usename ~ '^dbops_window'"
    assert ask(host, stack, session, "postgres") == []
    ours = "--filter label=amanat.dbops.run --filter label=amanat.dbops.stack=development/molecule-interrupted"
    assert host.check_output(f"docker ps --all --quiet {ours}") == ""
