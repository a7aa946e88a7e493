# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a playbook says last is one line: YAML keeps the line break after a line that is indented more than the others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

PLAYBOOKS = sorted((Path(__file__).parents[2] / "playbooks").glob("*.yml"))


def last_lines(found: Any) -> Iterator[str]:
    if isinstance(found, dict):
        for key, value in found.items():
            if key == "msg" and isinstance(value, str) and value.startswith("dbops "):
                yield value
            yield from last_lines(value)
    elif isinstance(found, list):
        for each in found:
            yield from last_lines(each)


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda path: path.stem)
def test_the_last_line_is_one(playbook: Path) -> None:
    for line in last_lines(yaml.safe_load(playbook.read_text(encoding="utf-8"))):
        said = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "…", line, flags=re.DOTALL)
        assert "\n" not in said
