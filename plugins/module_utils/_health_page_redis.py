# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What a health report shows of Redis beside its findings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._health_charts import trend
from ._report_html import code, facts, h, meter, section, table
from ._report_values import NOTHING, duration, integer, line, mapping, mappings, moment, number, size, stamp

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

Part = dict[str, Any]


def figures_of(part: Part) -> list[tuple[str, str, str]]:
    """Memory, operations and the last save, for the head of the page."""
    info, rates = _told(part, "info"), _told(part, "rates")
    limit = f"of {size(info.get('maxmemory'))}" if info.get("maxmemory") else "no limit" if info else "not known"
    return [
        ("Memory of Redis", size(info.get("used_memory")), limit),
        ("Commands of Redis", _rate(rates, "total_commands_processed"), f"hit ratio {_hits(rates)}"),
        ("Redis saved", _saved(part), f"{integer(info.get('rdb_changes_since_last_save'))} changes since" if info else "not known"),
    ]


def sections_of(part: Part) -> list[Element]:
    made = (_memory(part), _keys(part), _rates(part), _slow(part), _latency(part), _replicas(part), _server(part))
    return [element for element in made if element is not None]


def _told(part: Part, probe: str) -> dict[str, Any]:
    return mapping(mapping(part.get("measured")).get(probe))


def _rows(part: Part, probe: str) -> list[dict[str, Any]]:
    return mappings(mapping(part.get("measured")).get(probe))


def _rate(rates: dict[str, Any], counter: str) -> str:
    seconds, counted = number(rates.get("seconds")), number(rates.get(counter))
    return NOTHING if not seconds or counted is None else f"{counted / seconds:,.1f}/s"


def _hits(rates: dict[str, Any]) -> str:
    hits, misses = number(rates.get("keyspace_hits")) or 0, number(rates.get("keyspace_misses")) or 0
    return f"{100 * hits / (hits + misses):.1f} %" if hits + misses else "not known"


def _saved(part: Part) -> str:
    info = _told(part, "info")
    now, saved = number(info.get("server_time_usec")), number(info.get("rdb_last_save_time"))
    return NOTHING if now is None or saved is None else f"{duration(max(0.0, now / 1e6 - saved))} ago"


# -- sections ------------------------------------------------------------------------------------------------------


def _memory(part: Part) -> Element | None:
    info = _told(part, "info")
    points = [(moment(point["time"]), float(point["bytes"])) for point in mappings(part.get("trend"))]
    drawn = trend([(time, value) for time, value in points if time], "Memory of Redis over the last reports")
    if not info:
        return section("Memory of Redis", drawn) if drawn is not None else None
    used, limit = float(info["used_memory"]), float(info["maxmemory"] or info["total_system_memory"])
    words = f"{size(used)} of {size(limit)}, {'its limit' if info['maxmemory'] else 'the machine, since it has no limit'}"
    room = h("figure", h("figcaption", words, meter((used / limit, "failed" if used > 0.9 * limit else "ok"))), class_="chart")
    listed = facts(
        ("Policy", line(info["maxmemory_policy"])),
        ("At its peak", size(info["used_memory_peak"])),
        ("Taken from the machine", size(info["used_memory_rss"])),
        ("Fragmentation", f"{info['mem_fragmentation_ratio']:.2f}, {size(info['mem_fragmentation_bytes'])}"),
    )
    return section("Memory of Redis", drawn, room, listed)


def _keys(part: Part) -> Element | None:
    rows = [
        (name.removeprefix("db"), integer(told["keys"]), integer(told["expires"]), duration(told.get("avg_ttl", 0) / 1000))
        for name, told in sorted(_told(part, "info").items())
        if name[:2] == "db" and name[2:].isdecimal() and isinstance(told, dict)
    ]
    columns = ("Database", "Keys", "With a time to live", "Which is on average")
    return section("Keys of Redis", table("Databases of Redis", columns, rows, numeric=columns[1:])) if rows else None


_COUNTED = (
    ("Commands", "total_commands_processed"),
    ("Look-ups that found", "keyspace_hits"),
    ("Look-ups that found nothing", "keyspace_misses"),
    ("Keys evicted", "evicted_keys"),
    ("Keys expired", "expired_keys"),
    ("Connections", "total_connections_received"),
    ("Connections turned away", "rejected_connections"),
    ("Errors answered", "total_error_replies"),
)


def _rates(part: Part) -> Element | None:
    rates = _told(part, "rates")
    if not rates:
        return None
    rows = [(words, integer(rates.get(counter)), _rate(rates, counter)) for words, counter in _COUNTED]
    caption = f"Counted over {duration(rates['seconds'])}"
    return section(
        "What Redis does", h("p", caption, class_="note"), table(caption, ("What", "Number", "Rate"), rows, numeric=("Number", "Rate"))
    )


def _slow(part: Part) -> Element | None:
    rows = [(stamp(row["time"]), code(line(row["command"])), f"{row['ms']:,.1f} ms", line(row["client"])) for row in _rows(part, "slowlog")]
    columns = ("When", "Command", "Took", "Client")
    return (
        section("Slow commands of Redis", table("Slow commands, the newest first", columns, rows[:20], numeric=("Took",))) if rows else None
    )


def _latency(part: Part) -> Element | None:
    rows = [(line(row["event"]), stamp(row["time"]), f"{row['ms']:,} ms", f"{row['worst']:,} ms") for row in _rows(part, "latency")]
    columns = ("Event", "Last time", "Took", "At worst")
    return (
        section("Latency of Redis", table("Events of the latency monitor", columns, rows, numeric=("Took", "At worst"))) if rows else None
    )


def _replicas(part: Part) -> Element | None:
    info = _told(part, "info")
    rows = [
        (f"{line(told['ip'])}:{line(told['port'])}", line(told["state"]), duration(told["lag"]))
        for name, told in sorted(info.items())
        if name.startswith("slave") and isinstance(told, dict)
    ]
    columns = ("Replica", "State", "Heard from before")
    return section("Replicas of Redis", table("Replicas", columns, rows, numeric=columns[2:])) if rows else None


def _server(part: Part) -> Element | None:
    info, config, answers = _told(part, "info"), _told(part, "config"), _told(part, "answers")
    if not info:
        return None
    clients = f"{integer(info['connected_clients'])} of {integer(info['maxclients'])}, {integer(info['blocked_clients'])} waiting"
    aof = f"on, {line(config.get('appendfsync'))}" if info["aof_enabled"] else "off"
    return section(
        "Redis",
        facts(
            ("Server", line(part.get("title"))),
            ("Role", "replica" if info["role"] == "slave" else "master"),
            ("Up for", duration(info["uptime_in_seconds"])),
            ("Clients", clients),
            ("Answers within", f"{answers['median']:.1f} ms"),
            ("Snapshots", line(config.get("save") or None, "none" if config else "not known")),
            ("Last snapshot", f"{line(info['rdb_last_bgsave_status'])}, {_saved(part)}"),
            ("Append-only file", aof),
            ("Stamp", line(mapping(part.get("measured")).get("stamp") or None, "none")),
        ),
    )
