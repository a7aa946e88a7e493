# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""One redis-cli that stays open for as long as a task needs it."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import select
import subprocess
import time
from typing import Any

from ._command import Command
from ._coprocess import Coprocess
from ._errors import OperationError
from ._redis_errors import failure, lost
from ._redis_line import Refusal, Word, decoded, is_plain, line_of, parse, plain

TIMEOUT = 60.0  # seconds for one answer
LOADING = 60.0  # seconds for a server to load its data
_POLL = 0.2
_PORTION = 1 << 20

# redis-cli goes on without the login that failed, with another database than the one that was asked for, and without a server.
_NOT_OPENED = re.compile(r"(AUTH|SELECT \d+) failed|Could not connect|Error: ")


class Session:
    """A redis-cli that is fed line by line. It ends when this object is closed, and when this process dies.

    Left alone, redis-cli would connect anew and go on as if nothing had been. Here the first sign of a lost connection is the end:
    whoever knows that repeating does no harm opens another session.
    """

    def __init__(self, command: Command, loading: float = LOADING) -> None:
        self._rest = b""
        # What redis-cli says of the connection comes in the place of an answer, so it comes the same way.
        self._cli = Coprocess(command, subprocess.STDOUT)
        try:
            self._open(time.monotonic() + loading)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._cli.close(patience=5)

    def ask(self, *words: Word, timeout: float = TIMEOUT) -> Any:
        """The reply to one command: text, whole number, None or a list of those. A refusal is raised.

        In texts, bytes that are no UTF-8 are lone surrogates, and are taken as such; `shown` makes them fit for a message.
        """
        reply = self.reply(*words, timeout=timeout)
        if isinstance(reply, Refusal):
            raise failure(reply, _name(words))
        return reply

    def reply(self, *words: Word, timeout: float = TIMEOUT) -> Any:
        """The same, for whom a refusal is a reply like any other."""
        until = time.monotonic() + timeout
        if is_plain(words):
            return self._plain(words, until)
        self._write(line_of(words))
        line = self._line(until)
        try:
            return parse(line)
        except ValueError:
            raise self._lost(line, words) from None

    def _plain(self, words: tuple[Word, ...], until: float) -> Any:
        """A reply of as many lines as it has: another reply ends it, which can be known, even where the user may not have it."""
        mark = secrets.token_hex(8)
        self._write(line_of(words) + line_of(("ECHO", mark)))
        end, lines = f'"{mark}"\n'.encode(), [self._line(until)]
        while lines[-1] != end and not lines[-1].startswith(b'error:"'):
            if not lines[-1].endswith(b"\n") or lines[-1].startswith(b"Error: "):
                raise self._lost(lines[-1], words)
            lines.append(self._line(until))
        return plain(b"".join(lines[:-1]))

    def _lost(self, line: bytes, words: tuple[Word, ...]) -> OperationError:
        self._cli.kill()
        return lost(decoded(line + self._rest), _name(words))

    def _open(self, loaded: float) -> None:
        """Until the server answers as it will answer everything: logged in, its database selected, its data loaded."""
        while True:
            self._write(line_of(("PING",)))
            line, said = self._line(time.monotonic() + TIMEOUT), ""
            while not line.startswith((b'"', b"error:")):
                said += decoded(line)
                # Other words may be a warning of the engine's client.
                if not line.endswith(b"\n") or _NOT_OPENED.match(decoded(line)):
                    raise failure(said or "no answer", "the connection")
                line = self._line(time.monotonic() + TIMEOUT)
            reply = parse(line)
            # A server that cannot save refuses a PING as it refuses a write, and answers everything else.
            if not isinstance(reply, Refusal) or reply.startswith("MISCONF"):
                return
            if not reply.startswith("LOADING") or time.monotonic() > loaded:
                raise failure(reply, "PING")
            time.sleep(_POLL)

    def _write(self, lines: bytes) -> None:
        # Where redis-cli has ended, its last words are read next.
        with contextlib.suppress(BrokenPipeError):
            self._cli.input.write(lines)
            self._cli.input.flush()

    def _line(self, until: float) -> bytes:
        """The next line; at the end of the output, or of the time, what there is of it."""
        portions = [self._rest]
        while b"\n" not in portions[-1]:
            if not select.select([self._cli.output], [], [], max(0.0, until - time.monotonic()))[0]:
                self._cli.kill()
                return b"".join(portions) or b"no answer in time"
            portions.append(os.read(self._cli.output.fileno(), _PORTION))
            if not portions[-1]:
                break
        line, end, self._rest = b"".join(portions).partition(b"\n")
        return line + end


def _name(words: tuple[Word, ...]) -> str:
    """The command without its arguments, which may be secrets or keys."""
    return str(words[0]).upper()
