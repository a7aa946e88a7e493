# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: availability_probe
short_description: Measure what clients see of the application during a window
version_added: 0.1.0
description:
  - Asks a URL five times a second from the target, in a job of its own, and tells how long it did not answer well.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
attributes:
  check_mode:
    support: full
    description: Starts nothing and tells nothing.
  diff_mode:
    support: none
    description: There is nothing to compare.
options:
  state:
    description:
      - V(started) starts the probe; one that runs already is left alone. It goes on for as long as the stack's journal holds the lock.
      - V(stopped) ends it and returns the figures.
    type: str
    choices: [started, stopped]
    required: true
  window:
    description: The window that is measured.
    type: str
    required: true
  url:
    description: The URL to ask. Required with O(state=started).
    type: str
  url_login:
    description: What O(url) wants to be logged in with, as in M(amanat.dbops.health_gate).
    type: str
    default: ''
  request_timeout:
    description: Seconds after which one request counts as unanswered.
    type: float
    default: 2.0
  status:
    description: HTTP statuses of a good answer.
    type: list
    elements: int
    default: [200]
"""

EXAMPLES = r"""
- name: Begin to measure
  amanat.dbops.availability_probe:
    stack: production/nickapp
    state: started
    window: 2026-11-22T170102Z-7f3a
    url: http://127.0.0.1:5000/api/health
"""

RETURN = r"""
downtime:
  description: What was measured; empty where no probe ran.
  returned: when O(state=stopped)
  type: dict
  contains:
    seconds:
      description: Sum of all outages, each from the last good answer before it to the first good one after it.
      type: float
    outages:
      description: How many there were.
      type: int
    from:
      description: Begin of the first one, UTC.
      returned: when there was a failure
      type: str
    to:
      description: End of the last one, UTC.
      returned: when there was a failure
      type: str
    probes:
      description: Requests made.
      type: int
    failures:
      description: Requests that were not answered well.
      type: int
    interval:
      description: Seconds between two requests.
      type: float
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils import _probe
from ansible_collections.amanat.dbops.plugins.module_utils._job import Job, Progress
from ansible_collections.amanat.dbops.plugins.module_utils._module import TARGET_OPTIONS, main_of, stack_of


def _start(module: AnsibleModule, job: Job) -> dict[str, Any]:
    if module.check_mode or job.exists():
        return {"changed": not job.exists()}
    stop = os.path.join(job.directory, "stop")
    samples = os.path.join(job.directory, "samples")
    journal = stack_of(module).journal

    def over() -> bool:
        """Told to stop, or the window has ended without a word to us. Not by a limit: what comes later would count as good."""
        return os.path.exists(stop) or not os.path.exists(journal)

    def work(_progress: Progress) -> dict[str, Any]:
        params = module.params
        _probe.watch(params["url"], samples, params["request_timeout"], params["status"], over, params["url_login"])
        return {}

    job.start(work)
    return {"changed": True}


def _stop(module: AnsibleModule, job: Job) -> dict[str, Any]:
    if module.check_mode or not job.exists():
        return {"changed": False, "downtime": {}}
    return {"changed": True, "downtime": _probe.stop(job)}


def body(module: AnsibleModule) -> dict[str, Any]:
    name = os.path.basename(f"{module.params['window']}-probe")
    job = Job(os.path.join(stack_of(module).jobs, name))
    return _start(module, job) if module.params["state"] == "started" else _stop(module, job)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            "state": {"type": "str", "required": True, "choices": ["started", "stopped"]},
            "window": {"type": "str", "required": True},
            "url": {"type": "str"},
            "url_login": {"type": "str", "default": "", "no_log": True},
            "request_timeout": {"type": "float", "default": 2.0},
            "status": {"type": "list", "elements": "int", "default": [200]},
        },
        required_if=[("state", "started", ("url",))],
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
