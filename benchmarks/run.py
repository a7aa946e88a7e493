# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the benchmarks and write what came out: `run.py [NAME …]`.

A benchmark is a file `bench_<topic>.py` beside this one with a tuple `BENCHMARKS`. The figures go to results/<name>.json
and, as a table, to the terminal. A goal that is missed is shown, not an error: the machine may be another.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import subprocess
import sys
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from _harness import Benchmark, measure

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"


def benchmarks() -> list[Benchmark]:
    modules = [importlib.import_module(path.stem) for path in sorted(HERE.glob("bench_*.py"))]
    return [benchmark for module in modules for benchmark in module.BENCHMARKS]


def versions() -> dict[str, str | int]:
    """What the figures depend on."""
    collection = yaml.safe_load((HERE.parent / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    return {
        "amanat.dbops": collection,
        "ansible-core": version("ansible-core"),
        "python": platform.python_version(),
        "docker": engine(),
        "machine": platform.machine(),
        "cores": os.cpu_count() or 0,
    }


def engine() -> str:
    try:
        done = subprocess.run(["docker", "version", "--format", "{{.Server.Version}}"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "none"
    return done.stdout.strip()


def row(result: dict[str, Any]) -> tuple[str, ...]:
    """A line of the table."""
    unit, ratio, theirs = result["unit"], result["ratio"], result["theirs"]
    return (
        result["name"],
        f"{result['ours']:g} {unit}",
        "-" if theirs is None else f"{theirs:g} {unit}",
        "-" if ratio is None else f"{ratio:.3g}",
        f"≤ {result['goal']:g} {unit if ratio is None else 'of theirs'}"
        + (f" + {result['slack']:g} {unit}" if result["slack"] else "")
        + (f", or {result['enough']:g} {unit}" if result["enough"] else ""),
        "met" if result["met"] else "MISSED",
    )


def table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(cells, widths)).rstrip() for cells in rows)


def main(names: list[str]) -> int:
    known = {benchmark.name: benchmark for benchmark in benchmarks()}
    if unknown := set(names) - set(known):
        print(f"[benchmark-unknown] no such benchmark: {', '.join(sorted(unknown))}. Nothing was run.", file=sys.stderr)
        print(f"Next: choose from {', '.join(known)}.", file=sys.stderr)
        return 2
    RESULTS.mkdir(exist_ok=True)
    surroundings = versions()
    rows = [("benchmark", "ours", "theirs", "ratio", "goal", "")]
    for name in names or known:
        print(f"{name}: {known[name].what} …", flush=True)
        result = measure(known[name])
        result |= {"versions": surroundings, "date": datetime.now(timezone.utc).isoformat(timespec="seconds")}
        (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        rows.append(row(result))
    print(f"\n{table(rows)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
