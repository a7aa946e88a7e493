# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator's guide lists the checks of the health report as they are."""

from __future__ import annotations

import re
from pathlib import Path

from ansible_collections.amanat.dbops.plugins.module_utils import _pg_health_rules, _redis_health_rules
from ansible_collections.amanat.dbops.plugins.module_utils._findings import STATE

GUIDE = Path(__file__).resolve().parents[2] / "docs/reports.md"


def number(value: float | None) -> str:
    return "\N{EN DASH}" if value is None else f"{value:,.15g}".replace(",", " ")


def test_the_table_of_checks_is_complete_and_true() -> None:
    expected = [
        f"| `{rule.name}` | {rule.title} | {'' if rule.unit == STATE else rule.unit} | {number(rule.warning)} | {number(rule.critical)}"
        f" | {rule.source} |"
        for rule in (*_pg_health_rules.RULES, *_redis_health_rules.RULES)
    ]
    assert re.findall(r"^\| `.*\|$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE) == expected
