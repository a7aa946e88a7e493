# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Running programs: an argument vector, an environment, an answer."""

from __future__ import annotations

import ctypes
import itertools
import os
import re
import signal
import subprocess
import tempfile
import threading
from dataclasses import dataclass, field
from typing import IO, Any


@dataclass(frozen=True)
class Command:
    """A command line, the variables it needs, and those of ours that it is not to have. Secrets travel in `env`, never in `argv`."""

    argv: list[str]
    env: dict[str, str] = field(default_factory=dict, repr=False)
    without: tuple[str, ...] = ()

    def environ(self) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if name not in self.without}
        return {**ours, **self.env}


# PostgreSQL quotes rows, and statements that may hold some, in lines of their own and the lines that follow them.
_NEXT = r"(?:pg_\w+|psql|vacuumdb): |psql:|[A-Z]+:  |Command was: "
_ROWS = re.compile(rf"^(?:DETAIL|CONTEXT|QUERY|STATEMENT|LINE \d+): .*(?:\n(?!{_NEXT}).*)*\n?", re.MULTILINE)
# A value that is none of its type ends the line.
_VALUE = re.compile(r"""(?<=: )"(?:[^"]|"")*"$|(?<=\bvalue )"(?:[^"]|"")*"(?= is out of range)""", re.MULTILINE)
# The same in a string of JSON, where line ends and quotes are escaped.
_ESCAPED = r"""\\"(?:[^"\\]|\\{3}"|\\{2}|\\[^"\\])*\\\""""
_ROWS_INSIDE = re.compile(rf"""\\n(?:DETAIL|CONTEXT|QUERY|STATEMENT|LINE \d+): (?:[^"\\\n]|\\(?!n(?:{_NEXT}))[^\n])*""")
_VALUE_INSIDE = re.compile(rf"""(?<=: ){_ESCAPED}(?="|\\n)|(?<=\bvalue ){_ESCAPED}(?= is out of range)""")
# The same of an error as node prints it, or a logger as JSON: strings, which may be put together of several, lists, or plain text.
_STRING = rf"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|{_ESCAPED})"""
_FIELD = re.compile(
    rf"""(\b(?:detail|where|internalQuery|params|parameters)\\?["']?:(?![ ]?(?:undefined|null|Query was: ))[ ]?)"""
    rf"""(?:{_STRING}(?:\s*\+\s*{_STRING})*|\[(?:{_STRING}|[^\]"'`])*\]|.+)"""
)
# What PostgreSQL's details say, where a program prints nothing else.
_KEY = re.compile(r"(\bKey \([^\n]*?\)=|\bFailing row contains )\(.*\)")


def without_rows(text: str) -> str:
    """What a program says, but for the content of tables: it goes into messages, reports and announcements."""
    text = _VALUE_INSIDE.sub('"…"', _ROWS_INSIDE.sub("", _ROWS.sub("", text)))
    return _KEY.sub(r"\1(…)", _FIELD.sub(r'\1"…"', _VALUE.sub('"…"', text)))


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def ok(self) -> bool:
        return self.code == 0

    @property
    def reason(self) -> str:
        """The last words of a program that failed, short enough for a message."""
        lines = [line.strip() for line in without_rows(self.err or self.out).splitlines() if line.strip()]
        return " | ".join(lines[-3:])[:600] or f"exit code {self.code}"


_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)  # opened here: between fork and exec nothing may be loaded


def _end_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _start(command: Command, **options: Any) -> subprocess.Popen[Any]:
    return subprocess.Popen(command.argv, env=command.environ(), **options)


def start_tied(command: Command, **options: Any) -> subprocess.Popen[Any]:
    """Start a program that is told to end when the thread that started it is gone, even by kill -9."""
    # Between fork and exec only one call of the C library is made, so other threads cannot hold what it needs.
    tied = _end_with_parent
    return subprocess.Popen(command.argv, env=command.environ(), preexec_fn=tied, **options)  # noqa: PLW1509 - safe, see above


def run(
    command: Command,
    stdin: str = "",
    timeout: float | None = None,
    cwd: str | None = None,
    *,
    encoding: str = "utf-8",
    tied: bool = False,
) -> Answer:
    """Run to the end. A program that cannot be started answers 127, one that overruns `timeout` seconds 124.

    What it says goes to files, not pipes: a service that it started, and that keeps its output, is not waited for.
    It leads a session, so that whatever it started for this work ends with it when it overruns.
    A tied one ends with us too, however we end.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            start = start_tied if tied else _start
            process = start(command, cwd=cwd, stdin=subprocess.PIPE, stdout=out, stderr=err, start_new_session=True)
        except OSError as error:
            why = "not found" if isinstance(error, FileNotFoundError) else error.strerror
            return Answer(127, "", f"{error.filename or command.argv[0]}: {why}")
        try:
            process.communicate(stdin.encode(), timeout)
        except subprocess.TimeoutExpired:
            return Answer(124, "", f"no answer within {timeout:g} s")
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return Answer(process.returncode, _text(out, encoding), _text(err, encoding))


_LINE = 1 << 16  # bytes of a line that are read at once; what is longer counts as several


def first_lines(command: Command, lines: int, timeout: float) -> str:
    """What a program says first, to whichever stream. It is ended when that is enough, or when `timeout` seconds are over."""
    try:
        process = _start(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except OSError:
        return ""
    timer = threading.Timer(timeout, process.kill)
    timer.start()
    with process:
        try:
            said = iter(lambda: process.stdout.readline(_LINE), b"")
            return b"".join(itertools.islice(said, lines)).decode("utf-8", "replace")
        finally:
            process.kill()
            timer.cancel()


def _text(stream: IO[bytes], encoding: str) -> str:
    stream.seek(0)
    return stream.read().decode(encoding, "replace")
