# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The result of any task that failed becomes slug, message, state and next step."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.filter.failure import FilterModule
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError

ERROR = OperationError("backup-no-space", "/backup has 1 MiB free.", "No backup was begun.", "Free space there.")
PARTS = {"slug": "backup-no-space", "message": "/backup has 1 MiB free.", "state": "No backup was begun.", "next": "Free space there."}


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (ERROR.as_result(), PARTS),
        ({"msg": f"Task failed: Module failed: {ERROR.message}"}, PARTS),
        ({"msg": "", "stderr": ERROR.message}, PARTS),
        # A loop says only that one of its items failed.
        ({"msg": "One or more items failed", "results": [{"failed": False, "msg": "fine"}, {"failed": True, "msg": ERROR.message}]}, PARTS),
        ({"msg": ERROR.message, "results": ["lines", "of", "a", "module"]}, PARTS),
    ],
)
def test_our_own(result: dict[str, Any], expected: dict[str, str]) -> None:
    assert FilterModule().filters()["failure"](result) == expected


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"msg": "Could not find the requested service"}, "Could not find the requested service"),
        ({"msg": ["a", "list"]}, "['a', 'list']"),
        ({"msg": None, "stderr": "Killed"}, "Killed"),
        ({}, "A step failed without a word."),
        ({"results": None}, "A step failed without a word."),
    ],
)
def test_foreign(result: dict[str, Any], message: str) -> None:
    parts = FilterModule().filters()["failure"](result)
    assert (parts["slug"], parts["message"]) == ("step-failed", message)
    assert parts["next"]


def test_a_foreign_failure_names_its_task() -> None:
    failure = FilterModule().filters()["failure"]
    assert failure({"msg": "Status code was 200"}, "Ask the backend")["message"] == "Task 'Ask the backend': Status code was 200"
    assert failure({"msg": ERROR.message}, "Back up") == PARTS


def test_a_task_with_no_log_is_told_by_its_name_alone() -> None:
    """What comes of it goes to journals, reports and announcements."""
    failure = FilterModule().filters()["failure"]
    said = {"msg": "https://mo:s3cret@example.org does not answer"}
    assert failure(said, {"name": "Ask", "no_log": False}) == failure(said, "Ask")
    assert failure({"msg": ERROR.message}, {"name": "Ask", "no_log": None}) == PARTS
    for no_log in (True, "{{ hidden }}"):
        for result in (said, {"msg": f"[backup-no-space] {said['msg']}"}, {"msg": "", "results": [{"failed": True, **said}]}):
            parts = failure(result, {"name": "Ask", "no_log": no_log})
            assert (parts["slug"], parts["message"]) == ("step-failed", "Task 'Ask': It has failed, and its words are kept back (no_log).")
            assert "s3cret" not in str(parts)
