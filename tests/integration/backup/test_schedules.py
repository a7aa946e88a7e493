# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of schedules, run as cron, systemd and AWX run them: how they end, who is told, and whether the heart beats."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Callable

import ansible_runner
import pytest

from tests.integration.backup.conftest import PASSWORD, USER, Postgres
from tests.integration.plays import ROOT
from tests.integration.systemd import machine

pytestmark = pytest.mark.slow

EXAMPLES = ROOT / "examples/schedules"
PROGRAMS = Path(sys.executable).parent


class Monitor(ThreadingHTTPServer):
    """Counts heartbeats and remembers announcements."""

    def __init__(self) -> None:
        self.beats = 0
        self.told: list[dict[str, Any]] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Monitor

    def do_GET(self) -> None:
        self.server.beats += 1
        self.send_response(200)
        self.end_headers()

    def do_POST(self) -> None:
        self.server.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@dataclass(frozen=True)
class Site:
    """A stack, its inventory, and who watches it."""

    directory: Path
    monitor: Monitor
    database: str
    variables: dict[str, Any]

    @property
    def inventory(self) -> Path:
        return self.directory / "hosts.yml"

    @property
    def backups(self) -> list[str]:
        return sorted(path.name for path in (self.directory / "backups").glob("*.manifest.json"))

    def describe(self, **changes: Any) -> None:
        """Write the inventory."""
        hosts = {"all": {"hosts": {"nickapp": {**self.variables, **changes}}}}
        self.inventory.write_text(json.dumps(hosts), encoding="utf-8")

    def open_window(self, state: str = "open") -> Path:
        journal = self.directory / "state/development/nickapp/window.json"
        journal.parent.mkdir(parents=True, exist_ok=True)
        journal.write_text(json.dumps({"version": 1, "id": "2026-11-22T120000Z-7f3a", "state": state}), encoding="utf-8")
        return journal

    def seen(self) -> tuple[int, list[str]]:
        """Heartbeats and announced events since it was asked last."""
        seen = self.monitor.beats, [event["event"] for event in self.monitor.told]
        self.monitor.beats = 0
        self.monitor.told.clear()
        return seen


@pytest.fixture
def site(postgres: Postgres, make_database: Callable[..., str], tmp_path: Path) -> Iterator[Site]:
    monitor = Monitor()
    threading.Thread(target=monitor.serve_forever, daemon=True).start()
    database = make_database()
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "dbops_environment": "development",
        "dbops_state_dir": str(tmp_path / "state"),
        "dbops_backup_dir": str(tmp_path / "backups"),
        "dbops_postgres_container": postgres.container,
        "dbops_pg_url": f"postgres://{USER}:{PASSWORD}@postgres:5432/{database}",
        "dbops_policy": {"keep_last": 1},
        "dbops_heartbeat_url": f"{monitor.url}/beat",
        "dbops_announce": [{"kind": "webhook", "url": f"{monitor.url}/ops"}],
    }
    made = Site(tmp_path, monitor, database, variables)
    made.describe()
    yield made
    monitor.shutdown()
    monitor.server_close()


def goes_well_fails_and_skips(site: Site, run: Callable[[], tuple[bool, str]]) -> None:
    """The three ends that a scheduler can see. `run` says whether it took the run for a success, and what was printed."""
    ok, said = run()
    assert ok, said
    assert site.seen() == (1, [])
    assert len(site.backups) == 1

    ok, said = run()
    assert (ok, site.seen()) == (True, (1, [])), said
    assert len(site.backups) == 1, "the older one was not rotated away"
    kept = site.backups

    site.describe(dbops_postgres_container="no-such-container")
    ok, said = run()
    assert (ok, site.seen()) == (False, (0, ["schedule_failed"])), said
    assert "[container-unknown]" in said
    assert site.backups == kept

    site.describe()
    journal = site.open_window()
    ok, said = run()
    assert (ok, site.seen()) == (True, (0, [])), said
    assert "backup_and_rotate development/nickapp ok: skipped, window 2026-11-22T120000Z-7f3a is open" in " ".join(said.split())
    assert site.backups == kept
    journal.unlink()

    # A backup that was made and a policy that was mistyped.
    site.describe(dbops_policy={"keep_last": 0})
    ok, said = run()
    assert (ok, site.seen()) == (False, (0, ["schedule_failed"])), said
    assert len(site.backups) == 2


def installed(text: str, site: Site) -> str:
    """An example as it is installed here: another folder, inventory and log."""
    for there, here in (
        ("/opt/dbops/.venv/bin", str(PROGRAMS)),
        ("/opt/dbops", str(ROOT)),
        ("inventories/production", str(site.inventory)),
        ("/var/log/dbops", str(site.directory)),
    ):
        assert there in text or there == "/var/log/dbops"
        text = text.replace(there, here)
    return text


def cron(site: Site, verb: str, of: str) -> Callable[[], tuple[bool, str]]:
    """A run of the line of the crontab that is made for the playbook `of`, with another one, and the little environment of cron."""
    table = installed((EXAMPLES / "dbops.cron").read_text(encoding="utf-8"), site)
    path = re.search(r"^PATH=(.*)$", table, re.MULTILINE)
    line = re.search(rf"^[0-9* ]+  dbops  (.* playbooks/{of}\.yml >> (\S+) .*)$", table, re.MULTILINE)
    assert path
    assert line

    def run() -> tuple[bool, str]:
        log = Path(line[2])
        log.unlink(missing_ok=True)
        environ = {"PATH": path[1], "HOME": os.environ["HOME"], "LOGNAME": "root", "SHELL": "/bin/sh"}
        command = ["/bin/sh", "-c", line[1].replace(f"playbooks/{of}.yml", f"playbooks/{verb}.yml")]
        done = subprocess.run(command, env=environ, cwd="/", capture_output=True, text=True, check=False)
        assert bool(done.stdout) == bool(done.returncode), "cron mails failures and nothing else"
        return done.returncode == 0, log.read_text(encoding="utf-8")

    return run


def test_cron(site: Site) -> None:
    goes_well_fails_and_skips(site, cron(site, "backup_and_rotate", "backup_and_rotate"))


@pytest.mark.parametrize(("verb", "of"), [("drill", "drill"), ("verify", "drill"), ("rotate", "backup_and_rotate")])
def test_what_else_runs_by_schedule(site: Site, verb: str, of: str) -> None:
    ok, said = cron(site, "backup", "backup_and_rotate")()
    assert ok, said
    site.seen()
    run = cron(site, verb, of)
    ok, said = run()
    assert (ok, site.seen()) == (True, (1, [])), said

    site.describe(dbops_backup_dir=str(site.directory / "no-such-directory"))
    ok, said = run()
    assert (ok, site.seen()) == (False, (0, ["schedule_failed"])), said
    assert "no-such-directory" in said

    site.describe()
    site.open_window()
    ok, said = run()
    assert (ok, site.seen()) == (True, (0, [])), said
    assert f"{verb} development/nickapp ok: skipped, window 2026-11-22T120000Z-7f3a is open" in " ".join(said.split())

    # What only reads backups helps to find out what to do about a window that failed.
    site.open_window(state="failed")
    ok, said = run()
    skipped = "window 2026-11-22T120000Z-7f3a failed and is not acknowledged" in " ".join(said.split())
    assert (ok, skipped, site.seen()) == ((True, True, (0, [])) if verb == "rotate" else (True, False, (1, []))), said


def test_systemd(site: Site) -> None:
    """The units, on a machine where systemd runs; its timer starts the service."""
    name = f"dbops-backup-timer-{site.database.replace('_', '-')}"
    timer, service = "dbops-backup.timer", "dbops@backup_and_rotate.service"
    docker = shutil.which("docker")
    mounts = [
        f"{ROOT}:{ROOT}:ro",
        f"{site.directory}:{site.directory}",
        "/var/run/docker.sock:/var/run/docker.sock",
        f"{docker}:/usr/bin/docker:ro",
        # what the environment's interpreter is a link to
        *([f"{sys.base_prefix}:{sys.base_prefix}:ro"] if sys.base_prefix != "/usr" else []),
    ]
    flags = [part for mount in mounts for part in ("--volume", mount)]

    def inside(*argv: str, stdin: str = "") -> str:
        done = subprocess.run(["docker", "exec", "-i", name, *argv], input=stdin, capture_output=True, text=True, check=False)
        return (done.stdout + done.stderr).strip()

    def invocation() -> str:
        """The run that is at work; a service that has ended well has none."""
        return inside("systemctl", "show", "--value", "--property", "InvocationID", service)

    def run() -> tuple[bool, str]:
        """Let the timer elapse once."""
        before = invocation()
        inside("systemctl", "restart", timer)
        until = time.monotonic() + 180
        while (this := invocation()) in ("", before):
            assert time.monotonic() < until, "the timer never elapsed"
            time.sleep(0.1)
        inside("systemctl", "stop", timer)
        while (state := inside("systemctl", "is-active", service)) == "activating":
            assert time.monotonic() < until, inside("journalctl", "--no-pager")
            time.sleep(0.2)
        return state == "inactive", inside("journalctl", "--no-pager", "--output=cat", f"_SYSTEMD_INVOCATION_ID={this}")

    with machine(name, "--network", "host", *flags):
        for unit in ("dbops@.service", "dbops-backup.timer", "dbops-drill.timer"):
            text = (EXAMPLES / unit).read_text(encoding="utf-8")
            if unit.endswith(".service"):
                text = installed(text, site).replace("User=dbops", f"User=root\nEnvironment=HOME={site.directory}")
            else:
                calendar = re.search(r"OnCalendar=(.*)", text)
                assert calendar
                assert "Next elapse" in inside("systemd-analyze", "calendar", calendar[1])
                text = text.replace(calendar[0], "OnCalendar=*:*:0/3")  # the example's own hour is far away
            inside("sh", "-c", f"cat > /etc/systemd/system/{unit}", stdin=text)
        for unit in ("dbops-backup.timer", "dbops-drill.timer"):
            assert "error" not in inside("systemd-analyze", "verify", f"/etc/systemd/system/{unit}").lower()
        inside("systemctl", "daemon-reload")
        goes_well_fails_and_skips(site, run)
        timer, service = "dbops-drill.timer", "dbops@drill.service"
        site.describe()
        ok, said = run()
        assert (ok, site.seen()) == (True, (1, [])), said


def test_awx(site: Site) -> None:
    """AWX runs ansible-runner on the project, and passes an empty string for every survey question that nobody answered."""
    number = 0

    def run() -> tuple[bool, str]:
        nonlocal number
        number += 1
        private = site.directory / f"job{number}"
        private.mkdir()
        survey = dict.fromkeys(("dbops_series", "dbops_postgres_user", "dbops_confirm", "dbops_engine_socket"), "")
        done = ansible_runner.run(
            private_data_dir=str(private),
            project_dir=str(ROOT),
            playbook="playbooks/backup_and_rotate.yml",
            inventory=str(site.inventory),
            extravars={**survey, "awx_job_id": number},
            quiet=True,
        )
        assert (done.status == "successful") == (done.rc == 0)
        return done.status == "successful", re.sub(r"\x1b\[[0-9;]*m", "", done.stdout.read())

    goes_well_fails_and_skips(site, run)


def test_the_awx_example_is_a_playbook() -> None:
    command = [str(PROGRAMS / "ansible-playbook"), "--syntax-check", str(EXAMPLES / "awx.yml")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if "couldn't resolve module/action 'awx.awx" in done.stderr:
        pytest.skip("the collection awx.awx is not installed")
    assert done.returncode == 0, done.stderr
