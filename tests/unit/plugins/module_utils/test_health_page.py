# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _health_files
from ansible_collections.amanat.dbops.plugins.module_utils._health_charts import shares, strip, trend
from ansible_collections.amanat.dbops.plugins.module_utils._health_page import findings_of, render_html, summary_lines, verdict, worst

PARTS = Path(__file__).resolve().parents[3] / "integration/health/parts"
NOW = datetime(2026, 11, 22, 3, tzinfo=timezone.utc)


def report(*names: str) -> dict[str, Any]:
    parts = [json.loads((PARTS / f"{name}.json").read_text(encoding="utf-8")) for name in names]
    return {"version": 1, "stack": "production/nickapp", "time": "2026-11-22T03:12:40Z", "parts": parts}


def test_the_verdict_names_the_worst() -> None:
    assert verdict(report("calm")) == "Nothing on production/nickapp reached a threshold."
    assert verdict(report("unreachable")).split(". ", 1)[1] == "First: Answer of the server: The container 'amanat-postgres' is exited"
    assert verdict(report("troubled")).split(". ", 1)[1].startswith("First: Connections used: 95.9 %")
    assert [worst(report(name)) for name in ("calm", "troubled", "unreachable")] == ["ok", "critical", "critical"]


def test_parts_share_one_list_of_findings_the_worst_first() -> None:
    severities = [one["severity"] for one in findings_of(report("troubled", "unreachable"))]
    assert severities == sorted(severities, key=["critical", "warning"].index)
    assert severities.count("critical") == 2


def test_every_finding_is_a_line_with_what_to_type() -> None:
    lines = summary_lines(report("troubled"))
    findings = findings_of(report("troubled"))
    assert len(lines) == 1 + len(findings) + 1  # the verdict, and one note
    assert lines[1].startswith("  critical  Connections used: 95.9 % · SELECT usename")
    assert lines[-1].startswith("  unknown   public.users: somebody holds")


def test_the_page_tells_findings_before_anything_else() -> None:
    page = render_html(report("troubled"))
    places = [page.index(words) for words in ("What to do, the worst first", "Who waits for whom", "Tables", "All checks and their")]
    assert places == sorted(places)
    assert "pg_terminate_backend(" in page


def test_a_page_of_a_server_that_is_gone_still_tells_of_backups() -> None:
    page = render_html(report("unreachable"))
    assert "docker start amanat-postgres" in page
    assert "Backups and drills" in page
    assert "Slow queries" not in page


def test_what_a_server_says_is_never_markup() -> None:
    told = report("troubled")
    told["parts"][0]["measured"]["transactions"][0]["application"] = "<script>alert(1)</script>"
    assert "<script>" not in render_html(told)


@pytest.mark.parametrize("points", [[], [(NOW, 5.0)], [(NOW, 5.0), (NOW, 6.0)]])
def test_one_moment_is_no_trend(points: list[tuple[datetime, float]]) -> None:
    assert trend(points, "size") is None


def test_a_trend_begins_at_zero() -> None:
    drawn = trend([(NOW - timedelta(days=1), 50.0), (NOW, 100.0)], "size")
    assert drawn is not None
    [line] = drawn.iter("polyline")
    assert line.get("points") == "0.00,52.00 100.00,4.00"


def test_shares_never_leave_their_bar() -> None:
    drawn = shares([("a", 80, "ok"), ("b", 40, "failed")], 100, "of 100")
    widths = [float(str(part.get("width")).rstrip("%")) for part in drawn.iter("rect") if part.get("x")]
    assert widths == [80.0, 20.0]


def test_a_strip_shows_what_lies_in_its_days() -> None:
    marks = [(NOW - timedelta(days=days), "verified", str(days)) for days in (-1, 0, 15, 30, 31)]
    assert [dot.get("cx") for dot in strip(marks, NOW, 30).iter("circle")] == ["100.00%", "50.00%", "0.00%"]


def test_earlier_reports_are_those_of_this_part_that_can_be_read(tmp_path: Path) -> None:
    def write(stamp: str, text: str) -> None:
        (tmp_path / f"health_{stamp}.json").write_text(text, encoding="utf-8")

    part = {"name": "postgresql", "measured": {}}
    write("2026-11-20T030000Z", json.dumps({"version": 1, "parts": [part]}))
    write("2026-11-21T030000Z", json.dumps({"version": 1, "parts": [{"name": "redis"}, {**part, "x": 1}]}))
    write("2026-11-21T040000Z", json.dumps({"version": 2, "parts": [part]}))
    write("2026-11-21T050000Z", "cut off {")
    write("2026-11-21T060000Z", "[]")
    write("2026-11-21T070000Z", '{"version": 1}')
    write("2099-01-01T000000Z", json.dumps({"version": 1, "parts": [part]}))
    write("2026-11-21T999999Z", json.dumps({"version": 1, "parts": [part]}))
    (tmp_path / "drill_amanat_2026-11-21T080000Z.json").write_text("{}", encoding="utf-8")
    found = _health_files.earlier(str(tmp_path), "postgresql", NOW, 10)
    assert [time.day for time, _told in found] == [21, 20]
    assert found[0][1] == {**part, "x": 1}
    assert len(_health_files.earlier(str(tmp_path), "postgresql", NOW, 1)) == 1
    assert _health_files.earlier(str(tmp_path / "none"), "postgresql", NOW, 10) == []
