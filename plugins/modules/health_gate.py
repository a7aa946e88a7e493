# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: health_gate
short_description: Wait until the application says that it is healthy
version_added: 0.1.0
description:
  - Asks a health URL from the target until it has answered 200 several times in a row, or the time is over.
  - A redirect is not a healthy answer, and no proxy of the target is used.
author:
  - amanat.dbops contributors (@amanat)
attributes:
  check_mode:
    support: full
    description: It only reads.
  diff_mode:
    support: none
    description: It only reads.
options:
  url:
    description: The health URL, as the target reaches it.
    type: str
    required: true
  timeout:
    description: Seconds after which the gate is closed for good.
    type: float
    default: 60.0
  request_timeout:
    description: Seconds after which one request counts as unanswered.
    type: float
    default: 5.0
  successes:
    description: Good answers in a row that open the gate.
    type: int
    default: 3
  interval:
    description: Seconds between two requests.
    type: float
    default: 0.2
"""

EXAMPLES = r"""
- name: Wait for the backend
  amanat.dbops.health_gate:
    url: https://amn.gg/api/health
"""

RETURN = r"""
answer:
  description: The last answer.
  returned: always, once a request was made
  type: dict
  contains:
    url:
      description: The URL.
      type: str
    status:
      description: The HTTP status, 0 where nobody answered.
      type: int
    ok:
      description: Whether the status is 200.
      type: bool
    ms:
      description: Milliseconds until the answer.
      type: int
    body:
      description: The answer's JSON.
      type: raw
    reason:
      description: Why there was no answer.
      type: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils._gate import Gate
from ansible_collections.amanat.dbops.plugins.module_utils._module import main_of


def body(module: AnsibleModule) -> dict[str, Any]:
    gate = Gate(**module.params)
    passed, answer = gate.wait()
    if passed:
        return {"changed": False, "answer": answer}
    return {"failed": True, **gate.failure(answer).as_result(), "answer": answer}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "timeout": {"type": "float", "default": 60.0},
            "request_timeout": {"type": "float", "default": 5.0},
            "successes": {"type": "int", "default": 3},
            "interval": {"type": "float", "default": 0.2},
        },
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
