# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container has logged since its start, as the engine keeps it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._gate_beneath import Beneath, kinds_of, new_kinds
from ansible_collections.amanat.dbops.plugins.module_utils._place import Engine
from ansible_collections.amanat.dbops.plugins.module_utils._services import Context, Service, service_of

from tests.integration.plays import engine, images

# It says so at once, at every start, and with much that comes after; its last word is of a moment before its end. The engine reads the two
# streams side by side: what follows in the same milliseconds on the other may be ahead of it by thousands of lines.
SAYS = """
trap 'echo "Error: cut off"; exit 0' TERM
echo "Error: cannot reach the cache yet" >&2
sleep 0.5
i=0; while [ $i -lt 4500 ]; do echo "GET /$i 200"; i=$((i + 1)); done
while :; do sleep 0.1; done
"""


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Service]:
    name = f"dbops-log-{secrets.token_hex(4)}"
    engine("run", "--detach", "--name", name, "--entrypoint", "sh", images("postgres")["postgres"], "-c", SAYS)
    try:
        yield service_of({"name": name, "kind": "container", "image": ""}, Context(Engine(), str(tmp_path)))
    finally:
        engine("rm", "--force", "--volumes", name)


def await_all(service: Service) -> None:
    until = time.monotonic() + 30
    while "GET /4499 " not in service.log(10):
        assert time.monotonic() < until
        time.sleep(0.1)


def test_what_every_start_says_is_not_new_however_much_has_followed_it(busy: Service) -> None:
    """An application under load writes thousands of lines in minutes; the same release, started again, is no worse for it."""
    beneath = Beneath(services=[busy])
    await_all(busy)
    known = kinds_of(beneath, 10)
    assert known == {busy.name: ["Error: cannot reach the cache yet"]}
    for _ in range(3):
        busy.stop()
        busy.start("", "")
        await_all(busy)
        assert kinds_of(beneath, 10) == known, "neither is it missed, nor is the run before taken for this one"
        assert not list(new_kinds(kinds_of(beneath, 10), known, []))
