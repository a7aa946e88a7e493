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
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.amanat.dbops.plugins.module_utils._errors import take_apart
from jinja2 import Environment

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


def texts(found: Any) -> Iterator[str]:
    if isinstance(found, str):
        yield found
    for each in found.values() if isinstance(found, dict) else found if isinstance(found, list) else ():
        yield from texts(each)


@pytest.mark.parametrize("file", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_words_in_an_expression_are_broken(file: Path) -> None:
    """What is said in quotes keeps the break, and the blanks before its next line."""
    for text in texts(yaml.safe_load(file.read_text(encoding="utf-8"))):
        assert [word for _line, kind, word in Environment(autoescape=True).lex(text) if kind == "string" and "\n" in word] == []


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("[no-slack] It is gone. State: Nothing was changed. Next: Look.", "refused: [no-slack] It is gone."),
        ("[no-slack] It is not. State: The journal was not changed. Next: Look.", "refused: [no-slack] It is not."),
        ("[no-slack] It is another's. State: This run changed nothing. Next: Look.", "refused: [no-slack] It is another's."),
        ("[no-slack] It ended. State: This command changed nothing. Next: Look.", "failed: [no-slack] It ended."),
        ("Out of luck", "failed: [step-failed] Task 'End it': Out of luck "),
        ("dbops recover staging/shop needs_a_person: window w1 · next: Look.", "needs_a_person: window w1 · next: Look."),
        ("Task failed: dbops recover staging/shop needs_a_person: w1 · next: Look.", "needs_a_person: w1 · next: Look."),
        ("dbops maintenance staging/shop refused: w1", "failed: [step-failed] Task 'End it': dbops maintenance staging/shop refused: w1 "),
    ],
)
def test_what_has_a_word_of_its_own_says_the_last_line_by_itself(said: str, line: str) -> None:
    loader = DataLoader()
    (why,) = loader.load_from_file(str(ROOT / "playbooks/tasks/say_why.yml"), trusted_as_template=True)
    words = next(each for each in why["block"] if each["name"] == "Put it into words")
    known = {"dbops_verb": "recover", "dbops_environment": "staging", "dbops_name": "shop", "ansible_failed_result": {"msg": said}}
    known |= {**why["vars"], **words["vars"], "dbops_reason": take_apart(said, "End it")}
    put = Templar(loader, variables=known).template(words["ansible.builtin.set_fact"]["dbops_last_line"])
    assert put.startswith(f"dbops recover staging/shop {line}")
    assert put.count(" · next: ") == 1
