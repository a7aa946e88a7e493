# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQL as the application's role sends it, and what a guarded operation has to leave behind when it fails."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

from .conftest import Stack


def program(stack: Stack, name: str) -> list[str]:
    """One of PostgreSQL's programs, where the stack's PG_URL leads to its server."""
    if stack.kind == "docker":
        return ["docker", "exec", stack.state["postgres"]["container"], name]
    return [f"{stack.state['postgres']['bin']}/{name}"]


def argv_of_psql(stack: Stack, *options: str) -> list[str]:
    return [*program(stack, "psql"), "-XAtq", *options]


def password(stack: Stack) -> str:
    return json.loads(Path(stack.state["secrets_file"]).read_text(encoding="utf-8"))["postgres_password"]


def url(stack: Stack, database: str = "") -> str:
    """As the application does, by TCP."""
    postgres = stack.state["postgres"]
    # A container that publishes no port is asked within.
    host, port = postgres.get("host", "127.0.0.1"), postgres.get("port", 5432)
    return f"postgres://{postgres['user']}:{password(stack)}@{host}:{port}/{database or postgres['database']}"


def _answer(argv: list[str]) -> str:
    return subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True, env=os.environ).stdout.strip()


def ask(stack: Stack, sql: str, database: str = "") -> str:
    return _answer(argv_of_psql(stack, "-c", sql, url(stack, database)))


def content(stack: Stack) -> str:
    """All that an operation could have changed in the database."""
    return _answer([*program(stack, "pg_dump"), "--inserts", "--restrict-key=x", url(stack)])


def beside(stack: Stack) -> list[str]:
    """Databases that windows made."""
    return ask(stack, "SELECT datname FROM pg_database WHERE datname ~ '__[a-z]+_[0-9TZ]+$' ORDER BY 1", "postgres").splitlines()


def run_sql(stack: Stack, sql: str, url: str, **more: Any) -> dict[str, Any]:
    """A task that runs SQL; what it is given as its URL would be shown otherwise."""
    task = {"name": "Ask", "ansible.builtin.command": {"argv": argv_of_psql(stack, "-v", "ON_ERROR_STOP=1", "-c", sql, url)}}
    return {**task, "changed_when": True, "no_log": True, **more}


def write_tasks(path: Path, *tasks: dict[str, Any]) -> str:
    path.write_text(yaml.safe_dump(list(tasks), sort_keys=False), encoding="utf-8")
    return str(path)


def see_destruction_undone(stack: Stack, tmp_path: Path) -> None:
    """An operation that destroys data and fails leaves the data as they were, and what it did in a database beside."""
    release = stack.health()["release"]
    users = ask(stack, "SELECT count(*) FROM users")
    before = beside(stack)
    tasks = write_tasks(
        tmp_path / "tasks.yml",
        run_sql(
            stack, "SELECT 1", "{{ dbops_pg_url }}", register="application", failed_when="'rejects connection' not in application.stderr"
        ),
        run_sql(stack, "SELECT session_user, current_user", "{{ maintenance_window_pg_url }}", register="window"),
        run_sql(stack, "DROP TABLE users CASCADE; CREATE TABLE left_behind ()", "{{ maintenance_window_pg_url }}"),
        {"name": "Fail", "ansible.builtin.fail": {"msg": "{{ window.stdout }}"}},
    )
    outcome = stack.play("maintenance", dbops_operation="custom", dbops_tasks=tasks)
    assert outcome.code == 2, outcome.out
    assert outcome.last_line.startswith(f"dbops maintenance {stack.key} rolled_back: window ")
    assert f"[step-failed] Task 'Fail': dbops_window_development_{stack.kind}|amanat State: " in outcome.last_line
    assert ask(stack, "SELECT count(*) FROM users") == users
    assert stack.health()["release"] == release
    report = stack.report()
    (failed,) = set(beside(stack)) - set(before)
    assert report["rollback_point"]["state"] == "returned"
    assert report["rollback_point"]["failed_database"] == failed
    assert f"what the operation left is kept as {failed}." in outcome.last_line
    assert report["door"]["state"] == "open"
    assert ask(stack, "SELECT count(*) FROM pg_class WHERE relname = 'left_behind'", failed) == "1"
    assert ask(stack, "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'dbops_window%'") == "0"
    ask(stack, f'DROP DATABASE "{failed}"', "postgres")


def see_database_replaced(stack: Stack) -> None:
    """A restore brings back what the chosen backup holds, and keeps what it replaced."""
    assert stack.play("backup").code == 0
    chosen = max(path.name for path in stack.backups.glob("*.pgdir"))
    release, users = stack.health()["release"], ask(stack, "SELECT count(*) FROM users")
    ask(stack, "CREATE TABLE since (); DELETE FROM notifications")
    restore = {"dbops_swap": True, "dbops_backup": "newest"}  # the window's own backup will be newer
    refused = stack.play("restore", **restore)
    assert refused.last_line.startswith(f"dbops maintenance {stack.key} refused: [confirm-missing] This changes")
    tables = stack.play("restore", dbops_confirm=stack.key, dbops_tables=["public.users"], **restore)
    assert "[restore-tables-swap]" in tables.last_line
    plan = stack.play("restore", "--check", **restore)
    assert plan.code == 0, plan.out
    assert "Since then public.since: no table, now 0" in plan.out
    assert beside(stack) == []

    outcome = stack.play("restore", dbops_confirm=stack.key, **restore)
    assert outcome.code == 0, outcome.out
    assert ask(stack, "SELECT to_regclass('since') IS NULL") == "t"
    assert ask(stack, "SELECT count(*) FROM users") == users
    assert stack.health()["release"] == release
    (replaced,) = beside(stack)
    report = stack.report()
    point = report["rollback_point"]
    assert (point["name"], point["state"]) == (replaced, "kept")
    manifest = json.loads((stack.backups / f"{chosen}.manifest.json").read_text(encoding="utf-8"))
    made = replaced.replace("__old_", "__new_")
    assert report["restore"] == {"backup": chosen, "taken": manifest["started"], "database": made}
    assert f"restore: {chosen}, taken " in outcome.out
    assert ask(stack, "SELECT to_regclass('since') IS NOT NULL", replaced) == "t"
    ask(stack, f'DROP DATABASE "{replaced}"', "postgres")
