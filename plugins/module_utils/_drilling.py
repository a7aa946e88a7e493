# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""A restore rehearsed in a throw-away server, whatever it is of: what is found goes into the manifest, and into a report."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from . import _manifest
from ._backup_dir import in_use, record
from ._errors import OperationError
from ._files import make_private_directory, write_json
from ._job import Progress
from ._place import Place
from ._stack import Stack
from ._throwaway import Limits
from ._window import stamp


class Failed(Exception):
    """What a drill could not prove; its text says it. of_backup: the backup is to blame, not the question that was asked."""

    def __init__(self, *reasons: str, of_backup: bool = True) -> None:
        super().__init__("; ".join(reasons[:5]) + (f" and {len(reasons) - 5} more" if len(reasons) > 5 else ""))
        self.of_backup = of_backup


@dataclass(frozen=True)
class Plan:
    """Which backup is rehearsed, and in what throw-away server."""

    stack: Stack
    place: Place
    directory: str
    manifest: dict[str, Any]
    image: str
    limits: Limits
    run: str


def predicted(manifest: dict[str, Any], image: str) -> dict[str, Any]:
    """What a drill tells of itself before anything is known."""
    return {
        "series": manifest["series"],
        "bytes": manifest["bytes"],
        **_manifest.contents_of(manifest),
        "image": image,
        "rto": None,
        "load_seconds": None,
        "seconds": 0.0,
        "assertions": [],
        "notes": [],
    }


def foreseen(plan: Plan) -> dict[str, Any]:
    """The result that check mode tells."""
    return {"changed": True, "backup": plan.manifest["name"], **predicted(plan.manifest, plan.image), "report": ""}


class Drilling:
    """One rehearsal. Only what the backup itself is to blame for counts against it; what else went wrong is told and forgotten."""

    plan: Plan

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.report: dict[str, Any] = {}

    def rehearse(self, progress: Progress) -> None:
        """Restore it, and fill in the report. Raises Failed where something is not proved."""
        raise NotImplementedError

    def make(self, progress: Progress) -> dict[str, Any]:
        manifest = self.plan.manifest
        clock = time.monotonic()
        self.report = {
            "stack": str(self.plan.stack),
            "image": self.plan.image,
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
            with in_use(os.path.join(self.plan.directory, manifest["name"])):
                self.rehearse(progress)
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
        return {"changed": True, "report": path, **{key: self.report[key] for key in ("backup", *predicted(manifest, self.plan.image))}}

    def _record(self, progress: Progress) -> None:
        """The result, for the manifest."""
        report = self.report
        entry = {"check": _manifest.DRILLED, "passed" if report["passed"] else "failed": report["ended"]}
        entry |= {key: report[key] for key in ("rto", "image", "seconds")}
        if report["reason"]:
            entry["reason"] = report["reason"]
        progress.say("waiting for a backup or rotation in this directory, to write the result down", now=True)
        record(self.plan.directory, self.plan.manifest["name"], entry)

    def _write(self, ended: datetime) -> str:
        """The result, for people."""
        make_private_directory(self.plan.stack.reports)
        path = os.path.join(self.plan.stack.reports, f"drill_{self.plan.manifest['name']}_{ended.strftime(_manifest.STAMP)}.json")
        write_json(path, self.report)
        return path
