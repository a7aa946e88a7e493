# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring the example application up and down: `stack.py up --kind embedded|docker`, `stack.py down`, `stack.py status`.

What runs where is written to `.stack/<name>.json`; secrets stand in the files that it names, not in it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

import _tools
from _common import DATABASES, state_file, to_json
from _docker import Docker
from _embedded import Embedded
from _tools import StackError

KINDS: dict[str, type[Embedded] | type[Docker]] = {"embedded": Embedded, "docker": Docker}
# As init scripts have it: the program is not running.
NOT_RUNNING = 3


def known() -> list[str]:
    """The names of the stacks that are up, or were left half-way."""
    return sorted(path.stem for path in state_file("any").parent.glob("*.json"))


def read(name: str) -> Embedded | Docker:
    try:
        state = json.loads(state_file(name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StackError(f"[stack-missing] There is no stack named {name}; nothing was done. Next: make stack STACK=embedded") from None
    return KINDS[state["kind"]](state)


def up(arguments: argparse.Namespace) -> int:
    name = arguments.name or arguments.kind
    if name in known():
        raise StackError(f"[stack-exists] A stack named {name} is there already; it was left alone. Next: stack.py down --name {name}")
    began = time.monotonic()
    stack = KINDS[arguments.kind].plan(name, arguments.environment, arguments.release, arguments.directory)
    file = state_file(name)
    file.parent.mkdir(exist_ok=True)
    # First of all, so that `down` finds whatever an interrupted start leaves.
    file.write_text(to_json(stack.state), encoding="utf-8")
    stack.up()
    stack.fill(arguments.megabytes)
    print(
        f"stack {name}: release {arguments.release} healthy at {stack.state['health_url']} after {time.monotonic() - began:.1f} s · {file}"
    )
    return 0


def down(arguments: argparse.Namespace) -> int:
    # A stack with a name of its own belongs to whoever gave it that name; only naming it takes it down.
    for name in [arguments.name] if arguments.name else [name for name in known() if name in KINDS]:
        read(name).down()
        state_file(name).unlink()
        print(f"stack {name}: down")
    folder = state_file("any").parent
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
    return 0


def status(arguments: argparse.Namespace) -> int:
    names = [arguments.name] if arguments.name else known()
    running = []
    for name in names:
        services = read(name).services()
        running += services.values()
        print(f"stack {name}: " + ", ".join(f"{service} {'runs' if up else 'stopped'}" for service, up in services.items()))
    return 0 if running and all(running) else NOT_RUNNING


def service(arguments: argparse.Namespace) -> int:
    """The backend as a service of kind `command`: `DBOPS_IMAGE` says which release to start; `status` prints the one that runs."""
    stack = read(arguments.name or "embedded")
    if not isinstance(stack, Embedded):
        raise StackError("[service-in-container] This stack's services are containers. Nothing was done. Next: use docker compose")
    if arguments.verb == "start":
        stack.start_backend(os.environ.get("DBOPS_IMAGE"))
    elif arguments.verb == "stop":
        stack.stop_backend()
    elif arguments.verb == "log":
        print(stack.backend.log.read_text(encoding="utf-8", errors="replace"), end="")
    elif release := stack.running_release():
        print(release)
    else:
        return NOT_RUNNING
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("up", help="start it, migrate it, fill it with data")
    command.add_argument("--kind", choices=KINDS, default="embedded")
    command.add_argument("--environment", choices=DATABASES, default="development")
    command.add_argument("--release", choices=_tools.releases(), default="1")
    command.add_argument("--megabytes", type=int, default=10, help="of plausible data (default: %(default)s)")
    command.add_argument("--directory", type=lambda text: Path(text).resolve(), help="where its files lie (default: below .stack)")
    command.add_argument("--name", help="for more than one at a time (default: the kind)")
    command.set_defaults(run=up)
    command = commands.add_parser("down", help="stop it and remove all that it made")
    command.add_argument("--name", help="(default: the stacks that were brought up without a name)")
    command.set_defaults(run=down)
    command = commands.add_parser("status", help="say what runs")
    command.add_argument("--name", help="(default: every stack)")
    command.set_defaults(run=status)
    command = commands.add_parser("service", help="start, stop or ask for one server of an embedded stack")
    command.add_argument("verb", choices=("start", "stop", "status", "log"))
    command.add_argument("service", choices=("backend",))
    command.add_argument("--name")
    command.set_defaults(run=service)
    return parser.parse_args()


def main() -> int:
    arguments = parse()
    try:
        return arguments.run(arguments)
    except StackError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
