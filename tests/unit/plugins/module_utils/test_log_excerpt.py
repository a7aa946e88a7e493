# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a report shows of a log: the last errors and the last words, in order, and no secret."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.amanat.dbops.plugins.module_utils import _log_excerpt
from ansible_collections.amanat.dbops.plugins.module_utils._gate_beneath import Beneath
from ansible_collections.amanat.dbops.plugins.module_utils._place import Engine
from ansible_collections.amanat.dbops.plugins.module_utils._services import Context, service_of


def test_the_last_errors_and_the_last_lines_in_their_order() -> None:
    lines = [f"Error: {number}" if number % 100 == 0 else f"line {number}" for number in range(2000)]
    chosen = _log_excerpt.chosen("\n\n".join(lines))
    assert chosen == [*(f"Error: {number}" for number in range(800, 2000, 100)), *(f"line {number}" for number in range(1988, 2000))]
    assert _log_excerpt.chosen("") == []


def test_no_secret_and_no_row_is_shown(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        "Error: hunter#2 is wrong, API_KEY=S3cret\n"
        "ERROR:  duplicate key\nDETAIL:  Key (email)=(mo@example.org) already exists.\n"
        f"mail to mo@example.org {'x' * 1000}\n",
        encoding="utf-8",
    )
    spec = {"name": "api", "kind": "command", "log": ["cat", str(log)]}
    silent = {"name": "silent", "kind": "command", "log": ["true"]}
    services = [service_of(each, Context(Engine(), str(tmp_path))) for each in (spec, silent)]
    (found,) = _log_excerpt.excerpts(Beneath(services=services, secrets={"redis_password": "hunter#2"}), "finish")
    assert (found["service"], found["when"]) == ("api", "finish")
    assert found["lines"][:2] == ["Error: *** is wrong, API_KEY=…", "ERROR:  duplicate key"]
    assert not [line for line in found["lines"] if "mo@" in line or len(line) > 300]


def test_a_program_without_log_has_none(tmp_path: Path) -> None:
    service = service_of({"name": "api", "kind": "command"}, Context(Engine(), str(tmp_path)))
    assert list(_log_excerpt.excerpts(Beneath(services=[service]), "finish")) == []
