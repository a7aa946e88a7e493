# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories of backups made up by name, state and content: what rotation, catalogue and cleanup go by."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from ansible_collections.amanat.dbops.plugins.module_utils import _manifest

from tests.integration import modules


class WithBackups:
    """Whatever has a directory with backups in it."""

    directory: Path

    @property
    def backups(self) -> Path:
        return self.directory / "backups"

    def manifest(self, name: str) -> dict[str, Any]:
        return json.loads((self.backups / f"{name}.manifest.json").read_text(encoding="utf-8"))

    def names(self) -> list[str]:
        return sorted(path.name for path in self.backups.iterdir()) if self.backups.exists() else []


@dataclass(frozen=True)
class Directory:
    """A directory of backups, and the modules that look after it, called as Ansible calls them."""

    path: Path
    state: Path
    now: datetime = field(default_factory=lambda: datetime.now(timezone.utc).replace(microsecond=0))

    def name(self, hours: float, series: str = "a_pg", extension: str = ".pgdir") -> str:
        """The name of a backup of that many hours ago."""
        return _manifest.backup_name(series, self.now - timedelta(hours=hours), extension)

    def file(self, name: str, content: str = "data") -> str:
        (self.path / name).write_text(content, encoding="utf-8")
        return name

    def backup(self, name: str, *checks: dict[str, Any], complete: bool = True) -> str:
        """A backup with its globals and its manifest."""
        data, content = self.path / name, b"data of " + name.encode()
        if name.endswith(".pgdir"):
            data.mkdir()
            paths = ["toc.dat", "1.dat.zst"]
        else:
            paths = [""]
        for path in paths:
            (data / path if path else data).write_bytes(content)
        files = [{"path": path, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()} for path in paths]
        (self.path / f"{name}{_manifest.GLOBALS}").write_text("CREATE ROLE x;", encoding="utf-8")
        manifest = {
            "version": _manifest.MANIFEST_VERSION,
            "complete": complete,
            "name": name,
            "stack": "production/nickapp",
            "database": "amanat",
            "files": files,
            "sha256": _manifest.digest_of(files),
            "checks": [{"check": "complete", "passed": "2026-11-22T12:00:00.000Z"}, *checks],
        }
        (self.path / f"{name}{_manifest.SUFFIX}").write_text(json.dumps(_manifest.sealed(manifest)), encoding="utf-8")
        return name

    def names(self) -> set[str]:
        return {path.name for path in self.path.iterdir()}

    def call(self, module: str, *, check: bool = False, environ: dict[str, str] | None = None, **options: Any) -> dict[str, Any]:
        arguments = {"path": str(self.path), "_ansible_check_mode": check, "_ansible_diff": True, **options}
        if module != "backup_info":
            arguments["state_dir"] = str(self.state)
        return modules.call(module, arguments, environ)[0]

    def run(self, module: str, **options: Any) -> dict[str, Any]:
        result = self.call(module, **options)
        assert not result.get("failed"), result
        return result

    def refused(self, slug: str, module: str = "backup_rotate", **options: Any) -> str:
        """A call that fails for one reason and changes nothing; its message."""
        before = self.names()
        result = self.call(module, **options)
        assert result.get("slug") == slug, result
        assert self.names() == before
        return result["msg"]


def names(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["name"] for entry in entries]
