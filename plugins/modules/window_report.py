# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: window_report
short_description: Write the report of a maintenance window
version_added: 0.1.0
description:
  - Reads the journal of a window and writes it as C(<window>.json), unchanged, as the page C(<window>.html), and as C(<window>.md), which
    says the same for a ticket.
  - The keys of the JSON are described by the schema C(docs/window.schema.json) of the collection.
  - The page stands alone. It loads nothing, runs no script, and can be read on a phone and printed on A4.
  - Reports a window in any state, also one that is still open, that was aborted, or whose journal lacks entries.
author:
  - amanat.dbops contributors (@amanat)
attributes:
  check_mode:
    support: full
    description: Reads the journal and says whether a file would be written.
  diff_mode:
    support: none
    description: The journal is the source of all files; a difference between two pages tells nobody anything.
  idempotent:
    support: full
    description: A report that says the same and has mode 0600 is left alone.
options:
  journal:
    description: The window's journal on the target.
    type: path
    required: true
  directory:
    description:
      - Directory on the target for the report. It is created with mode 0700 where it is missing.
      - The journal's own directory where it is left out.
    type: path
"""

EXAMPLES = r"""
- name: Write the report of a window
  amanat.dbops.window_report:
    journal: /var/lib/dbops/production/nickapp/windows/2026-11-22T170102Z-7f3a.json
    directory: /var/lib/dbops/production/nickapp/reports
  register: report

- name: Show how it went
  ansible.builtin.debug:
    msg: "{{ report.summary }}"
"""

RETURN = r"""
json_path:
  description: The journal's copy on the target, mode 0600.
  returned: success
  type: str
  sample: /var/lib/dbops/production/nickapp/reports/2026-11-22T170102Z-7f3a.json
html_path:
  description: The page on the target, mode 0600.
  returned: success
  type: str
  sample: /var/lib/dbops/production/nickapp/reports/2026-11-22T170102Z-7f3a.html
markdown_path:
  description: The same as Markdown on the target, mode 0600.
  returned: success
  type: str
  sample: /var/lib/dbops/production/nickapp/reports/2026-11-22T170102Z-7f3a.md
summary:
  description: The window in lines for a terminal, namely its verdict, its phases with their lengths, downtime, backup and error.
  returned: success
  type: list
  elements: str
"""

import json
import os
import re
import stat
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils import _owner
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._files import make_private_directory, write_text
from ansible_collections.amanat.dbops.plugins.module_utils._module import main_of
from ansible_collections.amanat.dbops.plugins.module_utils._report import render_html, render_markdown, summary_lines

MODE = 0o600

# The id becomes the name of three files.
_IDENTITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def _read(path: str) -> tuple[str, dict[str, Any]]:
    """The journal as it stands in its file, and parsed."""
    try:
        with open(path, encoding="utf-8") as stream:
            text = stream.read()
        journal = json.loads(text)
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from None
    except ValueError as error:
        raise _unreadable(path, str(error)) from None
    if not isinstance(journal, dict) or not _IDENTITY.fullmatch(str(journal.get("id", ""))):
        raise _unreadable(path, "it is not a journal with a window's id")
    return text, journal


def _unreadable(path: str, why: str) -> OperationError:
    return OperationError(
        "journal-unreadable",
        f"The report was not written: the journal {path} is not readable: {why}.",
        "Window and services are as they were; only the report is missing.",
        f"Look at the journal on the target: cat {path}",
    )


def _stands(path: str, text: str) -> bool:
    """Whether the file already says this and nobody else can read it."""
    try:
        found = os.lstat(path)
        if not stat.S_ISREG(found.st_mode) or stat.S_IMODE(found.st_mode) != MODE:
            return False
        with open(path, encoding="utf-8") as stream:
            return stream.read() == text
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return False


def _write(files: dict[str, str]) -> None:
    for path, text in files.items():
        try:
            make_private_directory(os.path.dirname(path))
            write_text(path, text, MODE)
        except OSError as error:
            raise OperationError(
                "report-not-written",
                f"The report {path} could not be written: {error.strerror}.",
                "Window and services are as the journal says; only the report is missing.",
                f"Make room or correct the rights, then run the report again: df -h {os.path.dirname(path)}",
            ) from None


def body(module: AnsibleModule) -> dict[str, Any]:
    path = os.path.abspath(module.params["journal"])
    text, journal = _read(path)
    base = os.path.join(os.path.abspath(module.params["directory"] or os.path.dirname(path)), str(journal["id"]))
    paths = {f"{kind}_path": f"{base}.{ending}" for kind, ending in (("json", "json"), ("html", "html"), ("markdown", "md"))}
    wanted = dict(zip(paths.values(), (text, render_html(journal), render_markdown(journal))))
    missing = {name: content for name, content in wanted.items() if not _stands(name, content)}
    if missing and not module.check_mode:
        _owner.require(os.path.dirname(path))
        _write(missing)
    return {"changed": bool(missing), **paths, "summary": summary_lines(journal)}


def main() -> None:
    module = AnsibleModule(
        argument_spec={"journal": {"type": "path", "required": True}, "directory": {"type": "path"}},
        supports_check_mode=True,
    )
    main_of(module, body)


if __name__ == "__main__":
    main()
