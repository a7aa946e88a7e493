# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real Alertmanager, unpacked from Debian's package."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.amanat.dbops.plugins.module_utils._http import Unanswered, request

from tests.images import debian
from tests.integration.machine import free_port

START = 30  # seconds
# The program looks for its templates below /usr/share and nowhere else. In a namespace of its own the package's files are there, and
# nothing has to be installed. A minimal Debian has `unshare` and no `mount`.
MOUNTED = """\
import ctypes, os, sys
libc, bind = ctypes.CDLL(None, use_errno=True), 4096
if libc.mount(os.fsencode(sys.argv[1] + "/usr/share"), b"/usr/share", None, bind, None):
    sys.exit("this test needs user namespaces: " + os.strerror(ctypes.get_errno()))
os.execv(sys.argv[1] + "/usr/bin/prometheus-alertmanager", ["alertmanager", *sys.argv[2:]])
"""
CONFIG = "route: {receiver: nobody, group_wait: 0s}\nreceivers: [{name: nobody}]\n"


@dataclass(frozen=True)
class Alertmanager:
    url: str

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        reply = request(method, f"{self.url}/api/v2/{path}", 5.0, json.dumps(body).encode(), {"Content-Type": "application/json"})
        assert reply.status == 200, reply.text
        return json.loads(reply.text or "null")

    def fire(self, *alerts: dict[str, str]) -> None:
        self.ask("POST", "alerts", [{"labels": labels} for labels in alerts])

    def resolve(self, *alerts: dict[str, str]) -> None:
        self.ask("POST", "alerts", [{"labels": labels, "endsAt": "2020-01-01T00:00:00Z"} for labels in alerts])

    def silences(self, state: str = "active") -> list[dict[str, Any]]:
        return [each for each in self.ask("GET", "silences") if each["status"]["state"] == state]


@contextmanager
def alertmanager(directory: Path) -> Iterator[Alertmanager]:
    debian.unpack(["prometheus-alertmanager"], "bookworm", directory / "package")
    (directory / "alertmanager.yml").write_text(CONFIG, encoding="utf-8")
    listens = f"127.0.0.1:{free_port()}"
    options = [
        f"--config.file={directory}/alertmanager.yml",
        f"--storage.path={directory}/data",
        f"--web.listen-address={listens}",
        "--cluster.listen-address=",
    ]
    command = ["unshare", "--map-root-user", "--mount", sys.executable, "-c", MOUNTED, str(directory / "package"), *options]
    with (directory / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        server = Alertmanager(f"http://{listens}")
        try:
            _wait(server, process, directory / "log")
            yield server
        finally:
            process.terminate()


def _wait(server: Alertmanager, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START
    while True:
        try:
            server.ask("GET", "status")
        except Unanswered:
            assert process.poll() is None, log.read_text(encoding="utf-8")
            assert time.monotonic() < until, log.read_text(encoding="utf-8")
            time.sleep(0.1)
        else:
            return
