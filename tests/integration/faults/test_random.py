# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hundred windows whose controller is killed at a random moment."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest

from .site import ENDED, Site, until

WINDOWS = 100
CONTROLLERS = 3 * WINDOWS  # of which some are killed before they have opened one


def length(site: Site) -> float:
    """Seconds that a window takes which nobody interrupts."""
    begun = time.monotonic()
    with site.watched():
        site.begin()
        assert not site.await_controller()
        site.window = site.last["id"]
        site.expect_end("closed")
    return time.monotonic() - begun


def interrupt(site: Site, chance: random.Random, longest: float) -> str:
    """How the window ended; empty where the controller was killed before there was one."""
    site.begin()
    before = site.last.get("id")
    time.sleep(chance.uniform(0, longest))
    site.signal(signal.SIGKILL)
    # The step that opens the window goes on, if it was begun.
    until(lambda: site.journal or site.last.get("id") != before or not site.goes_on(), "the window is open, or will never be")
    if journal := site.journal:
        site.note()
        # Before the stop there is no switch: nothing is down.
        early = journal["phase"] in ("opened", "backed_up")
        site.end_by(chance.choice(["abort", "recover"] if early else ["abort", "recover", "switch"]))
    elif site.last.get("id") != before:
        site.window = site.last["id"]
    else:
        return ""
    state = site.ended()["state"]
    assert state in ENDED
    site.expect_end(state)
    return state


@pytest.mark.slow
def test_killed_at_a_random_moment(place: Site, capsys: pytest.CaptureFixture[str]) -> None:
    seed = int(os.environ.get("FAULTS_SEED") or random.SystemRandom().randrange(1 << 32))
    with capsys.disabled():  # a run in which all is well is to be repeated as well
        print(f"\nFAULTS_SEED={seed}", flush=True)
    chance, longest = random.Random(seed), length(place)
    ends: list[str] = []
    for controller in range(CONTROLLERS):
        with place.watched():
            end = interrupt(place, chance, longest)
        with capsys.disabled():
            print(controller, place.struck, end or "killed before there was a window", flush=True)
        ends += [end] if end else []
        if len(ends) == WINDOWS:
            break
    assert len(ends) == WINDOWS, "too few controllers came to open one"
