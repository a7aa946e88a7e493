# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a playbook or a role says last is one line: YAML keeps the line break after a line that is indented more than the others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = sorted([*(ROOT / "playbooks").glob("*.yml"), *(ROOT / "roles").rglob("tasks/**/*.yml")])


def last_lines(found: Any) -> Iterator[str]:
    if isinstance(found, dict):
        for key, value in found.items():
            if key == "msg" and isinstance(value, str) and value.startswith("dbops "):
                yield value
            yield from last_lines(value)
    elif isinstance(found, list):
        for each in found:
            yield from last_lines(each)


@pytest.mark.parametrize("file", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_last_line_is_one(file: Path) -> None:
    for line in last_lines(yaml.safe_load(file.read_text(encoding="utf-8"))):
        said = re.sub(r"\s*\{\{-.*?\}\}|\{\{.*?\}\}|\{%.*?%\}", "…", line, flags=re.DOTALL)
        assert "\n" not in said
