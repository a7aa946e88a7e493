# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What a program on a stage did beyond its database: to the whole server, and to Redis. Rows do not show it.

There is no other database to drop there, and no key of anybody's: what counts is what was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from ._globals import statements
from ._stage import Stage

# Settings of the throw-away server, with which its log has every statement that defines something.
LOGGED = (("log_statement", "ddl"), ("log_min_messages", "warning"), ("log_destination", "stderr"), ("logging_collector", "off"))

# A statement in the log; lines that go on begin with a tab.
_LOGGED = re.compile(r"\bLOG:  (?:statement|execute [^\n]*?): (.*(?:\n\t.*)*)")
_OF_SERVER = re.compile(
    r"(?:\s|/\*.*?\*/)*(CREATE|ALTER|DROP)\s+(DATABASE|ROLE|USER(?!\s+MAPPING)|GROUP|TABLESPACE|SYSTEM)\b", re.IGNORECASE | re.DOTALL
)

_KEY = "dbops:rehearsal"  # stands for all keys of others
# Of the names in https://redis.io/docs/latest/commands/info/, section commandstats.
_OF_REDIS = (
    *("flushall", "flushdb", "swapdb", "shutdown", "replicaof", "slaveof", "debug", "function|flush"),
    *("config|set", "config|rewrite", "acl|setuser", "acl|deluser", "acl|load", "cluster|reset"),
)


def commands_in(log: str) -> list[str]:
    """The statements of a log that concern more than one database, by their first words. Pure."""
    found = [_OF_SERVER.match(statement) for text in _LOGGED.findall(log) for statement in statements(f"{text};")]
    return sorted({f"{match[1]} {match[2]}".upper() for match in found if match})


def calls_in(stats: str) -> dict[str, int]:
    """How often Redis was asked for what concerns more than a few keys. Pure."""
    calls = dict(re.findall(r"^cmdstat_([^:\s]+):calls=(\d+)", stats, re.MULTILINE))
    return {command: int(calls.get(command, 0)) for command in _OF_REDIS}


@contextmanager
def watched(stage: Stage) -> Iterator[list[str]]:
    """What a program does meanwhile; the list is complete afterwards."""
    found: list[str] = []
    logged = len(stage.log())
    calls = {}
    if stage.plan.redis_image:
        stage.ask_redis("SET", _KEY, "1")
        calls = calls_in(stage.ask_redis("INFO", "commandstats").out)
    yield found
    found += [f"{command} in PostgreSQL" for command in commands_in(stage.log()[logged:])]
    if calls:
        found += _of_redis(stage, calls)


def _of_redis(stage: Stage, before: dict[str, int]) -> list[str]:
    stats, kept = stage.ask_redis("INFO", "commandstats"), stage.ask_redis("EXISTS", _KEY)
    if not stats.ok:  # it had no reason of its own
        return [f"Redis does not answer any more: {stats.reason}"]
    calls = calls_in(stats.out)
    found = [f"{command.replace('|', ' ').upper()} in Redis" for command in _OF_REDIS if calls[command] > before[command]]
    return found or ([] if kept.out.strip() == "1" else ["a key that is not its own was deleted in Redis"])
