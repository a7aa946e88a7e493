# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup that is not what its manifest says is found, and never counts again; one that is goes on counting."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _manifest
from ansible_collections.amanat.dbops.plugins.module_utils._command import Command, run

from tests.integration.backup.damage import cut, flipped
from tests.integration.plays import play

from .conftest import SOME_DATA, Caller, Postgres, remove, run_postgres

Damage = Callable[[Path], None]
DATABASE = "verified"


@pytest.fixture(scope="module")
def original(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """Two backups of one database, one in each format, never to be touched."""
    postgres.sql("postgres", f"CREATE DATABASE {DATABASE}")
    postgres.sql(DATABASE, SOME_DATA + "SELECT lo_from_bytea(4711, convert_to(repeat('é', 3000), 'UTF8'));")
    caller = Caller(postgres, tmp_path_factory.mktemp("original"))
    caller.backup(DATABASE, format="custom")
    caller.backup(DATABASE)
    yield caller
    postgres.sql("postgres", f"DROP DATABASE {DATABASE}")


@pytest.fixture
def copied(original: Caller, caller: Caller) -> Caller:
    """Copies of both, to be damaged."""
    shutil.copytree(original.backups, caller.backups)
    return caller


def newest(caller: Caller, extension: str = ".pgdir") -> str:
    return next(name for name in reversed(caller.names()) if name.endswith(extension))


def data_files(caller: Caller) -> list[Path]:
    """The largest file of table data comes first."""
    return sorted((caller.backups / newest(caller)).glob("[0-9]*.dat.zst"), key=lambda path: -path.stat().st_size)


@pytest.mark.parametrize("extension", [".pgdir", ".dump"])
def test_a_backup_is_read_again(copied: Caller, extension: str) -> None:
    name = newest(copied, extension)
    before = copied.manifest(name)
    predicted = copied.run("postgres_verify", DATABASE, backup=name, check=True)
    assert copied.manifest(name) == before
    result = copied.run("postgres_verify", DATABASE, backup=name, wait=60.0)
    assert (result["name"], result["rows"], result["sha256"]) == (name, 2500, before["sha256"])
    assert {key: predicted[key] for key in ("name", "rows", "sha256", "bytes", "tables")} == {
        key: result[key] for key in ("name", "rows", "sha256", "bytes", "tables")
    }
    after = _manifest.require_usable(name, copied.manifest(name))
    assert [check["check"] for check in after["checks"]] == ["complete", "verified"]
    assert after["checks"][1]["passed"] > before["checks"][1]["passed"]


def swapped(path: Path) -> None:
    """The data of another table, made as long as its own."""
    other = next(candidate for candidate in path.parent.iterdir() if candidate != path)
    content = other.read_bytes()[: path.stat().st_size].ljust(path.stat().st_size, b"\0")
    path.write_bytes(content)


@pytest.mark.faults
@pytest.mark.parametrize("file", ["largest", "smallest", "toc.dat", "blob_4711.dat.zst", "blobs_*.toc"])
@pytest.mark.parametrize("damage", [flipped, cut, swapped, Path.unlink])
def test_a_damaged_file_is_found_each_time(copied: Caller, file: str, damage: Damage) -> None:
    files = data_files(copied)
    path = {"largest": files[0], "smallest": files[-1]}.get(file) or next(files[0].parent.glob(file))
    damage(path)
    name = newest(copied)
    message = copied.refused("postgres_verify", DATABASE, "backup-not-verified", wait=60.0)
    assert name in message
    assert path.name in message
    state, why = _manifest.state_of(_manifest.require_usable(name, copied.manifest(name)))
    assert state == "invalid"
    assert path.name in why
    assert _manifest.state_of(copied.manifest(newest(copied, ".dump")))[0] == "verified"


def test_a_repaired_backup_counts_again(copied: Caller) -> None:
    path = data_files(copied)[0]
    content = path.read_bytes()
    flipped(path)
    for _ in range(2):
        copied.refused("postgres_verify", DATABASE, "backup-not-verified", wait=60.0)
    path.write_bytes(content)
    copied.run("postgres_verify", DATABASE, wait=60.0)
    assert _manifest.state_of(copied.manifest(newest(copied))) == ("verified", "")


def test_a_file_too_many_is_found(copied: Caller) -> None:
    (data_files(copied)[0].parent / "more").touch()
    assert "more does not belong to it" in copied.refused("postgres_verify", DATABASE, "backup-not-verified", wait=60.0)


def test_roles_that_were_changed_are_found(copied: Caller) -> None:
    name = newest(copied)
    (copied.backups / (name + _manifest.GLOBALS)).write_text("CREATE ROLE mallory SUPERUSER;", encoding="utf-8")
    assert "globals.sql has another content" in copied.refused("postgres_verify", DATABASE, "backup-not-verified", wait=60.0)


def test_data_that_are_gone_are_missed(copied: Caller) -> None:
    shutil.rmtree(copied.backups / newest(copied))
    assert "its data are missing" in copied.refused("postgres_verify", DATABASE, "backup-not-verified", wait=60.0)


def resealed(manifest: dict[str, Any], **changes: Any) -> str:
    return json.dumps(_manifest.sealed({**manifest, **changes}))


@pytest.mark.parametrize(
    ("slug", "damage"),
    [
        ("manifest-missing", lambda path, _manifest: path.unlink()),
        ("manifest-unreadable", lambda path, _manifest: path.write_text("{", encoding="utf-8")),
        ("manifest-edited", lambda path, manifest: path.write_text(json.dumps({**manifest, "bytes": 1}), encoding="utf-8")),
        ("manifest-edited", lambda path, manifest: path.write_text(resealed(manifest, name="other"), encoding="utf-8")),
        ("manifest-newer", lambda path, manifest: path.write_text(resealed(manifest, version=2), encoding="utf-8")),
        ("backup-not-complete", lambda path, manifest: path.write_text(resealed(manifest, complete=False), encoding="utf-8")),
    ],
)
def test_a_manifest_that_proves_nothing_is_refused(copied: Caller, slug: str, damage: Callable[[Path, dict[str, Any]], None]) -> None:
    name = newest(copied)
    path = copied.backups / (name + _manifest.SUFFIX)
    damage(path, copied.manifest(name))
    left = path.read_bytes() if path.exists() else b""
    assert name in copied.refused("postgres_verify", DATABASE, slug, backup=name)
    assert (path.read_bytes() if path.exists() else b"") == left


def test_rows_are_counted_and_not_only_digests_compared(copied: Caller) -> None:
    """A manifest that was written for files which never held its rows."""
    name = newest(copied)
    manifest = copied.manifest(name)
    next(table for table in manifest["tables"] if table["table"] == "users")["rows"] += 1
    (copied.backups / (name + _manifest.SUFFIX)).write_text(resealed(manifest), encoding="utf-8")
    message = copied.refused("postgres_verify", DATABASE, "backup-not-verified", wait=60.0)
    assert "public.users: 501 rows in the snapshot, 500 in the dump" in message


def test_a_reading_that_was_cut_off_finds_nothing(copied: Caller, tmp_path: Path) -> None:
    """The container goes as its first program is started in it: the engine says 1, as pg_restore does of a dump that it cannot read."""
    before = copied.manifest(newest(copied))
    docker = shutil.which("docker")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "docker").write_text(
        f"""#!/bin/bash
        case " $* " in *" count-rows "*)
          {docker} ps --quiet --filter label=amanat.dbops.run=cut-off | xargs {docker} rm --force > /dev/null ;; esac
        exec {docker} "$@"
        """,
        encoding="utf-8",
    )
    (tmp_path / "bin" / "docker").chmod(0o755)
    environ = {"PATH": f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}"}
    copied.refused("postgres_verify", DATABASE, "backup-not-read", job="cut-off", wait=60.0, environ=environ)
    assert copied.manifest(newest(copied)) == before


def test_there_may_be_nothing_to_read(copied: Caller) -> None:
    copied.refused("postgres_verify", DATABASE, "backup-none", series="other")
    copied.refused("postgres_verify", DATABASE, "backup-unknown", backup=f"{DATABASE}_pg_2026-01-01T000000Z.pgdir")
    copied.refused("postgres_verify", DATABASE, "backup-unknown", backup="../etc/passwd")
    copied.refused("postgres_verify", DATABASE, "backup-dir-missing", backup_dir=str(copied.directory / "nowhere"))


@pytest.mark.slow
def test_the_server_need_not_run_and_its_image_may_be_gone(original: Caller, caller: Caller) -> None:
    shutil.copytree(original.backups, caller.backups)
    name = newest(caller)
    other = run_postgres(original.server.image)
    try:
        stopped = Caller(other, caller.directory)
        run(Command(["docker", "stop", other.container]))
        stopped.run("postgres_verify", DATABASE, wait=60.0)
        (caller.backups / (name + _manifest.SUFFIX)).write_text(resealed(caller.manifest(name), image_id="sha256:0"), encoding="utf-8")
        stopped.refused("postgres_verify", DATABASE, "container-stopped")
        caller.run("postgres_verify", DATABASE, wait=60.0)
        newer = resealed(caller.manifest(name), server_version="99.1")
        (caller.backups / (name + _manifest.SUFFIX)).write_text(newer, encoding="utf-8")
        caller.refused("postgres_verify", DATABASE, "backup-newer-major")
    finally:
        remove(other)


def test_the_playbook_says_what_was_read(copied: Caller, tmp_path: Path) -> None:
    options = copied.arguments(DATABASE)
    host = {
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "dbops_environment": "development",
        "dbops_state_dir": options["state_dir"],
        "dbops_postgres_container": options["postgres_container"],
        "dbops_pg_url": options["pg_url"],
        "dbops_backup_dir": options["backup_dir"],
    }
    inventory = tmp_path / "hosts.json"
    inventory.write_text(json.dumps({"all": {"hosts": {"backups": host}}}), encoding="utf-8")
    name = newest(copied)
    outcome = play("verify", "--inventory", str(inventory))
    assert outcome.code == 0, outcome.out
    read = f"dbops verify development/backups changed: read {copied.backups / name}, 2500 rows, "
    assert outcome.last_line.startswith(read)
    flipped(data_files(copied)[0])
    outcome = play("verify", "--inventory", str(inventory), "-e", f"dbops_backup={name}")
    assert outcome.code == 2
    assert "dbops verify development/backups failed: [backup-not-verified]" in outcome.last_line
