# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every failure that the collection raises stands in the operator's table, and nothing else does."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.amanat.dbops.plugins.module_utils._drizzle import REFUSALS
from ansible_collections.amanat.dbops.plugins.module_utils._errors import take_apart
from ansible_collections.amanat.dbops.plugins.module_utils._redis_errors import CAUSES
from ansible_collections.amanat.dbops.plugins.module_utils._release import MISSING

ROOT = Path(__file__).resolve().parents[2]

# A slug in a message: `[two-words-or-more] What happened`.
IN_MESSAGE = re.compile(r"\[([a-z]+(?:-[a-z]+)+)\]")
SLUG = re.compile(r"[a-z]+(?:-[a-z]+)+")
# Assigned in a table, or given to a failure that is not ours.
IN_TABLES = {slug for _key, slug, *_words in (*REFUSALS, *CAUSES)} | {MISSING} | {take_apart("Out of memory")["slug"]}
# Functions whose first argument is a slug.
RAISERS = {"OperationError", "Unusable", "_failed", "_refused", "refused"}


def slugs_of_python(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in RAISERS and node.args:
            for constant in ast.walk(node.args[0]):
                if isinstance(constant, ast.Constant) and isinstance(constant.value, str) and SLUG.fullmatch(constant.value):
                    yield constant.value
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from IN_MESSAGE.findall(node.value)


def raised() -> set[str]:
    found = set(IN_TABLES)
    for path in (ROOT / "plugins").rglob("*.py"):
        found.update(slugs_of_python(path))
    for folder in ("roles", "playbooks"):
        for path in (ROOT / folder).rglob("*.yml"):
            text = path.read_text(encoding="utf-8")
            found.update(IN_MESSAGE.findall(text))
            # A slug chosen by an expression: {{ 'confirm-mismatch' if … }}.
            found.update(slug for slug in re.findall(r"\[\{\{ '([a-z]+(?:-[a-z]+)+)'", text))
    return found


def test_the_table_is_complete_and_true() -> None:
    table = (ROOT / "docs/failures.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE)) == sorted(raised())
