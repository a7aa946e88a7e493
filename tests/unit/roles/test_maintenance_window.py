# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role makes of its variables, as Ansible does: whatever is typed with `-e name=value` is text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

ROLE = Path(__file__).parents[3] / "roles/maintenance_window"


def read(file: str) -> Any:
    return DataLoader().load_from_file(str(ROLE / file), trusted_as_template=True)


def resolved(template: Any, **variables: Any) -> Any:
    """In the role; variables are stronger than its own."""
    return Templar(DataLoader(), variables={**read("defaults/main.yml"), **read("vars/main.yml"), **variables}).template(template)


def test_the_target_is_left_a_time_and_no_text() -> None:
    (opening,) = [task for task in read("tasks/open.yml") if task["name"] == "Open the window"]
    announce = opening["amanat.dbops.window_state"]["private"]["announce"]
    left = json.loads(resolved(announce, dbops_announce=[], maintenance_window_sender_timeout="8"))
    assert left == {"senders": [], "timeout": 8.0}
