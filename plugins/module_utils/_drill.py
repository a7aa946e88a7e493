# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""A restore rehearsed in a throw-away server: what it proves is written into the manifest, and into a report."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from . import _manifest, _pg_digest
from ._backup_dir import in_use, record
from ._errors import OperationError
from ._files import make_private_directory, write_json
from ._job import Progress
from ._pg_load import Copy, damage
from ._rebuild import Rebuilding, rebuild
from ._window import stamp

DATABASE = "drill"


class Failed(Exception):
    """What a backup could not prove; its text says it."""

    def __init__(self, *reasons: str) -> None:
        super().__init__("; ".join(reasons[:5]) + (f" and {len(reasons) - 5} more" if len(reasons) > 5 else ""))


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
        Assertion("foreign keys are valid", "SELECT count(*) = 0 FROM pg_constraint WHERE contype = 'f' AND NOT convalidated"),
    )


class Drill:
    """One rehearsal. Only what the backup itself is to blame for counts against it; what else went wrong is told and forgotten."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.report: dict[str, Any] = {}

    def make(self, progress: Progress) -> dict[str, Any]:
        plan, manifest = self.plan, self.plan.manifest
        clock = time.monotonic()
        self.report = {
            "stack": str(plan.stack),
            "image": plan.image,
            "started": stamp(datetime.now(timezone.utc)),
            "rto": None,
            "load_seconds": None,
            "assertions": [],
            "notes": [],
            "reason": "",
            **{key: manifest[key] for key in ("series", "sha256", "bytes", "environment", "database_bytes")},
            "backup": manifest["name"],
            **_manifest.contents_of(manifest),
        }
        try:
            with in_use(os.path.join(plan.directory, manifest["name"])):
                self._rehearse(progress)
        except Failed as why:
            self.report["reason"] = str(why)
        path = self._write(round(time.monotonic() - clock, 3), progress)
        if self.report["reason"]:
            raise OperationError(
                "drill-failed",
                f"{manifest['name']} did not come through its drill: {self.report['reason']}.",
                f"Its manifest says so, and it no longer counts as a backup; the report is {path}.",
                "Take another backup now: playbooks/backup.yml, and drill that one.",
            )
        keys = ("backup", "series", "bytes", "tables", "rows", "image", "rto", "load_seconds", "assertions", "notes", "seconds")
        return {"changed": True, "report": path, **{key: self.report[key] for key in keys}}

    def _write(self, seconds: float, progress: Progress) -> str:
        """The result, for people and for the manifest."""
        plan, report = self.plan, self.report
        ended = datetime.now(timezone.utc)
        report.update(ended=stamp(ended), seconds=seconds, passed=not report["reason"])
        entry = {"check": _manifest.DRILLED, "passed" if report["passed"] else "failed": report["ended"]}
        entry |= {key: report[key] for key in ("rto", "image", "seconds")}
        if report["reason"]:
            entry["reason"] = report["reason"]
        progress.say("waiting for a backup or rotation in this directory, to write the result down", now=True)
        record(plan.directory, plan.manifest["name"], entry)
        make_private_directory(plan.stack.reports)
        path = os.path.join(plan.stack.reports, f"drill_{plan.manifest['name']}_{ended.strftime(_manifest.STAMP)}.json")
        write_json(path, report)
        return path

    def _rehearse(self, progress: Progress) -> None:
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
                if error.slug == "restore-no-space" or not throwaway.is_alive():
                    raise OperationError(
                        "drill-cut-off",
                        f"The throw-away server did not hold out: {error.what} {throwaway.last_words()}",
                        "It is gone. Nothing was found out about the backup, and its manifest is as it was.",
                        "Give it more memory (postgres_throwaway_memory) or space, then run it again.",
                    ) from None
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
        server = copy.target.server.to(DATABASE)
        for assertion in self.plan.assertions or usual_assertions(self.plan.manifest):
            query = assertion.sql.strip().rstrip(";")
            rows = server.rows(f"SELECT value::text AS value FROM (\n{query}\n) AS given (value)")
            found = "\n".join(str(row["value"]) for row in rows)
            self.report["assertions"].append(
                {"name": assertion.name, "expected": assertion.expect, "found": found, "passed": found == assertion.expect}
            )
        wrong = [entry for entry in self.report["assertions"] if not entry["passed"]]
        if wrong:
            raise Failed(*(f"{entry['name']}: {entry['found'] or 'no row'} instead of {entry['expected']}" for entry in wrong))
