# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What the checks of PostgreSQL judge by: values taken from what a server answered. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ._findings import NotMeasured, Reading, Readings
from ._report_values import duration, integer, moment, size

XID_LIMIT = 2**31  # how far the oldest transaction id may lie behind before the server refuses to write
FREQUENT = 1000  # transactions, and FEW_BLOCKS blocks: below them a ratio says nothing
FEW_BLOCKS = 100_000
FEW_ROWS = 10_000
DAY, HOUR = 86400.0, 3600.0
BUSY_DAYS = 7  # statistics younger than that have not seen a whole week


@dataclass(frozen=True)
class Measured:
    """Everything that is known.

    rows: what each probe answered; missing: why one did not; unreachable: why the server was not asked, and what to do.
    backups: what the catalogue says, or the reason why there is none; space: None where it is not known.
    previous: what was measured at the last report, {} where there is none; since: seconds since then.
    """

    stack: str
    rows: Mapping[str, list[dict[str, Any]]]
    missing: Mapping[str, str] = field(default_factory=dict)
    backups: Mapping[str, Any] = field(default_factory=dict)
    space: Mapping[str, int] | None = None
    previous: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    since: float = 0.0
    unreachable: tuple[str, str] | None = None

    def of(self, probe: str) -> list[dict[str, Any]]:
        if probe not in self.rows:
            raise NotMeasured(self.missing.get(probe, "the server was not asked"))
        return self.rows[probe]

    def one(self, probe: str) -> dict[str, Any]:
        rows = self.of(probe)
        if not rows:
            raise NotMeasured("the server said nothing of it")
        return rows[0]

    @property
    def monitor(self) -> bool:
        return bool(self.one("server")["monitor"])

    def everybodys(self, probe: str) -> list[dict[str, Any]]:
        """Rows of a view that shows other roles' sessions to monitors only."""
        rows = self.of(probe)
        if not self.monitor:
            raise NotMeasured("sessions of other roles are hidden from a role that is no member of pg_monitor")
        return rows

    def counted(self) -> tuple[dict[str, Any], float]:
        """The database's counters since the last report, else since they began; and over how many seconds."""
        now = self.one("database")
        before = (self.previous.get("database") or [{}])[0]
        keys = ("commits", "rollbacks", "blks_hit", "blks_read", "deadlocks", "temp_bytes")
        if (
            before
            and self.since >= 60
            and before.get("stats_reset") == now["stats_reset"]
            and all(now[key] >= before.get(key, 0) for key in keys)
        ):
            return {key: now[key] - before.get(key, 0) for key in keys}, self.since
        return {key: now[key] for key in keys}, max(float(now["counted_for"]), 1.0)


def who(session: Mapping[str, Any]) -> str:
    """A session as a person looks for it."""
    parts = [f"pid {session['pid']}", str(session.get("user") or ""), str(session.get("application") or "")]
    return ", ".join(part for part in parts if part)


def _terminate(pid: int) -> str:
    return f"SELECT pg_terminate_backend({pid});" if pid else "SELECT * FROM pg_prepared_xacts;"


# -- sessions ------------------------------------------------------------------------------------------------------


def connections(measured: Measured) -> Readings:
    usable = measured.one("server")["usable_connections"]
    states = {row["state"]: row["count"] for row in measured.of("connections")}
    used = sum(states.values()) + 1  # this report's own
    told = ", ".join(f"{count} {state}" for state, count in states.items())
    yield Reading(used / usable, "", f"{used} of {usable} that ordinary roles may have: {told or 'this one'}")


def longest_transaction(measured: Measured) -> Readings:
    for row in measured.everybodys("transactions"):
        yield Reading(row["seconds"], who(row), f"{row['state']}: {row['query'] or 'in another database'}", _terminate(row["pid"]))


def idle_in_transaction(measured: Measured) -> Readings:
    for row in measured.everybodys("transactions"):
        if str(row["state"]).startswith("idle in transaction"):
            yield Reading(row["state_seconds"], who(row), f"last query: {row['query'] or 'in another database'}", _terminate(row["pid"]))


def blocked(measured: Measured) -> Readings:
    rows = measured.of("locks")
    for root in roots(rows):
        behind = [row for row in rows if row["waiting"] is not None and root["pid"] in ancestors(rows, row["pid"])]
        longest = max((row["waiting"] for row in behind), default=None)
        if longest is not None:
            queue = ", ".join(f"pid {row['pid']} for {row['mode']} on {row['object']}" for row in behind[:5])
            said = f"{root.get('state') or 'hidden'}: {root.get('query') or 'hidden'}"
            yield Reading(longest, who(root), f"{said}. Behind it: {queue}", _terminate(root["pid"]))


def roots(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sessions that others wait for and that wait for nobody; in a deadlock, the first that waits."""
    waited_for = {pid for row in rows for pid in row["blocked_by"]}
    found = [row for row in rows if row["pid"] in waited_for and not row["blocked_by"]]
    reached = {pid for root in found for row in rows for pid in [row["pid"]] if root["pid"] in ancestors(rows, pid)}
    circling = [row for row in rows if row["blocked_by"] and row["pid"] not in reached]
    return found + circling[:1]


def ancestors(rows: list[dict[str, Any]], pid: int) -> set[int]:
    """Everybody for whom a session waits, directly or not."""
    edges = {row["pid"]: row["blocked_by"] for row in rows}
    found: set[int] = set()
    ahead = list(edges.get(pid, []))
    while ahead:
        one = ahead.pop()
        if one not in found:
            found.add(one)
            ahead += edges.get(one, [])
    return found


def prepared(measured: Measured) -> Readings:
    for row in measured.of("prepared"):
        step = "ROLLBACK PREPARED '" + str(row["gid"]).replace("'", "''") + "';"
        yield Reading(row["seconds"], str(row["gid"]), f"of {row['owner']} in {row['database']}", step)


# -- tables and indexes --------------------------------------------------------------------------------------------


def dead_rows(measured: Measured) -> Readings:
    for row in measured.of("tables"):
        if row["dead"] >= FEW_ROWS:
            ratio = row["dead"] / (row["rows"] + row["dead"])
            yield Reading(ratio, row["name"], f"{integer(row['dead'])} dead rows; vacuumed {_when(row['vacuumed'])}")


def never_analyzed(measured: Measured) -> Readings:
    for row in measured.of("tables"):
        if row["analyzed"] is None:
            yield Reading(row["modified"], row["name"], "never analyzed since the server began to count")


def _when(time: Any) -> str:
    found = moment(time)
    return f"{found:%Y-%m-%d %H:%M} UTC" if found else "never"


def wraparound(measured: Measured, key: str) -> Readings:
    tables = ", ".join(f"{row['name']} ({integer(row[key])})" for row in measured.rows.get("oldest", [])[:3])
    for row in measured.of("databases"):
        detail = f"{integer(row[key])} of {integer(XID_LIMIT)}"
        own = row["name"] == measured.one("server")["database"]
        yield Reading(row[key] / XID_LIMIT, row["name"], f"{detail}; oldest tables: {tables}" if own and tables else detail)


def _flawed(measured: Measured, flaw: str) -> Iterator[dict[str, Any]]:
    return (row for row in measured.of("indexes") if row["flaw"] == flaw)


def invalid_indexes(measured: Measured) -> Readings:
    for row in _flawed(measured, "invalid"):
        if not row["being_built"]:
            yield Reading(1, row["name"], f"on {row['on_table']}, {size(row['bytes'])}")


def duplicate_indexes(measured: Measured) -> Readings:
    for row in _flawed(measured, "duplicate"):
        yield Reading(row["bytes"] or 0, row["name"], f"on {row['on_table']}, the same as {row['twin']}")


def unused_indexes(measured: Measured) -> Readings:
    counted_for = measured.one("database")["counted_for"]
    if counted_for < BUSY_DAYS * DAY:
        raise NotMeasured(f"the server has counted for {duration(counted_for)} only; {BUSY_DAYS} days at least say something")
    for row in _flawed(measured, "unused"):
        days = f"not read once in {counted_for / DAY:.0f} days"
        yield Reading(row["bytes"] or 0, row["name"], f"on {row['on_table']}, {days} on this server; a replica may use it")


# -- rates ---------------------------------------------------------------------------------------------------------


def cache_hits(measured: Measured) -> Readings:
    counted, seconds = measured.counted()
    blocks = counted["blks_hit"] + counted["blks_read"]
    if blocks < FEW_BLOCKS:
        raise NotMeasured(f"only {integer(blocks)} blocks were asked for")
    yield Reading(counted["blks_hit"] / blocks, "", f"{integer(counted['blks_read'])} blocks read from outside in {duration(seconds)}")


def rollbacks(measured: Measured) -> Readings:
    counted, seconds = measured.counted()
    ended = counted["commits"] + counted["rollbacks"]
    if ended < FREQUENT:
        raise NotMeasured(f"only {integer(ended)} transactions ended")
    yield Reading(counted["rollbacks"] / ended, "", f"{integer(counted['rollbacks'])} of {integer(ended)} in {duration(seconds)}")


def deadlocks(measured: Measured) -> Readings:
    counted, seconds = measured.counted()
    yield Reading(counted["deadlocks"] / max(seconds, HOUR) * HOUR, "", f"{integer(counted['deadlocks'])} in {duration(seconds)}")


def temp_bytes(measured: Measured) -> Readings:
    counted, seconds = measured.counted()
    yield Reading(counted["temp_bytes"] / max(seconds, HOUR) * HOUR, "", f"{size(counted['temp_bytes'])} in {duration(seconds)}")


def checksum_failures(measured: Measured) -> Readings:
    yield Reading(measured.one("database")["checksum_failures"] or 0)


def slow_queries(measured: Measured) -> Readings:
    for row in measured.of("statements"):
        # What an operator or a backup runs once may take its time.
        if row["calls"] >= 10 and not row["query"].lower().startswith(("copy ", "create ", "vacuum", "analyze", "reindex", "refresh")):
            yield Reading(row["mean_ms"], f"query {row['id']}", f"{integer(row['calls'])} calls: {row['query']}")


def requested_checkpoints(measured: Measured) -> Readings:
    row = measured.one("checkpoints")
    total = row["timed"] + row["requested"]
    if total < 20:
        raise NotMeasured(f"only {integer(total)} checkpoints were counted")
    yield Reading(row["requested"] / total, "", f"{integer(row['requested'])} of {integer(total)}")


# -- replication and WAL -------------------------------------------------------------------------------------------


def lag(measured: Measured) -> Readings:
    for row in measured.everybodys("replication"):
        yield Reading(row["seconds"] or 0, str(row["name"]), f"{row['state']}, {size(row['bytes'])} behind")
    for row in measured.of("recovery"):
        yield Reading(row["seconds"] or 0, "this standby")


def slot_bytes(measured: Measured) -> Readings:
    for row in measured.of("slots"):
        if row["bytes"] is not None:
            yield Reading(row["bytes"], str(row["name"]), _slot(row))


def slots_inactive(measured: Measured) -> Readings:
    for row in measured.of("slots"):
        if not row["active"]:
            yield Reading(1, str(row["name"]), _slot(row))


def slots_lost(measured: Measured) -> Readings:
    for row in measured.of("slots"):
        if row["wal_status"] in ("unreserved", "lost"):
            yield Reading(2 if row["wal_status"] == "lost" else 1, str(row["name"]), _slot(row))


def _slot(row: Mapping[str, Any]) -> str:
    active = "active" if row["active"] else f"inactive for {duration(row['inactive'])}" if row["inactive"] else "inactive"
    why = f", {row['invalidation']}" if row["invalidation"] else ""
    return f"{row['kind']}, {active}, wal_status {row['wal_status']}{why}"


def archiver(measured: Measured) -> Readings:
    row = measured.one("archiver")
    if row["mode"] != "off":
        yield Reading(
            int(row["failing"]), "", f"last archived {_when(row['last_archived_time'])}, last failed {_when(row['last_failed_time'])}"
        )


# -- server and disk -----------------------------------------------------------------------------------------------


def pending_restart(measured: Measured) -> Readings:
    for row in measured.of("settings"):
        if row["pending_restart"]:
            yield Reading(1, row["name"])


def unsafe_settings(measured: Measured) -> Readings:
    for row in measured.of("settings"):
        if row["unsafe"]:
            yield Reading(1, row["name"])


def collations(measured: Measured) -> Readings:
    for row in measured.of("collations"):
        step = (
            f"REINDEX DATABASE CONCURRENTLY; then {row['refresh']} REFRESH {'COLLATION ' if 'DATABASE' in row['refresh'] else ''}VERSION;"
        )
        yield Reading(1, row["name"], f"recorded {row['recorded']}, now {row['actual']}", step)


def disk_used(measured: Measured) -> Readings:
    if measured.space is None:
        raise NotMeasured(measured.missing.get("space", "free space is not known"))
    total = measured.space["total"]
    yield Reading(1 - measured.space["free"] / total, "", f"{size(measured.space['free'])} free of {size(total)}")


def days_left(measured: Measured) -> Readings:
    """How long the free space lasts, should everything go on growing as since the last report."""
    if measured.space is None:
        raise NotMeasured(measured.missing.get("space", "free space is not known"))
    before = {row["name"]: row["bytes"] for row in measured.previous.get("sizes", [])}
    if not before or measured.since < HOUR:
        raise NotMeasured("there is no earlier report, or it is younger than an hour")
    grown = sum(row["bytes"] - before[row["name"]] for row in measured.of("sizes") if row["bytes"] and before.get(row["name"]))
    if grown > 0:
        a_day = grown / measured.since * DAY
        yield Reading(measured.space["free"] / a_day, "", f"{size(a_day)} a day, {size(measured.space['free'])} free")


# -- stamp, backups and drills -------------------------------------------------------------------------------------


def stamp(measured: Measured) -> Readings:
    if "stamp" in measured.missing:
        raise NotMeasured(measured.missing["stamp"])
    measured.one("server")
    rows = measured.rows.get("stamp", [])
    found = " and ".join(f"{row['environment']}/{row['name']}" for row in rows)
    if not rows:
        yield Reading(1, "", "the database carries none", f"ansible-playbook playbooks/stamp.yml -e dbops_confirm={measured.stack}")
    else:
        yield Reading(0 if found == measured.stack else 2, found, f"the inventory says {measured.stack}")


def _series(measured: Measured) -> Mapping[str, Any]:
    if "series" not in measured.backups:
        raise NotMeasured(measured.backups.get("reason", "there is nothing to judge"))
    return measured.backups["series"]


def no_backup(measured: Measured) -> Readings:
    if measured.backups.get("reason"):
        yield Reading(1, "", measured.backups["reason"])
    else:
        series = _series(measured)
        yield Reading(int(not series["newest"]), series["series"], "" if series["newest"] else "no valid backup")


def backup_age(measured: Measured) -> Readings:
    series = _series(measured)
    if series["rpo"] is not None:
        yield Reading(series["rpo"], series["newest"])


def backup_gaps(measured: Measured) -> Readings:
    series = _series(measured)
    # The last one reaches to now, and is the newest backup's age.
    gaps = [gap for gap in series["gaps"] if not series["rpo"] or gap["seconds"] != series["rpo"]]
    yield Reading(len(gaps), series["series"], "; ".join(f"{gap['from']} to {gap['to']}" for gap in gaps[-3:]))


def backup_flaws(measured: Measured) -> Readings:
    backups = _series(measured)["backups"]
    if backups and backups[0]["state"] in ("invalid", "complete"):
        newest = backups[0]
        yield Reading(2 if newest["state"] == "invalid" else 1, newest["name"], newest["reason"] or "its rows were never read")


def drill_age(measured: Measured) -> Readings:
    drill = _series(measured)["drill"]
    if not drill:
        raise NotMeasured("there was none")
    yield Reading(max(drill["age"], 0.0), drill["name"], f"RTO {duration(drill['rto'])}")


def drill_failed(measured: Measured) -> Readings:
    drill = _series(measured)["drill"]
    if not drill:
        yield Reading(1, "", "no backup of the series was ever restored to try it")
    else:
        yield Reading(0 if drill["passed"] else 2, drill["name"], "" if drill["passed"] else "the last drill failed")
