# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which refusals the audit log is told of, whichever module meets them: once each."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _audit, _owner
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._module import main_of, refusals_recorded, run_as_job, stack_of


class Failed(Exception):
    """What fail_json says."""


def a_module(tmp_path: Path, *, check: bool = False, **params: Any) -> Any:
    def fail_json(**result: Any) -> None:
        raise Failed(result["slug"])

    known = {"stack": "production/a", "state_dir": str(tmp_path), "by": {"user": "ann"}, "job": "one", "wait": 10.0, **params}
    return SimpleNamespace(params=known, check_mode=check, fail_json=fail_json, exit_json=lambda **_: None, warn=lambda _: None)


def refuse(slug: str) -> dict[str, Any]:
    raise OperationError(slug, "No.", "Nothing was changed.", "Look.")


def log(module: Any) -> list[tuple[str, str, str]]:
    return [(line["event"], line["slug"], line["by"].get("user", "")) for line in _audit.lines(stack_of(module))]


@pytest.mark.parametrize("slug", ["server-not-allowed", "stamp-mismatch", "pg-url-elsewhere", "migrations-skipped"])
def test_what_guards_a_database_is_recorded_by_every_module(tmp_path: Path, slug: str) -> None:
    module = a_module(tmp_path)
    with pytest.raises(Failed, match=slug):
        main_of(module, lambda _: refuse(slug))
    assert log(module) == [("refused", slug, "ann")]


@pytest.mark.parametrize("slug", ["pg-url-malformed", "postgres-unreachable", "leftover-unknown"])
def test_what_is_wrong_in_itself_is_not(tmp_path: Path, slug: str) -> None:
    module = a_module(tmp_path)
    with pytest.raises(Failed, match=slug):
        main_of(module, lambda _: refuse(slug))
    assert log(module) == []


@pytest.mark.parametrize(
    ("check", "audited", "recorded"),
    [(True, None, False), (True, True, True), (True, False, False), (False, None, True), (False, True, True)],
)
def test_check_mode_records_nothing_but_where_a_run_looks_ahead(tmp_path: Path, check: bool, audited: bool | None, recorded: bool) -> None:
    module = a_module(tmp_path, check=check, audited=audited)
    with pytest.raises(Failed):
        main_of(module, lambda _: refuse("server-changed"))
    assert bool(log(module)) == recorded


def test_a_stack_without_a_name_has_no_log(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="server-not-allowed"):
        main_of(a_module(tmp_path, stack="nowhere"), lambda _: refuse("server-not-allowed"))


def test_who_records_it_with_more_facts_records_it_alone(tmp_path: Path) -> None:
    module = a_module(tmp_path)

    def body(module: Any) -> dict[str, Any]:
        with refusals_recorded(module, confirm="x"):
            return refuse("server-changed")

    with pytest.raises(Failed):
        main_of(module, body)
    assert log(module) == [("refused", "server-changed", "ann")]


def test_a_job_records_what_it_refuses_and_whoever_attaches_does_not(tmp_path: Path) -> None:
    module = a_module(tmp_path)
    for _attempt in range(2):
        with pytest.raises(Failed, match="migrations-skipped"):
            main_of(module, lambda module: run_as_job(module, lambda: lambda _progress: refuse("migrations-skipped")))
        time.sleep(0.1)
    assert log(module) == [("refused", "migrations-skipped", "ann")]


@pytest.mark.parametrize(("reads", "slug"), [(False, "stack-owner"), (True, "window-lost")])
def test_root_writes_nothing_where_a_stack_is_somebody_elses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: bool, slug: str
) -> None:
    module = a_module(tmp_path)
    monkeypatch.setattr(_owner, "os", SimpleNamespace(geteuid=lambda: 0, stat=lambda _path: SimpleNamespace(st_uid=4711)))
    with pytest.raises(Failed, match=slug):
        main_of(module, lambda _: refuse("window-lost"), reads=reads)
    assert not Path(stack_of(module).directory).exists()
