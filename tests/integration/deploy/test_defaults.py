# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a role needs a default that stands with the modules, it is the same one."""

from __future__ import annotations

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._module import TARGET_OPTIONS

from tests.integration.plays import ROOT


@pytest.mark.parametrize("role", ["postgres", "redis"])
def test_the_roles_know_the_modules_defaults(role: str) -> None:
    variables = (ROOT / f"roles/{role}/vars/main.yml").read_text(encoding="utf-8")
    assert f"dbops_state_dir | default('{TARGET_OPTIONS['state_dir']['default']}', true)" in variables
    assert f"dbops_engine | default('{TARGET_OPTIONS['engine']['default']}', true)" in variables
