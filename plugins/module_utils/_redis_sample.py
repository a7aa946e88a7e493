# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""A sample of a server's keys, so that what it holds afterwards can be compared with what it held."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ._redis_info import databases, info, keys
from ._redis_line import shown
from ._redis_session import Session

SIZE = 1000  # keys of each database
_BATCH = 100  # keys that one script looks at; the server answers nobody meanwhile
_NAMED = 3
_SOON = 2 * 3600 * 1000  # milliseconds; what lives longer outlives the comparison

# For each key its type, a digest of its content in an order of its own, and how long it lasts. What has very many parts is told by
# their number alone.
_SCRIPT = """
local many = 10000
local function sorted(parts) table.sort(parts) return parts end
local function pairs_of(flat)
  local parts = {}
  for place = 1, #flat, 2 do parts[#parts + 1] = flat[place] .. '\\0' .. flat[place + 1] end
  return sorted(parts)
end
local readers = {
  hash = {'HLEN', function (key) return pairs_of(redis.call('HGETALL', key)) end},
  list = {'LLEN', function (key) return redis.call('LRANGE', key, 0, -1) end},
  set = {'SCARD', function (key) return sorted(redis.call('SMEMBERS', key)) end},
  zset = {'ZCARD', function (key) return redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') end},
}
local told = {}
for place, key in ipairs(KEYS) do
  local kind = redis.call('TYPE', key).ok
  local reader = readers[kind]
  local content = kind
  if kind == 'string' then
    content = redis.call('GETRANGE', key, 0, 65535) .. redis.call('STRLEN', key)
  elseif kind == 'stream' then
    content = 'stream' .. redis.call('XLEN', key)
  elseif reader then
    local parts = redis.call(reader[1], key)
    content = kind .. parts
    if parts <= many then content = content .. table.concat(reader[2](key), '\\0') end
  end
  told[place] = {kind, redis.sha1hex(content), redis.call('PTTL', key)}
end
return told
"""


@dataclass(frozen=True)
class Sample:
    """total, expiring: keys of all databases. digests: by database and key, of those that were looked at, and whether they outlive
    the comparison."""

    total: int
    expiring: int
    digests: dict[tuple[int, str], tuple[str, bool]] = field(repr=False)


def take(session: Session, wanted: Sample | None = None) -> Sample:
    """wanted: one whose keys are to be looked at again."""
    told = info(session, "keyspace")
    there = databases(told)
    digests: dict[tuple[int, str], tuple[str, bool]] = {}
    for database in sorted({place for place, _key in wanted.digests} if wanted else there):
        session.ask("SELECT", database)
        names = [key for place, key in wanted.digests if place == database] if wanted else _some(session)
        for start in range(0, len(names), _BATCH):
            batch = names[start : start + _BATCH]
            answers = session.ask("EVAL_RO", _SCRIPT, len(batch), *batch)
            for key, (kind, digest, left) in zip(batch, answers):
                if kind != "none":
                    digests[database, key] = (digest, left == -1 or left > _SOON)
    return Sample(keys(told), sum(facts["expires"] for facts in there.values()), digests)


def _some(session: Session) -> list[str]:
    """The first keys that a scan comes upon: in the order of their hashes, so none is more likely than another."""
    cursor, found = "0", {}
    while len(found) < SIZE:
        cursor, names = session.ask("SCAN", cursor, "COUNT", SIZE)
        found.update(dict.fromkeys(names))
        if cursor == "0":
            break
    return list(found)[:SIZE]


@dataclass(frozen=True)
class Comparison:
    """Numbers of keys. Clients go on meanwhile: they change and delete keys, and some expire."""

    before: int
    after: int
    sampled: int
    changed: int
    expired: int
    gone: int
    examples: list[str]
    is_lossy: bool

    def told(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("before", "after", "sampled", "changed", "expired", "gone")}


def compare(before: Sample, after: Sample, wrote: int | None = None) -> Comparison:
    """Lossy is what no client explains. wrote: how often they wrote meanwhile; None where that is not known: then it is a tenth of
    the keys that last, of all or of the sample, that is gone. Pure.
    """
    missing = [place for place in before.digests if place not in after.digests]
    gone = [key for database, key in missing if before.digests[database, key][1]]
    changed = [place[1] for place, (found, _lasts) in after.digests.items() if before.digests[place][0] != found]
    lasting = sum(lasts for _digest, lasts in before.digests.values())
    left, had = after.total - after.expiring, before.total - before.expiring
    return Comparison(
        before=before.total,
        after=after.total,
        sampled=len(before.digests),
        changed=len(changed),
        expired=len(missing) - len(gone),
        gone=len(gone),
        examples=sorted(map(shown, gone or changed))[:_NAMED],
        is_lossy=(len(gone) * 10 > lasting or left * 10 < had * 9)
        if wrote is None
        else (len(gone) + len(changed) > wrote or had - left > wrote),
    )


def writes(session: Session) -> int:
    """Commands since the server's start that may have changed a key, and keys that it evicted. What it loads is not counted."""
    writing = {f"cmdstat_{name}" for name in session.ask("COMMAND", "LIST", "FILTERBY", "ACLCAT", "write")}
    told = info(session, "commandstats", "stats")
    return int(told["evicted_keys"]) + sum(facts["calls"] for name, facts in told.items() if name in writing)
