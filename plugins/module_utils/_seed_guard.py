# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Whether a seed may run. Pure.

What its rehearsals did decides; its name can only forbid, or spare a person from ordering the rehearsal.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ._errors import OperationError
from ._seed import NEVER, Seed, is_one_of

DEVELOPMENT = "development"


@dataclass(frozen=True)
class Verdict:
    """allow: it may run now. rehearse: a rehearsal comes first, and may turn a no into a yes."""

    allow: bool
    reasons: list[str] = field(default_factory=list)
    rehearse: bool = False
    slug: str = ""
    next: str = ""

    @property
    def word(self) -> str:
        return "allow" if self.allow else "refuse"

    def require(self, seed: Seed) -> None:
        if not self.allow:
            raise OperationError(self.slug, f"{seed.name} is refused: {'; '.join(self.reasons)}.", "Nothing was changed.", self.next)


def decide(
    seed: Seed,
    *,
    stack: str,
    stamp: str,
    record: Mapping[str, Any] | None,
    allowed: Collection[str],
    never: Collection[str],
) -> Verdict:
    """stack: `<environment>/<name>` of the inventory; stamp: what the database says, "" for nothing that can be read.

    never: on top of those that the runbook names, so that no list, least of all an empty one, lets these in.
    """
    environment = stack.partition("/")[0]
    if stamp != stack:
        said = f"the database says {stamp}" if stamp else "the database carries no stamp that can be read"
        cure = "Correct the inventory, or playbooks/stamp.yml."
        return _refused("stamp-mismatch" if stamp else "stamp-missing", [f"the inventory says {stack}, {said}"], cure)
    if is_one_of(seed, [*NEVER, *never]):
        if environment == DEVELOPMENT:
            return Verdict(True, ["it is known to destroy data, which development may lose"])
        why = f"it is known to destroy data and never runs in {environment}, rehearsed or not"
        return _refused("seed-never", [why], "Run it in development. dbops_seeds_never names such seeds.")
    if record and counts(record):
        wrong = judge(record, seed)
        if not wrong:
            return Verdict(True, [f"exactly this seed and image came through a rehearsal with {record['backup']}"])
        cure = f"Mend it, or declare the tables that are its own in dbops_seeds; the report is {record['report']}."
        return _refused("seed-unsafe", wrong, cure)
    why = "exactly this seed has not been rehearsed with exactly this image"
    order = f"ansible-playbook playbooks/rehearse.yml -e dbops_seed={seed.name}"
    if environment == DEVELOPMENT or is_one_of(seed, allowed):
        return _refused("seed-not-rehearsed", [why], order, rehearse=True)
    return _refused("seed-not-rehearsed", ["dbops_seeds_allowed does not name it", why], f"{order}, read the report, then run it.")


def _refused(slug: str, reasons: list[str], cure: str, *, rehearse: bool = False) -> Verdict:
    return Verdict(False, reasons, rehearse, slug, cure)


def refused_by(error: OperationError) -> Verdict:
    """The verdict where stamp or server are not those of the stack."""
    return Verdict(False, [error.what.rstrip(".")], slug=error.slug, next=error.next_step)


def counts(record: Mapping[str, Any]) -> bool:
    """Whether the rehearsal was on the newest data of this very stack. One on a backup that somebody chose informs, and proves nothing."""
    return bool(record["backup_is_newest"]) and record["backup_stack"] == record["stack"]


def judge(record: Mapping[str, Any], seed: Seed) -> list[str]:
    """Why the rehearsal is no proof that the seed is safe and idempotent; [] where it is."""
    runs = record["runs"]
    wrong = [f"run {number}: {why}" for number, run in enumerate(runs, start=1) for why in _of_run(run)]
    wrong += [why for run in runs[:1] for why in _of_first(run, set(seed.tables))]
    wrong += [f"its second run was to change nothing: {what}" for run in runs[1:] for what in _changes(run)]
    return wrong or ([] if len(runs) > 1 else ["its rehearsal did not run twice"])


def _of_first(run: Mapping[str, Any], own: Collection[str]) -> list[str]:
    wrong = []
    for change in run["changes"]:
        if change["deleted"]:
            wrong.append(f"{rows(change['deleted'])} of {change['table']} were deleted")
        if change["table"] not in own:
            wrong += [
                f"{rows(change[kind])} of {change['table']}, which is none of its own tables, were {kind}"
                for kind in ("changed", "added")
                if change[kind]
            ]
    return wrong + [f"{what} changed" for what in run["beside"]]


def _changes(run: Mapping[str, Any]) -> list[str]:
    kinds = ("deleted", "changed", "added")
    return [
        f"{change['table']}: {', '.join(f'{rows(change[kind])} {kind}' for kind in kinds if change[kind])}" for change in run["changes"]
    ] + [f"{what} changed" for what in run["beside"]]


def rows(number: int) -> str:
    return "1 row" if number == 1 else f"{number} rows"


def _of_run(run: Mapping[str, Any]) -> list[str]:
    wrong = []
    if run["code"] == 124:
        wrong.append(f"it did not end within {run['timeout']:g} s and was ended")
    elif run["code"]:
        wrong.append(f"it ended with {run['code']}")
    elif run["complaint"]:
        wrong.append(f"it ended with 0 and yet said: {run['complaint']}")
    if run["attempts"]:
        wrong.append("it tried to reach another host")
    wrong += [f"it reaches beyond its database: {what}" for what in run["beyond"]]
    wrong += [
        f"the sequence {moved['sequence']} went back from {moved['before']} to {moved['after'] or 'its start'}"
        for moved in run["sequences"]
        if moved["backwards"]
    ]
    return wrong
