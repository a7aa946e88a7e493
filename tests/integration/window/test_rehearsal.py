# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations rehearsed before their window: what they cost on a copy is what plan, announcement and report say."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.plays import ROOT, engine

from .conftest import Stack, bring_up
from .guarded import content
from .receiver import Receiver

MIGRATION = "0019_payment_settlement"


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """The application in containers, of its own: afterwards it is of another release than any other test expects."""
    yield from bring_up("docker", "window-rehearsed", tmp_path / "reports")


@pytest.fixture
def release(stack: Stack, tmp_path: Path) -> Iterator[str]:
    """Release 2, whose migration takes long enough to be seen at work."""
    name, tag = f"drizzle/{MIGRATION}.sql", f"window-rehearsed:{secrets.token_hex(4)}"
    context = tmp_path / "release"
    (context / "drizzle").mkdir(parents=True)
    slow = (ROOT / "examples/stack/releases/2" / name).read_text(encoding="utf-8") + "--> statement-breakpoint\nSELECT pg_sleep(1);\n"
    (context / name).write_text(slow, encoding="utf-8")
    (context / "Dockerfile").write_text(f"FROM {stack.release('2')}\nCOPY drizzle drizzle\n", encoding="utf-8")
    subprocess.run(["docker", "build", "--quiet", "--tag", tag, str(context)], capture_output=True, check=True)
    yield tag
    # The stack still runs it.
    engine("rmi", "--force", tag)


@pytest.mark.slow
def test_what_migrations_cost_is_known_before_their_window(stack: Stack, release: str, receiver: Receiver) -> None:
    assert stack.play("backup").code == 0
    (backup,) = (path.name for path in stack.backups.glob("*.pgdir"))
    before = content(stack)

    foreseen = stack.play("rehearse", "--check", dbops_release_image=release)
    assert f"ok: would run {MIGRATION} on a copy of {backup} · next: " in foreseen.last_line, foreseen.out
    assert not list(stack.reports.glob("rehearsal_*"))
    rehearsed = stack.play("rehearse", dbops_release_image=release)
    assert rehearsed.code == 0, rehearsed.out
    (path,) = stack.reports.glob("rehearsal_migrations_*.json")
    found = json.loads(path.read_text(encoding="utf-8"))
    assert (found["migrated"], found["backup"], found["passed"]) == ([MIGRATION], backup, True)
    assert rehearsed.last_line == (
        f"dbops rehearse {stack.key} changed: ran {MIGRATION} on a copy of {backup}, {found['seconds']} s"
        f" · next: ansible-playbook playbooks/migrate.yml -e dbops_release_image={release}"
    )
    assert content(stack) == before
    assert stack.health()["release"] == "1"

    plan = stack.play("migrate", "--check", dbops_release_image=release)
    assert plan.code == 0, plan.out
    assert f"Rehearsed on {backup}: {found['seconds']} s, " in plan.out
    (lock,) = found["locks"]
    assert (lock["table"], lock["blocks"]) == ("public.payments", "reads and writes")
    assert f"Rehearsed lock: no reads and writes on public.payments for {lock['seconds']} s (AccessExclusiveLock)" in plan.out
    assert content(stack) == before

    outcome = stack.play("migrate", dbops_release_image=release, dbops_announce=receiver.announce)
    assert outcome.code == 0, outcome.out
    assert receiver.events[0] == "planned"
    assert f"Migrations: {MIGRATION}. Rehearsed in {found['seconds']} s." in receiver.told[0]["text"]
    report = stack.report()
    migrations = report["migrations"]
    assert migrations["applied"] == migrations["pending"] == [MIGRATION]
    assert (migrations["rehearsed"]["backup"], migrations["rehearsed"]["seconds"]) == (backup, found["seconds"])
    assert migrations["seconds"] > 1, "and what happened stands beside it"
    assert f"Rehearsed on {backup} in " in (stack.reports / f"{report['id']}.html").read_text(encoding="utf-8")
    assert stack.health()["release"] == "2"
