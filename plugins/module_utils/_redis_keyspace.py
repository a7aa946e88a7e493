# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What lies in a database, by prefix: how much of it, how large, for how long, and which keys stand out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable

from ._redis_keys import MANY_PREFIXES, title
from ._redis_line import shown
from ._redis_pace import Pace
from ._redis_session import Session
from ._redis_walk import LIBRARY, READS, Walk

BIGGEST, ODD = 10, 20  # keys that are named

# ARGV from 4: the bytes beyond which a key is among the biggest, and how many odd names are wanted. Returns cursor, number of keys,
# {prefix, keys, bytes, keys without a time to live, seconds of the idlest or -1, …}, {{beginning, length}, …} of odd names, and
# {{beginning, length, bytes, type}, …} of big keys. Nothing here counts as use of a key. With an LFU policy there is no idle time.
_LOOK = f"""{READS}{LIBRARY}
local floor, wanted = tonumber(ARGV[4]), tonumber(ARGV[5])
local prefixes, odd, big = {{}}, {{}}, {{}}
for _, key in ipairs(found[2]) do
  local prefix = prefix_of(key)
  local seen = prefixes[prefix] or {{0, 0, 0, -1}}
  prefixes[prefix] = seen
  local bytes = redis.call('MEMORY', 'USAGE', key) or 0
  local idle = redis.pcall('OBJECT', 'IDLETIME', key)
  seen[1] = seen[1] + 1
  seen[2] = seen[2] + bytes
  if redis.call('PTTL', key) == -1 then seen[3] = seen[3] + 1 end
  if type(idle) == 'number' and idle > seen[4] then seen[4] = idle end
  if prefix == '' and #odd < wanted and key ~= 'dbops:environment' then odd[#odd + 1] = {{title(key)}} end
  if bytes > floor then
    local beginning, length = title(key)
    big[#big + 1] = {{beginning, length, bytes, redis.call('TYPE', key).ok}}
  end
end
local told = {{}}
for prefix, seen in pairs(prefixes) do
  told[#told + 1] = prefix
  for index = 1, 4 do told[#told + 1] = seen[index] end
end
return {{found[1], #found[2], told, odd, big}}
"""


@dataclass
class Audit:
    """What was seen. prefixes: keys, bytes, keys without a time to live, and seconds of the idlest, by prefix."""

    seen: int = 0
    bytes: int = 0
    others: int = 0
    prefixes: dict[str, list[int]] = field(default_factory=dict)
    odd: list[str] = field(default_factory=list)
    biggest: list[dict[str, Any]] = field(default_factory=list)

    def add(self, keys: int, told: list[Any], odd: list[list[Any]], big: list[list[Any]]) -> None:
        self.seen += keys
        self.odd += [title(*name) for name in odd]
        self.biggest += [{"key": title(beginning, length), "type": kind, "bytes": size} for beginning, length, size, kind in big]
        self.biggest = sorted(self.biggest, key=lambda one: -one["bytes"])[:BIGGEST]
        for prefix, number, size, lasting, idle in zip(*(told[start::5] for start in range(5))):
            self.bytes += size
            if prefix in self.prefixes or len(self.prefixes) < MANY_PREFIXES:
                known = self.prefixes.setdefault(prefix, [0, 0, 0, -1])
                self.prefixes[prefix] = [known[0] + number, known[1] + size, known[2] + lasting, max(known[3], idle)]
            else:
                self.others += number

    @property
    def floor(self) -> int:
        """Bytes that a key has to have to be among the biggest."""
        return self.biggest[-1]["bytes"] if len(self.biggest) == BIGGEST else 0

    def result(self, keys: int, most: int) -> dict[str, Any]:
        """keys: that the database holds; most: prefixes that are listed. What was sampled is scaled up to all keys."""
        scale = keys / self.seen if self.seen and keys > self.seen else 1.0
        ordered = sorted(self.prefixes.items(), key=lambda one: (-one[1][1], one[0]))
        return {
            "keys": keys,
            "seen": self.seen,
            "sampled": scale > 1,
            "bytes": round(self.bytes * scale),
            "prefixes": [
                {
                    "prefix": shown(prefix),
                    "keys": round(number * scale),
                    "bytes": round(size * scale),
                    "without_ttl": round(lasting / number, 4),
                    "idle": None if idle < 0 else idle,
                }
                for prefix, (number, size, lasting, idle) in ordered[:most]
            ],
            "more_prefixes": max(0, len(ordered) - most),
            "uncounted": round(self.others * scale),
            "unconventional": {"keys": round(self.prefixes.get("", [0])[0] * scale), "sample": self.odd},
            "biggest": self.biggest,
        }


def audit(session: Session, sample: int, latency: float, say: Callable[[int, int], None]) -> tuple[Audit, int]:
    """Look at that many keys, 0 for all; say: told how many were looked at, and of how many. Returns what was seen, and of how many.

    SCAN goes through the keys in the order of their hashes, whose seed is the server's own: the first ones are as good a sample as any.
    """
    found, keys = Audit(), session.ask("DBSIZE")
    for told in Walk(session, Pace(latency)).through(_LOOK, "*", lambda: [found.floor, ODD - len(found.odd)]):
        found.add(*told)
        say(found.seen, keys)
        if sample and found.seen >= sample:
            return found, keys
    return found, found.seen
