# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The restore of a dump rehearsed in a throw-away server."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

from . import _pg_digest
from ._drilling import Drilling, Failed
from ._errors import OperationError
from ._job import Progress
from ._pg_load import Copy, damage
from ._psql import Server
from ._rebuild import Rebuilding, rebuild

DATABASE = "drill"


@dataclass(frozen=True)
class Assertion:
    """A query of one value, and what that has to be as text."""

    name: str
    sql: str
    expect: str = "true"


@dataclass(frozen=True)
class Plan(Rebuilding):
    """What one drill needs to know. Without assertions the usual ones are made."""

    assertions: tuple[Assertion, ...] = ()


def usual_assertions(manifest: dict[str, Any]) -> tuple[Assertion, ...]:
    return (
        Assertion("number of tables", f"SELECT count(*) FROM ({_pg_digest.TABLES}) AS dumped", str(len(manifest["tables"]))),
        Assertion("foreign keys without a check", _pg_digest.UNCHECKED, str(manifest["unchecked_foreign_keys"])),
    )


class Drill(Drilling):
    """The rehearsal of a dump."""

    plan: Plan

    def rehearse(self, progress: Progress) -> None:
        plan, manifest = self.plan, self.plan.manifest
        clock = time.monotonic()
        progress.say("reading the files", now=True, mib=manifest["bytes"] >> 20)
        reason = damage(plan.directory, manifest)
        if reason:
            raise Failed(reason)
        reading = time.monotonic() - clock
        progress.say("starting a throw-away server", now=True)
        with plan.throwaway() as throwaway:
            copy = plan.copy(throwaway, DATABASE, progress)
            clock = time.monotonic()
            try:
                self._load(copy)
                self.report["rto"] = round(reading + time.monotonic() - clock, 3)
                self._assert(copy)
            except OperationError as error:
                if error.slug in ("restore-no-space", "psql-failed", "postgres-unreachable") or not throwaway.is_alive():
                    raise OperationError(
                        "drill-cut-off",
                        f"The throw-away server did not hold out: {error.what} {throwaway.last_words()}",
                        "It is gone. Nothing was found out about the backup, and its manifest is as it was.",
                        "Give it more memory (postgres_throwaway_memory) or space, then run it again.",
                    ) from None
                if error.slug == "throwaway-unfit":
                    raise
                raise Failed(error.what.rstrip(".")) from None

    def _load(self, copy: Copy) -> None:
        """All that a restore does."""
        rebuilt = rebuild(copy, self.plan.directory, DATABASE)
        self.report["load_seconds"] = rebuilt.load_seconds
        if rebuilt.wrong:
            raise Failed(*rebuilt.wrong)
        if not _pg_digest.same_major(self.plan.manifest, rebuilt.facts):
            self.report["notes"].append("The schema was not compared: each major version writes it in its own words.")

    def _assert(self, copy: Copy) -> None:
        """Ask the restored database whatever it is to answer rightly."""
        copy.progress.say("asking it what it has to answer rightly", now=True)
        server = replace(copy.target.server.to(DATABASE), search_path="")
        wrong = []
        for assertion in self.plan.assertions or usual_assertions(self.plan.manifest):
            found, why = self._answer(server, assertion)
            passed = not why and found == assertion.expect
            self.report["assertions"].append({"name": assertion.name, "expected": assertion.expect, "found": found, "passed": passed})
            if not passed:
                wrong.append(f"{assertion.name}: " + (why or f"{found or 'no row'} instead of {assertion.expect}"))
        if wrong:
            raise Failed(*wrong, of_backup=not self.plan.assertions)

    def _answer(self, server: Server, assertion: Assertion) -> tuple[str, str]:
        """What the database answers, or why it does not."""
        query = assertion.sql.strip().rstrip(";")
        try:
            rows = server.rows(f"SELECT value::text AS value FROM (\n{query}\n) AS given (value)")
        except OperationError as error:
            if error.slug != "sql-failed":
                raise
            return "", error.what.rstrip(".")
        return "\n".join(str(row["value"]) for row in rows), ""
