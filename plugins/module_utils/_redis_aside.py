# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""A setting of a server that is another one for a while, and its own again whatever ends this process."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from typing import Any

from ._errors import OperationError
from ._files import make_private_directory, read_json, write_json
from ._redis_cli import Redis
from ._redis_info import configuration
from ._redis_line import line_of
from ._redis_session import TIMEOUT, Session

# It stands beside the server, waits for the end of its input, a pipe of ours, and then says one line to redis-cli.
_KEEPER = ["sh", "-c", 'cat > /dev/null; line=$1; shift; printf "%s\\n" "$line" | "$@" | grep -q OK', "keeper"]
# It stands here. What is put back is remembered no longer: whoever gives the server that value later means it.
_FORGET = ["sh", "-c", 'record=$1; shift; "$@" && rm -f "$record"', "keeper"]


@contextlib.contextmanager
def aside(redis: Redis, session: Session, name: str, value: str, record: str) -> Iterator[None]:
    """Nothing is written to the server's own files: a restart in between puts the setting back as well.

    record: a file of this stack that remembers the setting while it is set aside, for whoever comes after a keeper that was killed, too.
    """
    before = _own_value(configuration(session, name)[name], name, value, record)
    make_private_directory(os.path.dirname(record))
    write_json(record, {name: before})
    back = line_of(("CONFIG", "SET", name, before)).decode().strip()
    command = redis.command(*_KEEPER, back)
    # Not tied to this process: what ends us closes its input, and it has to outlive that.
    keeper: Any = subprocess.Popen(
        [*_FORGET, record, *command.argv],
        env=command.environ(),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        session.ask("CONFIG", "SET", name, value)
        yield
    finally:
        keeper.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            keeper.wait(TIMEOUT)
    if configuration(session, name)[name] != before:
        raise OperationError(
            "setting-aside",
            f"{name} was set aside and could not be put back.",
            f"Redis serves with {name} {value}.",
            f"Put it back: redis-cli CONFIG SET {name} {before}",
        )
    with contextlib.suppress(FileNotFoundError):
        os.unlink(record)


def _own_value(found: str, name: str, value: str, record: str) -> str:
    """What the server has by itself. Only one that stands as it was set aside may be what a killed run has left."""
    try:
        known = read_json(record)
    except ValueError:
        return found
    return str(known[name]) if found == value and isinstance(known, dict) and name in known else found
