# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A first look: bring the example application up, take it through one maintenance window, show what happened, clean up.

`demo.py --kind embedded` runs it on this machine's own processes, `--kind docker` on containers.
"""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STATES = ROOT / ".stack"
STACK = [sys.executable, str(ROOT / "examples/stack/stack.py")]


def play(verb: str, kind: str, **variables: str) -> int:
    """Run a playbook of the collection as an operator would, and show the command."""
    extra = [part for name, value in variables.items() for part in ("-e", f"{name}={value}")]
    command = ["ansible-playbook", "-i", "inventories/demo", f"playbooks/{verb}.yml", "--limit", kind, *extra]
    print(f"\n$ {shlex.join(command)}", flush=True)
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def tear_down(kind: str) -> int:
    """Take the stack down; a second Ctrl-C must not leave half of it behind, so the terminal cannot reach this child."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if not (STATES / f"{kind}.json").exists():
        return 0
    return subprocess.run([*STACK, "down", "--name", kind], cwd=ROOT, start_new_session=True, check=False).returncode


def run(kind: str) -> int:
    if code := subprocess.run([*STACK, "up", "--kind", kind], cwd=ROOT, check=False).returncode:
        return code
    release = json.loads((STATES / f"{kind}.json").read_text(encoding="utf-8"))["releases"]["2"]
    return play("stamp", kind, dbops_confirm=f"development/{kind}") or play(
        "maintenance", kind, dbops_operation="migrate", dbops_release_image=release
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=("embedded", "docker"), default="embedded")
    kind = parser.parse_args().kind
    if (STATES / f"{kind}.json").exists():
        print("[demo-stack-exists] a stack is up already; it was left alone. Next: make stack-down, then make demo", file=sys.stderr)
        return 1
    # SIGTERM, as a CI runner sends it, ends like Ctrl-C: through `finally`.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    code, down = 130, 0
    try:
        code = run(kind)
    except KeyboardInterrupt:
        print("\ninterrupted; the stack goes down", file=sys.stderr)
    finally:
        down = tear_down(kind)
    print(f"demo: {'failed' if code or down else 'ok'} after {time.monotonic() - began:.0f} s")
    return code or down


if __name__ == "__main__":
    sys.exit(main())
