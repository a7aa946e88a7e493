# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""A seed run twice on a stage, and what it did there: the proof by behaviour."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from . import _manifest, _seed_record
from ._command import Answer, without_rows
from ._files import make_private_directory, write_json
from ._job import Progress
from ._pg_sessions import end_sessions
from ._seed_beyond import LOGGED, watched
from ._seed_changes import Snapshot
from ._seed_env import replaced, without_secrets
from ._seed_guard import counts, judge
from ._seed_program import Program
from ._stage import PASSWORD, Plan, Stage
from ._window import stamp

SAID = 4000  # characters of a program's output that are kept
_LINE = 300  # characters of one line of it

# What no program says that did what it was told to. Warnings of the runtime are none of it.
_COMPLAINT = re.compile(r"^.*\b(?:error|exception|fatal|panic|failed|unhandled|uncaught)\b.*$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Rehearsing:
    """What one rehearsal of a seed needs to know. timeout: seconds of each run; is_newest: that of the stack, and not one that is named."""

    stage: Plan
    program: Program = field(repr=False)
    timeout: float
    is_newest: bool


def complaint_in(errors: str, env: dict[str, str]) -> str:
    """The first line of a program's error output that says that something went wrong, as it can be told."""
    found = _COMPLAINT.search(errors)
    return (_clean(found[0], env).strip()[:_LINE] or "an error") if found else ""


def told(answer: Answer, env: dict[str, str]) -> str:
    """The end of what it said, as it can be told."""
    return (_clean(answer.out, env) + _clean(answer.err, env))[-SAID:]


def _clean(text: str, env: dict[str, str]) -> str:
    """Without the secrets that it was given, and without rows."""
    return without_rows(without_secrets(text, env))


class Rehearsal:
    def __init__(self, plan: Rehearsing) -> None:
        self.plan = plan

    def make(self, progress: Progress) -> dict[str, Any]:
        program, stack = self.plan.program, self.plan.stage.stack
        began, clock = datetime.now(timezone.utc), time.monotonic()
        limits = self.plan.stage.limits
        with Stage(replace(self.plan.stage, limits=replace(limits, settings=(*limits.settings, *LOGGED))), progress) as stage:
            runs = self._runs(stage, progress)
        ended = datetime.now(timezone.utc)
        report = os.path.join(stack.reports, f"seed_{_manifest.safe_series(program.seed.name)}_{ended.strftime(_manifest.STAMP)}.json")
        record = {
            "stack": str(stack),
            "seed": program.seed.name,
            "argv": program.argv,
            "files": list(program.seed.files),
            "tables": list(program.seed.tables),
            "sha256": program.sha256,
            "image": program.image,
            "backup": self.plan.stage.manifest["name"],
            "backup_stack": self.plan.stage.manifest["stack"],
            "backup_is_newest": self.plan.is_newest,
            "started": stamp(began),
            "ended": stamp(ended),
            "seconds": round(time.monotonic() - clock, 3),
            "hints": program.hints,
            "runs": runs,
            "report": report,
        }
        reasons = judge(record, program.seed)
        make_private_directory(stack.reports)
        write_json(report, {**record, "passed": not reasons, "reasons": reasons, "counts": counts(record)})
        if counts(record):  # else a proof that is there already would be lost
            _seed_record.write(stack, program, record)
        return {"changed": True, **result(record, program)}

    def _runs(self, stage: Stage, progress: Progress) -> list[dict[str, Any]]:
        env = self.plan.program.given(replaced(self.plan.program.env, stage.url, stage.redis_url, PASSWORD))
        runs: list[dict[str, Any]] = []
        progress.say("remembering every row", now=True)
        before = Snapshot(stage.target, stage.server.database, 0)
        for number in (1, 2):
            progress.say("running the seed", now=True, run=number)
            run = self._run(stage, env)
            progress.say("comparing every row", now=True, run=number)
            after = Snapshot(stage.target, stage.server.database, number)
            with stage.target.session(stage.server.database) as session:
                runs.append({**run, **after.changes_since(before, session)})
            if run["code"]:
                break
            before = after
        return runs

    def _run(self, stage: Stage, env: dict[str, str]) -> dict[str, Any]:
        program, clock = self.plan.program, time.monotonic()
        attempts = stage.attempts()
        with watched(stage) as beyond:
            answer = stage.run(program.image, program.argv, env, self.plan.timeout, program.workdir, program.user)
            end_sessions(stage.server, "usename <> current_user")
        return {
            "code": answer.code,
            "timeout": self.plan.timeout,
            "seconds": round(time.monotonic() - clock, 3),
            "attempts": stage.attempts() - attempts,
            "beyond": beyond,
            # What was not taken for a secret it was given as it is.
            "complaint": complaint_in(answer.err, program.env) if answer.ok else "",
            "said": told(answer, program.env),
        }


def result(record: dict[str, Any], program: Program) -> dict[str, Any]:
    """What modules return of a record."""
    reasons = judge(record, program.seed)
    return {
        "seed": program.seed.name,
        "sha256": program.sha256,
        "image": program.image,
        "passed": not reasons,
        "reasons": reasons,
        "hints": program.hints,
        "backup": record["backup"],
        "counts": counts(record),
        "runs": record["runs"],
        "seconds": record["seconds"],
        "report": record["report"],
    }
