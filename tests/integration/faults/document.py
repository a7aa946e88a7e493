# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write docs/faults.md: every way in which a window was interrupted, and what became of it, from the results of `make test-faults`.

`document.py <results of pytest as JUnit XML> …`
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs/faults.md"
WHICH = "(faults or dozen) and not slow"  # as in `make test-faults`

HEAD = """\
# Windows that were interrupted

Written by `make test-faults` from its results; do not edit it. Each row is a window on real servers that was interrupted there, while a
client wrote all the time. Its operation is `custom`, unless the fault names another one. A row that says `holds` says that after it:

1. No write that PostgreSQL acknowledged is lost, and none that Redis had saved.
2. The service runs and is healthy, or it is down on purpose; the journal says which, and people were told.
3. Whoever recovered the window brought it to `closed`, `rolled_back` or `aborted`; or a person acknowledged it, where the row says so.
4. No secret stood in an output, in an argument vector of any process, in what people were told, in a journal or in a report.
5. Nothing was left behind that the journal does not name: no container, database, role, file, session, process, rule of `pg_hba.conf`,
   paused client, silence of alerts, restart policy that was set aside.

The controller is `ansible-playbook`, `ansible-runner`, or `modules`: a program that calls the modules of the collection one after the other
as the role does, and is killed, answered and followed as the role is; it takes seconds where `ansible-playbook` takes a minute. Between two
of its steps nothing of the window is at work on the target, and otherwise the step goes on. In `preflight` there is no window yet: whatever
ends there leaves nothing to recover. `make test-slow` besides kills a hundred windows, all of them by `modules`, at random moments;
`FAULTS_SEED=<number>`, which it prints, repeats them. The Molecule scenario `interrupted` is a sample of these faults: one of them, on
containers, by `ansible-playbook`.

| fault | in phase | controller | brought to its end by | ended as | result |
|---|---|---|---|---|---|
"""


def rows(results: list[Path]) -> list[tuple[str, tuple[str, ...]]]:
    """Each with the test whose it is."""
    found = []
    for result in results:
        for case in ElementTree.parse(result).getroot().iter("testcase"):  # noqa: S314 - we wrote it a moment ago
            told = {each.get("name", ""): each.get("value", "") for each in case.iter("property")}
            if "fault" in told:
                outcome = "broken" if case.find("failure") is not None or case.find("error") is not None else "holds"
                test = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"
                found.append((test, (*(told.get(key, "") for key in ("fault", "phase", "controller", "by", "end")), outcome)))
    return found


def collected() -> list[str]:
    """The tests that each leave a row."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", WHICH, str(Path(__file__).parent)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if "::" in line]


def main() -> int:
    found = rows([Path(name) for name in sys.argv[1:]])
    if not found:
        print("no interrupted window is in these results; docs/faults.md is as it was", file=sys.stderr)
        return 1
    held = sum(row[-1] == "holds" for _test, row in found)
    table = "".join(f"| {' | '.join(row)} |\n" for _test, row in found)
    # So that a page of some results is not taken for one of all.
    seen = {test for test, _row in found}
    missing = [test.rpartition("/")[2] for test in collected() if test not in seen]
    without = f"\nWithout a result: {', '.join(f'`{test}`' for test in missing)}.\n" if missing else ""
    PAGE.write_text(f"{HEAD}{table}\n{held} of {len(found)} hold.\n{without}", encoding="utf-8")
    if missing:
        print(f"without a result, as docs/faults.md says: {', '.join(missing)}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
