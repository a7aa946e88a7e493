# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disposable reset of the runbook: on a server of Compose, refused where it would take more than it should."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.plays import engine, images

from .project import DATA, PASSWORD, Project

# https://man7.org/linux/man-pages/man2/mount.2.html
MS_BIND = 4096
MNT_DETACH = 2


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Up, with data, stamped."""
    made = Project(tmp_path, f"dbops-reset-{secrets.token_hex(3)}", images("postgres")["postgres"])
    made.write()
    try:
        made.up()
        made.sql(DATA)
        assert made.call("environment_stamp", state="present")["changed"]
        yield made
    finally:
        made.compose("down", "--volumes")


def test_a_reset_leaves_a_new_database(project: Project) -> None:
    """Of Compose's container, from check mode to the stamp of the new database."""
    before = project.container()
    foreseen = project.play("reset", "--check")
    assert foreseen.code == 0, foreseen.out
    assert str(project.data) in foreseen.last_line
    assert foreseen.last_line.endswith(f"next: ansible-playbook playbooks/reset.yml -e dbops_confirm={project.key}")
    assert project.container() == before
    assert not (project.directory / "backups").exists()

    # What an older reset has left, and somebody went on without: it emptied another server than this one.
    project.note("emptied")
    inode, server = project.data.stat().st_ino, project.sql("SELECT system_identifier FROM pg_control_system()")
    done = project.play("reset", "-e", f"dbops_confirm={project.key}")
    assert done.code == 0, done.out
    assert f"after the backup amanat_dev_pg_{done.last_line.partition('amanat_dev_pg_')[2][:4]}" in done.last_line
    assert list((project.directory / "backups").glob("*.manifest.json"))
    assert project.container() != before
    assert project.data.stat().st_ino == inode
    assert project.sql("SELECT to_regclass('users') IS NULL, (SELECT name FROM dbops.environment)") == f"t|{project.name}"
    assert project.sql("SELECT system_identifier FROM pg_control_system()") != server
    assert [line["event"] for line in project.audit()][-2:] == ["reset", "stamped"]
    assert not (project.state / "reset.json").exists()
    # The new server is the known one.
    assert not project.call("environment_stamp", state="checked").get("failed")


@pytest.mark.slow
def test_what_is_not_disposable_is_refused(project: Project) -> None:
    for stack in ("production", "staging"):
        key = f"{stack}/{project.name}"
        project.refused("reset-environment", stack=key, confirm=key)
    project.refused("confirm-missing", confirm="")
    project.refused("confirm-mismatch", confirm="development/other")
    project.refused("server-not-allowed", allowed_servers=["7000000000000000000"])
    project.refused("container-unknown", postgres_container="no-such-container")
    # Backups that would go along.
    project.refused("reset-path", backup_dir=str(project.data / "18" / "backups"))
    project.sql("CREATE DATABASE other")
    assert "other" in project.refused("reset-other-databases")
    project.sql("DROP DATABASE other")
    (project.data / "photos").mkdir()
    assert "photos" in project.refused("reset-foreign-files")
    (project.data / "photos").rmdir()
    # Its files describe another container now.
    project.write(command=["postgres", "-c", "fsync=on"])
    project.refused("reset-not-recreatable")
    project.write()
    # Another stamp, though the inventory says development.
    project.sql("UPDATE dbops.environment SET environment = 'production'")
    project.refused("stamp-mismatch")
    assert [line["event"] for line in project.audit()] == ["stamped"] + ["refused"] * 9
    assert len(list((project.directory / "state").glob("*/*/audit.jsonl"))) == 3


@pytest.mark.slow
def test_a_server_whose_database_is_not_the_one_of_pg_url_is_refused(project: Project) -> None:
    """No database of that name says nothing of whose data the others are."""
    nowhere = f"postgres://amanat:{PASSWORD}@postgres/nowhere"
    assert "amanat_dev" in project.refused("stamp-missing", pg_url=nowhere)
    assert "amanat_dev" in project.refused("stamp-missing", pg_url=nowhere.replace("nowhere", "postgres"))
    record = project.state / "server.json"
    known = record.read_text(encoding="utf-8")
    record.write_text('{"version": 1, "system_identifier": "7000000000000000000", "recorded": ""}', encoding="utf-8")
    project.refused("server-changed", pg_url=nowhere)
    record.unlink()
    project.refused("server-unknown", pg_url=nowhere)
    record.write_text(known, encoding="utf-8")
    # Data where nobody set POSTGRES_DB.
    project.sql("CREATE TABLE customers (id int)", "postgres")
    assert "postgres" in project.refused("reset-other-databases")
    project.sql("DROP TABLE customers", "postgres")
    project.sql("CREATE DATABASE marked IS_TEMPLATE true")
    assert "marked" in project.refused("reset-other-databases")
    # Cut off before the container was gone, and stopped since: a last backup is still to be made.
    project.note("removing")
    engine("stop", project.name)
    result = project.call("postgres_reset", state="planned")
    assert result.get("slug") == "container-stopped", result


@pytest.mark.slow
def test_what_others_use_is_not_emptied(project: Project, tmp_path: Path) -> None:
    """A container that mounts it, a part of it, or what holds it, even one that is stopped."""
    link = tmp_path / "link"
    link.symlink_to(project.data)
    for source in (project.data, project.data / "18", project.directory, link):
        other = f"{project.name}-other"
        engine("create", "--name", other, "--volume", f"{source}:/elsewhere:ro", project.image)
        try:
            assert other in project.refused("reset-shared")
        finally:
            engine("rm", other)


@contextlib.contextmanager
def bound(source: Path, point: Path) -> Iterator[None]:
    """A directory at a second path, as by `mount --bind`, which a minimal Debian has not."""
    libc = ctypes.CDLL(None, use_errno=True)
    point.mkdir()
    if libc.mount(os.fsencode(source), os.fsencode(point), None, MS_BIND, None):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(point))
    try:
        yield
    finally:
        libc.umount2(os.fsencode(point), MNT_DETACH)
        point.rmdir()


@pytest.mark.slow
def test_a_directory_is_known_by_another_path_too(project: Project, tmp_path: Path) -> None:
    """Of another container, of the backups, and of whatever is mounted in it, be it from the same file system."""
    other = f"{project.name}-other"
    for source in (project.data, project.data / "18", project.directory):
        with bound(source, tmp_path.parent / "alias"):
            engine("create", "--name", other, "--volume", f"{tmp_path.parent / 'alias'}:/elsewhere:ro", project.image)
            try:
                assert other in project.refused("reset-shared")
            finally:
                engine("rm", other)
    with bound(project.data, tmp_path / "alias"):
        project.refused("reset-path", backup_dir=str(tmp_path / "alias" / "18" / "backups"))
    precious = tmp_path / "precious"
    precious.mkdir()
    with bound(precious, project.data / "18" / "more"):
        assert "18/more" in project.refused("reset-shared")
    # As a volume of a container that is stopped it is mounted nowhere.
    engine("volume", "create", *options_of(project.data), other)
    engine("create", "--name", other, "--volume", f"{other}:/elsewhere", project.image)
    try:
        assert other in project.refused("reset-shared")
    finally:
        engine("rm", other)
        engine("volume", "rm", other)


def options_of(directory: Path) -> list[str]:
    """Of a volume that stands for a directory."""
    return ["--opt", "type=none", "--opt", "o=bind", "--opt", f"device={directory}"]


@pytest.mark.slow
def test_a_volume_that_stands_for_something_else_is_refused(project: Project) -> None:
    """Its directory would hold nothing any more as soon as the container is gone."""
    project.compose("down")
    engine("volume", "create", *options_of(project.data), project.name)
    project.write(volumes=[f"{project.name}:/var/lib/postgresql"])
    described = json.loads((project.directory / "compose.yaml").read_text(encoding="utf-8"))
    text = json.dumps({**described, "volumes": {project.name: {"external": True}}})
    (project.directory / "compose.yaml").write_text(text, encoding="utf-8")
    try:
        project.up()
        assert "device=" in project.refused("reset-path")
    finally:
        project.compose("down")
        engine("volume", "rm", project.name)


@pytest.mark.slow
def test_a_symbolic_link_is_not_followed(project: Project, tmp_path: Path) -> None:
    link = tmp_path / "linked"
    link.symlink_to(project.data)
    project.compose("stop")
    project.write(volumes=[f"{link}:/var/lib/postgresql"])
    project.up()
    project.refused("reset-symlink")


@pytest.mark.slow
def test_a_container_that_nobody_could_create_again_is_refused(project: Project) -> None:
    project.compose("down")
    engine("run", "--detach", "--name", project.name, "--volume", f"{project.data}:/var/lib/postgresql", project.image)
    try:
        engine("exec", project.name, "sh", "-c", "until pg_isready -qh 127.0.0.1; do sleep 0.2; done")
        project.refused("reset-not-recreatable")
    finally:
        engine("rm", "--force", project.name)


# Stands for the engine's client, and ends whoever called it at one moment.
KILLER = """#!/bin/sh
case "$*" in {when}) {first} kill -9 $PPID; exit 1;; esac
exec docker "$@"
"""


@pytest.mark.parametrize(
    ("when", "first"),
    [
        pytest.param('"rm --force"*', "", id="before the container is removed"),
        pytest.param('"rm --force"*', 'docker "$@";', id="before the directory is emptied"),
        pytest.param('"compose"*"up"*', "", id="before it is created"),
        pytest.param('"compose"*"up"*', 'docker "$@";', id="before it answers"),
    ],
)
@pytest.mark.faults
def test_a_reset_that_was_killed_goes_on(project: Project, when: str, first: str) -> None:
    killer = project.directory / "engine"
    killer.write_text(KILLER.format(when=when, first=first), encoding="utf-8")
    killer.chmod(0o755)
    cut = project.play("reset", "-e", f"dbops_confirm={project.key}", dbops_engine=str(killer))
    assert cut.code == 2, cut.out
    done = project.play("reset", "-e", f"dbops_confirm={project.key}", postgres_reset_backup=False)
    assert done.code == 0, done.out
    assert project.sql("SELECT to_regclass('users') IS NULL, (SELECT name FROM dbops.environment)") == f"t|{project.name}"
    assert not (project.state / "reset.json").exists()
