# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A refusal of a role fails as it is told, and is remembered."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _audit
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._stack import Stack
from ansible_collections.amanat.dbops.plugins.modules import refuse

TEXT = "[confirm-missing] This removes a, b for good. State: Nothing was changed. Next: Type it."


@pytest.mark.parametrize(("check_mode", "recorded"), [(False, 1), (True, 0)])
def test_it_fails_and_is_recorded(tmp_path: Path, check_mode: bool, recorded: int) -> None:
    params = {"stack": "staging/a", "state_dir": str(tmp_path), "by": {"user": "ann"}, "msg": TEXT}
    with pytest.raises(OperationError) as caught:
        refuse.body(SimpleNamespace(params=params, check_mode=check_mode))  # type: ignore[arg-type]
    assert caught.value.message == TEXT
    lines = _audit.lines(Stack.parse("staging/a", str(tmp_path)))
    told = [(line["slug"], line["what"], line["by"]["user"]) for line in lines]
    assert told == [("confirm-missing", "This removes a, b for good.", "ann")] * recorded
