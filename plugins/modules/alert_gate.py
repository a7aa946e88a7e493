# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: alert_gate
short_description: Refuse while alerts fire
version_added: 0.1.0
description:
  - Asks Prometheus' Alertmanager, from the target, for the alerts that fire and are neither silenced nor inhibited.
  - One that is not on the allow-list is a failure.
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
    description: The Alertmanager, as the target reaches it. A user and a password may stand in it.
    type: str
    required: true
  matchers:
    description:
      - The alerts that a window will silence, as C(amtool) writes them, V(stack="nickapp") or V(severity=~"info|warning"). All of them
        have to fit. They are only looked at here.
    type: list
    elements: str
    required: true
  allow:
    description:
      - Alerts that may fire all the same, by name, V(Watchdog), or by matchers, V(team!="shop",severity="info"), all of which have to
        fit.
    type: list
    elements: str
    default: []
  required:
    description:
      - Whether an Alertmanager that does not answer is a failure. Else it is a warning. A window is needed most when things are broken,
        and the monitoring may be among them.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: See that nothing fires
  amanat.dbops.alert_gate:
    url: http://127.0.0.1:9093
    matchers: ['stack="nickapp"']
    allow: [Watchdog]
"""

RETURN = r"""
firing:
  description: Number of alerts that fire.
  returned: success
  type: int
unanswered:
  description: Why the Alertmanager was not asked; empty where it answered.
  returned: success
  type: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils import _alertmanager
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError, refused
from ansible_collections.amanat.dbops.plugins.module_utils._module import main_of


def body(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    _alertmanager.parse_all(params["matchers"])
    _alertmanager.not_allowed([], params["allow"])
    try:
        firing = _alertmanager.Alertmanager(params["url"]).firing()
    except OperationError as error:
        if params["required"]:
            raise
        return {"changed": False, "firing": 0, "unanswered": error.what}
    if others := _alertmanager.not_allowed(firing, params["allow"]):
        raise refused(
            "alerts-firing",
            f"Alerts fire that are not on the allow-list: {'; '.join(others)}.",
            "Mend what they say, or name them in the list allow of dbops_alertmanager.",
        )
    return {"changed": False, "firing": len(firing), "unanswered": ""}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True, "no_log": True},
            "matchers": {"type": "list", "elements": "str", "required": True},
            "allow": {"type": "list", "elements": "str", "default": []},
            "required": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
