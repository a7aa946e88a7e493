# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the window left behind, asked of the engine and of the application themselves."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def stack() -> dict[str, Any]:
    return json.loads((ROOT / ".stack/molecule-window.json").read_text(encoding="utf-8"))


@pytest.fixture
def report(stack: dict[str, Any]) -> dict[str, Any]:
    return json.loads(next(Path(stack["directory"], "reports").glob("*.json")).read_text(encoding="utf-8"))


def inspect(host: Host, name: str) -> dict[str, Any]:
    return json.loads(host.check_output("docker inspect %s", name))[0]


def test_the_application_is_healthy_with_the_new_release(stack: dict[str, Any]) -> None:
    with urllib.request.urlopen(stack["health_url"], timeout=5) as response:  # noqa: S310 - our own URL
        health = json.load(response)
    assert health["release"] == "2"
    assert health["migrations"] == {"applied": 20, "expected": 20}


def test_the_container_is_the_same_but_for_its_image(host: Host, stack: dict[str, Any]) -> None:
    name = stack["backend"]["container"]
    new, old = inspect(host, name), inspect(host, f"{name}__replaced")
    assert new["Config"]["Image"] == stack["releases"]["2"]
    assert new["State"]["Running"]
    assert not old["State"]["Running"]
    for key in ("PortBindings", "RestartPolicy", "NetworkMode", "Binds", "Memory"):
        assert (new["HostConfig"][key] or None) == (old["HostConfig"][key] or None), key
    assert set(new["NetworkSettings"]["Networks"]) == set(old["NetworkSettings"]["Networks"])
    assert sorted(new["Config"]["Env"]) == sorted(old["Config"]["Env"])


def test_the_window_is_closed_and_reported(host: Host, stack: dict[str, Any], report: dict[str, Any]) -> None:
    state = Path(stack["directory"], "dbops/development/molecule-window")
    assert report["state"] == "closed"
    assert not host.file(f"{state}/window.json").exists
    assert host.file(f"{state}/windows/{report['id']}.json").mode == 0o600
    assert host.file(str(state)).mode == 0o700


def test_no_helper_container_is_left(host: Host) -> None:
    ours = "--filter label=amanat.dbops.run --filter label=amanat.dbops.stack=development/molecule-window"
    assert host.check_output(f"docker ps --all --quiet {ours}") == ""
