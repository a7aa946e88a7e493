# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""A server that lives no longer than this process, loads a backup, saves nothing, and that nobody else reaches."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ._client import Client
from ._place import Place
from ._redis_cli import Redis
from ._stack import Stack
from ._throwaway import Limits

# $1: its directory, $2: the backup, then its settings. It ends when its input, a pipe of ours, closes. One that is killed while it
# loads ends the script, for which somebody waits.
_SCRIPT = r"""
set -eu
umask 077
data=$1 backup=$2
shift 2
mkdir -p "$data"
server=
trap '[ -z "$server" ] || kill -9 "$server" 2> /dev/null || :; cd /; rm -rf "$data"' EXIT
cd "$data"
case $backup in
  *.aof.tar*) tar -xf "$backup" ;;
  *) ln -s "$backup" dump.rdb ;;
esac
if command -v redis-server > /dev/null; then family=redis; else family=valkey; fi
"$family-server" --port 0 --unixsocket "$data/socket" --unixsocketperm 700 --dir "$data" --dbfilename dump.rdb --save '' \
  --daemonize no --aof-load-truncated no "$@" >&2 &
server=$!
until [ "$("$family-cli" -s "$data/socket" ping 2> /dev/null)" = PONG ]; do
  kill -0 "$server" 2> /dev/null || wait "$server"
  sleep 0.1
done
echo ready
cat > /dev/null
"""

_INSIDE = "/tmp/dbops-throwaway"  # noqa: S108 - in a container of its own
_OUTSIDE = "/var/tmp"  # noqa: S108 - mkdtemp follows nobody's lead

# <process>:<role> <time> <level> <words>
_LOG = re.compile(r"^\d+:[A-Z] .*? [.*#-] (.*)$")
_TELLING = re.compile(
    r"Fatal|rror|Bad|Can't|Short read|Unexpected|Wrong|Internal|not valid|Killed|No such|truncated|version|module", re.IGNORECASE
)


@dataclass(frozen=True)
class Loading:
    """A backup, and with what it is loaded. image: "" for the target's own programs; settings: of the server, on top of those of limits."""

    place: Place
    stack: Stack
    run: str
    directory: str
    name: str
    image: str
    limits: Limits
    settings: tuple[tuple[str, str], ...] = ()

    def client(self) -> Client:
        memory = self.limits.memory
        options = ("--memory", memory, "--memory-swap", memory, "--cpus", f"{self.limits.cpus:g}")
        labels = {"stack": str(self.stack), "run": self.run}
        return Client(self.place, self.directory, image=self.image, labels=labels, read_only=True, options=options)


class NotLoaded(Exception):
    """What the server said when it did not load the backup. cut_off: that may not be the backup's fault."""

    def __init__(self, reason: str, *, cut_off: bool = False) -> None:
        super().__init__(reason)
        self.cut_off = cut_off


@contextlib.contextmanager
def loaded(loading: Loading, client: Client) -> Iterator[Redis]:
    """The server with the backup in it, among the programs of client."""
    with contextlib.ExitStack() as stack:
        directory = _INSIDE
        if not loading.image:
            directory = tempfile.mkdtemp(prefix="dbops-", dir=_OUTSIDE)
            stack.callback(shutil.rmtree, directory, ignore_errors=True)
        settings = [part for name, value in (*loading.settings, *loading.limits.settings) for part in (f"--{name}", *value.split(" "))]
        command = client.command(["sh", "-c", _SCRIPT, "throwaway", directory, client.path(loading.name), *settings], {})
        log = stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace"))
        # Not tied to this process: the end of its input is what it cleans up after.
        holder: Any = subprocess.Popen(
            command.argv, env=command.environ(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True
        )
        try:
            if not holder.stdout.readline():
                code = holder.wait()
                raise NotLoaded(_last_words(log) or f"it ended with {code} and said nothing", cut_off=code in (137, -9))
            yield Redis(client.place, "", "", socket=os.path.join(directory, "socket"))
        finally:
            with contextlib.suppress(BrokenPipeError):
                holder.stdin.close()
            holder.wait()
            holder.stdout.close()


def _last_words(log: Any) -> str:
    log.seek(0)
    return last_words(log.read())


def last_words(log: str) -> str:
    """What a log says of the end of a server. Pure."""
    lines = [match[1].strip() if (match := _LOG.match(line)) else line.strip() for line in log.splitlines()]
    telling = [line for line in lines if _TELLING.search(line)]
    return "; ".join((telling or [line for line in lines if line])[-2:])[:400]
