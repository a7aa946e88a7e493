# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused is refused, whether that can be written down or not."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _audit
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._stack import Stack


def refusal() -> OperationError:
    return OperationError("confirm-missing", "This changes it.", "Nothing was changed.", "Type it.")


def test_a_refusal_is_a_line(tmp_path: Path) -> None:
    stack = Stack.parse("production/a", str(tmp_path))
    error = refusal()
    typed = "é \udcff"  # a byte that is no UTF-8, as Python hands it on
    _audit.refused(stack, error, {"user": "ann", "job_id": ""}, confirm=typed)
    (line,) = _audit.lines(stack)
    assert (line["event"], line["slug"], line["what"], line["confirm"]) == ("refused", "confirm-missing", "This changes it.", typed)
    assert line["by"]["user"] == "ann"
    assert "job_id" not in line["by"]
    assert "warnings" not in error.as_result()


def test_a_log_that_cannot_be_written_hides_no_refusal(tmp_path: Path) -> None:
    """But what is to be recorded is not done without."""
    stack = Stack.parse("production/a", str(tmp_path))
    Path(stack.directory).mkdir(parents=True)
    Path(_audit.path(stack)).symlink_to(tmp_path / "elsewhere")
    error = refusal()
    _audit.refused(stack, error)
    (warning,) = error.as_result()["warnings"]
    assert _audit.path(stack) in warning
    assert error.slug == "confirm-missing"
    for attempt in (lambda: _audit.require_writable(stack), lambda: _audit.record(stack, "stamped")):
        with pytest.raises(OSError, match="symbolic link"):
            attempt()
    assert not (tmp_path / "elsewhere").exists()
