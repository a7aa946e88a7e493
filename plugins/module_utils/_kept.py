# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Programs that stay, for the seconds in which clients wait: to start one in a container takes longer than most of what it is told."""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import tempfile
import time

from ._command import Answer, Command
from ._coprocess import Coprocess

_CHUNK = 1 << 16  # bytes
_LOST = 1  # the exit code of one that ended before it had answered, and gave none: see `_psql.failure`
_IDLE = 1.0  # seconds after which one is asked whether its server is still there, before it is told anything


class Kept:
    """One psql, or shell, for each command line and environment that is asked for; it ends with this object, or with the thread that
    asked first.

    What a statement sets for its session the next one still has. One that fails ends its program, and the next one gets another.
    """

    def __init__(self) -> None:
        self._programs: dict[tuple[object, ...], _Program] = {}

    def __enter__(self) -> Kept:
        return self

    def __exit__(self, *_: object) -> None:
        for program in self._programs.values():
            program.let_go()  # all of them, so that they end at the same time
        for program in self._programs.values():
            program.end()
        self._programs.clear()

    def start(self, command: Command) -> None:
        """So that it is there when it is asked. What is wrong with it is told then."""
        if _key(command) not in self._programs:
            with contextlib.suppress(OSError):
                self._programs[_key(command)] = _Program(command)

    def ask(self, command: Command, text: str, timeout: float, alive: str = "") -> Answer:
        """As `_command.run` would answer.

        text: whole statements, as a program that stays waits for the end of the last one; alive: what one that was idle is told first.
        """
        key = _key(command)
        if key in self._programs and self._programs[key].idle() > _IDLE:
            self._tell(key, alive, timeout)
        if key not in self._programs:
            try:
                self._programs[key] = _Program(command)
            except OSError as error:
                return Answer(127, "", f"{command.argv[0]}: {error.strerror}")
        return self._tell(key, text, timeout)

    def _tell(self, key: tuple[object, ...], text: str, timeout: float) -> Answer:
        answer = self._programs[key].ask(text, timeout)
        if not answer.ok:
            self._programs.pop(key).end()
        return answer


def _key(command: Command) -> tuple[object, ...]:
    return (*command.argv, *sorted(command.env.items()))


class _Program:
    def __init__(self, command: Command) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by end()
        self._told = Coprocess(command, self._errors, start_new_session=True)
        self._input, self._output = self._told.input.fileno(), self._told.output.fileno()
        os.set_blocking(self._input, False)
        self._at_work = False
        self._since = time.monotonic()

    def idle(self) -> float:
        """Seconds since it was asked the last time, or started."""
        return time.monotonic() - self._since

    def ask(self, text: str, timeout: float) -> Answer:
        self._at_work = True
        mark = secrets.token_hex(16)
        begun = self._errors.seek(0, os.SEEK_END)
        out, ended = self._exchange(f"{text}\n\\echo {mark}\n".encode(), f"{mark}\n".encode(), time.monotonic() + timeout)
        if out is None:
            return Answer(124, "", f"no answer within {timeout:g} s")
        self._at_work, self._since = False, time.monotonic()
        # An engine that loses the connection may end its client as if all were well.
        code = (self._told.process.wait() or _LOST) if ended else 0
        self._errors.seek(begun)
        return Answer(code, out.decode("utf-8", "replace"), self._errors.read().decode("utf-8", "replace"))

    def _exchange(self, told: bytes, mark: bytes, until: float) -> tuple[bytes | None, bool]:
        """What it says before the mark, and whether it has ended before that; None where it takes too long."""
        said = b""
        while not said.endswith(mark):
            talks, listens, _failed = select.select([self._output], [self._input] if told else [], [], max(0.0, until - time.monotonic()))
            if not talks and not listens:
                return None, False
            if listens:
                try:
                    told = told[os.write(self._input, told) :]
                except BrokenPipeError:  # it has ended, and says why
                    told = b""
            if not talks:
                continue
            chunk = os.read(self._output, _CHUNK)
            if not chunk:
                return said, True
            said += chunk
        return said.removesuffix(mark), False

    def let_go(self) -> None:
        """The end of its input ends it. One that is still at work is not waited for."""
        if self._at_work:
            self._told.process.terminate()
        self._told.let_go()

    def end(self) -> None:
        self.let_go()
        self._told.close()
        self._errors.close()
