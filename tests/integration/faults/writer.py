# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of the stack that writes all the time, and remembers what was acknowledged."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2

PAUSE = 0.02  # seconds between two writes
TABLE = "acknowledged"
KEY = "faults:acknowledged"
MEMBERS = "return table.concat(redis.call('SMEMBERS', KEYS[1]), ' ')"


def ask(url: str, sql: str) -> list[str]:
    """The first column; without a program, whose argument vector would show the password."""
    with contextlib.closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return [str(row[0]) for row in cursor] if cursor.description else []


class Keeper:
    """Redis in the few words that a test needs. A client that is held back waits until its time-out."""

    def __init__(self, port: int, password: str, timeout: float = 1.0) -> None:
        self.port, self.password, self.timeout = port, password, timeout

    def ask(self, *words: str) -> str:
        """Raises OSError where the server does not answer, or answers that it cannot."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=self.timeout) as connection, connection.makefile("rb") as answers:
            connection.sendall(_words("AUTH", self.password) + _words(*words))
            self._read(answers.readline())
            text = self._read(answers.readline())
            return answers.read(int(text) + 2)[:-2].decode() if text.isdigit() and words[0] in ("EVAL", "INFO") else text

    def answers(self) -> bool:
        """And not that it reads its data."""
        with contextlib.suppress(OSError):
            return bool(self.ask("DBSIZE"))
        return False

    @contextmanager
    def appending(self) -> Iterator[None]:
        """Each write lies in a file, and on the disk, before it is acknowledged; also when the server is started anew."""
        self._set("appendfsync", "always")
        self._append("yes")
        try:
            yield
        finally:
            self._append("no")
            self._set("appendfsync", "everysec")
            self.ask("SAVE")
            self.ask("CONFIG", "REWRITE")

    def _append(self, answer: str) -> None:
        self._set("appendonly", answer)
        end = time.monotonic() + 30
        while "aof_rewrite_in_progress:1" in (known := self.ask("INFO", "persistence")) or "aof_rewrite_scheduled:1" in known:
            assert time.monotonic() < end, known
            time.sleep(PAUSE)
        self.ask("CONFIG", "REWRITE")

    def _set(self, name: str, value: str) -> None:
        self.ask("CONFIG", "SET", name, value)

    @staticmethod
    def _read(line: bytes) -> str:
        if not line or line.startswith(b"-"):
            raise OSError(line.decode() or "the connection was closed")
        return line[1:].strip().decode()


def _words(*words: str) -> bytes:
    return f"*{len(words)}\r\n".encode() + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in (each.encode() for each in words))


class Writer(threading.Thread):
    """It connects as the application does, and knows nothing of windows."""

    def __init__(self, pg_url: str, keeper: Keeper) -> None:
        super().__init__(daemon=True)
        self._url, self._keeper = pg_url, keeper
        self._ended = threading.Event()
        self._allowed = threading.Lock()
        self._number = 0
        self._connection: psycopg2.extensions.connection | None = None
        self.acknowledged: list[int] = []
        self.kept: list[int] = []  # what Redis acknowledged

    def run(self) -> None:
        while not self._ended.wait(PAUSE):
            with self._allowed:
                self._number += 1
                with contextlib.suppress(psycopg2.Error):
                    self._write()
                    self.acknowledged.append(self._number)
                with contextlib.suppress(OSError):
                    self._keeper.ask("SADD", KEY, str(self._number))
                    self.kept.append(self._number)

    def _write(self) -> None:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg2.connect(self._url, connect_timeout=2, application_name="faults writer")
            self._connection.autocommit = True
        with self._connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO {TABLE} VALUES (%s)", (self._number,))

    def prepare(self) -> None:
        ask(self._url, f"CREATE TABLE {TABLE} (n bigint PRIMARY KEY)")
        # It takes a transaction id now and then, which counts as a write of the application.
        ask(self._url, "ALTER SYSTEM SET autovacuum = off")
        ask(self._url, "SELECT pg_reload_conf()")

    @contextmanager
    def held(self) -> Iterator[None]:
        """It writes nothing meanwhile; a write that was under way has its answer."""
        with self._allowed:
            yield

    def await_writes(self, count: int = 3, seconds: float = 30) -> None:
        """Until so many more were acknowledged by both."""
        wanted, until = len(self.acknowledged) + count, time.monotonic() + seconds
        kept = len(self.kept) + count
        while len(self.acknowledged) < wanted or len(self.kept) < kept:
            assert time.monotonic() < until, "nobody takes writes"
            time.sleep(PAUSE)

    def lost(self) -> set[int]:
        """Writes that PostgreSQL or Redis acknowledged and does not know any more."""
        with self._allowed:
            of_postgres = set(self.acknowledged) - set(map(int, ask(self._url, f"SELECT n FROM {TABLE}")))
            return of_postgres | (set(self.kept) - set(map(int, self._keeper.ask("EVAL", MEMBERS, "1", KEY).split())))

    def stop(self) -> None:
        self._ended.set()
        self.join()
        if self._connection:
            self._connection.close()
