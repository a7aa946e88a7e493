# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Removing keys: what a pattern would remove, by prefix, and the removal itself, at the pace that the server's other clients can bear."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Callable

from . import _redis_stamp, _stamp
from ._errors import OperationError
from ._redis_info import databases, info
from ._redis_keys import MANY_PREFIXES, OURS, beginning_with, names_everything, title
from ._redis_line import shown
from ._redis_pace import Pace, Room
from ._redis_session import Session
from ._redis_walk import LIBRARY, READS, WRITES, Walk
from ._stack import Stack

SAMPLE = 10  # keys that are shown with type and time to live

# ARGV from 5: the protected prefixes.
_SORT = f"""{LIBRARY}
local protected, prefixes, chosen = 0, {{}}, {{}}
for _, key in ipairs(found[2]) do
  local prefix = prefix_of(key)
  local counted = prefixes[prefix] or {{0, 0}}
  prefixes[prefix] = counted
  counted[1] = counted[1] + 1
  if begins(key, 5) then
    protected = protected + 1
    counted[2] = counted[2] + 1
  else
    chosen[#chosen + 1] = key
  end
end
local told = {{}}
for prefix, counted in pairs(prefixes) do
  told[#told + 1] = prefix
  told[#told + 1] = counted[1]
  told[#told + 1] = counted[2]
end
"""

# ARGV[4]: how many to show. Returns cursor, keys, protected keys, {prefix, keys, protected keys, …},
# {{beginning, bytes, type, milliseconds to live}, …}.
_COUNT = f"""{READS}{_SORT}
local sample = {{}}
for index = 1, math.min(#chosen, tonumber(ARGV[4])) do
  local key = chosen[index]
  local beginning, bytes = title(key)
  sample[index] = {{beginning, bytes, redis.call('TYPE', key).ok, redis.call('PTTL', key)}}
end
return {{found[1], #found[2], protected, told, sample}}
"""

# ARGV[4]: how many may be removed, "" for all. Returns cursor, removed keys, protected keys, {prefix, keys, protected keys, …}, and
# whether some are left because no more may be removed.
_REMOVE = f"""{WRITES}{_SORT}
local last = math.min(tonumber(ARGV[4]) or math.huge, #chosen)
local removed = 0
for first = 1, last, 1000 do
  removed = removed + redis.call('UNLINK', unpack(chosen, first, math.min(first + 999, last)))
end
return {{found[1], removed, protected, told, #chosen > last and 1 or 0}}
"""

# The stamp is there again before anybody else is served. KEYS: the stamp's; ARGV: FLUSHDB or FLUSHALL, and the stamp.
_EMPTY = f"""{WRITES}
redis.call(ARGV[1], 'ASYNC')
redis.call('SET', KEYS[1], ARGV[2])
return redis.status_reply('OK')
"""


@dataclass
class Counted:
    """What matches. prefixes: keys and protected keys by prefix, as far as those are not too many to be told apart."""

    matching: int = 0
    protected: int = 0
    prefixes: dict[str, list[int]] = field(default_factory=dict)
    sample: list[dict[str, Any]] = field(default_factory=list)

    def add(self, keys: int, protected: int, told: list[Any], sample: list[list[Any]]) -> None:
        self.matching += keys
        self.protected += protected
        for prefix, number, kept in zip(told[::3], told[1::3], told[2::3]):
            if prefix in self.prefixes or len(self.prefixes) < MANY_PREFIXES:
                counted = self.prefixes.setdefault(prefix, [0, 0])
                counted[0] += number
                counted[1] += kept
        for beginning, length, kind, ttl in sample:
            self.sample.append({"key": title(beginning, length), "type": kind, "ttl": None if ttl < 0 else ttl / 1000})

    @property
    def removable(self) -> int:
        return self.matching - self.protected

    def largest(self, number: int) -> list[dict[str, Any]]:
        """The prefixes with most keys."""
        ordered = sorted(self.prefixes.items(), key=lambda one: (-one[1][0], one[0]))[:number]
        return [{"prefix": shown(prefix), "keys": keys, "protected": kept} for prefix, (keys, kept) in ordered]

    def in_words(self) -> str:
        """Where most of them lie, for a message."""
        return ", ".join(f"{one['keys']:,} {one['prefix'] or 'without a prefix'}" for one in self.largest(5))


@dataclass(frozen=True)
class Flush:
    """The removal of what matches a pattern and begins with no protected prefix.

    latency: seconds that others may wait; rate: keys a second, 0 for as many as can be; growth: bytes by which memory may grow.
    """

    session: Session
    pattern: str
    protected: Sequence[str]
    latency: float
    rate: float = 0.0
    growth: int = 0

    def _prefixes(self) -> list[str]:
        # An empty one would protect everything.
        return [OURS, *filter(None, self.protected)]

    def count(self, counted: Counted) -> Counted:
        """Add what matches to what was counted elsewhere."""
        walk = Walk(self.session, Pace(self.latency))
        for told in walk.through(_COUNT, self.pattern, lambda: [SAMPLE - len(counted.sample), *self._prefixes()]):
            counted.add(*told)
        return counted

    def remove(self, most: int | None, say: Callable[[int], None]) -> tuple[Counted, dict[str, Any]]:
        """Remove what matches, at most so many keys, None for all; say: told how many are. Returns what matched, and how it went."""
        began, removed, counted = time.monotonic(), 0, Counted()
        walk = Walk(self.session, Pace(self.latency, self.rate), Room(self.growth))

        def arguments() -> list[Any]:
            return ["" if most is None else most - removed, *self._prefixes()]

        try:
            for gone, kept, told, left in walk.through(_REMOVE, self.pattern, arguments):
                removed += gone
                counted.add(gone + kept, kept, told, [])
                say(removed)
                if left:
                    raise _too_many_now(most)
        except OperationError as error:
            # A batch whose answer was lost may have been carried out all the same.
            state = f"{removed:,} keys were removed before that. {error.state}"
            raise OperationError(error.slug, error.what, state, error.next_step) from None
        return counted, {"removed": removed, "paused": round(walk.paused, 3), "seconds": round(time.monotonic() - began, 3)}


def _too_many_now(most: int | None) -> OperationError:
    return OperationError(
        "flush-limit-reached",
        f"More keys match than the {most:,} that may be removed: some were written after they had been counted.",
        "The others are there.",
        "Run it again with a larger dbops_max_keys, or with the confirmation that check mode shows.",
    )


def typed(stack: Stack) -> str:
    """What is typed for Redis: what is typed for the stack means its database."""
    return f"{stack}/redis"


def require_few(stack: Stack, counted: Counted, most: int, confirmation: str) -> None:
    """What is removed is little, or somebody typed that much is meant."""
    if counted.removable > most:
        what = f"{counted.removable:,} keys would be removed ({counted.in_words()}), dbops_max_keys is {most:,}"
        _stamp.require_typed(typed(stack), confirmation, what)


# -- everything ------------------------------------------------------------------------------------------------------

COMMANDS = {"database": "FLUSHDB", "server": "FLUSHALL"}


def emptying(stack: Stack, pattern: str, scope: str) -> str:
    """The command that a pattern stands for where it names nothing, else ""; refused where that may not be."""
    command = COMMANDS[scope]
    if not names_everything(pattern):
        if scope == "server":
            raise OperationError(
                "flush-scope",
                f"The pattern {pattern!r} names keys, and those are removed in one database.",
                "Nothing was changed.",
                "Leave redis_flush_scope at database; another database is named in dbops_redis_url.",
            )
        return ""
    if stack.environment != "development":
        raise OperationError(
            "flush-everything",
            f"The pattern {pattern!r} names nothing, so it means {command}: every user would be signed out, every limit begin anew.",
            "Nothing was changed: that is for development only.",
            "Name what is to go: -e dbops_pattern='<service>:<entity>:*'",
        )
    return command


@dataclass(frozen=True)
class Emptying:
    """FLUSHDB or FLUSHALL. own: the number of the database that is meant, and that holds the stamp.

    groups: prefixes of what the operator has to know of, by name.
    """

    session: Session
    command: str
    own: int
    groups: dict[str, Sequence[str]]

    def require_own(self, stack: Stack) -> None:
        """Nothing goes that is another stack's. In the own database somebody has seen that before."""
        if self.command == "FLUSHALL":
            _redis_stamp.require_whole(self.session, stack, self.own)

    def count(self, latency: float) -> tuple[Counted, dict[str, int]]:
        """What there is but for the stamp, and how many keys of each group."""
        counted, sizes = Counted(), dict.fromkeys(self.groups, 0)
        for database in self._databases():
            self.session.ask("SELECT", database)
            Flush(self.session, "*", (), latency).count(counted)
            for name, prefixes in self.groups.items():
                for prefix in prefixes:
                    sizes[name] += Flush(self.session, beginning_with(prefix), (), latency).count(Counted()).matching
        self.session.ask("SELECT", self.own)
        return counted, sizes

    def _databases(self) -> list[int]:
        if self.command == "FLUSHDB":
            return [self.own]
        return list(databases(info(self.session, "keyspace")))

    def require_typed(self, stack: Stack, counted: Counted, sizes: dict[str, int], confirmation: str) -> None:
        told = " and ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in sizes.items())
        what = f"{self.command} would remove {counted.removable:,} keys, {told} among them, protected ones as well"
        _stamp.require_typed(typed(stack), confirmation, what)

    def empty(self, stack: Stack) -> None:
        self.session.ask("EVAL", _EMPTY, 1, _redis_stamp.KEY, self.command, str(stack))
