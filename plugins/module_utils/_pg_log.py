# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What the server's own log says of a run: drizzle-kit keeps most causes to itself.

https://www.postgresql.org/docs/18/runtime-config-logging.html
"""

from __future__ import annotations

import base64
import contextlib
import csv
import io
import json
import os
import re
import time
from dataclasses import dataclass
from typing import Any

from ._errors import OperationError
from ._psql import Server, quote_literal

LIMIT = 1 << 20  # bytes of a log that are read; the cause stands at its end

_SEVERE = frozenset({"ERROR", "FATAL", "PANIC"})

# A line of the format `stderr` has whatever prefix the server was given, then one of these words and two spaces.
_LINE = re.compile(r"^(?P<prefix>.*?)\b(?P<kind>ERROR|FATAL|PANIC|LOG|WARNING|DETAIL|HINT|CONTEXT|STATEMENT|QUERY):  (?P<text>.*)$")


@dataclass(frozen=True)
class Entry:
    """An error as the server logged it. `statement` is what it was asked; `application` may be all that the prefix has."""

    message: str
    hint: str = ""
    statement: str = ""
    application: str = ""


def from_stderr(text: str) -> list[Entry]:
    """The errors of plain lines; a line that begins with a tab continues the one before it."""
    entries: list[dict[str, str]] = []
    open_key = ""
    for line in text.splitlines():
        match = _LINE.match(line)
        if line.startswith("\t") and open_key and entries:
            entries[-1][open_key] += "\n" + line[1:]
        elif not match:
            open_key = ""
        elif match["kind"] in _SEVERE:
            entries.append({"message": match["text"], "application": match["prefix"]})
            open_key = "message"
        elif match["kind"] in ("HINT", "STATEMENT") and entries and entries[-1]["application"] == _alike(match["prefix"], entries[-1]):
            open_key = match["kind"].lower()
            entries[-1][open_key] = match["text"]
        else:
            open_key = ""
    return [Entry(**entry) for entry in entries]


def _alike(prefix: str, entry: dict[str, str]) -> str:
    """The entry's own prefix where this one differs from it in its digits only, by a millisecond, and names the same process."""
    own = entry["application"]
    same = re.findall(r"\[\d+\]", own) == re.findall(r"\[\d+\]", prefix) and re.sub(r"\d", "", own) == re.sub(r"\d", "", prefix)
    return own if same else prefix


def from_json(text: str) -> list[Entry]:
    entries = []
    for line in text.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue  # the rest of a line that began before our time
        if isinstance(record, dict) and record.get("error_severity") in _SEVERE:
            keys = {"message": "message", "hint": "hint", "statement": "statement", "application": "application_name"}
            entries.append(Entry(**{name: str(record.get(key, "")) for name, key in keys.items()}))
    return entries


# Columns of csvlog: https://www.postgresql.org/docs/18/runtime-config-logging.html#RUNTIME-CONFIG-LOGGING-CSVLOG
_SEVERITY, _MESSAGE, _HINT, _QUERY, _APPLICATION = 11, 13, 15, 19, 22


def from_csv(text: str) -> list[Entry]:
    entries = []
    # One that is cut off, as the first may be, or that is too long for the reader ends what can be told.
    with contextlib.suppress(csv.Error):
        for row in csv.reader(io.StringIO(text.replace("\r", " "))):
            if len(row) > _APPLICATION and row[_SEVERITY] in _SEVERE:
                entries.append(Entry(row[_MESSAGE], row[_HINT], row[_QUERY], row[_APPLICATION]))
    return entries


_READERS = {"jsonlog": from_json, "csvlog": from_csv, "stderr": from_stderr}


class ServerLog:
    """The log of one server from now on, wherever it is written to."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._since = time.time()
        self._file = self._collected()
        self._offset = self._file["size"] if self._file else 0
        self._path = "" if self._file or server.place.container else self._redirected()
        if self._path:
            self._offset = os.path.getsize(self._path)

    def errors(self) -> list[Entry]:
        """What went wrong since. Raises log-unreadable where nobody can say."""
        if self._file:
            return self._from_file()
        if self._server.place.container:
            return from_stderr(self._from_engine())
        if not self._path:
            raise _unreadable("the server writes it to nowhere that this user can read")
        try:
            with open(self._path, "rb") as stream:
                stream.seek(max(self._offset, os.path.getsize(self._path) - LIMIT))
                return from_stderr(stream.read().decode("utf-8", "replace"))
        except OSError as error:
            raise _unreadable(f"{self._path}: {error.strerror}") from None

    def _collected(self) -> dict[str, Any]:
        """The file of the logging collector and its size, where there is one that may be read."""
        for kind in ("jsonlog", "csvlog", "stderr"):
            # A role without the right to these functions gets no answer, and the log is looked for elsewhere.
            answer = self._server.ask(
                "SELECT json_build_object('path', path, 'size', (pg_stat_file(path)).size)"
                f" FROM pg_current_logfile({quote_literal(kind)}) AS path WHERE path IS NOT NULL;"
            )
            if answer.ok and answer.out.strip():
                return {"kind": kind, **json.loads(answer.out)}
        return {}

    def _from_file(self) -> list[Entry]:
        now = self._collected()
        if not now:
            raise _unreadable("its file cannot be read")
        offset = self._offset if now["path"] == self._file["path"] else 0  # else it was rotated meanwhile
        offset = max(offset, now["size"] - LIMIT)
        try:
            length = max(now["size"] - offset, 0)
            content = self._server.value(
                f"SELECT encode(pg_read_binary_file({quote_literal(now['path'])}, {offset}, {length}), 'base64') AS content"
            )
        except OperationError as error:
            raise _unreadable(error.what) from None
        return _READERS[now["kind"]](base64.b64decode(content).decode("utf-8", "replace"))

    def _from_engine(self) -> str:
        place = self._server.place
        answer = place.engine.run("logs", "--since", f"{self._since:.3f}", "--tail", "2000", place.container)
        if not answer.ok:
            raise _unreadable(answer.reason)
        return answer.out + answer.err

    def _redirected(self) -> str:
        """Where the server's standard error goes, on this very machine."""
        try:
            directory = self._server.value("SELECT current_setting('data_directory') AS value")
            with open(os.path.join(directory, "postmaster.pid"), encoding="utf-8") as stream:
                path = os.readlink(f"/proc/{int(stream.readline())}/fd/2")
        except (OperationError, OSError, ValueError):
            return ""
        return path if os.path.isfile(path) else ""


def _unreadable(why: str) -> OperationError:
    return OperationError("log-unreadable", f"The server's log cannot be read: {why}.", "Nothing was changed.", "Read it on the server.")
