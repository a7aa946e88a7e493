# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run all gates of `make test`, two at a time, and end with one line of figures.

A gate is a target of the Makefile. Its whole output goes to reports/test/<gate>.log; the terminal shows its last line,
or all of it when the gate failed.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]
REPORTS = ROOT / "reports" / "test"

# Containers have fixed names, so what uses the engine runs one after the other. The rest runs beside it and after it: what fails
# soonest first, then what takes longest. Gates of one line use the same things, and wait for each other.
ON_THE_ENGINE = ["images", "molecule", "integration"]
BESIDE_IT = [
    ["lint"],
    ["units"],
    ["integration-embedded"],
    ["sanity"],
    ["resolution", "units-second"],
    ["demo", "demo-second"],
    ["artefact"],
]

_terminal = threading.Lock()


def say(text: str) -> None:
    with _terminal:
        print(text, flush=True)


def run(gate: str) -> Counter[str]:
    """Run one gate and return its figures."""
    say(f"── {gate} …")
    log, started = REPORTS / f"{gate}.log", time.monotonic()
    # The flags of the outer make speak of its job server, which this make is no part of.
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    command = ["make", "--no-print-directory", gate]
    with log.open("wb") as stream:
        code = subprocess.run(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, check=False
        ).returncode
    text = log.read_text(encoding="utf-8", errors="replace").strip()
    seconds = time.monotonic() - started
    if code == 0:
        say(f"── {gate}: ok, {seconds:.0f} s · {text.rsplit(chr(10), 1)[-1].strip('= ')}")
    else:
        say(f"{text}\n── {gate}: FAILED, exit {code}, {seconds:.0f} s")
    return figures(gate, failed=code != 0)


def figures(gate: str, *, failed: bool) -> Counter[str]:
    """How many tests of a gate passed, failed and were skipped; a gate that does not count is one test."""
    report = REPORTS / f"{gate}.xml"
    counted: Counter[str] = Counter()
    if report.exists():
        for suite in ElementTree.parse(report).getroot().iter("testsuite"):  # noqa: S314 - we wrote it a moment ago
            wrong, skipped = int(suite.get("failures", 0)) + int(suite.get("errors", 0)), int(suite.get("skipped", 0))
            counted.update(failed=wrong, skipped=skipped, passed=int(suite.get("tests", 0)) - wrong - skipped)
    if failed and not counted["failed"]:
        counted["failed"] = 1
    elif not counted:
        counted["passed"] = 1
    return counted


def on_the_engine() -> Counter[str]:
    """Without images nothing that wants them can pass, and its failures would hide the cause."""
    counted = run(ON_THE_ENGINE[0])
    if counted["failed"]:
        say(f"── {', '.join(ON_THE_ENGINE[1:])}: not run, there are no images")
        return counted + Counter(failed=len(ON_THE_ENGINE) - 1)
    return sum(map(run, ON_THE_ENGINE[1:]), counted)


def beside_it(waiting: SimpleQueue[list[str]]) -> Counter[str]:
    """Run what still waits."""
    counted: Counter[str] = Counter()
    with contextlib.suppress(Empty):
        while True:
            counted = sum(map(run, waiting.get_nowait()), counted)
    return counted


def main() -> int:
    REPORTS.mkdir(parents=True, exist_ok=True)
    for stale in REPORTS.iterdir():
        stale.unlink()
    started = time.monotonic()
    waiting: SimpleQueue[list[str]] = SimpleQueue()
    for gates in BESIDE_IT:
        waiting.put(gates)
    with ThreadPoolExecutor(max_workers=2) as pool:
        engine = pool.submit(lambda: on_the_engine() + beside_it(waiting))
        counted = pool.submit(beside_it, waiting).result() + engine.result()
    seconds = time.monotonic() - started
    say(f"{counted['passed']} passed, {counted['failed']} failed, {counted['skipped']} skipped in {seconds:.0f} s")
    return 1 if counted["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
