# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a unit down is there for one stack, and goes with all that it brought."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _held_units
from ansible_collections.amanat.dbops.plugins.module_utils._command import Answer, Command

SHOP, OTHER = "/srv/100%/production/shop", "/srv/100%/staging/shop"


@pytest.fixture
def reloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    known: list[str] = []

    def run(command: Command, timeout: float) -> Answer:
        known.append(" ".join(command.argv))
        return Answer(0, "", str(timeout))

    monkeypatch.setattr(_held_units, "run", run)
    monkeypatch.setattr(_held_units, "UNITS", str(tmp_path))
    return known


def held(tmp_path: Path) -> list[str]:
    return sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.conf"))


def test_a_unit_is_held_while_the_journal_is_there(tmp_path: Path, reloads: list[str]) -> None:
    _held_units.hold(SHOP, "web")
    [path] = tmp_path.rglob("*.conf")
    assert str(path) == f"{tmp_path}/web.service.d/dbops-window-production-shop.conf"
    assert path.read_text(encoding="utf-8").endswith("[Unit]\nAssertPathExists=!/srv/100%%/production/shop/window.json\n")
    assert reloads == ["systemctl daemon-reload"]


def test_one_is_let_go_or_all_of_a_stack(tmp_path: Path, reloads: list[str]) -> None:
    (tmp_path / "web.service.d").mkdir()
    (tmp_path / "web.service.d" / "limits.conf").touch()
    for directory, unit in ((SHOP, "web"), (SHOP, "web.socket"), (SHOP, "job@1.service"), (OTHER, "other")):
        _held_units.hold(directory, unit)
    reloads.clear()
    _held_units.let_go(SHOP, "job@1.service")
    assert not (tmp_path / "job@1.service.d").exists()
    _held_units.let_go(SHOP)
    assert held(tmp_path) == ["other.service.d/dbops-window-staging-shop.conf", "web.service.d/limits.conf"]
    assert len(reloads) == 2
    _held_units.let_go(SHOP)
    assert len(reloads) == 2
