# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: window_state
short_description: Open, advance, close and show a maintenance window
version_added: 0.1.0
description:
  - Keeps the journal of a maintenance window on the target. The journal is also the lock of the stack.
  - It is created exclusively, replaced by rename after a flush to disk, and kept for ever once the window has ended.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._audit
attributes:
  check_mode:
    support: full
    description: Says what would be written, or refused, and writes nothing.
  diff_mode:
    support: none
    description: The journal is returned instead.
options:
  state:
    description:
      - V(open) creates the journal and so takes the lock; it is refused while another window holds it.
      - V(advance) ends the phase that is worked on and begins O(phase), which has to be the next one.
      - V(close) ends the window as O(result) and frees the lock, except as V(failed).
      - V(acknowledge) frees the lock of a failed window.
      - V(show) only reads.
    type: str
    choices: [open, advance, close, acknowledge, show]
    required: true
  window:
    description:
      - The window's identity, as V(open) returned it. It has to be the one that holds the lock.
      - With O(state=open) the identity to give it; one is made from the time where it is left out.
    type: str
  operation:
    description: What the window is opened for. Required with O(state=open).
    type: str
    choices: [none, migrate, restore, custom]
  phase:
    description: The phase that begins. Required with O(state=advance).
    type: str
    choices: [backed_up, stopped, operated, started, verified, closed]
  result:
    description: How the window ends. Required with O(state=close).
    type: str
    choices: [closed, rolled_back, aborted, failed]
  minutes:
    description: The length of the window, in minutes, from which its deadline follows.
    type: int
    default: 60
  preflight_began:
    description: When the checks before O(state=open) began, UTC as in C(2026-11-22T17:01:02.345Z).
    type: str
    default: ''
  record:
    description: What the journal shall say from now on; its keys replace those of the journal.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: See whether a window is open
  amanat.dbops.window_state:
    stack: production/nickapp
    state: show
  register: window

- name: Begin to stop the services
  amanat.dbops.window_state:
    stack: production/nickapp
    state: advance
    window: "{{ window.journal.id }}"
    phase: stopped
"""

RETURN = r"""
journal:
  description: The journal as it stands now; empty where no window is open.
  returned: success, and where a step of a window that holds the lock failed
  type: dict
path:
  description: Where the journal lies on the target.
  returned: success
  type: str
reports:
  description: Directory on the target for the reports of this stack's windows.
  returned: success
  type: str
last:
  description: The journal of the window that ended last; empty where there was none.
  returned: when O(state=show)
  type: dict
"""

import os
import secrets
from datetime import datetime, timezone
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils import _window
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._files import (
    create_json,
    make_private_directory,
    write_json,
)
from ansible_collections.amanat.dbops.plugins.module_utils._journals import read_journal
from ansible_collections.amanat.dbops.plugins.module_utils._module import AUDIT_OPTIONS, TARGET_OPTIONS, file_failure, main_of, stack_of
from ansible_collections.amanat.dbops.plugins.module_utils._stack import NAME, Stack


def _open(module: AnsibleModule, stack: Stack, now: datetime) -> dict[str, Any]:
    params = module.params
    if params["window"] and not NAME.fullmatch(params["window"]):
        module.fail_json(msg=f"window: {params['window']!r} cannot be a file's name")
    if params["minutes"] < 1:
        module.fail_json(msg=f"minutes: a window of {params['minutes']} minutes cannot be kept")
    by = {key: value for key, value in params["by"].items() if value}
    identity = params["window"] or _window.window_id(now, secrets.token_hex(2))
    journal = _window.new(
        identity,
        str(stack),
        params["operation"],
        by,
        params["minutes"],
        params["preflight_began"],
        now,
        params["record"],
    )
    if module.check_mode:
        if os.path.exists(stack.journal):
            raise _window.refusal(read_journal(stack.journal))
    else:
        make_private_directory(stack.windows)
        if not create_json(stack.journal, journal):
            raise _window.refusal(read_journal(stack.journal))
    return {"changed": True, "journal": journal, "path": stack.journal}


def _held(module: AnsibleModule, stack: Stack) -> dict[str, Any]:
    """The open journal, which has to be this window's."""
    journal = read_journal(stack.journal)
    if journal.get("id") != module.params["window"]:
        raise OperationError(
            "window-lost",
            f"Window {module.params['window']} does not hold the lock of {stack}"
            f" ({_window.describe(journal) if journal else 'no window is open'}).",
            "This step changed nothing.",
            "Look at it: ansible-playbook playbooks/status.yml",
        )
    return journal


def _advance(module: AnsibleModule, stack: Stack, now: datetime) -> dict[str, Any]:
    journal = _window.advance(_held(module, stack), module.params["phase"], now, module.params["record"])
    if not module.check_mode:
        write_json(stack.journal, journal)
    return {"changed": True, "journal": journal, "path": stack.journal}


def _archive(module: AnsibleModule, stack: Stack, journal: dict[str, Any]) -> dict[str, Any]:
    """Write the last word, then free the lock: a reader finds the journal at one of the two places."""
    path = os.path.join(stack.windows, f"{journal['id']}.json")
    if not module.check_mode:
        make_private_directory(stack.windows)
        write_json(stack.journal, journal)
        os.rename(stack.journal, path)
    return {"changed": True, "journal": journal, "path": path}


def _close(module: AnsibleModule, stack: Stack, now: datetime) -> dict[str, Any]:
    journal = _window.close(_held(module, stack), module.params["result"], now, module.params["record"])
    if journal["state"] != "failed":
        return _archive(module, stack, journal)
    if not module.check_mode:
        write_json(stack.journal, journal)
    return {"changed": True, "journal": journal, "path": stack.journal}


def _acknowledge(module: AnsibleModule, stack: Stack, now: datetime) -> dict[str, Any]:
    by = {key: value for key, value in module.params["by"].items() if value}
    return _archive(module, stack, _window.acknowledge(_held(module, stack), by, now))


def _show(_module: AnsibleModule, stack: Stack, _now: datetime) -> dict[str, Any]:
    try:
        ended = sorted(name for name in os.listdir(stack.windows) if name.endswith(".json"))
    except FileNotFoundError:
        ended = []
    last = read_journal(os.path.join(stack.windows, ended[-1])) if ended else {}
    return {"changed": False, "journal": read_journal(stack.journal), "path": stack.journal, "last": last}


_ACTIONS = {"open": _open, "advance": _advance, "close": _close, "acknowledge": _acknowledge, "show": _show}


def _with_journal(module: AnsibleModule, stack: Stack, error: OperationError | OSError) -> dict[str, Any]:
    """A step that failed, and the journal as it stands: whoever has to undo goes by it."""
    try:
        journal = read_journal(stack.journal)
    except (OperationError, OSError):
        raise error from None
    if module.params["state"] not in ("advance", "close") or journal.get("id") != module.params["window"]:
        raise error
    failure = error if isinstance(error, OperationError) else file_failure(error)
    return {"failed": True, **failure.as_result(), "journal": journal, "path": stack.journal}


def body(module: AnsibleModule) -> dict[str, Any]:
    now = datetime.now(timezone.utc)
    stack = stack_of(module)
    try:
        result = _ACTIONS[module.params["state"]](module, stack, now)
    except (OperationError, OSError) as error:
        result = _with_journal(module, stack, error)
    return {**result, "reports": stack.reports}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            "state": {"type": "str", "required": True, "choices": ["open", "advance", "close", "acknowledge", "show"]},
            "window": {"type": "str"},
            "operation": {"type": "str", "choices": list(_window.OPERATIONS)},
            "phase": {"type": "str", "choices": list(_window.PHASES[2:])},
            "result": {"type": "str", "choices": ["closed", "rolled_back", "aborted", "failed"]},
            "minutes": {"type": "int", "default": 60},
            "preflight_began": {"type": "str", "default": ""},
            **AUDIT_OPTIONS,
            "record": {"type": "dict", "default": {}},
        },
        required_if=[
            ("state", "open", ("operation",)),
            ("state", "advance", ("window", "phase")),
            ("state", "close", ("window", "result")),
            ("state", "acknowledge", ("window",)),
        ],
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
