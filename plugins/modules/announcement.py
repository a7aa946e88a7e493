# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: announcement
short_description: Tell people an event of a maintenance window
version_added: 0.1.0
description:
  - Runs on the controller. Hands an event to jobs there, one a sender, and returns without waiting for them.
  - Each sender tells the events of one window one after the other, in the order of the calls.
  - A sender that fails, or is too slow, is one of the answers, and no failure.
author:
  - amanat.dbops contributors (@amanat)
attributes:
  check_mode:
    support: full
    description: Tells nobody.
  diff_mode:
    support: none
    description: There is nothing to compare.
options:
  directory:
    description: Directory on the controller for the jobs; one that waits for nobody is removed when O(last) has its answers.
    type: path
    required: true
  event:
    description: What happened. Without it nobody is told, and what is known by now of the events of O(window) is returned.
    type: str
    choices: [planned, starting, phase, extended, finished, rolled_back, failed, needs_a_person, schedule_failed]
  note:
    description: What the moment adds to the event's words.
    type: str
    default: ''
  stack:
    description: The stack that it happened to, V(<environment>/<name>).
    type: str
    required: true
  operation:
    description: The operation of the window.
    type: str
    default: ''
  window:
    description: The window's identity. Empty outside a window.
    type: str
    default: ''
  senders:
    description: Who tells people.
    type: list
    elements: dict
    required: true
    suboptions:
      kind:
        description:
          - V(slack) posts to Slack. By a bot's token the window is one message, whose thread has the rest, and which always says how the
            window stands; start, failure and end are shown to the whole channel.
          - V(webhook) posts the event as JSON, C(event), C(text), C(stack), C(operation) and C(window).
        type: str
        choices: [slack, webhook]
        required: true
      token:
        description: For V(slack), a bot's token, or what stands in the URL of a webhook behind C(/services/).
        type: str
      channel:
        description: For V(slack), the channel. A webhook has its own.
        type: str
      url:
        description: For V(webhook), where to post.
        type: str
  timeout:
    description: Seconds that one sender may take for one event.
    type: float
    default: 5.0
  last:
    description:
      - Waits for the answers of all events of O(window), no longer than O(timeout). A sender that has not answered by then counts as one
        that did not tell.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Tell people that it starts
  amanat.dbops.announcement:
    directory: "{{ playbook_dir }}/reports/announcements"
    event: starting
    stack: production/nickapp
    operation: migrate
    window: 2026-11-22T170102Z-7f3a
    senders:
      - {kind: slack, token: "{{ vault_slack_token }}", channel: "#ops"}
  delegate_to: localhost
"""

RETURN = r"""
text:
  description: The event in words; empty without O(event).
  returned: success
  type: str
announcements:
  description: What came of the window's events, as far as it is known; C(event), C(at), C(sender), C(ok) and C(answer).
  returned: success
  type: list
  elements: dict
messages:
  description: What a sender needs to go on in its threads, by its place in O(senders); of Slack C(channel), C(ts) and C(text).
  returned: success
  type: dict
missed:
  description: What was not told, in words.
  returned: success
  type: list
  elements: str
"""

import secrets
from datetime import datetime, timezone
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils import _announce
from ansible_collections.amanat.dbops.plugins.module_utils._module import main_of
from ansible_collections.amanat.dbops.plugins.module_utils._outbox import Outbox
from ansible_collections.amanat.dbops.plugins.module_utils._window import stamp


def body(module: AnsibleModule) -> dict[str, Any]:
    params, event = module.params, module.params["event"]
    outbox = Outbox(params["directory"], params["window"] or f"{event}-{secrets.token_hex(4)}")
    text = ""
    if event:
        at = stamp(datetime.now(timezone.utc))
        said = _announce.message(event, at, params["stack"], params["operation"], params["window"], params["note"])
        text = said.text
        if params["senders"] and not module.check_mode:
            outbox.hand_over(params["senders"], said, params["timeout"])
    records, threads, done = outbox.answers(params["timeout"] if params["last"] else 0.0)
    if params["last"] and done and not module.check_mode:
        outbox.forget()
    return {
        "changed": bool(event),
        "text": text,
        "announcements": records,
        "messages": threads,
        "missed": _announce.missed(records),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "event": {"type": "str", "choices": list(_announce.EVENTS)},
            "note": {"type": "str", "default": ""},
            "stack": {"type": "str", "required": True},
            "operation": {"type": "str", "default": ""},
            "window": {"type": "str", "default": ""},
            "senders": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "kind": {"type": "str", "required": True, "choices": ["slack", "webhook"]},
                    "token": {"type": "str", "no_log": True},
                    "channel": {"type": "str"},
                    "url": {"type": "str", "no_log": True},
                },
                "required_if": [("kind", "slack", ("token",)), ("kind", "webhook", ("url",))],
            },
            "timeout": {"type": "float", "default": 5.0},
            "last": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
