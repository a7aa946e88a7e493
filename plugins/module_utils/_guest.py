# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Programs of any image in a container that ends with us, however we end, and that knows its secrets from its standard input."""

from __future__ import annotations

import contextlib
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Callable

from ._command import Answer, Command, run, start_tied
from ._errors import OperationError
from ._place import Place

_NOT_RUN = 125  # https://docs.docker.com/engine/containers/run/#exit-status


@dataclass(frozen=True)
class Guest:
    """Where guests live.

    host: the container whose processes they are among: the kernel ends all processes of a namespace whose first one is gone.
    networks: what they reach.
    """

    place: Place
    host: str
    networks: tuple[str, ...]
    labels: dict[str, str]
    options: tuple[str, ...] = ()

    def command(self, name: str, argv: list[str], image: str, options: tuple[str, ...] = ()) -> Command:
        further = tuple(part for network in self.networks[1:] for part in ("--network", network))
        return self.place.client(
            name,
            argv,
            {},
            image=image,
            network=self.networks[0],
            labels=self.labels,
            as_caller=False,
            init=False,
            options=("--pid", f"container:{self.host}", *further, *self.options, *options),
        )

    def run(
        self,
        argv: list[str],
        env: dict[str, str],
        image: str,
        timeout: float,
        *,
        workdir: str = "",
        user: str = "",
        overran: Callable[[str], None] = lambda _name: None,
    ) -> Answer:
        """Run a program to its end. One that overruns answers 124; nothing of it is left. overran: told its name before it is ended."""
        name = new_name()
        # Variables of the program's, such as PATH, must not become those of the engine's client. A file of variables has no
        # place for line breaks: such a value is a certificate or the like, and its name none that a client reads.
        lines = {key: value for key, value in env.items() if "\n" not in value}
        options = [part for flag, value in (("--workdir", workdir), ("--user", user)) if value for part in (flag, value)]
        options += [part for key in sorted(env.keys() - lines.keys()) for part in ("--env", key)]
        command = self.command(name, argv, image, ("--env-file", "/dev/stdin", *options))
        command = Command(command.argv, {key: value for key, value in env.items() if key not in lines})
        try:
            answer = run(command, stdin="".join(f"{key}={value}\n" for key, value in lines.items()), timeout=timeout, tied=True)
            if answer.code == _NOT_RUN:
                raise OperationError(
                    "engine-failed",
                    f"A container of {image} could not be run: {answer.reason}.",
                    "Nothing was changed.",
                    "Correct what the engine says.",
                )
            if answer.code == 124:
                overran(name)
            return answer
        finally:
            self.place.engine.run("rm", "--force", "--volumes", name)


def new_name() -> str:
    return f"dbops-stage-{secrets.token_hex(6)}"


@contextlib.contextmanager
def holder(place: Place, image: str, labels: dict[str, str]) -> Iterator[str]:
    """A container that does nothing but be the first process of a namespace; its name."""
    name = new_name()
    # Its input is a pipe of ours, so whatever ends us ends it.
    command = place.client(name, ["sh", "-c", "echo ready; exec cat > /dev/null"], {}, image=image, network="none", labels=labels)
    process: Any = start_tied(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        if not process.stdout.readline():
            raise OperationError(
                "engine-failed",
                f"A container of {image} could not be started.",
                "Nothing was changed.",
                "Read what the engine's log says of it.",
            )
        yield name
    finally:
        place.engine.run("rm", "--force", "--volumes", name)
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.wait()
        process.stdout.close()
