# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""How many keys a server holds by prefix, and how two such counts differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ._redis_info import databases, info
from ._redis_line import shown, unshown
from ._redis_session import Session

# Prefixes that are named; the keys of all others are counted together, as are those without one.
NAMED = 1000

# Seconds that the counting of one database may take: a second is about a million keys.
TIMEOUT = 3600.0

# A prefix is <service>:<entity>: of <service>:<entity>:<id>. ARGV: the most prefixes to name, then, where they are known, which.
# Nothing else of the server is answered meanwhile. Keys that expire under its hands make it begin again.
_SCRIPT = """
local wanted
if ARGV[2] then
  wanted = {}
  for place = 2, #ARGV do wanted[ARGV[place]] = true end
end
local found
for attempt = 1, 3 do
  found = {}
  local cursor, seen = '0', 0
  repeat
    local page = redis.call('SCAN', cursor, 'COUNT', 1000)
    cursor = page[1]
    for _, key in ipairs(page[2]) do
      local left = redis.call('PTTL', key)
      if left ~= -2 then
        local prefix = string.match(key, '^[^:]+:[^:]+:') or ''
        if wanted and not wanted[prefix] then prefix = '' end
        local counts = found[prefix] or {0, 0}
        found[prefix] = counts
        counts[1] = counts[1] + 1
        if left ~= -1 then counts[2] = counts[2] + 1 end
        seen = seen + 1
      end
    end
  until cursor == '0'
  if seen == redis.call('DBSIZE') then break end
end
local prefixes = {}
for prefix in pairs(found) do if prefix ~= '' then prefixes[#prefixes + 1] = prefix end end
table.sort(prefixes, function (a, b)
  if found[a][1] ~= found[b][1] then return found[a][1] > found[b][1] end
  return a < b
end)
local rest = found[''] or {0, 0}
local told = {}
for place, prefix in ipairs(prefixes) do
  if wanted or place <= tonumber(ARGV[1]) then
    told[#told + 1] = {prefix, found[prefix][1], found[prefix][2]}
  else
    rest = {rest[1] + found[prefix][1], rest[2] + found[prefix][2]}
  end
end
if rest[1] > 0 then told[#told + 1] = {'', rest[1], rest[2]} end
return told
"""

# database, prefix ("" for all keys together that are counted under no other), keys, and how many of those expire.
Counts = list[dict[str, Any]]


def count(session: Session, known: Counts | None = None) -> Counts:
    """Count every key of every database. known: a count to compare with, whose prefixes are to be named."""
    counted = []
    for database in sorted(databases(info(session, "keyspace"))):
        session.ask("SELECT", database)
        # Even where none was named then, none is named now.
        wanted = [] if known is None else [b"", *(unshown(entry["prefix"]) for entry in known if entry["database"] == database)]
        for prefix, keys, volatile in session.ask("EVAL_RO", _SCRIPT, 0, NAMED, *wanted, timeout=TIMEOUT):
            counted.append({"database": database, "prefix": shown(prefix), "keys": keys, "volatile": volatile})
    return counted


def total(counts: Counts) -> int:
    return sum(entry["keys"] for entry in counts)


def differences(expected: Counts, found: Counts, *, more: bool = False) -> list[str]:
    """In what a count is not the expected one. Keys that expire may be fewer by now; all others are there, and none came. Pure.

    more: whether some may have come, of clients who write.
    """
    before, after = _by_prefix(expected), _by_prefix(found)
    wrong = []
    for database, prefix in sorted({**before, **after}):
        keys, volatile = before.get((database, prefix), (0, 0))
        keys_now, volatile_now = after.get((database, prefix), (0, 0))
        label = f"{prefix + '*' if prefix else 'other keys'} of database {database}"
        lasting, lasting_now = keys - volatile, keys_now - volatile_now
        if lasting_now < lasting or (lasting_now > lasting and not more):
            wrong.append(f"{label}: {lasting_now} keys that do not expire instead of {lasting}")
        elif volatile_now > volatile and not more:
            wrong.append(f"{label}: {volatile_now} keys that expire instead of at most {volatile}")
    return wrong


def _by_prefix(counts: Sequence[dict[str, Any]]) -> dict[tuple[int, str], tuple[int, int]]:
    return {(entry["database"], entry["prefix"]): (entry["keys"], entry["volatile"]) for entry in counts}
