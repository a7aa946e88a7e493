# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The dead man's switch: what on the target brings the service back when the controller is gone.

It runs `dbops-window switch` when the time of the journal's present phase is over, and only then: a phase that begins writes the
journal and has so wound it up again. Where systemd runs and we are root it is a timer on a monotonic clock, and its service is
enabled, so that a machine that was started anew runs it first of all. Elsewhere it is a process that sleeps, which outlives
its controller and every connection, but no restart of the machine and no kill.
"""

from __future__ import annotations

import contextlib
import os
import time

from . import _clock, _journal, _window
from ._command import Command, run
from ._errors import OperationError
from ._files import write_text
from ._job import Job, Progress
from ._stack import Stack

_UNITS = "/etc/systemd/system"
_MANAGED = "/run/systemd/system"  # https://www.freedesktop.org/software/systemd/man/latest/sd_booted.html

_SERVICE = """\
# Brings {stack} back when whoever runs its maintenance window is gone. Written when the window stops services, removed at its end.
[Unit]
Description=Dead man's switch of the maintenance window on {stack}
After=docker.service podman.service network-online.target
Wants=network-online.target

[Service]
Type=oneshot
ExecStart={script} switch
TimeoutStartSec=infinity

[Install]
WantedBy=multi-user.target
"""

_TIMER = """\
[Unit]
Description=When the dead man's switch of {stack} looks at its window

[Timer]
OnActiveSec={seconds:.0f}
AccuracySec=1s
Unit={name}.service

[Install]
WantedBy=timers.target
"""


def kind() -> str:
    return "systemd" if os.path.isdir(_MANAGED) and os.geteuid() == 0 else "process"


def _name(stack: Stack) -> str:
    return f"dbops-window-{stack.environment}-{stack.name}"


def _systemctl(*arguments: str) -> None:
    answer = run(Command(["systemctl", *arguments]), timeout=60)
    if not answer.ok:
        raise OperationError(
            "switch-failed",
            f"The dead man's switch could not be armed: systemctl {arguments[0]}: {answer.reason}.",
            "Nothing was stopped.",
            "Correct what systemd says.",
        )


def arm(stack: Stack, window: str, seconds: float) -> str:
    """Fire in `seconds`, unless the journal says later by then. The kind of switch."""
    if kind() == "systemd":
        _write_timer(stack, seconds)
        write_text(os.path.join(_UNITS, f"{_name(stack)}.service"), _SERVICE.format(stack=stack, script=stack.script), 0o644)
        _systemctl("daemon-reload")
        _systemctl("enable", "--quiet", f"{_name(stack)}.service")
        _systemctl("restart", f"{_name(stack)}.timer")
        return "systemd"
    Job(os.path.join(stack.jobs, f"{window}-switch")).start(lambda progress: _sleep(stack, window, progress))
    return "process"


def _write_timer(stack: Stack, seconds: float) -> None:
    text = _TIMER.format(stack=stack, name=_name(stack), seconds=max(1.0, seconds))
    write_text(os.path.join(_UNITS, f"{_name(stack)}.timer"), text, 0o644)


def again(stack: Stack, seconds: float) -> None:
    """It has looked, and it was too early."""
    if kind() == "systemd":
        _write_timer(stack, seconds)
        _systemctl("daemon-reload")
        _systemctl("restart", f"{_name(stack)}.timer")


_LOOK = 1.0  # seconds between two looks at the journal


def _sleep(stack: Stack, window: str, progress: Progress) -> dict[str, bool]:
    """What the process does: it has no manager, so it looks at the journal again and again, and ends with its window."""
    progress.say("waiting", now=True)
    while True:
        journal = _journal.read(stack.journal)
        if journal.get("id") != window or journal["state"] != "open":
            return {"changed": False}
        if _window.left(journal, _clock.read()) <= 0:
            run(Command([stack.script, "switch"]))
        time.sleep(_LOOK)


def disarm(stack: Stack) -> None:
    """Nothing of it is left. A process ends by itself when the journal is gone."""
    if not os.path.exists(os.path.join(_UNITS, f"{_name(stack)}.service")):
        return
    for unit in ("timer", "service"):
        run(Command(["systemctl", "disable", "--quiet", *(["--now"] if unit == "timer" else []), f"{_name(stack)}.{unit}"]), timeout=60)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(_UNITS, f"{_name(stack)}.{unit}"))
    run(Command(["systemctl", "daemon-reload"]), timeout=60)
