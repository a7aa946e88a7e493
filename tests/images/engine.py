# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make sure that a Docker engine with compose v2 answers: `python3 tests/images/engine.py ensure`.

The engine that runs is taken as it is. Only where there is none, and only on Debian or Ubuntu as root, the distribution's own is
installed and started.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import debian

SYSTEM_PLUGINS = Path("/usr/local/lib/docker/cli-plugins")
USER_PLUGINS = Path(os.environ.get("DOCKER_CONFIG", Path.home() / ".docker")) / "cli-plugins"
DAEMON_LOG = Path("/var/log/dockerd.log")
START_SECONDS = 60


def output_of(*argv: str) -> str | None:
    """What a command prints, or None where it is missing or fails."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def engine_version() -> str | None:
    return output_of("docker", "version", "--format", "{{.Server.Version}}")


def compose_version() -> str | None:
    """The version of compose v2; version 1 is another program (`docker-compose`), which the collection cannot use."""
    return output_of("docker", "compose", "version", "--short")


def missing(what: str) -> debian.SetupError:
    return debian.SetupError(
        f"[engine-missing] {what} Nothing was changed. Next: install Docker Engine 20.10 or newer with the compose v2 plugin, "
        "or run this as root on Debian or Ubuntu, where it is done for you; then try again."
    )


def install_engine() -> None:
    if not (debian.is_root() and shutil.which("apt-get")):
        raise missing("There is no Docker engine here.")
    # Since Debian 13 the command line is a package of its own; before, `docker.io` brings it.
    client = [] if output_of("apt-cache", "show", "docker-cli") in (None, "") else ["docker-cli"]
    debian.install("docker.io", "iptables", *client)
    if not shutil.which("docker"):
        debian.install("docker-cli")


def why_not(log: Path) -> str:
    """The daemon's own reason: its last fatal line, else its last words."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    telling = [line for line in lines if line.startswith("failed to start") or re.search(r"level=(fatal|error)", line)]
    return "\n".join((telling or lines)[-5:])


def start_engine() -> None:
    if os.environ.get("DOCKER_HOST"):
        raise missing(f"The engine at DOCKER_HOST={os.environ['DOCKER_HOST']} does not answer.")
    if not debian.is_root():
        raise missing("No Docker engine answers, or this user may not talk to it (is it a member of the group `docker`?).")
    if not shutil.which("dockerd"):
        install_engine()
    if engine_version():  # its package may have started it
        return
    if Path("/run/systemd/system").is_dir():
        debian.run(["systemctl", "start", "docker"], "starting the Docker daemon")
        daemon = None
    else:
        with DAEMON_LOG.open("wb") as log:
            daemon = subprocess.Popen(["dockerd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if engine_version():
            return
        if daemon and daemon.poll() is not None:
            break
        time.sleep(0.2)
    reason = why_not(DAEMON_LOG) if daemon else output_of("journalctl", "--unit", "docker", "--lines", "5", "--output", "cat")
    state = "it ended" if daemon and daemon.poll() is not None else f"it did not answer within {START_SECONDS} s"
    where = DAEMON_LOG if daemon else "journalctl --unit docker"
    raise debian.SetupError(
        f"[engine-not-started] dockerd was started and {state}:\n{reason}\nNext: read {where}, mend the cause, try again."
    )


def install_compose() -> None:
    if not shutil.which("apt-get"):
        raise missing("The Docker engine answers, but its compose v2 plugin is missing.")
    if not debian.is_debian():
        if not debian.is_root():
            raise missing("The Docker engine answers, but its compose v2 plugin is missing.")
        debian.install("docker-compose-v2")
        return
    # Debian 12 packages compose v1 only; the plugin of testing is one file, which needs nothing of testing.
    plugins = SYSTEM_PLUGINS if debian.is_root() else USER_PLUGINS
    plugins.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="dbops-compose-") as folder:
        debian.unpack(["docker-compose"], "testing", Path(folder))
        plugin = next(Path(folder).glob("usr/lib*/docker/cli-plugins/docker-compose"))
        partial = plugins / ".docker-compose.partial"
        shutil.copy(plugin, partial)
        partial.chmod(0o755)
        partial.rename(plugins / "docker-compose")


def ensure() -> str:
    """Leave a working engine behind, and say which."""
    with ThreadPoolExecutor() as pool:
        engine, compose = (future.result() for future in (pool.submit(engine_version), pool.submit(compose_version)))
    if not engine:
        start_engine()
        engine = engine_version()
        compose = compose_version()
    if not compose:
        install_compose()
        compose = compose_version()
    if not engine or not compose:
        raise missing(f"The engine says version {engine}, compose says {compose}.")
    return f"Docker engine {engine}, compose {compose}"


def main() -> int:
    if sys.argv[1:] != ["ensure"]:
        print("usage: python3 tests/images/engine.py ensure", file=sys.stderr)
        return 2
    try:
        print(ensure())
    except debian.SetupError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
