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
import glob
import os
import re
import sys
import time
import traceback
from collections.abc import Mapping

from . import _clock, _journal, _window
from ._command import Command, run
from ._errors import OperationError
from ._files import write_text
from ._held_units import UNITS, full_name
from ._job import Job, Progress
from ._stack import Stack

_MANAGED = "/run/systemd/system"  # https://www.freedesktop.org/software/systemd/man/latest/sd_booted.html

_LEAST = 244  # the release of systemd that restarts a oneshot service which failed

_LOOK = 1.0  # seconds between two looks at the journal
AGAIN = 30.0  # seconds until it fires again where it could not bring the window to an end

_SERVICE = """\
# Brings {stack} back when whoever runs its maintenance window is gone. Written when the window stops services, removed at its end.
[Unit]
Description=Dead man's switch of the maintenance window on {stack}
After=docker.service podman.service postgresql.service redis-server.service redis.service network-online.target
Before={units}
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Type=oneshot
# What it starts by commands of the user's is to live on when this unit has ended and is gone: it stands in a scope of its own.
{environment}ExecStart=systemd-run --scope --quiet --collect -- "{python}" "{script}" switch
TimeoutStartSec=infinity
Restart=on-failure
RestartSec={again:.0f}

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
"""


# How what a window calls is found: its services' and hooks' commands, and the engine. A unit would have systemd's own. The file is
# readable by everybody, so nothing else of an environment goes into it.
_ENGINE = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "CONTAINER_HOST")
_VARIABLES = ("PATH", "HOME", *_ENGINE)


def _quoted(text: str) -> str:
    """As systemd.syntax(7) wants it between quotation marks; `%` would begin a specifier."""
    quoted = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "%": "%%"}
    return "".join(quoted.get(each, each) for each in text)


def _argument(text: str) -> str:
    """Of a command, where `$` would begin a variable."""
    return _quoted(text).replace("$", "$$")


def _environment(variables: Mapping[str, str]) -> str:
    """Lines of a unit by which it has them."""
    return "".join(f'Environment="{name}={_quoted(variables[name])}"\n' for name in _VARIABLES if variables.get(name))


def kind() -> str:
    return "systemd" if os.path.isdir(_MANAGED) and os.geteuid() == 0 else "process"


def require_possible() -> None:
    """What would keep it from being armed is found out while nobody has been told of a window."""
    if kind() != "systemd":
        return
    if not os.access(UNITS, os.W_OK):
        raise _failed(f"no unit can be written to {UNITS}", "Have it writable.")
    told = run(Command(["systemctl", "--version"]), timeout=60)
    release = re.match(r"systemd (\d+)", told.out)
    if not told.ok or not release or int(release[1]) < _LEAST:
        said = told.out.partition("\n")[0] or told.reason
        raise _failed(f"systemd has to be {_LEAST} or later, and says {said!r}", "Run the window as a user other than root, or upgrade.")


def _name(stack: Stack) -> str:
    return f"dbops-window-{stack.environment}-{stack.name}"


def _script(stack: Stack, verb: str) -> Command:
    """By its interpreter: where it lies nothing may be allowed to be executed."""
    return Command([sys.executable, stack.script, verb])


def _failed(why: str, cure: str) -> OperationError:
    return OperationError("switch-failed", f"The dead man's switch could not be armed: {why}.", "Nothing was stopped.", cure)


def _systemctl(*arguments: str) -> None:
    answer = run(Command(["systemctl", *arguments]), timeout=60)
    if not answer.ok:
        raise _failed(f"systemctl {arguments[0]}: {answer.reason}", "Correct what systemd says.")


def arm(stack: Stack, journal: _window.Journal, patience: float = 0.0) -> str:
    """Fire when the time of the journal's phase is over, unless it says later by then. The kind of switch.

    patience: seconds that are given at least, where that time is over and whoever arms it is at work.
    """
    tried = run(_script(stack, "status"), timeout=60)
    if not tried.ok:
        raise _failed(f"{stack.script} does not run: {tried.reason}", "Correct what it says: without it nobody would start them again.")
    if kind() == "systemd":
        _write_timer(stack, max(patience, _window.left(journal, _clock.read())))
        # On a machine that was started anew the application's units do not start before it is known on what.
        services = (journal.get("undo") or {}).get("services") or []
        units = " ".join(full_name(each.get("unit") or each["name"]) for each in services if each["kind"] == "systemd")
        command = {"python": _argument(sys.executable), "script": _argument(stack.script)}
        service = _SERVICE.format(stack=stack, units=units, again=AGAIN, environment=_environment(os.environ), **command)
        write_text(os.path.join(UNITS, f"{_name(stack)}.service"), service, 0o644)
        _systemctl("daemon-reload")
        _systemctl("enable", "--quiet", f"{_name(stack)}.service")
        _systemctl("restart", f"{_name(stack)}.timer")
        return "systemd"
    # A window that failed, and is under way again, has another one: the job of the first has ended.
    name = _job(journal["id"]) + (f"-{journal['epoch']}" if journal["epoch"] > 1 else "")
    Job(os.path.join(stack.jobs, name)).start(lambda progress: _sleep(stack, journal["id"], progress, patience))
    return "process"


def _job(window: str) -> str:
    return f"{window}-switch"


def is_armed(stack: Stack, window: str) -> bool:
    if kind() == "systemd":
        return os.path.exists(os.path.join(UNITS, f"{_name(stack)}.service"))
    return any(Job(path).is_alive() for path in glob.glob(os.path.join(stack.jobs, f"{_job(window)}*")))


def _write_timer(stack: Stack, seconds: float) -> None:
    text = _TIMER.format(stack=stack, name=_name(stack), seconds=max(1.0, seconds))
    write_text(os.path.join(UNITS, f"{_name(stack)}.timer"), text, 0o644)


def again(stack: Stack, seconds: float) -> None:
    """It has looked, and it was too early."""
    if kind() == "systemd":
        _write_timer(stack, seconds)
        _systemctl("daemon-reload")
        _systemctl("restart", f"{_name(stack)}.timer")


def _sleep(stack: Stack, window: str, progress: Progress, patience: float = 0.0) -> dict[str, bool]:
    """What the process does: it has no manager, so it looks at the journal again and again, and ends with its window."""
    progress.say("waiting", now=True)
    next_try = time.monotonic() + patience
    while True:
        try:
            journal = _journal.read(stack.journal)
            if journal.get("id") != window or not is_wanted(journal):
                return {"changed": False}
            due = journal["state"] != "open" or _window.left(journal, _clock.read()) <= 0
        except Exception:  # noqa: BLE001 - a disk, or a hand in the journal: how much time is left is not known, and people have to know
            traceback.print_exc()
            due = True
            time.sleep(AGAIN)
        if due and time.monotonic() >= next_try:
            _fire(stack)
            next_try = time.monotonic() + AGAIN
        time.sleep(_LOOK)


def _fire(stack: Stack) -> None:
    try:
        run(_script(stack, "switch"))
    except Exception:  # noqa: BLE001 - no memory, no process: it is the last one that watches
        traceback.print_exc()


def is_wanted(journal: _window.Journal) -> bool:
    """The window is open; or it needs a person, and nobody has heard of that."""
    return bool(journal["state"] == "open" or _window.is_unheard(journal))


def disarm(stack: Stack) -> None:
    """Nothing of it is left. A process ends by itself when the journal is gone."""
    service = f"{_name(stack)}.service"
    if not os.path.exists(os.path.join(UNITS, service)):
        return
    # One that waits for its next try would not find itself then, and stay as a unit that has failed. One that is at work may be who asks.
    if run(Command(["systemctl", "show", "--value", "--property", "SubState", service]), timeout=60).out.strip() == "auto-restart":
        run(Command(["systemctl", "stop", service]), timeout=60)
    for unit in ("timer", "service"):
        run(Command(["systemctl", "disable", "--quiet", *(["--now"] if unit == "timer" else []), f"{_name(stack)}.{unit}"]), timeout=60)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(UNITS, f"{_name(stack)}.{unit}"))
    run(Command(["systemctl", "daemon-reload"]), timeout=60)
