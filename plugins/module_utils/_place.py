# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Where programs run: every command line for an engine or for the target itself is built here.

A server in a container is operated by `exec` in it for short commands, and by a short-lived client
container of the same image id, in the server's network namespace, for whatever reads or writes files.
A server without a container is operated by the target's own programs.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from typing import Any

from ._command import Answer, Command, run
from ._errors import OperationError

LABEL = "amanat.dbops"


@dataclass(frozen=True)
class Engine:
    """A Docker-compatible engine's command line client. window: by whose id the client containers of this moment are found again."""

    binary: str = "docker"
    socket: str = ""
    window: str = ""

    @property
    def host(self) -> str:
        """Where it listens, as its clients want to be told; "" for their own default."""
        return f"unix://{self.socket}" if self.socket and "://" not in self.socket else self.socket

    def argv(self, *arguments: str) -> list[str]:
        return [self.binary, *(["--host", self.host] if self.host else []), *arguments]

    def run(self, *arguments: str, env: dict[str, str] | None = None, timeout: float | None = 60) -> Answer:
        return run(Command(self.argv(*arguments), env or {}), timeout=timeout)

    def inspect(self, kind: str, name: str) -> dict[str, Any] | None:
        """What the engine knows of a container or an image; None where it knows nothing of it."""
        answer = self.run("inspect", "--type", kind, name)
        if answer.ok:
            return json.loads(answer.out)[0]
        if f"no such {kind}" in answer.err.lower():
            return None
        raise OperationError(
            "engine-unreachable",
            f"{self.binary} does not answer: {answer.reason}.",
            "Nothing was changed.",
            f"Start the engine, or let this user reach it: {' '.join(self.argv('info'))}",
        )

    def container(self, name: str) -> dict[str, Any]:
        """A container that has to exist and to run."""
        facts = self.inspect("container", name)
        if facts is None:
            raise OperationError(
                "container-unknown",
                f"The engine knows no container {name!r}.",
                "Nothing was changed.",
                f"Correct the name in the inventory, or deploy it; what runs: {' '.join(self.argv('ps'))}",
            )
        if not facts["State"]["Running"]:
            raise OperationError(
                "container-stopped",
                f"The container {name!r} is {facts['State']['Status']}.",
                "Nothing was changed.",
                f"{' '.join(self.argv('start', name))}",
            )
        return facts

    def digest(self, image: str) -> str:
        """The digest by which a registry knows an image; "" where none does."""
        digests = (self.inspect("image", image) or {}).get("RepoDigests") if image else []
        return digests[0] if digests else ""

    def network(self, name: str) -> str:
        """Where a container's name means what it means to its clients: its network, else its very namespace."""
        facts = self.container(name)
        return next(iter(sorted(facts["NetworkSettings"]["Networks"])), f"container:{facts['Id']}")

    def caller(self) -> str:
        """User and group in a container whose files are this process' own: in a rootless engine that is its root."""
        owner = f"{os.getuid()}:{os.getgid()}"
        # Root is root in both, and needs not ask.
        return "0:0" if os.getuid() and "name=rootless" in self.run("info", "--format", "{{.SecurityOptions}}").out else owner


def cores(host: int, limits: dict[str, Any]) -> int:
    """Processors that a container may use; `limits` is what the engine knows of them, {} without a container."""
    found = [float(host)]
    if limits.get("NanoCpus"):
        found.append(limits["NanoCpus"] / 1e9)
    if limits.get("CpuQuota", 0) > 0:
        found.append(limits["CpuQuota"] / (limits.get("CpuPeriod") or 100_000))
    if limits.get("CpusetCpus"):
        ranges = (part.partition("-") for part in limits["CpusetCpus"].split(","))
        found.append(sum(int(last or first) - int(first) + 1 for first, _dash, last in ranges))
    return max(1, math.ceil(min(found)))


def _env_flags(env: dict[str, str]) -> list[str]:
    """Variables by name only: their values are read from the client's own environment."""
    return [part for name in sorted(env) for part in ("--env", name)]


def _field(text: str) -> str:
    """One field of an option that the engine reads as a line of CSV."""
    return '"' + text.replace('"', '""') + '"' if "," in text or '"' in text else text


@dataclass(frozen=True)
class Place:
    """One server's place: its container, or the target itself where `container` is empty."""

    engine: Engine
    container: str = ""
    bin_dir: str = ""

    def running(self) -> dict[str, Any]:
        """What the engine knows of the server's container, which has to run; {} where there is none."""
        return self.engine.container(self.container) if self.container else {}

    def here(self, argv: list[str], env: dict[str, str]) -> Command:
        """A command on the target itself, with the server's own programs first on the path."""
        if self.bin_dir:
            env = {**env, "PATH": self.bin_dir + os.pathsep + os.environ.get("PATH", "")}
        return Command(argv, env)

    def short(self, argv: list[str], env: dict[str, str]) -> Command:
        """A short command beside the server."""
        if not self.container:
            return self.here(argv, env)
        return self.inside(self.container, argv, env)

    def inside(self, container: str, argv: list[str], env: dict[str, str]) -> Command:
        """A command in a running container, fed by standard input."""
        return Command(self.engine.argv("exec", "--interactive", *_env_flags(env), container, *argv), env)

    def client(
        self,
        name: str,
        argv: list[str],
        env: dict[str, str],
        *,
        image: str,
        network: str,
        mounts: dict[str, str] | None = None,
        labels: dict[str, str] | None = None,
        as_caller: bool = True,
        read_only: bool = False,
        init: bool = True,
        options: tuple[str, ...] = (),
    ) -> Command:
        """A short-lived container. It ends when its main process does, and that one when its input closes.

        network: `container:<id>` for the server's own namespace, or the name of a network.
        mounts: host directory to container path.
        as_caller: files get the owner of this process; otherwise the image's own user works.
        read_only: nothing can be written to the mounts.
        init: the engine's own first process reaps what the command leaves; where the namespace has a first process, it does.
        options: whatever else the engine's `run` is told.
        """
        flags = ["run", "--rm", "--interactive", *(["--init"] if init else []), "--pull", "never", "--name", name, "--network", network]
        if as_caller:
            flags += ["--user", self.engine.caller()]
        protection = ["readonly"] if read_only else []
        for source, destination in sorted((mounts or {}).items()):
            flags += ["--mount", ",".join(["type=bind", _field(f"source={source}"), f"destination={destination}", *protection])]
        known = {"window": self.engine.window} if self.engine.window else {}
        for key, value in sorted({**known, **(labels or {})}.items()):
            flags += ["--label", f"{LABEL}.{key}={value}"]
        flags += [*options, *_env_flags(env)]
        return Command(self.engine.argv(*flags, "--entrypoint", argv[0], image, *argv[1:]), env)
