# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input and broken surroundings: one message, nothing changed, the old release running and healthy."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from textwrap import indent
from typing import Any, Callable

import pytest

from tests.integration.plays import ROOT, Outcome

from .conftest import Stack
from .guarded import ask, beside, content, run_sql, write_tasks
from .receiver import Receiver

NOBODY_LISTENS = "http://127.0.0.1:9/api/health"
NOTHING = {"name": "nothing", "kind": "command", "status": ["true"], "start": ["true"], "stop": ["true"]}


def assert_refused(stack: Stack, outcome: Outcome, slug: str) -> None:
    """Refused with one message, before anything was touched."""
    assert outcome.code == 2, outcome.out
    assert outcome.last_line.startswith(f"dbops maintenance {stack.key} refused: [{slug}]"), outcome.last_line
    assert "State: " in outcome.last_line
    assert "changed=0" in outcome.recap
    assert not stack.journal.exists()
    assert not stack.half_written()
    assert stack.health()["release"] == "1"


def audit(stack: Stack, key: str) -> list[dict[str, Any]]:
    """What the audit log of that name says, oldest first."""
    text = (stack.directory / "dbops" / key / "audit.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def url(stack: Stack, **parts: str) -> str:
    state = stack.state["postgres"]
    known = {"user": state["user"], "password": "wrong", "host": state["host"], "port": state["port"], "database": state["database"]}
    return "postgres://{user}:{password}@{host}:{port}/{database}".format(**{**known, **parts})


@pytest.mark.parametrize(
    ("slug", "variables"),
    [
        pytest.param("operation-missing", {}, id="no operation"),
        pytest.param("operation-missing", {"dbops_operation": ""}, id="an empty answer of a survey", marks=pytest.mark.slow),
        pytest.param("operation-unknown", {"dbops_operation": "vacuum"}, id="an unknown operation", marks=pytest.mark.slow),
        pytest.param("pg-url-missing", {"dbops_operation": "none", "dbops_pg_url": ""}, id="no PG_URL"),
        pytest.param(
            "pg-url-missing",
            {"dbops_operation": "none", "dbops_pg_url": "{{ undef(hint='set it in Vault') }}"},
            id="an undefined PG_URL",
        ),
        pytest.param("pg-url-malformed", {"dbops_operation": "none", "dbops_pg_url": "postgres//amanat@x"}, id="a malformed PG_URL"),
        pytest.param(
            "health-gate",
            {"dbops_operation": "none", "dbops_health_url": NOBODY_LISTENS, "maintenance_window_preflight_timeout": 1},
            id="a health URL that never answers",
        ),
        pytest.param(
            "health-malformed",
            {"dbops_operation": "none", "maintenance_window_health_json": "path=status equals=ok"},
            id="what the target could not read in the journal",
            marks=pytest.mark.slow,
        ),
        pytest.param("services-malformed", {"dbops_operation": "none", "dbops_services": []}, id="no services"),
        pytest.param(
            "services-malformed",
            {"dbops_operation": "none", "dbops_services": [NOTHING, NOTHING]},
            id="two of one name",
            marks=pytest.mark.slow,
        ),
        pytest.param("release-unclear", {"dbops_operation": "migrate"}, id="a migration without a release", marks=pytest.mark.slow),
        pytest.param(
            "migrations-missing",
            {"dbops_operation": "migrate", "dbops_release_image": "/nowhere/release"},
            id="a release that does not exist",
        ),
        pytest.param(
            "tasks-missing", {"dbops_operation": "custom", "dbops_tasks": "no-such-file.yml"}, id="a task file that does not exist"
        ),
    ],
)
def test_bad_input_is_refused(embedded: Stack, slug: str, variables: dict[str, Any]) -> None:
    assert_refused(embedded, embedded.play("maintenance", **variables), slug)


def test_a_release_whose_migrations_nobody_applies_is_refused(embedded: Stack) -> None:
    outcome = embedded.play("maintenance", dbops_operation="none", dbops_release_image=embedded.release("2"))
    assert_refused(embedded, outcome, "migrations-pending")
    assert "0019_payment_settlement" in outcome.last_line
    assert audit(embedded, embedded.key)[-1]["slug"] == "migrations-pending"


@pytest.mark.slow
def test_a_new_release_without_the_folder_of_migrations_is_a_warning(embedded: Stack) -> None:
    """Else a folder that the inventory names wrongly would let it start on a database that lacks its migrations, without a word."""
    release = embedded.release("2")
    options = {"dbops_operation": "none", "dbops_release_image": release, "dbops_migrations_path": "nowhere"}
    outcome = embedded.play("maintenance", "--check", **options)
    assert outcome.code == 0, outcome.out
    assert f"Warning: backend gets {release}, which has no folder nowhere" in " ".join(outcome.out.split())


def test_what_drizzles_transaction_does_not_bear_is_refused(embedded: Stack, tmp_path: Path) -> None:
    release = tmp_path / "release"
    shutil.copytree(Path(embedded.release("2")) / "drizzle", release / "drizzle")
    (release / "drizzle/0019_payment_settlement.sql").write_text("CREATE INDEX CONCURRENTLY i ON payments (id);\n", encoding="utf-8")
    outcome = embedded.play("migrate", dbops_release_image=str(release))
    assert_refused(embedded, outcome, "migration-transaction")
    assert "0019_payment_settlement.sql line 1 creates index i and works CONCURRENTLY" in outcome.last_line


@pytest.mark.parametrize(
    "texts",
    [
        pytest.param({"tasks.yml": "- ansible.builtin.meta: end_play\n"}, id="it ends the play", marks=pytest.mark.slow),
        pytest.param({"tasks.yml": "- name: 'unfinished\n"}, id="no YAML", marks=pytest.mark.slow),
        pytest.param({"tasks.yml": "just words\n"}, id="no tasks", marks=pytest.mark.slow),
        pytest.param(
            {"tasks.yml": "- ansible.builtin.include_tasks: open.yml\n", "open.yml": "[]"},
            id="a name that the role has as well",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {
                "tasks.yml": "- ansible.builtin.include_tasks: more/a.yml\n",
                "more/a.yml": "- ansible.builtin.include_tasks: b.yml\n",
                "more/b.yml": "- ansible.builtin.debug:\n  any_errors_fatal: true\n",
            },
            id="fatal for all, two includes deep",
        ),
    ],
)
def test_a_task_file_that_would_leave_the_services_down_is_refused(embedded: Stack, tmp_path: Path, texts: dict[str, str]) -> None:
    outcome = custom(embedded, tmp_path, texts)
    assert_refused(embedded, outcome, "tasks-unusable")


def test_a_module_that_is_not_found_ends_the_playbook_while_everything_runs(embedded: Stack, tmp_path: Path) -> None:
    texts = {"tasks.yml": "- ansible.builtin.include_tasks: more.yml\n", "more.yml": "- no.such.module:\n"}
    outcome = custom(embedded, tmp_path, texts)
    assert outcome.code != 0
    assert "no.such.module" in outcome.out
    assert not embedded.journal.exists()
    assert embedded.health()["release"] == "1"


def custom(stack: Stack, directory: Path, texts: dict[str, str]) -> Outcome:
    for name, text in texts.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(text, encoding="utf-8")
    return stack.play("maintenance", dbops_operation="custom", dbops_tasks=str(directory / "tasks.yml"))


def test_a_sender_that_is_none_is_refused_and_its_secrets_not_shown(embedded: Stack) -> None:
    outcome = embedded.play("maintenance", dbops_operation="none", dbops_announce=[{"url": "https://s3cret.example"}])
    assert_refused(embedded, outcome, "announce-malformed")
    assert "s3cret.example" not in outcome.out


def test_a_wrong_password_is_refused_and_not_shown(embedded: Stack) -> None:
    outcome = embedded.play("maintenance", dbops_operation="none", dbops_pg_url=url(embedded, password="not-the-password"))
    assert_refused(embedded, outcome, "postgres-login-failed")
    assert "not-the-password" not in outcome.out


def test_a_stopped_database_is_refused(embedded: Stack) -> None:
    outcome = embedded.play("maintenance", dbops_operation="none", dbops_pg_url=url(embedded, port="9"))
    assert_refused(embedded, outcome, "postgres-unreachable")


@pytest.mark.parametrize("name", ["dbops_pg_url", "token"])
def test_a_wrong_vault_password_is_refused(embedded: Stack, tmp_path: Path, name: str) -> None:
    """Also where it is deep in a list that Ansible would have decrypted before the role's first task."""
    for password in ("right", "wrong"):
        (tmp_path / password).write_text(password, encoding="utf-8")
    encrypt = ["ansible-vault", "encrypt_string", "--vault-password-file", str(tmp_path / "right"), "--name", name]
    secret = subprocess.run([*encrypt, url(embedded)], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    if name == "token":
        secret = "dbops_announce:\n  - kind: slack\n" + indent(secret, "    ")
    (tmp_path / "vault.yml").write_text(secret, encoding="utf-8")
    arguments = ["-e", f"@{tmp_path}/vault.yml", "--vault-password-file", str(tmp_path / "wrong")]
    assert_refused(embedded, embedded.play("maintenance", *arguments, dbops_operation="none"), "vault-password")


def test_production_wants_its_name_typed(embedded: Stack) -> None:
    outcome = embedded.play("maintenance", dbops_operation="none", dbops_environment="production")
    assert outcome.code == 2
    assert "refused: [confirm-missing]" in outcome.last_line
    outcome = embedded.play("maintenance", dbops_operation="none", dbops_environment="production", dbops_confirm="production/other")
    assert "refused: [confirm-mismatch]" in outcome.last_line
    lines = audit(embedded, f"production/{embedded.kind}")
    assert [(line["event"], line["slug"]) for line in lines] == [("refused", "confirm-missing"), ("refused", "confirm-mismatch")]
    assert all(line["by"]["user"] for line in lines)


def test_the_inventory_of_production_is_refused_on_another_database(embedded: Stack) -> None:
    production = f"production/{embedded.kind}"
    variables = {"dbops_environment": "production", "dbops_confirm": production}
    before = content(embedded)
    outcome = embedded.play("migrate", dbops_release_image=embedded.release("2"), **variables)
    assert outcome.code == 2
    assert outcome.last_line.startswith(f"dbops maintenance {production} refused: [stamp-mismatch]")
    assert (audit(embedded, production)[-1]["event"], audit(embedded, production)[-1]["slug"]) == ("refused", "stamp-mismatch")
    assert content(embedded) == before


@contextmanager
def as_of_production(stack: Stack) -> Iterator[None]:
    """The database says that it is production's, as a dump of production that was restored here does."""
    ask(stack, "UPDATE dbops.environment SET environment = 'production'")
    try:
        yield
    finally:
        ask(stack, "UPDATE dbops.environment SET environment = 'development'")


@contextmanager
def as_of_another_server(stack: Stack) -> Iterator[None]:
    """The server that was recorded at the stamp is not the one that answers."""
    record = stack.journal.with_name("server.json")
    before = record.read_text(encoding="utf-8")
    record.write_text(json.dumps({**json.loads(before), "system_identifier": "7000000000000000000"}), encoding="utf-8")
    try:
        yield
    finally:
        record.write_text(before, encoding="utf-8")


KEPT = "amanat_dev__old_20260101T000000Z"


@pytest.fixture
def kept(embedded: Stack) -> Iterator[str]:
    """A database that a window replaced, after a backup as every window makes one."""
    embedded.backups.mkdir(mode=0o700, exist_ok=True)
    ask(embedded, f'CREATE DATABASE "{KEPT}"', "postgres")
    yield KEPT
    ask(embedded, f'DROP DATABASE IF EXISTS "{KEPT}"', "postgres")


@pytest.mark.parametrize(
    ("verb", "elsewhere", "slug"),
    [
        pytest.param("maintenance", as_of_production, "stamp-mismatch", id="custom"),
        pytest.param("cleanup", as_of_production, "stamp-mismatch", id="cleanup"),
        pytest.param("migrate", as_of_production, "stamp-mismatch", id="migrate", marks=pytest.mark.slow),
        pytest.param("restore", as_of_production, "stamp-mismatch", id="restore", marks=pytest.mark.slow),
        pytest.param("cleanup", as_of_another_server, "server-changed", id="cleanup, another server", marks=pytest.mark.slow),
    ],
)
def test_nothing_destructive_reaches_a_database_of_somewhere_else(
    embedded: Stack, kept: str, tmp_path: Path, verb: str, elsewhere: Callable[[Stack], AbstractContextManager[None]], slug: str
) -> None:
    destroy = run_sql(embedded, "DROP TABLE users CASCADE", "{{ maintenance_window_pg_url }}")
    variables: dict[str, dict[str, Any]] = {
        "maintenance": {"dbops_operation": "custom", "dbops_tasks": write_tasks(tmp_path / "tasks.yml", destroy)},
        "cleanup": {"dbops_names": [kept], "dbops_confirm": [kept]},
        "migrate": {"dbops_release_image": embedded.release("2-destructive")},
        "restore": {"dbops_swap": True, "dbops_confirm": embedded.key},
    }
    if verb == "restore":
        assert embedded.play("backup").code == 0
    with elsewhere(embedded):
        before = content(embedded)
        outcome = embedded.play(verb, **variables[verb])
        assert content(embedded) == before
    assert outcome.code == 2, outcome.out
    shown = "cleanup" if verb == "cleanup" else "maintenance"
    assert outcome.last_line.startswith(f"dbops {shown} {embedded.key} refused: [{slug}]"), outcome.last_line
    assert "changed=0" in outcome.recap
    assert (audit(embedded, embedded.key)[-1]["event"], audit(embedded, embedded.key)[-1]["slug"]) == ("refused", slug)
    assert beside(embedded) == [kept]
    assert not embedded.journal.exists()
    assert embedded.health()["release"] == "1"


# A minimal Debian has `unshare` and no `mount`.
MOUNT = """\
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"tmpfs", os.fsencode(sys.argv[1]), b"tmpfs", 0, b"size=1m,mode=0700"):
    sys.exit(os.strerror(ctypes.get_errno()))
print("mounted", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A backup directory with one MiB of room.

    Only root may mount, but everybody is root in a namespace of his own. A process keeps that alive, and its view of the files
    is open to whoever started it; with it the mount ends.
    """
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["unshare", "--map-root-user", "--mount", sys.executable, "-c", MOUNT, str(disk)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "mounted\n", "this test needs user namespaces (sysctl kernel.unprivileged_userns_clone=1)"
        yield Path(f"/proc/{holder.pid}/root{disk}")


def test_a_disk_that_is_too_small_is_found_beforehand(embedded: Stack, full_disk: Path) -> None:
    assert_refused(embedded, embedded.play("maintenance", dbops_operation="none", dbops_backup_dir=str(full_disk)), "backup-no-space")
    assert not list(full_disk.iterdir())


def test_a_disk_that_fills_up_aborts_the_window(embedded: Stack, full_disk: Path, receiver: Receiver) -> None:
    """An earlier, tiny backup makes the forecast small, so the dump itself meets the end of the disk."""
    earlier = full_disk / "amanat_dev_pg_2026-01-01T000000Z.pgdir.manifest.json"
    earlier.write_text('{"bytes": 1000}', encoding="utf-8")
    outcome = embedded.play("maintenance", dbops_operation="none", dbops_backup_dir=str(full_disk), dbops_announce=receiver.announce)
    assert outcome.code == 2, outcome.out
    assert outcome.last_line.startswith(f"dbops maintenance {embedded.key} failed: window ")
    assert "[backup-no-space]" in outcome.last_line
    assert "Nothing was stopped." in outcome.last_line
    assert list(full_disk.iterdir()) == [earlier]
    assert not embedded.journal.exists()
    report = embedded.report()
    assert report["state"] == "aborted"
    assert report["downtime"]["failures"] == 0
    assert receiver.events == ["planned", "failed"]
    assert "failed before anything was stopped. [backup-no-space] " in receiver.told[-1]["text"]
