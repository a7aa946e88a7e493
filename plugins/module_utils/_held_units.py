# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Units of systemd that a failed window holds down: no start of the machine, and no socket, brings them back before a person has decided.

A file beside the unit makes a start of it fail, and say why, while the journal of the window is there: where nobody removes it, it has
no effect any more once the window is acknowledged.
"""

from __future__ import annotations

import contextlib
import glob
import os

from ._command import Command, run
from ._files import write_text

UNITS = "/etc/systemd/system"

_HELD = """\
# The maintenance window on {environment}/{name} failed, and keeps this unit down until somebody has decided.
# Recovering the window, or acknowledging it, removes this file.
[Unit]
AssertPathExists=!{journal}
"""


def full_name(unit: str) -> str:
    return unit if "." in unit else f"{unit}.service"


def _path(directory: str, unit: str) -> str:
    rest, name = os.path.split(directory)
    return os.path.join(UNITS, f"{unit}.d", f"dbops-window-{os.path.basename(rest)}-{name}.conf")


def hold(directory: str, unit: str) -> None:
    """directory: of the stack."""
    rest, name = os.path.split(directory)
    journal = os.path.join(directory, "window.json").replace("%", "%%")
    path = _path(directory, full_name(unit))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    write_text(path, _HELD.format(environment=os.path.basename(rest), name=name, journal=journal), 0o644)
    _reload()


def let_go(directory: str, unit: str = "*") -> None:
    """A unit, or all that windows of the stack hold. None of them is started."""
    if held := glob.glob(_path(directory, unit if unit == "*" else glob.escape(full_name(unit)))):
        for path in held:
            os.unlink(path)
            with contextlib.suppress(OSError):  # there are others of its kind
                os.rmdir(os.path.dirname(path))
        _reload()


def _reload() -> None:
    run(Command(["systemctl", "daemon-reload"]), timeout=60)
