# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a window began is found again by its id: its jobs, its containers; and what comes up is waited for."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _module, _quiet
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._place import Engine, Place

# Knows two containers of the window w1, and forgets what it is told to remove.
ENGINE = """#!/bin/sh
cd "$(dirname "$0")"
case "$1 $2 $3 $4 $5" in
"ps --all --quiet --filter label=amanat.dbops.window=w1") cat known 2>/dev/null || true ;;
"rm --force --volumes one two") rm known ;;
"ps "*) ;;
*) echo "refused: $*" >&2; exit 1 ;;
esac
"""


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    (tmp_path / "known").write_text("one\ntwo\n", encoding="utf-8")
    binary = tmp_path / "docker"
    binary.write_text(ENGINE, encoding="utf-8")
    binary.chmod(0o755)
    return Engine(str(binary))


def test_the_windows_containers_are_removed_and_no_others(engine: Engine, tmp_path: Path) -> None:
    _quiet.end_containers(engine, "w2")
    assert (tmp_path / "known").exists()
    _quiet.end_containers(engine, "w1")
    assert not (tmp_path / "known").exists()
    _quiet.end_containers(engine, "w1")


def test_an_engine_that_does_not_answer_is_none_without_containers(tmp_path: Path) -> None:
    with pytest.raises(OperationError) as caught:
        _quiet.end_containers(Engine(str(tmp_path / "none")), "w1")
    assert caught.value.slug == "engine-unreachable"


def test_a_container_that_stays_is_said(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_quiet, "_END_WAIT", 0.0)
    binary = tmp_path / "docker"
    binary.write_text(ENGINE.replace("rm known", "true"), encoding="utf-8")
    with pytest.raises(OperationError) as caught:
        _quiet.end_containers(engine, "w1")
    assert "are gone" in caught.value.what


def test_a_client_container_says_of_which_window_it_is(engine: Engine) -> None:
    made = Place(Engine(engine.binary, window="w1")).client("one", ["cat"], {}, image="i", network="none", labels={"run": "r"})
    assert "amanat.dbops.window=w1" in made.argv
    assert "amanat.dbops.run=r" in made.argv
    assert "window" not in " ".join(Place(engine).client("one", ["cat"], {}, image="i", network="none").argv)


@pytest.mark.parametrize(
    ("fence", "job", "name"),
    [
        ("w1/2", "postgres_backup-3fa9", "w1-postgres_backup-3fa9"),
        ("w1/2", "w1-migrate", "w1-migrate"),
        ("", "postgres_backup-3fa9", "postgres_backup-3fa9"),
    ],
)
def test_a_job_in_a_window_has_the_windows_name_at_every_poll(tmp_path: Path, fence: str, job: str, name: str) -> None:
    params = {"stack": "production/shop", "state_dir": str(tmp_path), "fence": fence, "job": job, "wait": 10.0}
    asked: list[str] = []

    def prepare() -> Any:
        asked.append(name)
        return lambda _progress: {"rows": 3}

    for _poll in range(2):
        assert _module.run_as_job(SimpleNamespace(params=params), prepare) == {"changed": False, "rows": 3}
    assert asked == [name]
    assert [path.name for path in (tmp_path / "production/shop/jobs").iterdir()] == [name]


def test_what_comes_up_is_waited_for_and_what_refuses_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_quiet, "_POLL", 0.01)

    def failing(slug: str, times: int) -> Any:
        left = [OperationError(slug, "", "", "")] * times
        return lambda: (_ for _ in ()).throw(left.pop()) if left else "up"

    soon = time.monotonic() + 10
    assert _quiet.wait_for(failing("postgres-unreachable", 3), soon) == "up"
    with pytest.raises(OperationError):
        _quiet.wait_for(failing("postgres-login-failed", 1), soon)
    with pytest.raises(OperationError):
        _quiet.wait_for(failing("postgres-unreachable", 9), time.monotonic())
