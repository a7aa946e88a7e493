# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's command that holds clients off or lets them in."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _hook
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError


def test_a_command_is_run_without_a_shell(tmp_path: Path) -> None:
    page = tmp_path / "a page; of its own"
    _hook.require(["touch", str(page)])
    _hook.call(["touch", str(page)], 10)
    assert page.exists()


@pytest.mark.parametrize("argv", [[], ["no-such-program"], ["/etc/passwd"]])
def test_what_cannot_be_run_is_refused_beforehand(argv: list[str]) -> None:
    with pytest.raises(OperationError) as caught:
        _hook.require(argv)
    assert (caught.value.slug, caught.value.state) == ("hook-unknown", "Nothing was changed.")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("import sys; sys.exit('the proxy is not there')", "the proxy is not there"),
        ("import time; time.sleep(60)", "no answer within 0.5 s"),
    ],
)
def test_one_that_fails_says_why(script: str, reason: str) -> None:
    with pytest.raises(OperationError) as caught:
        _hook.call([sys.executable, "-c", script], 0.5 if "sleep" in script else 30)
    assert caught.value.slug == "hook-failed"
    assert reason in caught.value.what
