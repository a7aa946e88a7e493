# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""One session of psql that stays open: what one query sets, the next one still has."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
from typing import Any

from ._command import Answer, Command, start_tied
from ._errors import OperationError
from ._psql import as_json, failure


class Session:
    """A psql that is fed line by line. It ends when this object is closed, and when this process dies.

    command: psql, wherever it runs; database: its name, for messages.
    """

    def __init__(self, command: Command, database: str) -> None:
        self._database = database
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - closed by __exit__
        self._process = start_tied(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, encoding="utf-8")
        # Both are pipes, as asked for above.
        self._input: Any = self._process.stdin
        self._output: Any = self._process.stdout

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        """The end of its input ends psql, and with it its transaction."""
        with contextlib.suppress(BrokenPipeError):
            self._input.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()
        self._errors.close()

    def end(self) -> None:
        """End it now, whatever it is doing: for another thread than the one that uses it."""
        self._process.terminate()

    def execute(self, sql: str) -> None:
        """Statements without an answer. What goes wrong in them is told by the next query."""
        try:
            self._input.write(sql + "\n")
            self._input.flush()
        except BrokenPipeError:
            raise self._ended() from None

    def rows(self, query: str) -> list[dict[str, Any]]:
        self.execute(as_json(query))
        line = self._output.readline()
        if not line:
            raise self._ended()
        return json.loads(line)

    def _ended(self) -> OperationError:
        code = self._process.wait()
        self._errors.seek(0)
        return failure(Answer(code, "", self._errors.read()), self._database)
