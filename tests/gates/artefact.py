# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the collection from a clean copy and let Galaxy's own importer judge it: no error and no warning is let pass."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import export

# ansible-test is a gate of its own here, and ruff does what flake8 would.
CONFIG = "[galaxy-importer]\nCHECK_REQUIRED_TAGS=True\nRUN_ANSIBLE_TEST=False\nRUN_FLAKE8=False\n"


def build(checkout: Path, output: Path) -> Path:
    """Build the artefact of `checkout` into the folder `output`."""
    command = ["ansible-galaxy", "collection", "build", "--output-path", str(output), str(checkout)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return next(output.glob("amanat-dbops-*.tar.gz"))


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="dbops-artefact-") as scratch:
        checkout, config = Path(scratch, "dbops"), Path(scratch, "galaxy-importer.cfg")
        export.clone(checkout)
        config.write_text(CONFIG, encoding="utf-8")
        artefact = build(checkout, Path(scratch))
        environment = {**os.environ, "GALAXY_IMPORTER_CONFIG": str(config)}
        importer = subprocess.run(
            [sys.executable, "-m", "galaxy_importer.main", str(artefact)],
            cwd=scratch,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    print(importer.stdout)
    complaints = [line for line in importer.stdout.splitlines() if line.startswith(("WARNING:", "ERROR:"))]
    if importer.returncode or complaints:
        print("[artefact-refused] Galaxy's importer would refuse or complain about the built collection:", *complaints, sep="\n  ")
        return 1
    print(f"{artefact.name}: accepted by galaxy-importer")
    return 0


if __name__ == "__main__":
    sys.exit(main())
