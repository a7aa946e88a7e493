# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""A PostgreSQL server, asked how it is: one psql, every query in a transaction of its own."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from . import _pg_health_probes as probes
from ._errors import OperationError
from ._pg_health_mask import masked
from ._pg_space import room
from ._psql import Server, failure

# Failures that the report tells as a finding: the server is there, or is not, and a report says so either way.
UNREACHABLE = frozenset(
    {
        "container-stopped",
        "container-unknown",
        "database-missing",
        "engine-unreachable",
        "postgres-login-failed",
        "postgres-unreachable",
        "psql-failed",
    }
)

_MONITOR = "GRANT pg_monitor TO {role};"
_STAMP = "GRANT USAGE ON SCHEMA dbops TO {role}; GRANT SELECT ON dbops.environment TO {role};"
_STATEMENTS = (
    "shared_preload_libraries = 'pg_stat_statements' (needs a restart), then in the database: CREATE EXTENSION pg_stat_statements;"
)
_WITH_QUERIES = ("transactions", "locks", "statements")


def ask(server: Server, statement_timeout: float, lock_timeout: float) -> tuple[probes.Answers, dict[str, str]]:
    """What the server answered, and why something was not."""
    # Every statement ends by its own time-out; this one is for a server, or an engine, that says nothing at all.
    limit = 30 + len(probes.PROBES) * statement_timeout
    answer = replace(server, timeout=limit).ask(probes.script(statement_timeout, lock_timeout))
    answers = probes.parse(answer.out)
    if not answers.rows and not answers.failed:
        raise failure(answer, server.database)
    # The sizes of all databases are one list; that of the own one was asked for with its counters.
    own = [{"name": row["name"], "own": True, "bytes": row["bytes"]} for row in answers.rows.get("database", [])]
    if "sizes" in answers.rows:
        answers.rows["sizes"][:0] = own
    role = _role(answers)
    missing = {name: _why(name, state, message, role, statement_timeout) for name, (state, message) in answers.failed.items()}
    for probe in probes.PROBES:
        if probe.name in answers.rows or probe.name in missing:
            continue
        if not answer.ok:
            missing[probe.name] = f"the connection ended before: {answer.reason}"
        elif probe.name == "statements":
            missing[probe.name] = "the extension pg_stat_statements is not installed in this database"
        elif probe.name != "stamp":  # which need not be there
            missing[probe.name] = "this version of PostgreSQL does not know it"
    conforming = bool((answers.rows.get("server") or [{}])[0].get("conforming_strings"))
    for name in _WITH_QUERIES:
        for row in answers.rows.get(name, []):
            row["query"] = masked(row["query"], conforming_strings=conforming)
    return answers, missing


def _role(answers: probes.Answers) -> str:
    return str((answers.rows.get("server") or [{"role": "…"}])[0]["role"])


def _why(name: str, state: str, message: str, role: str, timeout: float) -> str:
    """A failure of one query in words. What the server says of a statement's text may quote it, so only known causes are told at length."""
    if state == "57014":
        return f"it took longer than {timeout:g} s, or somebody cancelled it"
    if state == "55P03":
        return "somebody holds a lock on what it looks at"
    if state == "42501":
        return f"the role {role} may not read it: {(_STAMP if name == 'stamp' else _MONITOR).format(role=role)}"
    return f"{message} ({state})"


def free_space(server: Server, answers: probes.Answers, missing: dict[str, str]) -> dict[str, int] | None:
    """Room where the data lie, if we are where they lie."""
    directory = str((answers.rows.get("server") or [{}])[0].get("data_directory") or "")
    if not directory:
        missing["space"] = "the role may not read data_directory"
    elif not server.place.container and not _is_here(server.env.get("PGHOST", "")):
        missing["space"] = "the server is on another machine"
    else:
        try:
            return room(server, directory)._asdict()
        except (OperationError, ValueError) as error:
            missing["space"] = str(getattr(error, "what", error))
    return None


def _is_here(host: str) -> bool:
    if not host or host.startswith("/") or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def notes(answers: probes.Answers, missing: Mapping[str, str]) -> list[dict[str, str]]:
    """What the report does not know, why, and what to do about it."""
    role = _role(answers)
    words = {probe.name: probe.what for probe in probes.PROBES} | {"space": "free space"}
    told = [{"about": words[name], "reason": why, "next": _STATEMENTS if name == "statements" else ""} for name, why in missing.items()]
    if not (answers.rows.get("server") or [{"monitor": True}])[0]["monitor"]:
        reason = f"the role {role} is no member of pg_monitor, so the server hides what they do from it"
        told.insert(0, {"about": "sessions and queries of other roles", "reason": reason, "next": _MONITOR.format(role=role)})
    estimated = [row["name"] for row in answers.rows.get("tables", []) if row["estimated"]]
    if estimated:
        reason = "somebody holds them, or waits for them, under ACCESS EXCLUSIVE: their sizes are estimates"
        told.append(
            {"about": ", ".join(estimated[:5]), "reason": reason, "next": "SELECT * FROM pg_locks WHERE mode = 'AccessExclusiveLock';"}
        )
    return told


def growth(
    now: Mapping[str, list[dict[str, Any]]], before: Mapping[str, list[dict[str, Any]]], since: str, seconds: float
) -> dict[str, Any]:
    """How much the database and its tables grew since an earlier report; {} where one of the two does not say."""
    if not now.get("database") or not before.get("database"):
        return {}
    tables = {row["name"]: row["bytes"] for row in before.get("tables", [])}
    return {
        "since": since,
        "seconds": seconds,
        "bytes": now["database"][0]["bytes"] - before["database"][0]["bytes"],
        "tables": {row["name"]: row["bytes"] - tables[row["name"]] for row in now.get("tables", []) if row["name"] in tables},
    }
