# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: window_recovery
short_description: Bring an interrupted maintenance window to an end
version_added: 0.1.0
description:
  - Takes the window over, ends what of it is at work, and brings the services back, as the table in C(docs/windows.md) says.
  - It has the target's own C(dbops-window) do so, which the release of the collection that opened the window left there, on what the
    journal says. It needs no inventory but the stack, and no Vault.
  - The target tells people how the window ended, by the senders that its opening left there.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._audit
  - amanat.dbops._job
attributes:
  check_mode:
    support: full
    description: Says what would be done, and does nothing.
  diff_mode:
    support: none
    description: The journal is returned instead.
  idempotent:
    support: full
    description: A window that has ended already is left as it is.
options:
  state:
    description:
      - V(recovered) ends a window whose time is over and whose work has ended, or one that failed.
      - V(aborted) ends one that is under way. Whatever of it is at work is ended first.
    type: str
    choices: [recovered, aborted]
    required: true
  window:
    description: The window's identity. It has to be the one that holds the lock.
    type: str
    required: true
  epoch:
    description:
      - In which epoch the caller holds the window, who then ends it only while it is his.
      - 0 is for whoever takes the window from somebody else.
    type: int
    default: 0
  why:
    description: Why it is ended, for the journal.
    type: str
    required: true
  error:
    description: What failed, for journal and report, C(slug), C(message), C(state) and C(next).
    type: dict
    required: true
  record:
    description:
      - What else the journal shall say; its keys replace those of the journal, but for C(announcements), C(warnings) and
        C(messages), which grow.
    type: dict
    default: {}
  release:
    description:
      - What lets clients in whom the window holds off, in place of what its opening left; a command as a list, or the path of a task file,
        which is not run by this module.
      - Empty for what its opening left.
    type: raw
    default: ''
"""

EXAMPLES = r"""
- name: End a window whose controller is gone
  amanat.dbops.window_recovery:
    stack: production/nickapp
    state: aborted
    window: 2026-11-22T170102Z-3fa9
    why: the controller was switched off
    error:
      slug: window-aborted
      message: The window was ended by hand.
      state: ''
      next: Read the journal.
"""

RETURN = r"""
journal:
  description: The journal as it is then; its C(state) is V(closed), V(rolled_back), V(aborted) or V(failed).
  returned: success
  type: dict
event:
  description: By which event people are told how the window ended.
  returned: success, where the window has ended
  type: str
note:
  description: What they are told besides.
  returned: success, where the window has ended
  type: str
heard:
  description: Whether the target has told somebody so; where the window has not come to its end, that it needs a person.
  returned: where the window has ended, and where the target could not bring it to its end
  type: bool
verdict:
  description: What is done, or would be, and why.
  returned: in check mode, where the window has not ended
  type: dict
path:
  description: Where the journal lies on the target.
  returned: success
  type: str
reports:
  description: Directory on the target for the reports of this stack's windows.
  returned: success
  type: str
"""

import json
import os
import re
import sys
from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils import (
    _announce,
    _calls,
    _journal,
    _recovery,
    _reserve,
    _script,
    _verdict,
    _window,
)
from ansible_collections.amanat.dbops.plugins.module_utils._command import Command, run
from ansible_collections.amanat.dbops.plugins.module_utils._interrupted import Interrupted
from ansible_collections.amanat.dbops.plugins.module_utils._job import Progress
from ansible_collections.amanat.dbops.plugins.module_utils._module import (
    AUDIT_OPTIONS,
    JOB_OPTIONS,
    TARGET_OPTIONS,
    main_of,
    run_as_job,
    stack_of,
)
from ansible_collections.amanat.dbops.plugins.module_utils._stack import Stack

_VERBS = {"recovered": "recover", "aborted": "abort"}


def _ended(stack: Stack, params: dict[str, Any]) -> dict[str, Any]:
    """What is said of a window that has ended before; {} of any other. Who holds it has to know that it was taken from him."""
    journal = {} if params["epoch"] else _journal.ended(stack, params["window"])
    return {"changed": False, **_how(stack, journal, params["error"])} if journal else {}


def _how(stack: Stack, journal: dict[str, Any], error: dict[str, str]) -> dict[str, Any]:
    """How a window has ended, and what people are told of that."""
    event = _announce.OF_END[journal["state"]]
    told = {"event": event, "note": _recovery.note(error, journal), "heard": _window.is_heard(journal, event)}
    return {"journal": journal, "path": _journal.path_of(stack, journal), **told}


def _predict(stack: Stack, params: dict[str, Any]) -> dict[str, Any]:
    """What is foreseen, without a look at any server."""
    if ended := _ended(stack, params):
        return ended
    if params["state"] == "recovered":
        _script.require_stale(stack, params["window"])
    journal = _journal.held(stack, params["window"], params["epoch"])
    row = Interrupted(stack, journal).foreseen()
    return {
        "changed": True,
        "journal": journal,
        "path": stack.journal,
        "verdict": {"what": row.verdict, "why": row.why, "end": _verdict.ENDS[row.verdict], "unhealthy": row.unhealthy},
    }


def _refusal(said: str) -> str:
    """Why the script refuses, without what its interpreter may have to say before."""
    found = re.search(r"^\[.*", said, re.DOTALL | re.MULTILINE)
    return (found[0] if found else said).strip()


def _prepare(stack: Stack, params: dict[str, Any]) -> Callable[[Progress], dict[str, Any]]:
    if ended := _ended(stack, params):
        return lambda _progress: ended
    if params["state"] == "recovered":
        _script.require_stale(stack, params["window"])  # one that is under way keeps its room
    _journal.held(stack, params["window"], params["epoch"])
    _reserve.give(stack)
    if not os.path.exists(stack.script):
        _script.install(stack)  # of this release, which reads the journals of earlier ones
    verb = _VERBS[params["state"]]
    by = {key: value for key, value in params["by"].items() if value}
    told = {"by": by, "runs_tasks": True, **{key: params[key] for key in ("why", "error", "record", "epoch", "release")}}

    def work(progress: Progress) -> dict[str, Any]:
        progress.say(f"{verb} window {params['window']}", now=True)
        # By its interpreter: where it lies nothing may be allowed to be executed.
        answer = run(Command([sys.executable, stack.script, verb, params["window"], "--told"]), stdin=json.dumps(told))
        ended = os.path.join(stack.windows, f"{params['window']}.json")
        path = ended if os.path.exists(ended) else stack.journal
        journal = _journal.read(path)
        # Where it refuses, or breaks off, the journal may be that of a window that had failed before.
        if not answer.ok and not _script.has_ended(answer.out, params["window"]):
            return {"failed": True, "msg": _refusal(answer.err) or answer.reason, "heard": _calls.is_heard(stack, params["window"])}
        return {"changed": True, **_how(stack, journal, params["error"])}

    return work


def body(module: AnsibleModule) -> dict[str, Any]:
    stack = stack_of(module)
    if module.check_mode:
        return {**_predict(stack, module.params), "reports": stack.reports}
    return {**run_as_job(module, lambda: _prepare(stack, module.params)), "reports": stack.reports}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            **AUDIT_OPTIONS,
            **JOB_OPTIONS,
            "state": {"type": "str", "required": True, "choices": sorted(_VERBS)},
            "window": {"type": "str", "required": True},
            "epoch": {"type": "int", "default": 0},
            "why": {"type": "str", "required": True},
            "error": {"type": "dict", "required": True},
            "record": {"type": "dict", "default": {}},
            "release": {"type": "raw", "default": ""},
        },
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
