# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release is read without running anything of it: a directory, or an image of the engine."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._place import Engine
from ansible_collections.amanat.dbops.plugins.module_utils._release import Release

FILES = {"0000_a.sql": b"SELECT 1;\r\n", "meta/_journal.json": b"{}", "meta/0000_snapshot.json": b"\xff"}


def write(root: Path) -> None:
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


@pytest.mark.parametrize(("name", "is_directory"), [("/srv/app", True), ("nickapp:2", False), ("registry/nickapp@sha256:1", False)])
def test_an_absolute_path_is_a_directory(name: str, is_directory: bool) -> None:
    assert Release(name, Engine()).is_directory is is_directory


@pytest.mark.parametrize("path", ["drizzle", "db/migrations", "drizzle/"])
def test_the_files_of_a_directory(tmp_path: Path, path: str) -> None:
    write(tmp_path / path)
    assert Release(str(tmp_path), Engine()).folder(path) == FILES


def test_a_link_that_leads_nowhere_is_not_a_file(tmp_path: Path) -> None:
    write(tmp_path / "drizzle")
    (tmp_path / "drizzle" / "gone.sql").symlink_to(tmp_path / "gone")
    assert Release(str(tmp_path), Engine()).folder("drizzle") == FILES


@pytest.mark.parametrize("exists", [False, True])
def test_a_folder_that_is_missing_or_empty_is_refused(tmp_path: Path, exists: bool) -> None:
    if exists:
        (tmp_path / "drizzle" / "meta").mkdir(parents=True)
    with pytest.raises(OperationError) as caught:
        Release(str(tmp_path), Engine()).folder("drizzle")
    assert caught.value.slug == "migrations-missing"
    assert str(tmp_path / "drizzle") in caught.value.what


# Knows one image, in whose /app/drizzle the files are; notes what it was asked.
FAKE_ENGINE = """#!/bin/sh
echo "$@" >> {root}/asked
case "$*" in
"inspect --type image nickapp:2"|"inspect --type image sha256:2") echo '{facts}' ;;
"inspect --type image"*) echo "Error response from daemon: No such image: x" >&2; exit 1 ;;
"create "*) echo c0ffee ;;
"cp --follow-link c0ffee:/app/drizzle -") cat {root}/drizzle.tar ;;
"cp "*) echo "Could not find the file" >&2; exit 1 ;;
esac
"""


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    archive = tmp_path / "drizzle.tar"
    with tarfile.open(archive, "w") as tar:
        for folder in ("drizzle", "drizzle/meta"):
            entry = tarfile.TarInfo(folder)
            entry.type = tarfile.DIRTYPE
            tar.addfile(entry)
        for name, content in FILES.items():
            entry = tarfile.TarInfo(f"drizzle/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    facts = json.dumps([{"Id": "sha256:2", "Config": {"WorkingDir": "/app", "Env": ["PG_URL=postgres://a:b@c/d?x=y", "EMPTY="]}}])
    binary = tmp_path / "docker"
    binary.write_text(FAKE_ENGINE.format(root=tmp_path, facts=facts), encoding="utf-8")
    binary.chmod(0o755)
    return Engine(str(binary))


def asked(tmp_path: Path) -> list[str]:
    return (tmp_path / "asked").read_text(encoding="utf-8").splitlines()


def test_the_files_of_an_image_are_copied_out_of_a_container_that_never_runs(tmp_path: Path, engine: Engine) -> None:
    assert Release("nickapp:2", engine).folder("drizzle") == FILES
    assert asked(tmp_path) == [
        "inspect --type image nickapp:2",
        "create --network none --pull never sha256:2 true",
        "cp --follow-link c0ffee:/app/drizzle -",
        "rm --force --volumes c0ffee",
    ]


def test_a_file_of_an_image(engine: Engine, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "drizzle.tar", "w") as tar:
        entry = tarfile.TarInfo("drizzle")  # which is a file here
        entry.size = 1
        tar.addfile(entry, io.BytesIO(b"x"))
    release = Release("nickapp:2", engine)
    assert release.texts(["drizzle", "other"]) == {"drizzle": "x"}
    assert asked(tmp_path)[-1] == "rm --force --volumes c0ffee"


def test_a_file_of_a_directory(tmp_path: Path) -> None:
    write(tmp_path)
    release = Release(str(tmp_path), Engine())
    assert release.texts(["0000_a.sql", "0001_b.sql", "meta"]) == {"0000_a.sql": "SELECT 1;\r\n"}


def test_the_environment_of_an_image(engine: Engine) -> None:
    assert Release("nickapp:2", engine, "sha256:2").env() == {"PG_URL": "postgres://a:b@c/d?x=y", "EMPTY": ""}


def test_an_image_without_the_folder_is_refused_and_its_container_removed(tmp_path: Path, engine: Engine) -> None:
    with pytest.raises(OperationError) as caught:
        Release("nickapp:2", engine).folder("migrations")
    assert caught.value.slug == "migrations-missing"
    assert asked(tmp_path)[-1] == "rm --force --volumes c0ffee"


def test_an_image_that_is_not_here_is_refused(engine: Engine) -> None:
    with pytest.raises(OperationError) as caught:
        Release("nickapp:3", engine).image()
    assert caught.value.slug == "release-image-missing"
    assert "nickapp:3" in caught.value.next_step


def test_a_tag_that_has_moved_is_not_followed(tmp_path: Path, engine: Engine) -> None:
    assert Release("nickapp:2", engine, "sha256:2").folder("drizzle") == FILES
    assert "inspect --type image nickapp:2" not in asked(tmp_path)
