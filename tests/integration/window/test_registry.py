# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that come from a registry: pulled before the window opens, and known by their digest."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.plays import ROOT, engine

from .conftest import Stack

UNPACK = """\
import pathlib, sys
sys.path.insert(0, "tests/images")
import debian
debian.unpack(["docker-registry"], "bookworm", pathlib.Path(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Debian's own registry, on a port of this machine, where the engine wants no certificate."""
    home = tmp_path_factory.mktemp("registry")
    subprocess.run([sys.executable, "-c", UNPACK, str(home)], cwd=ROOT, check=True)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{server.getsockname()[1]}"
    settings = {"version": 0.1, "storage": {"filesystem": {"rootdirectory": str(home / "images")}}, "http": {"addr": address}}
    (home / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    with subprocess.Popen([home / "usr/bin/docker-registry", "serve", home / "config.json"], stderr=subprocess.DEVNULL) as served:
        try:
            yield address
        finally:
            served.terminate()


def push(image: str, name: str) -> None:
    """The image is in the registry, and the engine knows nothing of that."""
    engine("tag", image, name)
    deadline = time.monotonic() + 30
    while subprocess.run(["docker", "push", "--quiet", name], capture_output=True, check=False).returncode != 0:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    engine("rmi", name)


@pytest.mark.slow
def test_a_release_is_pulled_before_the_window(docker: Stack, registry: str) -> None:
    running = engine("inspect", "--format", "{{.Image}}", docker.state["backend"]["container"])
    release = f"{registry}/nickapp-backend:1"
    push(running, release)
    refused = docker.play("maintenance", dbops_operation="custom", dbops_tasks="no-such-file.yml", dbops_release_image=release)
    assert "refused: [tasks-missing] " in refused.last_line
    assert f"Pulled and kept: {release}." in refused.last_line
    engine("rmi", release)

    outcome = docker.play("maintenance", dbops_operation="none", dbops_release_image=release)
    assert outcome.code == 0, outcome.out
    assert docker.report()["images"] == {release: running}
    assert engine("inspect", "--format", "{{.Config.Image}} {{.Image}}", docker.state["backend"]["container"]).endswith(running)


@pytest.mark.slow
def test_a_drill_restores_by_the_digest_of_the_server_that_was_backed_up(docker: Stack, registry: str, tmp_path: Path) -> None:
    server = docker.state["postgres"]["image"]
    name = f"{registry}/postgres:18"
    push(server, name)
    engine("pull", "--quiet", name)
    backup = docker.play("backup")
    assert backup.code == 0, backup.out
    newest = max(docker.backups.glob("*_pg_*.manifest.json"))
    # Whatever other registries it was pulled from before.
    digests = json.loads(engine("image", "inspect", "--format", "{{json .RepoDigests}}", name))
    assert json.loads(newest.read_text(encoding="utf-8"))["image_digest"] in digests
    drilled = docker.play("drill", dbops_report_dir=str(tmp_path))
    assert drilled.code == 0, drilled.out
    assert "was restored and compared" in drilled.last_line
    engine("rmi", name)
