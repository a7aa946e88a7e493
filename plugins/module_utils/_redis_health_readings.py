# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What the checks of Redis judge by: values taken from what a server answered. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ._findings import NotMeasured, Reading, Readings
from ._report_values import duration, integer, size

FREQUENT = 1000  # look-ups: below them a ratio says nothing
MUCH = 64 * 1024 * 1024  # bytes: what is lost of less is no matter
SHORT = 60.0  # seconds between two reports, below which a sample of one's own says more

# Counters that only grow while a server runs.
COUNTERS = (
    "total_commands_processed",
    "total_connections_received",
    "rejected_connections",
    "keyspace_hits",
    "keyspace_misses",
    "evicted_keys",
    "expired_keys",
    "total_error_replies",
)


@dataclass(frozen=True)
class Measured:
    """Everything that is known.

    info, config, slowlog, answers, stamp, rates: what the server answered; missing: why it did not; unreachable: why it was not
    asked, and what to do. now: seconds since 1970 by the server's clock.
    """

    stack: str
    told: Mapping[str, Any]
    missing: Mapping[str, str] = field(default_factory=dict)
    unreachable: tuple[str, str] | None = None

    def of(self, probe: str) -> Any:
        if probe not in self.told:
            raise NotMeasured(self.missing.get(probe, "the server was not asked"))
        return self.told[probe]

    @property
    def info(self) -> Mapping[str, Any]:
        return self.of("info")

    @property
    def now(self) -> float:
        return float(self.info["server_time_usec"]) / 1e6

    def rate(self, counter: str, seconds: float) -> tuple[float, str]:
        """How often something happens in that many seconds, and since when that was counted."""
        rates = self.of("rates")
        return rates[counter] * seconds / rates["seconds"], f"{integer(rates[counter])} in {duration(rates['seconds'])}"


def difference(now: Mapping[str, Any], before: Mapping[str, Any], seconds: float) -> dict[str, float]:
    """What was counted between two samples of one run of the server; {} where those are of two runs, or nothing is between them."""
    same = before.get("run_id") == now.get("run_id") and seconds > 0
    # CONFIG RESETSTAT takes them back.
    if not same or any(now.get(name, 0) < before.get(name, 0) for name in COUNTERS):
        return {}
    return {"seconds": round(seconds, 3), **{name: now.get(name, 0) - before.get(name, 0) for name in COUNTERS}}


# -- replication -----------------------------------------------------------------------------------------------------


def _is_replica(info: Mapping[str, Any]) -> bool:
    return info["role"] == "slave"


def broken(measured: Measured) -> Readings:
    info = measured.info
    if _is_replica(info):
        down = info["master_link_status"] != "up"
        since = duration(float(info.get("master_link_down_since_seconds", -1)))
        yield Reading(int(down), f"{info['master_host']}:{info['master_port']}", f"the link is down, for {since}" if down else "")


def lag(measured: Measured) -> Readings:
    info = measured.info
    if _is_replica(info) and info["master_link_status"] == "up":
        yield Reading(float(info["master_last_io_seconds_ago"]), f"{info['master_host']}:{info['master_port']}", "nothing came for so long")
    for name, replica in info.items():
        if isinstance(replica, Mapping) and name.startswith("slave"):
            yield Reading(float(replica["lag"]), f"{replica['ip']}:{replica['port']}", str(replica["state"]))


# -- persistence -----------------------------------------------------------------------------------------------------

_LAST = {
    "rdb_last_bgsave_status": ("snapshot", "the last snapshot failed"),
    "aof_last_bgrewrite_status": ("append-only file", "its last rewrite failed"),
    "aof_last_write_status": ("append-only file", "the last write to it failed"),
}


def save_failed(measured: Measured) -> Readings:
    for name, (what, why) in _LAST.items():
        failed = measured.info[name] != "ok"
        yield Reading(int(failed), what, why if failed else "")


def unsaved(measured: Measured) -> Readings:
    """The age of what a crash would lose. With an append-only file that is a second or so, whatever the snapshot's age."""
    info = measured.info
    if info["aof_enabled"] or not measured.of("config").get("save"):
        return
    changes, since = info["rdb_changes_since_last_save"], max(0.0, measured.now - info["rdb_last_save_time"])
    yield Reading(since if changes else 0.0, "", f"{integer(changes)} changes since the last snapshot" if changes else "")


def no_persistence(measured: Measured) -> Readings:
    none = not measured.info["aof_enabled"] and not measured.of("config").get("save")
    yield Reading(int(none), "", "neither snapshots nor an append-only file" if none else "")


def forks(measured: Measured) -> Readings:
    yield Reading(measured.info["latest_fork_usec"] / 1000)


# -- memory ----------------------------------------------------------------------------------------------------------


def memory(measured: Measured) -> Readings:
    info = measured.info
    policy = info["maxmemory_policy"]
    # A cache that evicts is meant to be full.
    if info["maxmemory"] and not policy.startswith("allkeys-"):
        detail = f"{size(info['used_memory'])} of {size(info['maxmemory'])}, policy {policy}"
        yield Reading(info["used_memory"] / info["maxmemory"], "", detail)


def machine(measured: Measured) -> Readings:
    info = measured.info
    detail = f"{size(info['used_memory_rss'])} of the machine's {size(info['total_system_memory'])}"
    yield Reading(info["used_memory_rss"] / info["total_system_memory"], "", detail)


def fragmentation(measured: Measured) -> Readings:
    info = measured.info
    if info["mem_fragmentation_bytes"] > MUCH:
        yield Reading(info["mem_fragmentation_ratio"], "", f"{size(info['mem_fragmentation_bytes'])} more than its data need")


def evicted(measured: Measured) -> Readings:
    value, counted = measured.rate("evicted_keys", 3600)
    yield Reading(value, "", f"{counted}, policy {measured.info['maxmemory_policy']}")


def hits(measured: Measured) -> Readings:
    rates = measured.of("rates")
    looked = rates["keyspace_hits"] + rates["keyspace_misses"]
    if looked < FREQUENT:
        raise NotMeasured(f"{integer(looked)} look-ups in {duration(rates['seconds'])} say nothing")
    yield Reading(rates["keyspace_hits"] / looked, "", f"{integer(rates['keyspace_misses'])} of {integer(looked)} found nothing")


# -- clients ---------------------------------------------------------------------------------------------------------


def clients(measured: Measured) -> Readings:
    info = measured.info
    yield Reading(info["connected_clients"] / info["maxclients"], "", f"{info['connected_clients']} of {info['maxclients']}")


def rejected(measured: Measured) -> Readings:
    value, counted = measured.rate("rejected_connections", 60)
    yield Reading(value, "", counted)


def answers(measured: Measured) -> Readings:
    told = measured.of("answers")
    yield Reading(told["median"], "", f"the slowest of {told['number']} PINGs took {told['worst']:.1f} ms")


def slow_commands(measured: Measured) -> Readings:
    """By command, since the last report."""
    slowest: dict[str, list[Mapping[str, Any]]] = {}
    for entry in measured.of("slowlog"):
        slowest.setdefault(entry["command"], []).append(entry)
    for command, entries in slowest.items():
        worst = max(entries, key=lambda entry: entry["ms"])
        yield Reading(worst["ms"], command, f"{len(entries)} of them were slow, the slowest at {worst['time']}, from {worst['client']}")


def stamp(measured: Measured) -> Readings:
    found = measured.of("stamp")
    if found == measured.stack:
        yield Reading(0)
    elif found:
        yield Reading(2, "", f"it says {found}")
    else:
        yield Reading(1, "", "it has none, so that of PostgreSQL decides")
