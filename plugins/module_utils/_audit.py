# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The audit log of a stack: what was refused, and what changed where a database belongs."""

from __future__ import annotations

import json
import os
import pwd
from datetime import datetime, timezone
from typing import Any

from ._errors import OperationError
from ._files import make_private_directory
from ._stack import Stack


def path(stack: Stack) -> str:
    return os.path.join(stack.directory, "audit.jsonl")


def _login() -> str:
    """Who this process belongs to on the target; behind sudo, who called it."""
    try:
        return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _opened(stack: Stack) -> int:
    make_private_directory(stack.directory)
    return os.open(path(stack), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def require_writable(stack: Stack) -> None:
    """For what is not to happen unless it can be recorded afterwards."""
    os.close(_opened(stack))


def record(stack: Stack, event: str, by: dict[str, Any] | None = None, **facts: Any) -> None:
    """Append one line. It is on the disk when this returns, and lines of several processes do not mix.

    event: what happened: `refused`, `stamped`, `reset`, …
    by: who asked for it on the controller: user, controller, job_id, revision. What is empty is left out.
    facts: whatever else is to be remembered; never a secret.
    """
    line = {
        "time": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
        "stack": str(stack),
        "event": event,
        "by": {"login": _login(), **{key: value for key, value in (by or {}).items() if value}},
        **facts,
    }
    # One write to a file opened for appending: the kernel puts it at the end whoever else writes.
    descriptor = _opened(stack)
    try:
        os.write(descriptor, (json.dumps(line, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace"))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def refused(stack: Stack, error: OperationError, by: dict[str, Any] | None = None, **facts: Any) -> None:
    """Remember what was refused, and why."""
    failed(stack, "refused", error, by, **facts)


def failed(stack: Stack, event: str, error: OperationError, by: dict[str, Any] | None = None, **facts: Any) -> None:
    """Remember what ended so. A log that cannot be written is told beside that: the error stays what it is."""
    error.recorded = True
    try:
        record(stack, event, by, slug=error.slug, what=error.what, **facts)
    except OSError as failure:
        error.warnings.append(f"This could not be recorded in {path(stack)}: {failure.strerror or failure}.")


def lines(stack: Stack) -> list[dict[str, Any]]:
    """What was recorded, oldest first."""
    try:
        with open(path(stack), encoding="utf-8") as stream:
            return [json.loads(line) for line in stream]
    except FileNotFoundError:
        return []
