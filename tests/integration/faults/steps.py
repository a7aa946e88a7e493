# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A window's controller without Ansible: the steps of the role as calls of the same modules, each in a process of its own.

`python -m tests.integration.faults.steps <settings.json>`. It takes two seconds where ansible-playbook takes twenty, so that
many windows can be seen. A step that fails is answered as the role's rescue does.
"""

from __future__ import annotations

import importlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable

from ansible.module_utils import basic

from tests.integration.faults.gates import pass_by
from tests.integration.modules import MODULES

USED = (
    *("window_state", "window_recovery", "availability_probe", "postgres_backup", "rollback_point", "redis_hold"),
    *("stack_services_info", "window_quiesce", "window_resume", "health_gate", "announcement"),
)

Step = tuple[str, Callable[[], object]]


class Failed(Exception):
    pass


def call(module: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """In a process of its own, which outlives ours as a module on a target outlives its controller."""
    with tempfile.TemporaryFile() as answer:
        if not (child := os.fork()):
            try:
                os.setsid()
                os.dup2(answer.fileno(), 1)
                sys.argv = [module]
                basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
                basic._ANSIBLE_PROFILE = "legacy"
                importlib.import_module(f"{MODULES}.{module}").main()
            except SystemExit:
                sys.stdout.flush()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        answer.seek(0)
        text = answer.read().decode()
    if not text:
        raise Failed({"slug": "module-died", "message": f"{module} was killed.", "state": "", "next": ""})
    result: dict[str, Any] = json.loads(text)
    if result.get("failed"):
        found = {key: str(result.get(key, "")) for key in ("slug", "state", "next")}
        raise Failed({"message": result.get("msg", ""), **found})
    return result


# What the role records of a backup.
BACKUP = ("name", "path", "series", "sha256", "bytes", "seconds", "tables", "rows")


class Controller:
    """settings: what the inventory says; `operation`, a command that reads the window's URL from its standard input; and `password_file`,
    where the password of that URL is left for the test.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.target = settings["target"]
        self.postgres = {**self.target, **settings["postgres"]}
        self.redis = {**self.target, **settings["redis"]}
        self.moment = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        self.password = secrets.token_urlsafe(18)
        self.journal: dict[str, Any] = {}
        self.backup: dict[str, Any] = {}
        self.before: list[dict[str, Any]] = []
        self.door: dict[str, Any] = {}
        self.point: dict[str, Any] = {}

    # -- what a step is ----------------------------------------------------------------------------------------------------

    def fenced(self, options: dict[str, Any]) -> dict[str, Any]:
        return {**options, "fence": f"{self.journal['id']}/{self.journal['epoch']}"}

    def window(self, state: str, **arguments: Any) -> None:
        fenced = self.fenced(self.target) if self.journal else self.target
        given = {"window": self.journal["id"]} if self.journal else {}
        self.journal = call("window_state", {**fenced, **given, "state": state, **arguments})["journal"]

    def advance(self, phase: str, **record: Any) -> None:
        self.window("advance", phase=phase, record=record)

    def job(self, module: str, options: dict[str, Any], name: str = "") -> dict[str, Any]:
        """As the action plugin of jobs follows one."""
        arguments = {**options, "job": f"{self.journal['id']}-{name}" if name else f"{module}-{secrets.token_hex(6)}"}
        while (result := call(module, arguments)).get("job", {}).get("running"):
            pass
        return result

    # -- the phases ----------------------------------------------------------------------------------------------------

    def steps(self) -> Iterator[Step]:
        """The role's tasks by their names, as far as they act on the target."""
        yield "Open the window", self.open
        yield "Measure what clients see", self.measure
        yield "Begin to back up", lambda: self.advance("backed_up")
        yield "Back up and read the backup through", self.back_up
        yield "Make room and a checkpoint for the rollback point", lambda: self.rollback("prepared", "prepare")
        yield "Begin to stop", self.begin_to_stop
        yield "Hold back who would write to Redis", lambda: self.hold("held")
        yield "Stop the services, and shut the door behind them", self.quiesce
        yield "Take the rollback point", self.take
        yield "Begin to operate", self.begin_to_operate
        yield "Operate", self.operate
        yield "Open the door, and start the services", self.resume
        yield "Let go who would write to Redis", lambda: self.hold("released")
        yield "Begin to verify", lambda: self.advance("verified")
        yield "Wait until the application is healthy", self.see_health
        yield "Begin to close", lambda: self.advance("closed")
        yield "Drop the rollback point", lambda: self.rollback("dropped", "dropped")
        yield "Stop measuring", self.stop_measuring
        yield "Tell people that it is over", self.tell
        yield "Close the window", lambda: self.window("close", result="closed")

    def open(self) -> None:
        looked = call("stack_services_info", {**self.target, "services": self.settings["services"]})
        self.before = looked["services"]
        facts = {"name": "name", "kind": "kind", "running": "running_before", "release": "release_before"}
        facts.update(image_id="image_before", restart_policy="restart_policy")
        place, server = self.settings["postgres"], self.settings["redis"]
        redis = {
            "container": server.get("redis_container", ""),
            "bin_dir": server.get("redis_bin_dir", ""),
            "user": "",
            "password_file": "",
        }
        undo = {
            "engine": {"binary": "docker", "socket": self.target.get("engine_socket", "")},
            "postgres_container": place.get("postgres_container", ""),
            "postgres_bin_dir": place.get("postgres_bin_dir", ""),
            "services": looked["specs"],
            "guarded": True,
            "moment": self.moment,
            "redis": {**redis, "service": {}, "restores": False, "writes": False, "backup_dir": self.settings["backup_dir"]},
            "redis_server": redis,
            "health": self.settings["health"],
            "release": {"hook": [], "timeout": 30.0},
        }
        record = {
            "services": [{new: service[old] for old, new in facts.items()} for service in self.before],
            "health": {"before": {}},
            "migrations": {},
            "restore": {},
            "images": {},
            "undo": undo,
        }
        private = {"health_login": "", **{key: place.get(key, "") for key in ("pg_url", "login_user", "login_password")}}
        private.update({key: server.get(key, "") for key in ("redis_url", "redis_password")})
        private.update({key: json.dumps(self.settings[key]) for key in ("announce", "alertmanager")})
        self.window("open", operation="custom", by={"user": "faults", "controller": "steps"}, record=record, private=private)

    def measure(self) -> None:
        url = self.settings["health"]["url"]
        call("availability_probe", {**self.fenced(self.target), "state": "started", "window": self.journal["id"], "url": url})

    def back_up(self) -> None:
        self.backup = self.job("postgres_backup", {**self.fenced(self.postgres), "backup_dir": self.settings["backup_dir"]})

    def rollback(self, state: str, name: str) -> dict[str, Any]:
        return self.job("rollback_point", {**self.fenced(self.postgres), "state": state, "moment": self.moment}, name)

    def begin_to_stop(self) -> None:
        """What is going to be shut and held counts as such from before it is."""
        backup = {key: self.backup[key] for key in BACKUP}
        self.advance("stopped", backup=backup, door={"state": "shut"}, redis={"held": True})

    def hold(self, state: str) -> None:
        call("redis_hold", {**self.fenced(self.redis), "state": state})

    def quiesce(self) -> None:
        """By a password that the test knows, too, so that it sees where else it is."""
        known = Path(self.settings["password_file"])
        known.touch(mode=0o600)
        known.write_text(self.password, encoding="utf-8")
        options = {**self.fenced(self.postgres), "services": self.settings["services"], "password": self.password}
        self.door = call("window_quiesce", options)["door"]

    def take(self) -> None:
        self.point = self.rollback("taken", "point")

    def begin_to_operate(self) -> None:
        record = {"door": {"state": "shut"}, "rollback_point": {"name": self.point["name"], "state": "kept"}, "redis": {"held": True}}
        self.advance("operated", **record)

    def operate(self) -> None:
        """Without the fence, as a task file's own programs are, and with what the role gives these."""
        scheme, _, rest = self.settings["postgres"]["pg_url"].partition("://")
        url = f"{scheme}://{self.door['role']}:{self.password}@{rest.rpartition('@')[2]}"
        window = self.journal["id"]
        given = {"DBOPS_WINDOW": window, "PGAPPNAME": f"amanat.dbops {window} operation"}
        environ = {**os.environ, **given}
        done = subprocess.run(self.settings["operation"], input=f"{url}\n", env=environ, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failed({"slug": "step-failed", "message": done.stderr, "state": "", "next": "Read it."})

    def resume(self) -> None:
        options = {**self.fenced(self.postgres), "services": self.settings["services"], "password": self.password}
        call("window_resume", {**options, "before": self.before, "begins": {"phase": "started"}})

    def see_health(self) -> None:
        beneath = {**self.fenced(self.postgres), **self.settings["redis"], "services": self.settings["services"]}
        call("health_gate", {**beneath, **self.settings["health"]})

    def stop_measuring(self) -> None:
        call("availability_probe", {**self.fenced(self.target), "state": "stopped", "window": self.journal["id"]})

    def tell(self) -> None:
        """The one event that is not told by the target, as a window that ends otherwise is ended by the target."""
        said = {"event": "finished", "stack": self.target["stack"], "operation": "custom", "window": self.journal["id"], "last": True}
        call("announcement", {**said, "directory": f"{self.settings['report_dir']}/announcements", **self.settings["announce"]})

    # -- the whole -----------------------------------------------------------------------------------------------------

    def run(self) -> int:
        try:
            for name, step in self.steps():
                pass_by(Path(os.environ["GATES"]), name)
                step()
        except Failed as failed:
            error = failed.args[0]
            print(json.dumps(error), flush=True)
            if self.journal:
                self.undo(error)
            return 2
        return 0

    def undo(self, error: dict[str, Any]) -> None:
        by = {"user": "faults", "controller": "steps"}
        ours = {"window": self.journal["id"], "epoch": self.journal["epoch"]}
        given = {"state": "aborted", **ours, "by": by, "why": "a step of its controller failed", "error": error}
        options = {**self.target, **given, "job": f"window_recovery-{secrets.token_hex(6)}"}
        try:
            while call("window_recovery", options).get("job", {}).get("running"):
                pass
        except Failed as failed:
            print(json.dumps(failed.args[0]), flush=True)


def main() -> int:
    for module in USED:
        importlib.import_module(f"{MODULES}.{module}")
    return Controller(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))).run()


if __name__ == "__main__":
    sys.exit(main())
