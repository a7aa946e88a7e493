# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Where a program is rehearsed: a backup in a throw-away server under the application's own names, and no way out."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from ._backup_dir import in_use
from ._command import Answer, run, start_tied
from ._errors import OperationError
from ._guest import Guest, new_name
from ._job import Progress
from ._pg_load import Target, differs
from ._pg_url import PgUrl
from ._psql import Server, quote_identifier, quote_literal
from ._rebuild import Rebuilding, rebuild

PASSWORD = "throwaway"  # noqa: S105 - of Redis, and what every other secret becomes. It opens nothing that stays.

# It is up when it answers, whatever it answers. Without a job of its own left to do the script waits for it.
_REDIS = r"""
set -eu
if command -v redis-server > /dev/null; then server=redis-server cli=redis-cli; else server=valkey-server cli=valkey-cli; fi
"$server" --bind 127.0.0.1 --port 6379 --save '' --appendonly no --requirepass "$1" >&2 &
until "$cli" -h 127.0.0.1 ping > /dev/null 2>&1; do
  kill -0 $!
  sleep 0.1
done
echo ready
wait
"""
_REDIS_CLI = 'exec "$(command -v redis-cli || command -v valkey-cli)" "$@"'


def attempts_in(snmp: str) -> int:
    """The kernel's counters of a namespace without routes: whatever was not for itself. Pure."""
    found = 0
    lines = snmp.splitlines()
    for names, values in zip(lines, lines[1:]):
        if names.startswith(("Ip: F", "Udp: I")):
            counters = dict(zip(names.split()[1:], values.split()[1:]))
            found += int(counters.get("OutNoRoutes", 0)) + int(counters.get("OutDatagrams", 0))
    match = re.search(r"^Ip6OutNoRoutes\s+(\d+)", snmp, re.MULTILINE)
    return found + (int(match[1]) if match else 0)


@dataclass(frozen=True)
class Plan(Rebuilding):
    """What a stage is made of. url: the application's; redis_image: an image that the engine has, "" for no Redis."""

    url: PgUrl = field(repr=False)
    redis_image: str = ""


class Stage:
    """The newest data, beside which programs of any image run that reach nothing else. Gone when this object is, or this process."""

    def __init__(self, plan: Plan, progress: Progress) -> None:
        self.plan = plan
        self._progress = progress
        self._open = contextlib.ExitStack()
        self._throwaway: Any = None
        self._redis_name = ""

    def __enter__(self) -> Stage:
        plan = self.plan
        with self._open:
            with in_use(os.path.join(plan.directory, plan.manifest["name"])):
                self._progress.say("starting a throw-away server", now=True)
                # Inside a namespace without a network, which the programs share.
                self._throwaway = self._open.enter_context(plan.throwaway(listen_addresses="127.0.0.1"))
                self._rebuild()
            if plan.redis_image:
                self._open.enter_context(self._redis(plan.redis_image))
            self._open = self._open.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _rebuild(self) -> None:
        plan = self.plan
        try:
            rebuilt = rebuild(plan.copy(self._throwaway, plan.url.database, self._progress), plan.directory, plan.url.database)
        except OperationError:
            self.require_alive()
            raise
        if rebuilt.wrong:
            raise differs(plan.manifest["name"], rebuilt.wrong)
        role = quote_identifier(plan.url.user)
        known = self.server.value(f"SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = {quote_literal(plan.url.user)}) AS known")
        self.server.execute(f"{'ALTER' if known else 'CREATE'} ROLE {role} LOGIN;")

    # -- what programs are told ----------------------------------------------------------------------------------

    @property
    def server(self) -> Server:
        """The database as the throw-away server's superuser sees it."""
        return self._throwaway.server.to(self.plan.url.database)

    @property
    def url(self) -> str:
        """PG_URL here: the application's role and database. There is nothing to encrypt."""
        given = self.plan.url
        parameters = urlencode({key: value for key, value in given.parameters.items() if not key.startswith("ssl")}, quote_via=quote)
        names = f"{quote(given.user, safe='')}:{PASSWORD}@127.0.0.1:5432/{quote(given.database, safe='')}"
        return f"postgres://{names}{'?' if parameters else ''}{parameters}"

    @property
    def target(self) -> Target:
        """The same with the programs of the server's image."""
        return Target(self._throwaway.server, self._throwaway, self.plan.jobs, run=self.plan.run)

    @property
    def redis_url(self) -> str:
        """REDIS_URL here; "" where there is none."""
        return f"redis://:{PASSWORD}@127.0.0.1:6379" if self.plan.redis_image else ""

    # -- running them --------------------------------------------------------------------------------------------

    def run(self, image: str, argv: list[str], env: dict[str, str], timeout: float, workdir: str = "", user: str = "") -> Answer:
        """Run a program of an image to its end. One that overruns `timeout` seconds answers 124; nothing of it is left."""
        answer = self._guest().run(argv, env, image, timeout, workdir=workdir, user=user)
        self.require_alive()
        return answer

    def attempts(self) -> int:
        """Packets so far that had nowhere to go: what programs here sent to other hosts, or asked of a name server."""
        snmp = run(self._throwaway.command(["cat", "/proc/net/snmp", "/proc/net/snmp6"], {}), timeout=60).out
        return attempts_in(snmp)

    def log(self) -> str:
        """All that its server has logged until now."""
        return str(self._throwaway.log())

    def ask_redis(self, *command: str) -> Answer:
        """What Redis answers; for a stage that has one."""
        argv = ["sh", "-c", _REDIS_CLI, "cli", "-e", "--no-auth-warning", *command]
        return run(self.plan.place.inside(self._redis_name, argv, {"REDISCLI_AUTH": PASSWORD}), timeout=60)

    def require_alive(self) -> None:
        if not self._throwaway.is_alive():
            raise OperationError(
                "stage-cut-off",
                f"The throw-away server of the rehearsal did not hold out: {self._throwaway.last_words()}.",
                "It is gone. Nothing was found out, and nothing else was changed.",
                "Give it more memory (postgres_throwaway_memory) or space, then run it again.",
            )

    def _guest(self) -> Guest:
        name, limits = self._throwaway.name, self.plan.limits
        options = ("--memory", limits.memory, "--memory-swap", limits.memory, "--cpus", f"{limits.cpus:g}")
        return Guest(self.plan.place, name, (f"container:{name}",), self._throwaway.labels, options)

    @contextlib.contextmanager
    def _redis(self, image: str) -> Iterator[None]:
        """An empty Redis."""
        name = new_name()
        command = self._guest().command(name, ["sh", "-c", _REDIS, "redis", PASSWORD], image)
        holder: Any = start_tied(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            if not holder.stdout.readline():
                raise OperationError(
                    "throwaway-not-started",
                    f"A throw-away Redis of {image} did not start.",
                    "It is gone; nothing else was changed.",
                    "Name an image of Redis or Valkey that the engine has: postgres_throwaway_redis_image.",
                )
            self._redis_name = name
            yield
        finally:
            self.plan.place.engine.run("rm", "--force", "--volumes", name)
            holder.wait()
            holder.stdout.close()
