# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a benchmark is, and how it is measured."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Benchmark:
    """Something that we do, measured against how it is done without us. Less is better.

    The most that `ours` may be is `goal` times `theirs` plus `slack`; where there is no `theirs`, `goal` is in `unit`.
    Whatever that is, `enough` is.
    """

    name: str
    what: str
    unit: str
    goal: float
    ours: Callable[[], float]
    theirs: Callable[[], float] | None = None
    slack: float = 0.0
    enough: float = 0.0
    runs: int = 3
    # Entered once around all runs: brings up what both sides work on.
    around: Callable[[], AbstractContextManager[Any]] = nullcontext


def seconds(work: Callable[[], object]) -> float:
    """How long `work` takes."""
    started = time.monotonic()
    work()
    return time.monotonic() - started


def measure(benchmark: Benchmark) -> dict[str, Any]:
    """Medians of both sides, which take turns so that a busy minute of the machine hits them alike."""
    ours: list[float] = []
    theirs: list[float] = []
    with benchmark.around():
        for _ in range(benchmark.runs):
            ours.append(benchmark.ours())
            if benchmark.theirs:
                theirs.append(benchmark.theirs())
    ratio = median(ours) / median(theirs) if theirs else None
    return {
        "name": benchmark.name,
        "what": benchmark.what,
        "ours": round(median(ours), 3),
        "theirs": round(median(theirs), 3) if theirs else None,
        "unit": benchmark.unit,
        "ratio": None if ratio is None else float(f"{ratio:.3g}"),
        "goal": benchmark.goal,
        "slack": benchmark.slack,
        "enough": benchmark.enough,
        "met": median(ours) <= max(benchmark.goal * (median(theirs) if theirs else 1) + benchmark.slack, benchmark.enough),
        "runs": {"ours": [round(run, 3) for run in ours], "theirs": [round(run, 3) for run in theirs]},
    }
