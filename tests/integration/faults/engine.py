# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Docker engine beside the machine's own, which may be started anew while others work."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.machine import require_root

NETWORK = "10.213.0.0/16"
BRIDGE = "dbops-engine"
SECONDS = 120


class Engine:
    """Its files, its socket and its networks are its own; of the machine's rules for packets it changes none."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.socket = f"unix://{directory}/docker.sock"
        self._daemon: subprocess.Popen[bytes] | None = None
        (directory / "daemon.json").write_text("{}", encoding="utf-8")

    def argv(self, *arguments: str) -> list[str]:
        return ["docker", "--host", self.socket, *arguments]

    def ask(self, *arguments: str) -> str:
        return subprocess.run(self.argv(*arguments), stdout=subprocess.PIPE, text=True, check=True).stdout.strip()

    def start(self) -> None:
        """Until it answers: then it has started all that it starts by itself."""
        places = {"config-file": "daemon.json", "data-root": "data", "exec-root": "exec", "pidfile": "pid"}
        flags = [f"--{flag}={self.directory / name}" for flag, name in places.items()]
        # Not `none`: with that it removes docker0, which is the other engine's.
        flags += [f"--bridge={BRIDGE}", "--iptables=false", "--ip-masq=false"]
        if not self._daemon:  # the networks keep what they were given; told again, it removes docker0 as well
            flags += [f"--default-address-pool=base={NETWORK},size=24"]
        with (self.directory / "log").open("ab") as log:
            self._daemon = subprocess.Popen(["dockerd", f"--host={self.socket}", *flags], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + SECONDS
        while subprocess.run(self.argv("version"), capture_output=True, check=False).returncode != 0:
            assert self._daemon.poll() is None, (self.directory / "log").read_text(encoding="utf-8")
            assert time.monotonic() < end, "the engine does not answer"
            time.sleep(0.1)

    def stop(self) -> None:
        """As a service manager does; it stops what runs in it."""
        if self._daemon:
            self._daemon.terminate()
            self._daemon.wait(SECONDS)

    def load(self, *images: str) -> None:
        """From the machine's own engine."""
        with subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE) as saving:
            subprocess.run(self.argv("load", "--quiet"), stdin=saving.stdout, stdout=subprocess.DEVNULL, check=True)
        assert saving.returncode == 0


@contextmanager
def bridged() -> Iterator[None]:
    """The containers of this engine may talk with each other, which that of the machine forbids to networks that are not its own."""
    rule = ["FORWARD", "--source", NETWORK, "--destination", NETWORK, "--jump", "ACCEPT"]
    subprocess.run(["iptables", "--wait", "--insert", *rule], check=True)
    subprocess.run(["ip", "link", "add", BRIDGE, "type", "bridge"], check=True)
    try:
        subprocess.run(["ip", "address", "add", "10.214.0.1/24", "dev", BRIDGE], check=True)
        yield
    finally:
        subprocess.run(["ip", "link", "delete", BRIDGE], check=True)
        subprocess.run(["iptables", "--wait", "--delete", *rule], check=True)


@contextmanager
def another() -> Iterator[Engine]:
    require_root("A second Docker engine is started.")
    # Not on a disk in memory, and where the names of sockets stay short.
    with tempfile.TemporaryDirectory(prefix="dbops-engine-", dir="/var/tmp") as directory, bridged():
        engine = Engine(Path(directory))
        try:
            engine.start()
            yield engine
        finally:
            engine.stop()
