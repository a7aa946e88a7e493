# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: health_report
short_description: Write the report on a stack's databases
version_added: 0.1.0
description:
  - Writes what modules such as M(amanat.dbops.postgres_health_info) found as C(health_<time>.json) and as the page C(health_<time>.html).
  - The page stands alone. It loads nothing, runs no script, and can be read on a phone and printed on A4.
  - The next report compares itself with the JSON files that lie in the same directory.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
attributes:
  check_mode:
    support: full
    description: Says what the report would say, and writes nothing.
  diff_mode:
    support: none
    description: A report is new each time; a difference between two pages tells nobody anything.
  idempotent:
    support: none
    description: Each run is a report of its own.
options:
  parts:
    description: Results of the modules that asked, one a database.
    type: list
    elements: dict
    required: true
  keep:
    description: Reports that are kept on the target, this one included. Older ones are removed, and no other file. Those that a
      wrong clock has dated in the future do not count, and stay until their time has come.
    type: int
    default: 90
"""

EXAMPLES = r"""
- name: Write the report
  amanat.dbops.health_report:
    stack: production/nickapp
    parts: ["{{ postgres_health }}"]
  register: report
"""

RETURN = r"""
json_path:
  description: The report as data on the target, mode 0600; empty in check mode.
  returned: success
  type: str
html_path:
  description: The page on the target, mode 0600; empty in check mode.
  returned: success
  type: str
worst:
  description: V(ok), V(warning) or V(critical).
  returned: success
  type: str
verdict:
  description: How many findings there are, and the worst one, in one line.
  returned: success
  type: str
next:
  description: The command or the statement that belongs to the worst finding; empty where there is none.
  returned: success
  type: str
summary:
  description: All findings in lines for a terminal, the worst first.
  returned: success
  type: list
  elements: str
removed:
  description: Reports that were removed, by their times.
  returned: success
  type: list
  elements: str
"""

import os
from datetime import datetime, timezone
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils import _health_files
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._files import make_private_directory, to_json, write_text
from ansible_collections.amanat.dbops.plugins.module_utils._health_page import findings_of, render_html, summary_lines, verdict, worst
from ansible_collections.amanat.dbops.plugins.module_utils._module import TARGET_OPTIONS, main_of, stack_of

# What Ansible adds to a module's result.
_ANSIBLE = ("changed", "failed", "invocation", "warnings", "deprecations", "ansible_facts")


def _write(directory: str, files: dict[str, str]) -> None:
    try:
        make_private_directory(directory)
        for path, content in files.items():
            write_text(path, content)
    except OSError as error:
        raise OperationError(
            "report-not-written",
            f"The report could not be written to {directory}: {error.strerror}.",
            "The databases are as they were; only the report is missing.",
            f"Make room or correct the rights, then run the report again: df -h {directory}",
        ) from None


def _prune(directory: str, own: str, keep: int) -> list[str]:
    """Remove the files of the oldest reports. own: the time of the one just written."""
    old = _health_files.superseded(_health_files.stamps(directory), own, keep)
    for path in (path for stamp in old for path in _health_files.files_of(directory, stamp)):
        if os.path.lexists(path):
            os.unlink(path)
    return old


def body(module: AnsibleModule) -> dict[str, Any]:
    stack, now = stack_of(module), datetime.now(timezone.utc)
    parts = [{key: value for key, value in part.items() if key not in _ANSIBLE} for part in module.params["parts"]]
    report = {
        "version": _health_files.VERSION,
        "stack": str(stack),
        "time": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "parts": parts,
    }
    report["worst"] = worst(report)
    page = render_html(report)
    paths, removed = ["", ""], []
    if not module.check_mode:
        own = now.strftime(_health_files.STAMP)
        paths = _health_files.files_of(stack.reports, own)
        _write(stack.reports, dict(zip(paths, (to_json(report), page))))
        removed = _prune(stack.reports, own, module.params["keep"])
    found = findings_of(report)
    return {
        "changed": not module.check_mode,
        "json_path": paths[0],
        "html_path": paths[1],
        "worst": report["worst"],
        "verdict": verdict(report),
        "next": found[0]["next"] if found else "",
        "summary": summary_lines(report),
        "removed": removed,
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **TARGET_OPTIONS,
            "parts": {"type": "list", "elements": "dict", "required": True},
            "keep": {"type": "int", "default": 90},
        },
        supports_check_mode=True,
    )
    main_of(module, body, secrets_in_options=False)


if __name__ == "__main__":
    main()
