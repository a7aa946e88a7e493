# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How an interrupted window ends: every phase with every operation, and the rules that no row may break."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _verdict, _window

PHASES = _window.PHASES[1:]
OPERATIONS = (*_window.OPERATIONS, "destructive")
EVERYTHING = list(itertools.product(PHASES, OPERATIONS, *[(True, False)] * 3))

NOT_TO_THE_DATABASE = (_verdict.ABORT, _verdict.START_AGAIN, _verdict.FINISH, _verdict.HOLD)


@pytest.mark.parametrize(("phase", "operation", "point", "written", "held"), EVERYTHING)
def test_every_case_has_a_row(phase: str, operation: str, point: bool, written: bool, held: bool) -> None:
    row = _verdict.row(phase, operation, point=point, written=written, held=held)
    assert {row.verdict, row.unhealthy} <= set(_verdict.ENDS)


@pytest.mark.parametrize(("phase", "operation", "point", "written", "held"), EVERYTHING)
def test_no_acknowledged_write_is_lost(phase: str, operation: str, point: bool, written: bool, held: bool) -> None:
    """A return is legal only while nobody could write, while it is proved that nobody has, or while no client gets in."""
    row = _verdict.row(phase, operation, point=point, written=written, held=held)
    for done in (row.verdict, row.unhealthy):
        if done == _verdict.RETURN:
            assert point
            assert not written or held


@pytest.mark.parametrize(("phase", "operation", "point", "written", "held"), EVERYTHING)
def test_the_end_is_one_that_the_window_can_have(phase: str, operation: str, point: bool, written: bool, held: bool) -> None:
    row = _verdict.row(phase, operation, point=point, written=written, held=held)
    for done in (row.verdict, row.unhealthy):
        require_legal(phase, done)


def require_legal(phase: str, done: str) -> None:
    # One that is finished goes through the phases that are left, and is closed in the last of them.
    last = "closed" if done == _verdict.FINISH else phase
    assert _verdict.ENDS[done] in _window.LEGAL_ENDS[last]


@pytest.mark.parametrize("row", [_verdict.RESUMED, _verdict.UNKNOWN], ids=["resumed", "unknown"])
def test_so_are_the_ends_that_no_row_leads_to(row: _verdict.Row) -> None:
    for phase in row.phases.split():
        for done in (row.verdict, row.unhealthy):
            require_legal(phase, done)


def test_a_return_that_goes_on_is_one_that_was_legal_when_it_began() -> None:
    """In each of its phases, for whatever has a point; and nothing but another return, or a person, follows it."""
    for phase in _verdict.RESUMED.phases.split():
        rows = [_verdict.row(phase, operation, point=True, written=False, held=False) for operation in ("migrate", "restore", "custom")]
        assert all(_verdict.RETURN in (row.verdict, row.unhealthy) for row in rows)
    assert (_verdict.RESUMED.verdict, _verdict.RESUMED.unhealthy) == (_verdict.RETURN, _verdict.HOLD)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("phase", ["opened", "backed_up"])
def test_nothing_is_touched_before_the_stop(phase: str, operation: str) -> None:
    assert _verdict.row(phase, operation, point=True, written=False, held=False).verdict == _verdict.ABORT


@pytest.mark.parametrize("operation", ["migrate", "restore", "custom", "destructive"])
def test_an_operation_that_was_interrupted_is_undone(operation: str) -> None:
    assert _verdict.row("operated", operation, point=True, written=False, held=False).verdict == _verdict.RETURN


@pytest.mark.parametrize("operation", ["restore", "custom", "destructive"])
def test_what_cannot_be_undone_waits_for_a_person(operation: str) -> None:
    assert _verdict.row("operated", operation, point=False, written=False, held=False).verdict == _verdict.HOLD
    assert _verdict.row("started", operation, point=True, written=True, held=False).unhealthy == _verdict.HOLD


@pytest.mark.parametrize("operation", ["migrate", "restore", "custom", "destructive"])
def test_whatever_was_written_is_undone_while_clients_are_held_off(operation: str) -> None:
    row = _verdict.row("verified", operation, point=True, written=True, held=True)
    assert (row.verdict, row.unhealthy) == (_verdict.FINISH, _verdict.RETURN)


def test_the_table_of_the_docs_is_this_one() -> None:
    text = (Path(__file__).resolve().parents[4] / "docs/windows.md").read_text(encoding="utf-8")
    for row in (*_verdict.TABLE, _verdict.RESUMED, _verdict.UNKNOWN):
        facts = [row.operations or "any", row.point or "either", row.written or "either", row.held or "either"]
        cells = [row.phases, *facts, row.verdict, row.unhealthy]
        assert f"| {' | '.join(cells)} | {row.why} |" in text
