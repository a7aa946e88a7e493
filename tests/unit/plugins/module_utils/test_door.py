# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of the door, what the server is told of a password, and what becomes of its file, byte by byte."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _door
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._stack import Stack
from hypothesis import given
from hypothesis import strategies as st

STACK = Stack("production", "nickapp", "/var/lib/dbops")
MARK = "# amanat.dbops door of production/nickapp"
OTHER = Stack("production", "nickapp.two", "/var/lib/dbops")
FILE = b"# \xe9crit en latin-1\nlocal all all trust\n" + f"host x all all reject {_door.mark(OTHER)}\n".encode()


def test_the_windows_role_is_the_first_that_the_server_looks_at() -> None:
    assert _door.rules(STACK, "amanat") == (
        f'local "amanat" "dbops_window_production_nickapp" scram-sha-256 {MARK}\n'
        f'host "amanat" "dbops_window_production_nickapp" all scram-sha-256 {MARK}\n'
        f'local "amanat" all reject {MARK}\n'
        f'host "amanat" all all reject {MARK}\n'
    )


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("amanat", '"amanat"'),
        ("all", '"all"'),
        ('of "shop", #1', '"of ""shop"", #1"'),
        ("/x.y", '"/^/x\\.y$"'),
    ],
)
def test_names_are_quoted_as_the_file_wants_them(name: str, quoted: str) -> None:
    assert _door.quoted(name) == quoted


def test_a_name_that_the_file_cannot_hold_is_refused() -> None:
    with pytest.raises(OperationError) as caught:
        _door.quoted("two\nlines")
    assert caught.value.slug == "door-impossible"


@pytest.mark.parametrize(
    ("password", "same"),
    [
        ("n\u00a0b", "n b"),  # spaces that are not ASCII's
        ("I\u00adX", "IX"),  # mapped to nothing
        ("\ufb01x", "fix"),
        ("e\u0301", "\u00e9"),
        ("\u2168", "IX"),
        ("\u06271\u0628", "\u06271\u0628"),
        ("a\u0007b\ufb01", "a\u0007b\ufb01"),  # a control character: as it is
        ("\u0627\ufb01", "\u0627\ufb01"),  # both directions: as it is
        ("\ufb01\u0221", "\ufb01\u0221"),  # unassigned: as it is
        ("\u00ad", "\u00ad"),  # nothing would be left
    ],
)
def test_a_password_is_written_as_clients_write_it(password: str, same: str) -> None:
    """https://www.rfc-editor.org/rfc/rfc4013#section-3"""
    salted = hashlib.pbkdf2_hmac("sha256", same.encode(), b"salt", _door.ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    assert base64.b64encode(stored).decode() in _door.verifier(password, b"salt")


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", fullmatch=True))
def test_the_windows_role_needs_no_quoting_in_a_url(name: str) -> None:
    role = _door.window_role(Stack("development", name, "/s"))
    assert len(role) <= 63
    assert set(role) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-~")


def test_a_verifier_is_the_one_that_postgresql_makes() -> None:
    # Made by PostgreSQL 18 of the password `pencil`: SELECT rolpassword FROM pg_authid.
    salt = "9NqwxOE6w3QEVeMGsbXTGg=="
    stored = f"SCRAM-SHA-256$4096:{salt}$suYOGNSkOvstLZltl9/YomG4OjfECBKSpxV8LnO+FHc=:hMxCNX7Wja9Vr1R6pTYS4DU+FDHM/vL02cvlODWcXz8="
    assert _door.verifier("pencil", base64.b64decode(salt)) == stored


def shell(text: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh"], input=text, capture_output=True, text=True, check=False, **options)


def script(path: Path, verb: str, lines: str = "", stack: Stack = STACK) -> str:
    done = shell(_door.on_file(stack, verb, str(path), lines))
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "pg_hba.conf"
    path.write_bytes(FILE)
    path.chmod(0o640)
    return path


def test_lines_come_to_the_top_and_go_again(rules: Path) -> None:
    lines = _door.rules(STACK, "amanat")
    assert script(rules, "show") == ""
    assert script(rules, "write", lines) == ""
    assert rules.read_bytes() == lines.encode() + FILE
    assert script(rules, "show") == lines
    assert script(rules, "write", lines) == lines
    assert rules.read_bytes() == lines.encode() + FILE
    assert script(rules, "write") == lines
    assert rules.read_bytes() == FILE
    assert rules.stat().st_mode & 0o777 == 0o640
    assert list(rules.parent.iterdir()) == [rules]


def test_two_stacks_that_change_the_file_at_once_lose_nothing(rules: Path) -> None:
    stacks = [Stack("production", f"shop{number}", "/s") for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda stack: script(rules, "write", _door.rules(stack, "x"), stack), stacks))
    for stack in stacks:
        assert script(rules, "show", stack=stack) == _door.rules(stack, "x")


def test_lines_that_a_person_moved_are_found(rules: Path) -> None:
    lines = _door.rules(STACK, "amanat").splitlines(keepends=True)
    rules.write_bytes(FILE + "".join(lines[:2]).encode() + b"host all all all md5\n")
    script(rules, "write")
    assert rules.read_bytes() == FILE + b"host all all all md5\n"


def test_a_link_stays_a_link(rules: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.conf"
    link.symlink_to(rules)
    script(link, "write", "x\n")
    assert link.is_symlink()
    assert rules.read_bytes() == b"x\n" + FILE


def test_the_digest_is_that_of_the_file(rules: Path) -> None:
    assert script(rules, "digest").strip() == hashlib.sha256(FILE).hexdigest()


@pytest.mark.parametrize("verb", ["show", "digest", "write"])
def test_a_file_that_is_not_here_is_none_that_we_may_change(tmp_path: Path, verb: str) -> None:
    answer = shell(_door.on_file(STACK, verb, str(tmp_path / "gone/pg_hba.conf"), ""))
    assert (answer.returncode, answer.stdout) == (_door.NOT_OURS, "")
    assert "is not here" in answer.stderr


def test_a_shell_stays_and_is_told_more(rules: Path) -> None:
    lines = _door.rules(STACK, 'it\'s "quoted" $HOME `id`')
    text = _door.on_file(STACK, "write", str(rules), lines) + _door.on_file(STACK, "show", str(rules), "") + "echo ends"
    assert shell(text).stdout == f"{lines}ends\n"


def test_an_input_that_is_cut_off_does_nothing(rules: Path) -> None:
    text = _door.on_file(STACK, "write", str(rules), _door.rules(STACK, "amanat"))
    for end in range(0, text.index(") < /dev/null\n"), 7):
        shell(text[:end])
        assert rules.read_bytes() == FILE
    assert list(rules.parent.iterdir()) == [rules]


def test_a_step_that_fails_is_the_last(rules: Path, tmp_path: Path) -> None:
    full = tmp_path / "bin" / "sync"
    full.parent.mkdir()
    full.write_text("#!/bin/sh\nexit 5\n", encoding="utf-8")
    full.chmod(0o755)
    text = _door.on_file(STACK, "write", str(rules), "x\n")
    answer = shell(f"{text}echo goes on", env={"PATH": f"{full.parent}:{os.environ['PATH']}"})
    assert (answer.returncode, answer.stdout, rules.read_bytes()) == (5, "", FILE)
