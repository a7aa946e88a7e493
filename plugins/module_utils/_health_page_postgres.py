# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What a health report shows of PostgreSQL beside its findings."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ._health_charts import shares, strip, trend
from ._pg_health_readings import XID_LIMIT, roots
from ._report_html import code, facts, h, meter, section, table
from ._report_values import NOTHING, duration, integer, line, mapping, mappings, moment, number, plural, size, stamp, text

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

Part = dict[str, Any]

DAYS = 30  # of backups that are drawn

_STATES = {
    "active": "ok",
    "idle": "second",
    "idle in transaction": "warning",
    "idle in transaction (aborted)": "failed",
}


def figures_of(part: Part) -> list[tuple[str, str, str]]:
    """Size, connections and the newest backup, for the head of the page."""
    database, server = _one(part, "database"), _one(part, "server")
    used, usable = _used(part), number(server.get("usable_connections"))
    series = mapping(mapping(part.get("backups")).get("series"))
    return [
        ("Size", size(database.get("bytes")), _grown(part)),
        ("Connections", f"{used:,.0f}" if usable else NOTHING, f"of {integer(usable)} for ordinary roles" if usable else "not known"),
        ("Newest backup", _age(series.get("rpo")), line(series.get("newest") or None, "none valid")),
    ]


def sections_of(part: Part) -> list[Element]:
    made = (_locks(part), _sessions(part), _size(part), _tables(part), _indexes(part), _statements(part))
    made += (_replication(part), _wraparound(part), _backups(part), _server(part))
    return [element for element in made if element is not None]


def _rows(part: Part, probe: str) -> list[dict[str, Any]]:
    return mappings(mapping(part.get("measured")).get(probe))


def _one(part: Part, probe: str) -> dict[str, Any]:
    return (_rows(part, probe) or [{}])[0]


def _used(part: Part) -> float:
    return sum(row["count"] for row in _rows(part, "connections")) + 1


def _age(seconds: Any) -> str:
    """A length of time in its largest unit: nobody counts the minutes of a month."""
    value = number(seconds)
    if value is None:
        return NOTHING
    return next((f"{value / unit:.1f} {name}" for unit, name in ((86400, "days"), (3600, "h")) if value >= 2 * unit), duration(value))


def _grown(part: Part) -> str:
    growth = mapping(part.get("growth"))
    if not growth:
        known = mappings(part.get("trend"))
        return f"last known {size(known[-1]['bytes'])}" if known and not _rows(part, "database") else "no earlier report"
    return f"{_signed(growth['bytes'])} in {_age(growth['seconds'])}"


def _signed(value: Any) -> str:
    amount = number(value)
    if amount is None:
        return NOTHING
    return f"{'-' if amount < 0 else '+'}{size(abs(amount))}" if amount else "unchanged"


def _day(value: Any) -> str:
    found = moment(value)
    return f"{found:%Y-%m-%d %H:%M}" if found else "never"


def _bar(words: str, *parts: tuple[float, str]) -> Element:
    """A cell of words with a bar below them."""
    drawn = meter(*parts)
    drawn.tail = None  # cells keep their line breaks
    return h("span", words, drawn)


# -- sections ------------------------------------------------------------------------------------------------------


def _locks(part: Part) -> Element | None:
    rows = _rows(part, "locks")
    if not rows:
        return None
    behind: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        for pid in row["blocked_by"][:1]:
            behind.setdefault(pid, []).append(row)

    def branch(row: dict[str, Any], seen: frozenset[int]) -> Element:
        waits = f" waits {duration(row['waiting'])} for {row['mode']} on {line(row['object'])}" if row["waiting"] is not None else ""
        who = f"pid {row['pid']} · {line(row['user'])} · {line(row['application'])} · {line(row['state'])}"
        below = [branch(one, seen | {row["pid"]}) for one in behind.get(row["pid"], []) if one["pid"] not in seen | {row["pid"]}]
        query = h("div", code(line(row["query"], "")), class_="note") if row["query"] else None
        return h("li", h("strong", who), waits, query, h("ul", *below) if below else None)

    return section("Who waits for whom", h("ul", *(branch(root, frozenset()) for root in roots(rows)), class_="tree"))


def _sessions(part: Part) -> Element | None:
    states, server = _rows(part, "connections"), _one(part, "server")
    usable = number(server.get("usable_connections"))
    if not usable:
        return None
    parts = [(row["state"], row["count"], _STATES.get(row["state"], "quiet")) for row in states]
    chart = shares([*parts, ("this report", 1, "quiet")], usable, f"{_used(part):,.0f} of {usable:,.0f} connections")
    rows = [
        (
            f"pid {row['pid']}",
            duration(row["seconds"]),
            line(row["state"]),
            line(row["user"]),
            line(row["application"]),
            ": ".join(line(row[key]) for key in ("wait_event_type", "wait_event") if row[key]),
            code(line(row["query"], "")),
        )
        for row in _rows(part, "transactions")
    ]
    columns = ("Session", "In transaction", "State", "Role", "Application", "Waits for", "Query")
    listed = table("Open transactions, the oldest first", columns, rows, numeric=("In transaction",)) if rows else None
    return section("Sessions", chart, h("h3", "Open transactions, the oldest first") if rows else None, listed)


def _size(part: Part) -> Element | None:
    points = [(moment(point["time"]), float(point["bytes"])) for point in mappings(part.get("trend"))]
    drawn = trend([(time, value) for time, value in points if time], "Size of the database over the last reports")
    sizes, space = _rows(part, "sizes"), mapping(part.get("space"))
    rows = [(row["name"], size(row["bytes"]), _signed(mapping(part.get("growth")).get("bytes")) if row.get("own") else "") for row in sizes]
    if not rows and drawn is None:
        return None
    room = None
    if space:
        used = 1 - space["free"] / space["total"]
        words = f"{size(space['free'])} of {size(space['total'])} free where the data lie"
        room = h("figure", h("figcaption", words, meter((used, "failed" if used > 0.9 else "ok"))), class_="chart")
    columns = ("Database", "Size", "Since the last report")
    listed = table("Databases of the server by size", columns, rows, numeric=("Size",)) if rows else None
    return section("Size and growth", drawn, room, listed)


def _tables(part: Part) -> Element | None:
    tables, grown = _rows(part, "tables"), mapping(mapping(part.get("growth")).get("tables"))
    if not tables:
        return None
    largest = max(row["bytes"] for row in tables) or 1
    rows = []
    for row in tables:
        filled = ((row["table_bytes"] or 0) / largest, "ok"), ((row["index_bytes"] or 0) / largest, "second")
        about = "at least " if row["estimated"] else ""
        rows.append(
            (
                line(row["name"]),
                _bar(about + size(row["bytes"]), *filled),
                _signed(grown.get(row["name"])) if grown else "",
                integer(row["rows"]),
                integer(row["dead"]),
                _day(row["vacuumed"]),
                _day(row["analyzed"]),
            )
        )
    columns = ("Table", "Size", "Growth", "Rows", "Dead rows", "Vacuumed", "Analyzed")
    total = tables[0]["tables"]
    words = f"{plural(total, 'table')}; rows are estimates of the statistics. A bar is the table, its lighter end the indexes."
    if total > len(rows):
        words = f"{len(rows)} of {words}"
    return section("Tables", h("p", words, class_="note"), table("Tables by size", columns, rows, numeric=("Growth", "Rows", "Dead rows")))


def _indexes(part: Part) -> Element | None:
    rows = [
        (
            line(row["name"]),
            line(row["on_table"]),
            f"the same as {line(row['twin'])}" if row["twin"] else "being built" if row["being_built"] else row["flaw"],
            size(row["bytes"]),
            integer(row["scans"]),
        )
        for row in _rows(part, "indexes")
    ]
    if not rows:
        return None
    database = _one(part, "database")
    words = f"Scans are counted on this server, for {_age(database.get('counted_for'))}; a replica counts its own."
    columns = ("Index", "Table", "Flaw", "Size", "Scans")
    return section(
        "Indexes that cost more than they give",
        h("p", words, class_="note"),
        table("Invalid, duplicate and unused indexes", columns, rows, numeric=("Size", "Scans")),
    )


def _statements(part: Part) -> Element | None:
    statements = _rows(part, "statements")
    if not statements:
        return None
    largest = max(row["total_ms"] for row in statements) or 1
    rows = [
        (
            code(text(row["query"], "")),
            f"{row['mean_ms']:,.1f} ms",
            f"{row['max_ms']:,.1f} ms",
            integer(row["calls"]),
            _bar(duration(row["total_ms"] / 1000), (row["total_ms"] / largest, "ok")),
        )
        for row in statements
    ]
    columns = ("Query", "Mean", "Longest", "Calls", "Together")
    words = "The ten slowest by mean time, and the ten that took the most time together. A question mark stands for every value."
    return section(
        "Slow queries", h("p", words, class_="note"), table("Queries by mean time", columns, rows, numeric=("Mean", "Longest", "Calls"))
    )


def _replication(part: Part) -> Element | None:
    rows = [
        (
            line(row["name"]),
            "slot, " + line(row["kind"]),
            "active" if row["active"] else f"inactive {_age(row['inactive'])}",
            size(row["bytes"]),
            line(row["wal_status"]),
        )
        for row in _rows(part, "slots")
    ]
    rows += [
        (line(row["name"]), f"walsender, {line(row['sync_state'])}", line(row["state"]), size(row["bytes"]), duration(row["seconds"]))
        for row in _rows(part, "replication")
    ]
    if not rows:
        return None
    columns = ("Name", "Kind", "State", "Behind or kept", "Lag or WAL")
    return section("Replication", table("Slots and walsenders", columns, rows, numeric=("Behind or kept",)))


def _wraparound(part: Part) -> Element | None:
    rows = [
        (
            line(row["name"]),
            kind,
            _bar(f"{100 * row['xids'] / XID_LIMIT:.1f} %", (row["xids"] / XID_LIMIT, "ok")),
            integer(row["xids"]),
            integer(row["multixacts"]),
        )
        for kind, probe, most in (("database", "databases", 5), ("table", "oldest", 5))
        for row in _rows(part, probe)[:most]
    ]
    if not rows:
        return None
    columns = ("Name", "Kind", "Way to wraparound", "Transaction ids", "Multixacts")
    return section("Wraparound", table("Age of the oldest ids", columns, rows, numeric=("Transaction ids", "Multixacts")))


def _backups(part: Part) -> Element:
    backups = mapping(part.get("backups"))
    series, now = mapping(backups.get("series")), moment(part.get("time")) or datetime.now(timezone.utc)
    if not series:
        return section("Backups", h("p", line(backups.get("reason"), "Nothing is known of them.")))
    marks = [
        (time, line(row["state"]), f"{row['name']}: {row['state']}, {size(row['bytes'])}")
        for row in mappings(series.get("backups"))
        for time in [moment(row["time"])]
        if time
    ]
    drill = mapping(series.get("drill"))
    drilled = (
        f"{'passed' if drill['passed'] else 'FAILED'} {_day(drill['time'])}, RTO {duration(number(drill['rto']))}" if drill else "never"
    )
    words = f"Backups of the last {DAYS} days: green is drilled, blue verified, amber never read through, red invalid."
    gaps = [f"{gap['from']} to {gap['to']}" for gap in mappings(series.get("gaps"))]
    return section(
        "Backups and drills",
        h("p", words, class_="note"),
        strip(marks, now, DAYS),
        facts(
            ("Series", line(series.get("series"))),
            ("Directory", code(line(backups.get("directory")))),
            ("Backups", f"{plural(len(series['backups']), 'backup')}, {size(series.get('bytes'))}"),
            ("Newest", code(line(series.get("newest") or None, "none valid"))),
            ("Last drill", drilled),
            ("Gaps", f"{len(gaps)}: {'; '.join(gaps[-3:])}" if gaps else "none"),
        ),
    )


def _server(part: Part) -> Element | None:
    server, database, wal = _one(part, "server"), _one(part, "database"), _one(part, "wal")
    if not server:
        return None
    hits = number(database.get("blks_hit")) or 0.0
    blocks = hits + (number(database.get("blks_read")) or 0.0)
    told = [(row["name"], line(row["value"])) for row in _rows(part, "settings") if row["value"] is not None]
    return section(
        "Server",
        facts(
            ("Version", line(server["version"])),
            ("Up for", _age(server["uptime"])),
            ("Asked as", f"{line(server['role'])}{'' if server['monitor'] else ', no member of pg_monitor'}"),
            ("Cache hits", f"{100 * hits / blocks:.2f} % of {integer(blocks)} blocks" if blocks else NOTHING),
            ("Commits", integer(database.get("commits"))),
            ("Rollbacks", integer(database.get("rollbacks"))),
            ("Deadlocks", integer(database.get("deadlocks"))),
            ("Temp files", f"{integer(database.get('temp_files'))}, {size(database.get('temp_bytes'))}"),
            ("WAL", f"{size(wal.get('bytes'))} in {plural(wal.get('files'), 'file')}" if wal else NOTHING),
            ("Counted since", stamp(database.get("stats_reset")) if database.get("stats_reset") else "the start"),
            ("Report took", f"{part['seconds']:.2f} s in the server"),
        ),
        h("h3", "Settings"),
        facts(*((name.replace("_", " "), value) for name, value in told)),
    )
