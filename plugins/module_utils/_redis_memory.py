# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Memory and eviction: which keys a policy may take that nobody can make again, and how near the limit is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from ._redis_info import configuration, databases, info
from ._redis_keys import beginning_with
from ._redis_line import shown
from ._redis_session import Session

NOEVICTION = "noeviction"
_COUNT = 5000  # keys that one step of a scan looks at
_SECONDS = 10.0  # for one prefix
_BATCH = 1000  # names that one script looks at; the server answers nobody meanwhile
_EXPIRING = "for _, key in ipairs(KEYS) do if redis.call('PTTL', key) >= 0 then return key end end return false"


@dataclass(frozen=True)
class Exposed:
    """A prefix with a key that may be evicted."""

    prefix: str
    key: str


@dataclass(frozen=True)
class Memory:
    """used: bytes that count for the limit; limit: bytes, 0 for none."""

    policy: str
    used: int
    limit: int

    @property
    def ratio(self) -> float:
        return self.used / self.limit if self.limit else 0.0


def memory(session: Session) -> Memory:
    told = info(session, "memory")
    policy = configuration(session, "maxmemory-policy")["maxmemory-policy"]
    return Memory(policy, told["used_memory"] - told.get("mem_not_counted_for_evict", 0), told["maxmemory"])


@dataclass(frozen=True)
class Look:
    """found: of each prefix one key that the policy may take; cut: prefixes with none so far, and keys that were not looked at."""

    found: list[Exposed]
    cut: list[str]


def exposed(session: Session, policy: str, prefixes: Sequence[str], seconds: float = _SECONDS) -> Look:
    """With volatile-*, only keys that expire by themselves may be taken. seconds: for one prefix."""
    if policy == NOEVICTION:
        return Look([], [])
    found, cut = [], []
    numbers = list(databases(info(session, "keyspace")))
    for prefix in prefixes:
        until = time.monotonic() + seconds
        try:
            keys = (_first(session, database, prefix, until, expiring=not policy.startswith("allkeys")) for database in numbers)
            key = next(filter(None, keys), "")
            found += [Exposed(prefix, key)] if key else []
        except TimeoutError:
            cut.append(prefix)
    return Look(found, cut)


def _first(session: Session, database: int, prefix: str, until: float, *, expiring: bool) -> str:
    session.ask("SELECT", database)
    cursor = ""
    while cursor != "0":
        if time.monotonic() > until:
            raise TimeoutError
        cursor, names = session.ask("SCAN", cursor or 0, "MATCH", beginning_with(prefix), "COUNT", _COUNT)
        for start in range(0, len(names), _BATCH):
            batch = names[start : start + _BATCH]
            key = session.ask("EVAL_RO", _EXPIRING, len(batch), *batch) if expiring else batch[0]
            if key is not None:
                return shown(key)
    return ""


def warnings(now: Memory, policy: str, look: Look, near: float) -> list[str]:
    """What is wrong with it, in words. policy: the one that is meant; near: share of the limit. Pure."""
    said = []
    if look.found:
        names = ", ".join(f"{each.prefix}* (for example {each.key})" for each in look.found)
        evicts_all = policy.startswith("allkeys")
        cure = "set volatile-lru, and let what is cached expire" if evicts_all else "let those keys not expire, or set noeviction"
        said.append(f"{policy} may evict keys that nobody can make again, {names}: {cure}")
    if look.cut:
        names = ", ".join(f"{prefix}*" for prefix in look.cut)
        said.append(f"whether {policy} may evict {names} is not known: there are more keys than can be looked through in {_SECONDS:g} s")
    if policy == NOEVICTION and now.limit and now.ratio >= near:
        said.append(
            f"{now.used} of {now.limit} bytes are used ({now.ratio:.0%}), and with noeviction every write is refused at the limit: "
            "raise maxmemory, or flush a cache by its pattern"
        )
    return said
