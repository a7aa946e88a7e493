# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report that was just written stays, whatever the others are dated."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _health_files
from ansible_collections.amanat.dbops.plugins.modules import health_report

CALM = Path(__file__).resolve().parents[3] / "integration/health/parts/calm.json"
FUTURE = [f"2099-01-0{day}T000000Z" for day in (1, 2, 3)]
PAST = [f"2026-01-0{day}T000000Z" for day in (1, 2, 3)]


def report(directory: Path, keep: int) -> dict[str, Any]:
    parts = [json.loads(CALM.read_text(encoding="utf-8"))]
    params = {"stack": "production/a", "state_dir": str(directory), "parts": parts, "keep": keep}
    return health_report.body(SimpleNamespace(params=params, check_mode=False))  # type: ignore[arg-type]


@pytest.mark.parametrize(("keep", "kept"), [(0, []), (1, []), (2, PAST[2:]), (9, PAST)])
def test_what_the_clock_once_got_wrong_leads_nobody(tmp_path: Path, keep: int, kept: list[str]) -> None:
    reports = tmp_path / "production" / "a" / "reports"
    reports.mkdir(parents=True)
    for stamp in (*FUTURE, *PAST):
        for path in _health_files.files_of(str(reports), stamp):
            Path(path).write_text("{}", encoding="utf-8")
    made = report(tmp_path, keep)
    own = Path(made["json_path"]).stem.removeprefix("health_")
    assert Path(made["html_path"]).exists()
    assert _health_files.stamps(str(reports)) == sorted([*FUTURE, own, *kept], reverse=True)
    assert made["removed"] == sorted(set(PAST) - set(kept), reverse=True)
