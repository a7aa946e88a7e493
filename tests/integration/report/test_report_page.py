# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report in a real browser: it fits, can be read, prints on A4, and wants nothing from anywhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._report import render_html

from tests.integration.report.browser import Browser

JOURNALS = sorted((Path(__file__).parent / "journals").glob("*.json"))
HOSTILE = (
    "any phase </style><script>console.error(document.title)</script><img src=http://127.0.0.1:1/x onerror=console.error(1)>" + "W" * 500
)

# Elements that reach beyond the page. What is hidden for the eye alone lies where it lies.
OUTSIDE = """
[...document.body.querySelectorAll("*")].filter(element => {
  const box = element.getBoundingClientRect();
  return box.width > 1 && (box.left < -0.5 || box.right > document.documentElement.clientWidth + 0.5);
}).map(element => element.outerHTML.slice(0, 120))
"""

# Texts of the timeline that lie on one another.
OVERLAPPING = """
[...document.querySelectorAll(".timeline text")].flatMap((element, index, all) => {
  const one = element.getBoundingClientRect();
  return all.slice(index + 1).filter(other => {
    const two = other.getBoundingClientRect();
    return one.left < two.right && two.left < one.right && one.top < two.bottom - 1 && two.top < one.bottom - 1;
  }).map(other => [element.textContent, other.textContent]);
})
"""

# Texts whose contrast with what is painted behind them is below 4.5 : 1 (WCAG AA).
FAINT = """
(() => {
  const rgba = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = colour => {
    const [r, g, b] = rgba(colour).map(part => part / 255).map(part => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    const colour = getComputedStyle(element).backgroundColor;
    return (rgba(colour)[3] ?? 1) === 0 ? behind(element.parentElement) : colour;
  };
  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.getClientRects().length) continue;
    const style = getComputedStyle(element);
    const pair = [light(element.ownerSVGElement ? style.fill : style.color), light(behind(element))].sort((a, b) => b - a);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (ratio < 4.5) faint.push([walker.currentNode.data.trim().slice(0, 40), ratio]);
  }
  return faint;
})()
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as running:
        yield running


@pytest.fixture(scope="module", params=[*JOURNALS, "hostile", "long"], ids=lambda value: value if isinstance(value, str) else value.stem)
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param == "hostile":
        journal = json.loads((JOURNALS[0].parent / "failed.json").read_text(encoding="utf-8"), object_hook=hostile)
    elif request.param == "long":
        journal = json.loads((JOURNALS[0].parent / "closed.json").read_text(encoding="utf-8"))
        journal["phases"][-1]["ended"] = journal["ended"] = "2026-11-22T19:31:03.000Z"  # a scale up to 150 minutes
    else:
        journal = json.loads(request.param.read_text(encoding="utf-8"))
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render_html(journal), encoding="utf-8")
    return path


def hostile(item: dict[str, object]) -> dict[str, object]:
    """Every text that is no time, no state and no result becomes markup, and too long for any line."""
    kept = {"state", "result", "operation", "opened", "ended", "started", "deadline", "from", "to", "at"}
    return {key: HOSTILE if isinstance(value, str) and key not in kept else value for key, value in item.items()}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 768, 360])
def test_fits_and_can_be_read(browser: Browser, page: Path, width: int, dark: bool) -> None:
    browser.open(page, width, dark=dark)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate("window.innerWidth") == width
    assert browser.evaluate(OUTSIDE) == []
    assert browser.evaluate(OVERLAPPING) == []
    assert browser.evaluate(FAINT) == []
    assert browser.complaints() == []
    assert [url for url in browser.requests() if not url.startswith("data:")] == [page.as_uri()]


@pytest.mark.parametrize("width", [1280, 360])
def test_tables_keep_their_meaning(browser: Browser, page: Path, width: int) -> None:
    """A phone shows rows as blocks; to a screen reader they are still tables with headers."""
    browser.open(page, width)
    browser.send("Accessibility.enable")
    roles = [node["role"]["value"] for node in browser.send("Accessibility.getFullAXTree")["nodes"] if "role" in node]
    tables = browser.evaluate("document.querySelectorAll('table').length")
    assert roles.count("table") == tables
    assert roles.count("columnheader") == browser.evaluate("document.querySelectorAll('thead th').length")
    assert roles.count("rowheader") == browser.evaluate("document.querySelectorAll('tbody th').length")
    assert roles.count("image") + roles.count("img") + roles.count("graphics-document") >= 1


def test_prints_on_a4(browser: Browser, page: Path, tmp_path: Path) -> None:
    browser.open(page, 680, dark=True, media="print")
    assert browser.evaluate(OUTSIDE) == []
    assert browser.evaluate(FAINT) == []
    assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    browser.pdf(tmp_path / "report.pdf")
    assert browser.complaints() == []
    boxes = re.findall(rb"/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)\s*\]", (tmp_path / "report.pdf").read_bytes())
    assert {(round(float(width)), round(float(height))) for width, height in boxes} == {(595, 842)}
