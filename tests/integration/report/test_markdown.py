# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report as Markdown, read by a parser of it as a tracker reads it: what a log says never becomes markup."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._report import render_html, render_markdown
from markdown_it import MarkdownIt

from .samples import JOURNALS, replaced

HOSTILE = (
    "# not a heading",
    "x | y",
    "1. one",
    "- item",
    "**bold** _slanted_ __x__ ~~gone~~ `code` `` ` ``",
    "[a link](javascript:alert(1)) ![x](x)",
    "<script>alert(1)</script> &lt; <!--",
    "```\n# out of the fence\n```",
    "a\\",
    "---",
    "=== ",
    "a\n\n    b\n> c",
)
SHAPES = ("when", "name")  # and these shape the words


def tokens(journal: dict[str, Any]) -> list[Any]:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(render_markdown(journal))


def shape(journal: dict[str, Any]) -> list[str]:
    """Blocks, and what is markup inside of them."""
    found = []
    for token in tokens(journal):
        inside = [child.type for child in token.children or [] if child.type != "text"]
        found += [token.type, *inside]
    return found


@pytest.mark.parametrize("name", JOURNALS)
@pytest.mark.parametrize("hostile", HOSTILE)
def test_no_text_becomes_markup(name: str, hostile: str) -> None:
    journal = {**JOURNALS[name], "error": {}}  # the number of its lines shapes the page
    plain, attacked = shape(replaced(journal, "x", *SHAPES)), shape(replaced(journal, hostile, *SHAPES))
    code = {"code_inline"}  # what cannot stand as code is plain words
    assert [each for each in attacked if each not in code] == [each for each in plain if each not in code]


@pytest.mark.parametrize("name", JOURNALS)
def test_it_has_the_sections_of_the_page_and_its_tables(name: str) -> None:
    journal, found = JOURNALS[name], tokens(JOURNALS[name])
    page = render_html(journal)
    tags = [token.tag for token in found if token.type in ("heading_open", "table_open")]
    tags += ["pre" for token in found if token.type == "fence"]
    for tag in ("h1", "h2", "h3", "table", "pre"):
        assert tags.count(tag) == len(re.findall(rf"<{tag}[ >]", page)), tag


def test_what_is_for_the_eye_alone_is_not_spoken_of() -> None:
    assert "dashed line" in render_html(JOURNALS["rolled_back"])
    assert "dashed line" not in render_markdown(JOURNALS["rolled_back"])


def test_a_fence_is_longer_than_what_it_holds() -> None:
    said = "````\n# x\n````"
    logs = [{"service": "api", "when": "finish", "lines": said.split("\n")}]
    (fence,) = [token for token in tokens({"logs": logs}) if token.type == "fence"]
    assert fence.content == f"{said}\n"
