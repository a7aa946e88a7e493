# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Going through all keys of a database: a batch is one script in the server, so that no name of a key has to leave it.

A script is carried out as a whole: between its look at a key and what it does with it nobody changes the key.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any, Callable

from ._redis_info import info
from ._redis_keys import SHOWN
from ._redis_pace import Pace, Room
from ._redis_session import Session

LISTEN, LOOK = 0.05, 0.5  # seconds between two PINGs, and between two looks at the memory
PATIENCE = 30.0  # seconds that one waits for it to shrink

# What a script begins with. ARGV: cursor, keys to look at, pattern; it returns cursor and the keys that it worked on first.
# https://redis.io/docs/latest/develop/programmability/eval-intro/#eval-flags
READS = "#!lua flags=no-writes\n"
# A flush is what helps where memory is full.
WRITES = "#!lua flags=allow-oom\n"

LIBRARY = f"""
local found = redis.call('SCAN', ARGV[1], 'COUNT', ARGV[2], 'MATCH', ARGV[3])
local function begins(key, first)
  for index = first, #ARGV do
    if key:sub(1, #ARGV[index]) == ARGV[index] then return true end
  end
  return false
end
local function prefix_of(key)
  local service = key:find(':', 1, true)
  local entity = service and key:find(':', service + 1, true)
  if not entity or service == 1 or entity == service + 1 or entity == #key or entity > {SHOWN} then return '' end
  return key:sub(1, entity)
end
local function title(key) return key:sub(1, {SHOWN}), #key end
"""


class Walk:
    """A way through the keys. paused: seconds for which the server was left alone."""

    def __init__(self, session: Session, pace: Pace, room: Room | None = None) -> None:
        self._session = session
        self._pace = pace
        self._room = room
        self._listened = self._looked = float("-inf")
        self.paused = 0.0

    def through(self, script: str, pattern: str, arguments: Callable[[], Iterable[Any]]) -> Iterator[list[Any]]:
        """What the script returns of each batch. arguments: what it is given beyond the usual, asked for anew each time."""
        cursor = "0"
        while True:
            self._listen()
            began = time.monotonic()
            cursor, worked, *told = self._session.ask("EVAL", script, 0, cursor, self._pace.count, pattern, *arguments())
            pause = self._pace.did(time.monotonic() - began, worked)
            yield [worked, *told]
            if cursor == "0":
                return
            self._pause(pause)

    def _pause(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds)
            self.paused += seconds

    def _listen(self) -> None:
        """How the server is for others: how soon it answers and how much memory it has taken."""
        began = time.monotonic()
        if began - self._listened > LISTEN:
            self._session.ask("PING")
            self._listened = time.monotonic()
            self._pause(self._pace.heard(self._listened - began))
        if self._room and began - self._looked > LOOK:
            self._leave(self._room)
            self._looked = time.monotonic()

    def _leave(self, room: Room) -> None:
        """Wait until memory has shrunk again: what was freed may not be free yet, and a child that saves keeps the old pages."""
        until = time.monotonic() + PATIENCE
        while room.is_short(used := memory(self._session)):
            if time.monotonic() > until:
                room.accept(used)
            else:
                self._pause(1.0)


def memory(session: Session) -> int:
    """Bytes that the server takes up, with what a child that saves makes it copy."""
    return int(info(session, "memory")["used_memory"]) + int(info(session, "persistence").get("current_cow_size", 0))
