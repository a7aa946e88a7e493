# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Root acts as the user whose stack it is, or not at all. That it really does so is seen in tests/integration/window/test_users.py."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _owner
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError

SCRIPT = "/var/lib/dbops/production/shop/dbops-window"
ACCOUNT = SimpleNamespace(pw_name="deploy", pw_gid=1001, pw_dir="/home/deploy")


class Machine:
    """Whose file it is, who we are, and what was asked of the kernel."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, us: int, owner: int, account: Any = ACCOUNT) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.environ = {"USER": "root", "HOME": "/root", "XDG_RUNTIME_DIR": "/run/user/0", "PATH": "/bin"}
        known = {"geteuid": lambda: us, "stat": lambda _path: SimpleNamespace(st_uid=owner), "environ": self.environ, "path": os.path}
        asked = {name: self._asks(name, us) for name in ("initgroups", "setgid", "setuid")}
        monkeypatch.setattr(_owner, "os", SimpleNamespace(**known, **asked))
        monkeypatch.setattr(_owner, "pwd", SimpleNamespace(getpwuid=lambda uid: account if account else {}[uid]))

    def _asks(self, name: str, us: int) -> Any:
        def ask(*arguments: object) -> None:
            if us != 0:
                raise PermissionError(1, "Operation not permitted")
            self.asked.append((name, *arguments))

        return ask


def test_root_goes_on_as_the_one_whose_window_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, us=0, owner=1000)
    _owner.become([SCRIPT, "abort", "w1"])
    assert machine.asked == [("initgroups", "deploy", 1001), ("setgid", 1001), ("setuid", 1000)]
    his = {"USER": "deploy", "LOGNAME": "deploy", "HOME": "/home/deploy", "PATH": "/bin"}
    assert machine.environ == {**his, "SUDO_USER": "root"}


def test_it_is_remembered_who_called_root(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, us=0, owner=1000)
    machine.environ["SUDO_USER"] = "ann"
    _owner.become([SCRIPT, "status"])
    assert machine.environ["SUDO_USER"] == "ann"


@pytest.mark.parametrize("uid", [0, 1000])
def test_the_one_whose_window_it_is_stays_as_he_is(monkeypatch: pytest.MonkeyPatch, uid: int) -> None:
    machine = Machine(monkeypatch, us=uid, owner=uid)
    before = dict(machine.environ)
    _owner.become([SCRIPT, "switch"])
    assert (machine.asked, machine.environ) == ([], before)


@pytest.mark.parametrize(
    ("us", "owner", "account", "command"),
    [
        (1002, 1000, ACCOUNT, f"sudo -u deploy {SCRIPT} abort w1"),
        (0, 1000, None, f"sudo -u '#1000' {SCRIPT} abort w1"),
    ],
)
def test_nobody_else_can(monkeypatch: pytest.MonkeyPatch, us: int, owner: int, account: Any, command: str) -> None:
    machine = Machine(monkeypatch, us, owner, account)
    before = dict(machine.environ)
    with pytest.raises(OperationError) as caught:
        _owner.become([SCRIPT, "abort", "w1"])
    assert (caught.value.slug, caught.value.state) == ("stack-owner", "Nothing was changed.")
    assert caught.value.next_step.endswith(command)
    assert (machine.asked, machine.environ) == ([], before)


@pytest.mark.parametrize(("us", "owner", "is_refused"), [(0, 1000, True), (0, 0, False), (1000, 1000, False), (1000, 0, False)])
def test_a_module_that_is_roots_leaves_no_files_with_somebody_else(
    monkeypatch: pytest.MonkeyPatch, us: int, owner: int, is_refused: bool
) -> None:
    Machine(monkeypatch, us, owner)
    if not is_refused:
        _owner.require("/var/lib/dbops/production/shop")
        return
    with pytest.raises(OperationError) as caught:
        _owner.require("/var/lib/dbops/production/shop")
    assert caught.value.slug == "stack-owner"
    assert caught.value.next_step.endswith("-e ansible_become_user=deploy")


def test_a_stack_that_is_not_there_yet_belongs_to_whoever_makes_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    _owner.require(str(tmp_path / "production/shop"))
