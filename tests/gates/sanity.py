# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run `ansible-test sanity` on a copy of the collection, on a machine that needs to reach a package index only.

ansible-test wants a path that ends in ansible_collections/amanat/dbops, refuses links to folders, and calls a tree that
git ignores "All targets skipped" with exit 0. So it gets a fresh repository outside the checkout that holds what the
artefact holds: no links, no examples.
Arguments are handed on, e.g. `sanity.py --test validate-modules`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import export
import pythons

# ansible-test keeps its environments under the home folder. This one is ours: the next run finds them again, and the
# bootstrap script below is not left where another project would take it for the downloaded one.
HOME = export.ROOT / ".cache" / "ansible-test"
NOTHING_TESTED = "All targets skipped"

# The releases of pip that core 2.19 and 2.21 bootstrap; they name the script.
PIP_VERSIONS = ("24.2", "25.2")
# ansible-test downloads a script that puts pip into its environments. Python brings one along, so this takes that and
# leaves out the two options that only the downloaded script knows.
BOOTSTRAP = """\
import subprocess, sys
subprocess.run([sys.executable, "-m", "ensurepip"], check=True, stdout=subprocess.DEVNULL)
arguments = [a for a in sys.argv[1:] if a not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.run([sys.executable, "-m", "pip", "install", *arguments]).returncode)
"""


def environment() -> dict[str, str]:
    """The caller's environment with a home of its own, in which pip still finds the user's configuration."""
    config = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    path = os.pathsep.join([str(Path(sys.executable).parent), *pythons.search_path()])
    return {**os.environ, "HOME": str(HOME), "XDG_CONFIG_HOME": config, "PATH": path}


def prepare_home() -> None:
    """Put the bootstrap script where ansible-test looks before it downloads."""
    cache = HOME / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for version in PIP_VERSIONS:
        (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(BOOTSTRAP, encoding="utf-8")


def main(arguments: list[str]) -> int:
    prepare_home()
    with tempfile.TemporaryDirectory(prefix="dbops-sanity-") as scratch:
        collection = Path(scratch, "ansible_collections", "amanat", "dbops")
        export.collection(collection)
        command = ["ansible-test", "sanity", "--requirements", "--color", "no", *arguments]
        skipped = False
        with subprocess.Popen(
            command, cwd=collection, env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process:
            for line in process.stdout or ():
                print(line, end="", flush=True)
                skipped = skipped or NOTHING_TESTED in line
    if skipped:
        print(f'[sanity-tested-nothing] ansible-test said "{NOTHING_TESTED}": nothing was checked. Next: see which files git ignores')
        return 1
    return process.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
