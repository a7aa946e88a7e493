# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report on databases in a real browser: it fits, can be read, prints on A4, and wants nothing from anywhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._health_page import render_html

from tests.integration.report.browser import Browser
from tests.integration.report.test_report_page import FAINT, HOSTILE, OUTSIDE

PARTS = sorted((Path(__file__).parent / "parts").glob("*.json"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as running:
        yield running


def hostile(item: dict[str, Any]) -> dict[str, Any]:
    """Every text that is no time and no name of a state becomes markup, and too long for any line."""
    kept = {"name", "time", "severity", "check", "flaw", "since", "vacuumed", "analyzed", "from", "to", "mode"}
    changed = {key: HOSTILE if isinstance(value, str) and key not in kept else value for key, value in item.items()}
    return {**changed, "state": item["state"]} if "state" in item and "check" in item else changed


@pytest.fixture(scope="module", params=[*PARTS, "hostile"], ids=lambda value: value if isinstance(value, str) else value.stem)
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param == "hostile":
        told = [PARTS[0].parent / "troubled.json", PARTS[0].parent / "redis.json"]
        parts = [json.loads(path.read_text(encoding="utf-8"), object_hook=hostile) for path in told]
    else:
        parts = [json.loads(request.param.read_text(encoding="utf-8"))]
    path = tmp_path_factory.mktemp("health") / "health.html"
    path.write_text(render_html({"stack": "production/nickapp", "time": parts[0]["time"], "parts": parts}), encoding="utf-8")
    return path


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 768, 360])
def test_fits_and_can_be_read(browser: Browser, page: Path, width: int, dark: bool) -> None:
    browser.open(page, width, dark=dark)
    browser.evaluate("document.querySelectorAll('details').forEach(element => element.open = true)")
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate(OUTSIDE) == []
    assert browser.evaluate(FAINT) == []
    assert browser.complaints() == []
    assert [url for url in browser.requests() if not url.startswith("data:")] == [page.as_uri()]


def test_prints_on_a4(browser: Browser, page: Path, tmp_path: Path) -> None:
    browser.open(page, 680, dark=True, media="print")
    assert browser.evaluate(OUTSIDE) == []
    assert browser.evaluate(FAINT) == []
    browser.pdf(tmp_path / "health.pdf")
    boxes = re.findall(rb"/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)\s*\]", (tmp_path / "health.pdf").read_bytes())
    assert {(round(float(width)), round(float(height))) for width, height in boxes} == {(595, 842)}


def test_the_worst_finding_stands_on_the_first_screen(browser: Browser, tmp_path: Path) -> None:
    part = json.loads((PARTS[0].parent / "troubled.json").read_text(encoding="utf-8"))
    page = tmp_path / "health.html"
    page.write_text(render_html({"stack": "production/nickapp", "time": part["time"], "parts": [part]}), encoding="utf-8")
    browser.open(page, 1280)
    bottom = browser.evaluate("document.querySelector('.card').getBoundingClientRect().bottom")
    assert float(str(bottom)) < 800
