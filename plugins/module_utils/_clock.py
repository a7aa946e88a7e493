# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The target's own clock, which goes on in a suspended machine and which nobody can set."""

from __future__ import annotations

import contextlib
import time

from ._window import Clock


def read() -> Clock:
    """The moment now. A container that was started anew counts as a machine that was: its first process is another one."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
        boot = stream.read().strip()
    begun = ""
    # Others' processes may be hidden from whoever is not root: then it is not known.
    with contextlib.suppress(OSError), open("/proc/1/stat", encoding="utf-8", errors="replace") as stream:
        # https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html: field 22, counted from behind the name in parentheses.
        begun = stream.read().rpartition(")")[2].split()[19]
    return Clock(f"{boot}/{begun}", time.clock_gettime(time.CLOCK_BOOTTIME))
