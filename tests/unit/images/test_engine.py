# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine that answers is taken as it is; where nothing can be done about one that does not, it is said what to install."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

IMAGES = Path(__file__).parents[2] / "images"


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The helper, on a machine whose only programs are those that a test writes."""
    monkeypatch.syspath_prepend(str(IMAGES))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    return importlib.import_module("engine")


def write_docker(folder: Path, script: str) -> None:
    (folder / "docker").write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    (folder / "docker").chmod(0o755)


ANSWERS = 'case "$1" in version) echo 29.1.2 ;; compose) echo 2.40.3 ;; esac'


def test_one_that_answers_is_left_alone(engine: ModuleType, tmp_path: Path) -> None:
    write_docker(tmp_path, ANSWERS)
    assert engine.ensure() == "Docker engine 29.1.2, compose 2.40.3"


def test_one_elsewhere_is_not_replaced_by_one_here(engine: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_docker(tmp_path, "exit 1")
    monkeypatch.setenv("DOCKER_HOST", "tcp://elsewhere.invalid:2375")
    with pytest.raises(engine.debian.SetupError, match=r"\[engine-missing\] The engine at DOCKER_HOST=tcp://elsewhere.invalid:2375"):
        engine.ensure()


def test_an_ordinary_user_is_told_what_to_install(engine: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.debian, "is_root", lambda: False)
    with pytest.raises(engine.debian.SetupError, match=r"Nothing was changed\. Next: install Docker Engine"):
        engine.ensure()


def test_without_the_compose_plugin_and_without_apt(engine: ModuleType, tmp_path: Path) -> None:
    write_docker(tmp_path, 'test "$1" = version && echo 29.1.2')
    with pytest.raises(engine.debian.SetupError, match="its compose v2 plugin is missing"):
        engine.ensure()


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ("level=info msg=a\nfailed to start daemon: no cgroups\nlevel=info msg=b\n", "failed to start daemon: no cgroups"),
        ("level=info msg=a\nlevel=error msg=b\n", "level=error msg=b"),
        ("just\nwords\n", "just\nwords"),
    ],
)
def test_why_the_daemon_did_not_start(engine: ModuleType, tmp_path: Path, log: str, reason: str) -> None:
    (tmp_path / "log").write_text(log, encoding="utf-8")
    assert engine.why_not(tmp_path / "log") == reason
