# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What squawk says of migrations, whose comments cannot silence it. Runs on the controller."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from typing import Any

from ansible.errors import AnsibleError

# https://squawkhq.com/docs/cli#disabling-rules-via-comments
_SUPPRESSION = re.compile(r"squawk-ignore(?:-file|-next-statement)?[^\r\n*]*", re.IGNORECASE)


def _program() -> str:
    """squawk beside the Python that runs Ansible, where pip puts it, else on the path."""
    beside = os.path.dirname(sys.executable)
    found = shutil.which("squawk", path=os.pathsep.join([beside, os.environ.get("PATH", "")]))
    if found is None:
        raise AnsibleError(
            "[squawk-missing] The migrations cannot be judged: there is no program squawk. State: Nothing was changed."
            " Next: install squawk-cli for the Python that runs Ansible: pip install squawk-cli"
        )
    return found


def suppressions(text: str) -> list[dict[str, Any]]:
    """Line and text of each comment that would silence squawk."""
    found = _SUPPRESSION.finditer(text)
    return [{"line": text.count("\n", 0, match.start()) + 1, "comment": match[0].strip()} for match in found]


def _deaf(text: str) -> str:
    """The same text, of the same length, without a word that squawk obeys."""
    return re.sub("squawk-ignore", "squawk_ignore", text, flags=re.IGNORECASE)


def squawk(texts: list[str], postgres_major: int) -> list[list[dict[str, Any]]]:
    """Per text its findings: `line` (the first is 1), `rule`, `reason`."""
    found: list[list[dict[str, Any]]] = [[] for _text in texts]
    with tempfile.TemporaryDirectory(prefix="dbops-squawk-") as folder:
        # A configuration of its own: one that lies about on the controller might silence rules.
        config = os.path.join(folder, "squawk.toml")
        open(config, "w", encoding="utf-8").close()
        paths = [os.path.join(folder, f"{number}.sql") for number in range(len(texts))]
        for path, text in zip(paths, texts, strict=True):
            with open(path, "w", encoding="utf-8", newline="") as stream:
                stream.write(_deaf(text))
        options = ["--config", config, "--reporter", "json", "--assume-in-transaction", "--pg-version", str(postgres_major)]
        done = subprocess.run([_program(), *options, *paths], cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        try:
            findings = json.loads(done.stdout)
        except ValueError:
            raise AnsibleError(
                f"[squawk-failed] squawk ended with {done.returncode}: {done.stderr.strip()[-300:]} State: Nothing was changed."
                " Next: install the version that meta/requirements.txt names: pip install squawk-cli"
            ) from None
    for finding in findings:
        reason = finding["message"].partition(". ")[0].rstrip(".").replace("`", "")
        number = int(os.path.basename(finding["file"]).partition(".")[0])
        found[number].append({"line": finding["line"] + 1, "rule": finding["rule_name"], "reason": reason})
    return found
