# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bare PostgreSQL of the tests of backups, and the audit log of a stack."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.backup.conftest import STACK, Caller, Postgres, caller, make_database, postgres, remove, run_postgres
from tests.integration.plays import images

__all__ = ["caller", "make_database", "other_server", "postgres"]


def audit(caller: Caller, stack: str = STACK) -> list[dict[str, Any]]:
    """What the stack's audit log says, oldest first."""
    path = caller.directory / "state" / stack / "audit.jsonl"
    if not path.exists():
        return []
    assert path.stat().st_mode & 0o777 == 0o600
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="session")
def other_server() -> Iterator[Postgres]:
    """Another cluster."""
    server = run_postgres(images("postgres")["postgres"])
    yield server
    remove(server)
