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
  idempotent:
    support: partial
    description:
      - V(show), V(annotate), V(attend), and V(extend) with O(until) can be repeated. V(extend) with O(minutes) adds them again. The other
        steps are refused the second time.
options:
  state:
    description:
      - V(open) creates the journal and so takes the lock; it is refused while another window holds it.
      - V(advance) ends the phase that is worked on and begins O(phase), which has to be the next one.
      - V(close) ends the window as O(result) and frees the lock, except as V(failed).
      - V(extend) makes an open window O(minutes) longer, or as long as to last until O(until), and tells people. Alerts stay silent and
        writers of Redis held as long.
      - V(annotate) adds O(record) to the journal of a window, also of one that has ended.
      - V(attend) gives a failed window to a person, who lets in whom it keeps out. Nobody leads it back from then on; what acts on it
        does so in the epoch that is returned. One that has ended already is left as it is. O(window=lost) is one whose journal cannot
        be read, or is gone. It is put aside, and another one, which can be acknowledged, has its place.
      - V(acknowledge) frees the lock of a failed window.
      - V(show) only reads.
    type: str
    choices: [open, advance, close, extend, annotate, attend, acknowledge, show]
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
    description:
      - The length of the window, in minutes, from which its deadline follows. Each phase has to end by its share of it.
      - With O(state=extend) by how much it becomes longer. Said twice, it becomes longer twice.
    type: int
    default: 60
  until:
    description:
      - With O(state=extend) the moment until which the window lasts at least, with its zone, as in C(2026-11-22T18:30Z), in place of
        O(minutes). A window that lasts so long is left as it is.
    type: str
    default: ''
  preflight_began:
    description: When the checks before O(state=open) began, UTC as in C(2026-11-22T17:01:02.345Z).
    type: str
    default: ''
  record:
    description:
      - What the journal shall say from now on; its keys replace those of the journal, but for C(announcements), C(warnings) and
        C(messages), which grow.
    type: dict
    default: {}
  private:
    description:
      - What the dead man's switch and C(dbops-window) log in with when the controller is gone, C(pg_url), C(login_user) and
        C(login_password), where Redis is part of the window C(redis_url) and C(redis_password), each of which may be empty, and
        C(health_login), the C(user:password) of the health URL. It is kept in a file of its own (0600) while the window is open, and
        never in the journal.
      - Besides, as JSON in a text, C(announce), the C(senders) that the target tells people by and their C(timeout) in seconds, and
        C(alertmanager), its C(url) and the C(matchers) of the alerts that are silent until ten minutes after the deadline. The
        target's own words are C(extended), and how a window ended without its controller.
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
  description: Where the journal lies on the target; with O(state=show) that of the window that ended last where none is open.
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
reported:
  description: V(false) where a window has ended, or failed, and its report on the target is missing, or older than its journal.
  returned: when O(state=show)
  type: bool
minutes:
  description: By how many minutes the window has become longer.
  returned: when O(state=extend)
  type: int
advice:
  description: What to type next about the window that holds the lock; empty where none does.
  returned: when O(state=show)
  type: str
"""

import contextlib
import filecmp
import os
import secrets
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils import (
    _clock,
    _fence,
    _held_units,
    _journal,
    _notice,
    _private,
    _redis_extend,
    _reserve,
    _script,
    _switch,
    _window,
)
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._files import make_private_directory
from ansible_collections.amanat.dbops.plugins.module_utils._module import AUDIT_OPTIONS, TARGET_OPTIONS, file_failure, main_of, stack_of
from ansible_collections.amanat.dbops.plugins.module_utils._stack import NAME, Stack

Journal = dict[str, Any]


def _open(module: AnsibleModule, stack: Stack, now: datetime) -> dict[str, Any]:
    params = module.params
    if params["window"] and not NAME.fullmatch(params["window"]):
        module.fail_json(msg=f"window: {params['window']!r} cannot be a file's name")
    if params["minutes"] < 1:
        module.fail_json(msg=f"minutes: a window of {params['minutes']} minutes cannot be kept")
    identity = params["window"] or _window.window_id(now, secrets.token_hex(2))
    journal = _window.new(
        identity,
        str(stack),
        params["operation"],
        _by(module),
        params["minutes"],
        params["preflight_began"],
        now,
        _clock.read(),
        {**params["record"], "estimate": _journal.estimate(stack, params["operation"])},
    )
    if module.check_mode:
        held = _journal.read(stack.journal)
        if held and _journal.path_of(stack, held) == stack.journal:
            raise _window.refusal(held, _fence.advice(stack, held))
        _switch.require_possible()
    else:
        with _journal.alone(stack):
            _create(stack, journal, params["private"])
        # Alerts, too: none of it holds anybody up who finds the journal meanwhile.
        silence = _notice.silence(journal, params["private"], now)
        try:
            with _journal.alone(stack), _wholly(stack):
                journal = _window.annotate(_journal.held(stack, identity), silence)
                _journal.put(stack, journal)
        except OSError:
            _notice.end_silence(journal, params["private"])
            raise
    return {"changed": True, "journal": journal, "path": stack.journal}


def _create(stack: Stack, journal: Journal, private: dict[str, Any]) -> None:
    """Whoever finds the journal finds what brings the window to its end; until something is stopped that needs no secrets."""
    if held := _journal.read(stack.journal):
        raise _window.refusal(held, _fence.advice(stack, held))
    make_private_directory(stack.windows)
    _script.install(stack)
    with _wholly(stack):
        _reserve.keep(stack)
        _journal.create(stack, journal)
        _private.write(stack, private)


@contextlib.contextmanager
def _wholly(stack: Stack) -> Iterator[None]:
    """Where a window cannot be opened it is not: nobody would hold what stands there."""
    try:
        yield
    except OSError:
        _journal.destroy(stack)
        raise


def _change(module: AnsibleModule, stack: Stack, how: Callable[[Journal], Journal]) -> dict[str, Any]:
    """What a step makes of the journal of the window that holds the lock."""
    window = module.params["window"]
    journal = how(_journal.held(stack, window)) if module.check_mode else _journal.change(stack, window, how)
    return {"changed": True, "journal": journal, "path": _journal.path_of(stack, journal)}


def _advance(module: AnsibleModule, stack: Stack, now: datetime) -> dict[str, Any]:
    params, clock = module.params, _clock.read()

    def how(before: Journal) -> Journal:
        journal = _window.advance(before, params["phase"], now, clock, params["record"])
        if params["phase"] == "stopped" and not module.check_mode:
            journal["switch"] = _switch.arm(stack, journal)
        return journal

    return _change(module, stack, how)


def _extend(module: AnsibleModule, stack: Stack, now: datetime) -> dict[str, Any]:
    minutes, until = module.params["minutes"], module.params["until"]
    if minutes < 1 and not until:
        module.fail_json(msg=f"minutes: a window is made longer by whole minutes, not by {minutes}")
    # Nobody but the target knows of both who is told and what they were told before: whoever extends a window needs no Vault.
    private, clock = _private.find(stack), _clock.read()
    known: Journal = {}

    def how(before: Journal) -> Journal:
        nonlocal minutes
        minutes = _window.minutes_until(before, until, now) if until else minutes
        journal = _window.extend(before, minutes, _by(module), now)
        _redis_extend.require_possible(journal, clock)
        if not module.check_mode:
            known.update(_redis_extend.hold_longer(stack, journal, clock))
        return journal

    result = _change(module, stack, how)
    said = {"changed": minutes > 0, "minutes": minutes}
    if module.check_mode:
        return {**result, **said}
    journal = result["journal"]
    # Also where it lasts so long already: whoever made it longer may have been cut off before that.
    record = _window.joined(known, _notice.silence(journal, private, now))
    if minutes:
        record = _window.joined(record, _notice.tell(journal, private, "extended", f"{minutes} minutes more, until {journal['deadline']}."))
    return {**_note(module, stack, record), **said, "warnings": record.get("warnings", [])}


def _close(module: AnsibleModule, stack: Stack, now: datetime) -> dict[str, Any]:
    params, record = module.params, module.params["record"]
    if not module.check_mode:
        record = _window.joined(record, _notice.end_silence(_journal.held(stack, params["window"]), _private.find(stack)))
    return _end(module, stack, lambda before: _window.close(before, params["result"], now, record))


def _annotate(module: AnsibleModule, stack: Stack, _now: datetime) -> dict[str, Any]:
    return _note(module, stack, module.params["record"])


def _note(module: AnsibleModule, stack: Stack, record: Journal) -> dict[str, Any]:
    """What could only be known after a step, or after the end, as how people were told of it."""
    if _journal.read(stack.journal).get("id") == module.params["window"]:
        return _change(module, stack, lambda before: _window.annotate(before, record))
    path = os.path.join(stack.windows, f"{module.params['window']}.json")
    ended = _journal.read(path)
    if not ended:
        raise _journal.lost(stack, module.params["window"], _journal.read(stack.journal))
    journal = _window.annotate(ended, record)
    if not module.check_mode:
        _journal.write(path, journal)
    return {"changed": True, "journal": journal, "path": path}


def _by(module: AnsibleModule) -> dict[str, str]:
    return {key: value for key, value in module.params["by"].items() if value}


def _attend_lost(module: AnsibleModule, stack: Stack, now: datetime) -> dict[str, Any]:
    """Whoever cannot name the window, since its journal is lost, gets one that he can."""
    identity = _window.window_id(now, _journal.LOST)
    journal = _window.attend(_window.unknown(identity, str(stack), _by(module), now, _clock.read()), _by(module), now)
    _fence.require_idle(stack)
    with contextlib.nullcontext() if module.check_mode else _journal.alone(stack):
        _require_unknown(stack)
        if not module.check_mode:
            _journal.replace(stack, journal)
    return {"changed": True, "journal": journal, "path": stack.journal}


def _require_unknown(stack: Stack) -> None:
    try:
        journal = _journal.read(stack.journal)
    except OperationError as error:
        if error.slug != "journal-unreadable":
            raise
    else:
        if journal:
            raise _window.known(journal)


def _attend(module: AnsibleModule, stack: Stack, now: datetime) -> dict[str, Any]:
    if module.params["window"] == _journal.LOST:
        return _attend_lost(module, stack, now)
    if journal := _journal.ended(stack, module.params["window"]):
        return {"changed": False, "journal": journal, "path": _journal.path_of(stack, journal)}
    return _change(module, stack, lambda before: _window.attend(before, _by(module), now))


def _acknowledge(module: AnsibleModule, stack: Stack, now: datetime) -> dict[str, Any]:

    def how(before: Journal) -> Journal:
        journal = _window.acknowledge(_window.annotate(before, module.params["record"]), _by(module), now)
        if not module.check_mode:
            _held_units.let_go(stack.directory)
        return journal

    return _end(module, stack, how)


def _end(module: AnsibleModule, stack: Stack, how: Callable[[Journal], Journal]) -> dict[str, Any]:
    """Nothing of the window is left but its journal. One that failed keeps what somebody may need to bring it to a better end."""
    result = _change(module, stack, how)
    if not module.check_mode:
        _switch.disarm(stack)
    return result


def _show(_module: AnsibleModule, stack: Stack, _now: datetime) -> dict[str, Any]:
    journal, last = _journal.read(stack.journal), _journal.last(stack)
    shown = journal or last
    path = _journal.path_of(stack, shown) if shown else stack.journal
    known = {"journal": journal, "path": path, "last": last, "reported": _is_reported(stack, shown, path)}
    return {"changed": False, **known, "advice": _fence.advice(stack, journal)}


def _is_reported(stack: Stack, journal: Journal, path: str) -> bool:
    """Whether nothing is left to report. What ends a window without Ansible writes no report, or leaves one that is of before."""
    if journal.get("state", "open") == "open":
        return True
    report = os.path.join(stack.reports, f"{journal['id']}.json")  # a copy of the journal
    return os.path.exists(report) and filecmp.cmp(path, report, shallow=False)


_ACTIONS = {
    "open": _open,
    "advance": _advance,
    "close": _close,
    "extend": _extend,
    "annotate": _annotate,
    "attend": _attend,
    "acknowledge": _acknowledge,
    "show": _show,
}


def _with_journal(module: AnsibleModule, stack: Stack, error: OperationError | OSError) -> dict[str, Any]:
    """A step that failed, and the journal as it stands: whoever has to undo goes by it."""
    try:
        journal = _journal.read(stack.journal)
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
            "state": {
                "type": "str",
                "required": True,
                "choices": ["open", "advance", "close", "extend", "annotate", "attend", "acknowledge", "show"],
            },
            "window": {"type": "str"},
            "operation": {"type": "str", "choices": list(_window.OPERATIONS)},
            "phase": {"type": "str", "choices": list(_window.PHASES[2:])},
            "result": {"type": "str", "choices": ["closed", "rolled_back", "aborted", "failed"]},
            "minutes": {"type": "int", "default": 60},
            "until": {"type": "str", "default": ""},
            "preflight_began": {"type": "str", "default": ""},
            **AUDIT_OPTIONS,
            "record": {"type": "dict", "default": {}},
            "private": {"type": "dict", "default": {}, "no_log": True},
        },
        required_if=[
            ("state", "open", ("operation",)),
            ("state", "advance", ("window", "phase")),
            ("state", "close", ("window", "result")),
            ("state", "extend", ("window",)),
            ("state", "annotate", ("window",)),
            ("state", "attend", ("window",)),
            ("state", "acknowledge", ("window",)),
        ],
        supports_check_mode=True,
    )
    main_of(module, body, reads=module.params["state"] == "show")


if __name__ == "__main__":
    main()
