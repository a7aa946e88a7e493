# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a window's JSON is said to be, and whether it is."""

from __future__ import annotations

import json
from typing import Any

from jsonschema import Draft202012Validator

from tests.integration.plays import ROOT

PUBLISHED = json.loads((ROOT / "docs/window.schema.json").read_text(encoding="utf-8"))


def closed(schema: Any) -> Any:
    """The same schema, to which a key that it does not describe is wrong."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {key: closed(value) for key, value in schema.items()}
    return {**strict, "additionalProperties": False} if isinstance(schema.get("properties"), dict) and "type" in schema else strict


def flaws(journal: Any, schema: Any = None) -> list[str]:
    """In what a journal is not as described; a key that is not described is one."""
    validator = Draft202012Validator(schema or closed(PUBLISHED))
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(journal)]
