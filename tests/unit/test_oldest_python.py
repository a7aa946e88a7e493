# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules and their utils run on targets with Python 3.9, and need nothing there but the standard library."""

from __future__ import annotations

import subprocess
from pathlib import Path

import ansible

from tests.gates import pythons

ROOT = Path(__file__).parents[2]
# What a target has: the module_utils of Ansible and ours. Nothing else of Ansible may be asked for, but what the package
# loads by itself.
SCRIPT = """
import importlib, pathlib, sys
sys.dont_write_bytecode = True
sys.path += sys.argv[1:]
for folder in ("module_utils", "modules"):
    for path in sorted(pathlib.Path(f"collections/ansible_collections/amanat/dbops/plugins/{folder}").glob("*.py")):
        importlib.import_module(f"ansible_collections.amanat.dbops.plugins.{folder}.{path.stem}")
        print(path.stem)
controller = [name for name in sys.modules if name.startswith("ansible.") and not name.startswith("ansible.module_utils")]
allowed = {"ansible.release", "ansible._vendor"}
sys.exit(f"imported on the target: {controller}" if set(controller) - allowed else 0)
"""


def test_modules_import_on_the_oldest_python(tmp_path: Path) -> None:
    (tmp_path / "ansible").symlink_to(Path(ansible.__file__).parent)
    done = subprocess.run(
        [pythons.oldest(), "-I", "-c", SCRIPT, str(ROOT / "collections"), str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split(), "no module was found"
