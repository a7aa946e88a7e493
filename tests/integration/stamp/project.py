# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL whose data lie in a directory of the machine, run by Compose or by deploy, and the playbooks that operate it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration import modules
from tests.integration.plays import Outcome, engine, play

PASSWORD = "secret-of-pg"
DATA = "CREATE TABLE users (id int PRIMARY KEY); INSERT INTO users SELECT generate_series(1, 100);"


@dataclass(frozen=True)
class Project:
    """A Compose project of one PostgreSQL, its data in a directory of the machine."""

    directory: Path
    name: str
    image: str

    @property
    def key(self) -> str:
        return f"development/{self.name}"

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def state(self) -> Path:
        return self.directory / "state" / self.key

    def write(self, **changes: Any) -> None:
        service = {
            "image": self.image,
            "container_name": self.name,
            "environment": {"POSTGRES_USER": "amanat", "POSTGRES_DB": "amanat_dev", "POSTGRES_PASSWORD": "${PASSWORD}"},
            "command": ["postgres", "-c", "fsync=off"],
            "volumes": [f"{self.data}:/var/lib/postgresql"],
            **changes,
        }
        (self.directory / "compose.yaml").write_text(json.dumps({"services": {"postgres": service}}), encoding="utf-8")
        (self.directory / "secrets.env").write_text(f"PASSWORD={PASSWORD}\n", encoding="utf-8")

    def compose(self, *arguments: str) -> None:
        files = ["--project-directory", str(self.directory), "--project-name", self.name, "--env-file", str(self.directory / "secrets.env")]
        subprocess.run(["docker", "compose", *files, *arguments], check=True, capture_output=True)

    def sql(self, sql: str, database: str = "amanat_dev") -> str:
        argv = ["psql", "-h", "127.0.0.1", "-U", "amanat", "-Atq", "-v", "ON_ERROR_STOP=1", "-d", database]
        return engine("exec", "--interactive", self.name, *argv, stdin=sql)

    def up(self) -> None:
        self.compose("up", "--detach")
        engine("exec", self.name, "sh", "-c", "until pg_isready -qh 127.0.0.1; do sleep 0.2; done")

    def container(self) -> str:
        done = subprocess.run(["docker", "inspect", "--format", "{{.Id}}", self.name], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    def variables(self, **more: Any) -> dict[str, Any]:
        return {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "dbops_environment": "development",
            "dbops_name": self.name,
            "dbops_state_dir": str(self.directory / "state"),
            "dbops_backup_dir": str(self.directory / "backups"),
            "dbops_postgres_container": self.name,
            "dbops_pg_url": f"postgres://amanat:{PASSWORD}@postgres/amanat_dev",
            **more,
        }

    def play(self, verb: str, *options: str, **more: Any) -> Outcome:
        inventory = self.directory / "hosts.json"
        inventory.write_text(json.dumps({"all": {"hosts": {"here": self.variables(**more)}}}), encoding="utf-8")
        outcome = play(verb, "--inventory", str(inventory), *options)
        assert PASSWORD not in outcome.out
        return outcome

    def call(self, module: str, **options: Any) -> dict[str, Any]:
        arguments = {
            "stack": self.key,
            "state_dir": str(self.directory / "state"),
            "postgres_container": self.name,
            "pg_url": f"postgres://amanat:{PASSWORD}@postgres/amanat_dev",
            "confirm": self.key,
            **({"backup_dir": str(self.directory / "backups")} if module == "postgres_reset" else {}),
            **options,
        }
        return modules.call(module, arguments)[0]

    def refused(self, slug: str, **options: Any) -> str:
        """Refused for one reason; container and content are what they were."""
        before = (self.container(), self.sql("SELECT count(*) FROM users"))
        result = self.call("postgres_reset", **{"state": "emptied", **options})
        assert result.get("slug") == slug, result
        assert (self.container(), self.sql("SELECT count(*) FROM users")) == before
        assert not (self.state / "reset.json").exists()
        return result["msg"]

    def note(self, phase: str) -> None:
        """What a reset that was cut off in that phase would have left."""
        plan = {"version": 1, "phase": phase, "began": "2026-01-01T00:00:00Z", "how": "compose", "container": self.name}
        plan |= {"container_id": self.container(), "path": str(self.data), "volume": "", "inode": self.data.stat().st_ino}
        plan |= {"databases": [], "bytes": 0, "service": {}}
        (self.state / "reset.json").write_text(json.dumps(plan), encoding="utf-8")

    def audit(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.state / "audit.jsonl").read_text(encoding="utf-8").splitlines()]
