# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""A Redis server, asked how it is, by one redis-cli."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from statistics import median
from typing import Any, Callable

from . import _redis_stamp
from ._errors import OperationError
from ._redis_health_readings import SHORT, difference
from ._redis_info import configuration, info
from ._redis_line import shown
from ._redis_session import Session

PINGS = 50
SLOW = 128  # entries of the slow log that are read; the server keeps as many

# Failures that the report tells as a finding: the server is there, or is not, and a report says so either way.
UNREACHABLE = frozenset(
    {
        "container-stopped",
        "container-unknown",
        "engine-unreachable",
        "redis-busy",
        "redis-cli-missing",
        "redis-cli-too-old",
        "redis-clients-full",
        "redis-command-unknown",
        "redis-connection-lost",
        "redis-forbidden",
        "redis-loading",
        "redis-login-failed",
        "redis-no-answer",
        "redis-refused",
        "redis-unreachable",
    }
)

_SETTINGS = ("save", "appendonly", "appendfsync", "maxmemory", "maxmemory-policy", "slowlog-log-slower-than", "latency-monitor-threshold")

# What is asked beside INFO, in words, and what lets a user ask it.
_PROBES = {
    "config": ("settings", "ACL SETUSER <user> +config|get"),
    "slowlog": ("slow commands", "ACL SETUSER <user> +slowlog|get"),
    "latency": ("events of the latency monitor", "ACL SETUSER <user> +latency|latest"),
    "stamp": ("the environment stamp", f"ACL SETUSER <user> %R~{_redis_stamp.KEY} +get +type"),
}


def ask(session: Session, interval: float, before: Mapping[str, Any], since: float) -> tuple[dict[str, Any], dict[str, str]]:
    """What the server answered, and why something was not.

    interval: seconds between two samples of the counters; before: the fields of INFO at the last report, {} where there is none; since:
    seconds since then.
    """
    told: dict[str, Any] = {"answers": _answers(session), "info": info(session)}
    missing: dict[str, str] = {}
    oldest = told["info"]["server_time_usec"] / 1e6 - (since if before else 86400)
    probes: dict[str, Callable[[], Any]] = {
        "config": lambda: configuration(session, *_SETTINGS),
        "slowlog": lambda: _slowlog(session, oldest),
        "latency": lambda: _latency(session),
        "stamp": lambda: _redis_stamp.read(session),
    }
    for name, probe in probes.items():
        try:
            told[name] = probe()
        except OperationError as error:
            if error.slug == "redis-connection-lost":
                raise
            missing[name] = error.what
    told["rates"] = difference(told["info"], before, since) if since >= SHORT else {}
    if not told["rates"]:
        time.sleep(interval)
        again = info(session, "stats", "server")
        told["rates"] = difference(again, told["info"], (again["server_time_usec"] - told["info"]["server_time_usec"]) / 1e6)
    if not told["rates"]:
        del told["rates"]
        missing["rates"] = "the counters were reset, or no time passed between the two samples"
    return told, missing


def _answers(session: Session) -> dict[str, float]:
    """Milliseconds that a PING takes, on the way there and back."""
    taken = []
    for _again in range(PINGS):
        began = time.monotonic()
        session.ask("PING")
        taken.append(1000 * (time.monotonic() - began))
    return {"number": PINGS, "median": round(median(taken), 3), "worst": round(max(taken), 3)}


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%SZ}"


def _slowlog(session: Session, oldest: float) -> list[dict[str, Any]]:
    """Slow commands since then, without their values: the name, and the prefix of the key."""
    found = []
    for entry in session.ask("SLOWLOG", "GET", SLOW):
        at, microseconds, words, client, name = entry[1:6]
        if at >= oldest:
            about = {"time": _time(at), "ms": microseconds / 1000, "client": " ".join(filter(None, (shown(client), shown(name))))}
            found.append({"command": _command(words), **about})
    return found


# Anything else may be a script, a value, or an id that means a person.
_PREFIX = re.compile(r"[\w.-]{1,60}:[\w.-]{1,60}:", re.ASCII)


def _command(words: list[str]) -> str:
    if len(words) == 1:
        return shown(words[0].upper())
    prefix = _PREFIX.match(words[1])
    return f"{shown(words[0].upper())} {prefix[0] if prefix else ''}…"


def _latency(session: Session) -> list[dict[str, Any]]:
    events = (entry[:4] for entry in session.ask("LATENCY", "LATEST"))
    return [{"event": shown(event), "time": _time(at), "ms": last, "worst": worst} for event, at, last, worst in events]


def notes(missing: Mapping[str, str]) -> list[dict[str, str]]:
    """What the report does not know, why, and what to do about it."""
    return [
        {"about": f"Redis: {_PROBES[name][0] if name in _PROBES else 'rates'}", "reason": why, "next": _PROBES.get(name, ("", ""))[1]}
        for name, why in missing.items()
    ]
