# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""One session of psql that stays open: what one query sets, the next one still has."""

from __future__ import annotations

import json
import tempfile
from typing import Any

from ._command import Answer, Command
from ._coprocess import Coprocess
from ._errors import OperationError
from ._psql import as_json, failure


class Session:
    """A psql that is fed line by line. It ends when this object is closed, and with it its transaction.

    command: psql, wherever it runs; database: its name, for messages.
    """

    def __init__(self, command: Command, database: str) -> None:
        self._database = database
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - closed by __exit__
        self._psql = Coprocess(command, self._errors, encoding="utf-8")

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self._psql.close()
        self._errors.close()

    def end(self) -> None:
        """End it now, whatever it is doing: for another thread than the one that uses it."""
        self._psql.process.terminate()

    def execute(self, sql: str) -> None:
        """Statements without an answer. What goes wrong in them is told by the next query."""
        try:
            self._psql.input.write(sql + "\n")
            self._psql.input.flush()
        except BrokenPipeError:
            raise self._ended() from None

    def rows(self, query: str) -> list[dict[str, Any]]:
        self.execute(as_json(query))
        line = self._psql.output.readline()
        if not line:
            raise self._ended()
        return json.loads(line)

    def _ended(self) -> OperationError:
        code = self._psql.process.wait()
        self._errors.seek(0)
        return failure(Answer(code, "", self._errors.read()), self._database)
