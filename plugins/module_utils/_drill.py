# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""A restore rehearsed in a throw-away server: what it proves is written into the manifest, and into a report."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from . import _manifest, _pg_digest
from ._backup_dir import in_use, record
from ._errors import OperationError
from ._files import make_private_directory, write_json
from ._job import Progress
from ._pg_load import Copy, damage
from ._psql import Server
from ._rebuild import Rebuilding, rebuild
from ._window import stamp

DATABASE = "drill"


class Failed(Exception):
    """What a drill could not prove; its text says it. of_backup: the backup is to blame, not the question that was asked."""

    def __init__(self, *reasons: str, of_backup: bool = True) -> None:
        super().__init__("; ".join(reasons[:5]) + (f" and {len(reasons) - 5} more" if len(reasons) > 5 else ""))
        self.of_backup = of_backup


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
        of_backup = True
        try:
            with in_use(os.path.join(plan.directory, manifest["name"])):
                self._rehearse(progress)
        except Failed as why:
            self.report["reason"], of_backup = str(why), why.of_backup
        ended = datetime.now(timezone.utc)
        self.report.update(ended=stamp(ended), seconds=round(time.monotonic() - clock, 3), passed=not self.report["reason"])
        if of_backup:
            self._record(progress)
        path = self._write(ended)
        if not of_backup:
            raise OperationError(
                "drill-assertion",
                f"{manifest['name']} was restored and is what was backed up, but it does not answer rightly: {self.report['reason']}.",
                f"It counts as before, neither proven by this drill nor spoilt; the report is {path}.",
                "Correct the question (postgres_drill_assertions), or find out what became of the data; an older backup may hold them.",
            )
        if self.report["reason"]:
            raise OperationError(
                "drill-failed",
                f"{manifest['name']} did not come through its drill: {self.report['reason']}.",
                f"Its manifest says so, and it no longer counts as a backup; the report is {path}.",
                "Take another backup now: playbooks/backup.yml, and drill that one.",
            )
        keys = ("backup", "series", "bytes", "tables", "rows", "image", "rto", "load_seconds", "assertions", "notes", "seconds")
        return {"changed": True, "report": path, **{key: self.report[key] for key in keys}}

    def _record(self, progress: Progress) -> None:
        """The result, for the manifest."""
        plan, report = self.plan, self.report
        entry = {"check": _manifest.DRILLED, "passed" if report["passed"] else "failed": report["ended"]}
        entry |= {key: report[key] for key in ("rto", "image", "seconds")}
        if report["reason"]:
            entry["reason"] = report["reason"]
        progress.say("waiting for a backup or rotation in this directory, to write the result down", now=True)
        record(plan.directory, plan.manifest["name"], entry)

    def _write(self, ended: datetime) -> str:
        """The result, for people."""
        plan = self.plan
        make_private_directory(plan.stack.reports)
        path = os.path.join(plan.stack.reports, f"drill_{plan.manifest['name']}_{ended.strftime(_manifest.STAMP)}.json")
        write_json(path, self.report)
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
