# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which image a service is started with, and that it runs that one."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _services_run
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._place import Engine
from ansible_collections.amanat.dbops.plugins.module_utils._services import Context, Service, service_of

# An engine on which the tag nickapp:1 means image one, and nickapp:2 image two.
ENGINE = """#!/bin/sh
case "$*" in
"inspect --type image nickapp:1" | "inspect --type image one") echo '[{"Id": "one"}]' ;;
"inspect --type image nickapp:2" | "inspect --type image two") echo '[{"Id": "two"}]' ;;
*) echo "No such image" >&2; exit 1 ;;
esac
"""


@pytest.fixture
def context(tmp_path: Path) -> Context:
    binary = tmp_path / "docker"
    binary.write_text(ENGINE, encoding="utf-8")
    binary.chmod(0o755)
    return Context(Engine(str(binary)), str(tmp_path))


def service(context: Context, kind: str, image: str = "") -> Service:
    return service_of({"name": "api", "kind": kind, "image": image}, context)


@pytest.mark.parametrize(
    ("kind", "image", "images", "wanted"),
    [
        pytest.param("container", "", {}, ("", "one"), id="what stands there"),
        pytest.param("container", "nickapp:2", {}, ("nickapp:2", "two"), id="never looked up before"),
        pytest.param("container", "nickapp:2", {"nickapp:2": "two"}, ("nickapp:2", "two"), id="the tag still means it"),
        pytest.param("compose", "nickapp:1", {"nickapp:1": "two"}, ("two", "two"), id="the tag has moved"),
        pytest.param("compose", "gone:1", {"gone:1": "two"}, ("two", "two"), id="the tag is gone"),
        pytest.param("command", "/srv/2", {}, ("/srv/2", "/srv/2"), id="a command takes what it is told"),
        pytest.param("command", "nickapp:1", {"nickapp:1": "two"}, ("nickapp:1", "nickapp:1"), id="and so a tag"),
    ],
)
def test_a_new_release_is_the_image_that_was_prepared(
    context: Context, kind: str, image: str, images: dict[str, str], wanted: tuple[str, str]
) -> None:
    facts = {"release": "nickapp:1", "image_id": "one"}
    assert _services_run._wanted(service(context, kind, image), facts, images) == wanted


@pytest.mark.parametrize(
    ("kind", "facts", "wanted"),
    [
        ("container", {"release": "nickapp:1", "image_id": "one"}, ("nickapp:1", "one")),
        ("container", {"release": "nickapp:2", "image_id": "one"}, ("one", "one")),
        ("command", {"release": "/srv/1", "image_id": "/srv/1"}, ("/srv/1", "/srv/1")),
        ("systemd", {"release": "", "image_id": ""}, ("", "")),
    ],
)
def test_what_ran_before_is_restored_to_the_image(context: Context, kind: str, facts: dict[str, Any], wanted: tuple[str, str]) -> None:
    assert _services_run._wanted(service(context, kind, "nickapp:2"), facts, None) == wanted


def test_a_service_that_runs_another_image_than_the_one_prepared_is_a_failure(context: Context) -> None:
    services = [service(context, "container")]
    _services_run.see_images(services, [{"image_id": "two"}], {})
    _services_run.see_images(services, [{"image_id": "two"}], {"api": "two"})
    with pytest.raises(OperationError) as caught:
        _services_run.see_images(services, [{"image_id": "two"}], {"api": "one"})
    assert caught.value.slug == "service-failed"
    assert "was to run image one, and runs two" in caught.value.what


def test_one_that_cannot_be_started_keeps_no_other_down(tmp_path: Path) -> None:
    def one(name: str, start: str) -> Service:
        status = ["sh", "-c", f"[ -e {tmp_path}/{name} ] || exit 3"]
        spec = {"name": name, "kind": "command", "image": "", "status": status, "stop": ["true"], "start": ["sh", "-c", start]}
        return service_of(spec, Context(Engine(), str(tmp_path)))

    services = [one("web", f"touch {tmp_path}/web"), one("api", "echo broken >&2; exit 1")]
    before = [{"name": each.name, "running": True, "release": "", "image_id": "", "restart_policy": ""} for each in services]
    with pytest.raises(OperationError) as caught:
        _services_run.start(services, before, None)
    assert "'api'" in caught.value.what
    assert services[0].look()["running"]


def test_a_disk_that_is_full_for_one_keeps_no_other_running_or_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def one(name: str) -> Service:
        runs = tmp_path / name
        status = ["sh", "-c", f"[ -e {runs} ] || exit 3"]
        spec = {"name": name, "kind": "command", "image": "", "status": status, "stop": ["rm", str(runs)], "start": ["touch", str(runs)]}
        return service_of(spec, Context(Engine(), str(tmp_path)))

    def full(*_: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/var/lib/dbops/compose/api.yml")

    services, words = [one("web"), one("api"), one("job")], "Service 'api': /var/lib/dbops/compose/api.yml: No space left on device."
    before = [{"name": each.name, "running": True, "release": "", "image_id": "", "restart_policy": ""} for each in services]
    for step in ("start", "stop"):
        monkeypatch.setattr(services[1], step, full)
    with pytest.raises(OperationError) as caught:
        _services_run.start(services, before, None)
    assert (caught.value.slug, caught.value.what) == ("service-failed", words)
    assert [each.look()["running"] for each in services] == [True, False, True]
    (tmp_path / "api").touch()
    with pytest.raises(OperationError) as caught:
        _services_run.stop(services)
    assert (caught.value.slug, caught.value.what) == ("service-failed", words)
    assert [each.look()["running"] for each in services] == [False, True, False]


def test_one_that_was_down_is_started_where_it_is_wanted_and_what_ran_before_is_not_given_up_for_it(tmp_path: Path) -> None:
    def one(name: str, start: str) -> Service:
        status = ["sh", "-c", f"[ -e {tmp_path}/{name} ] || exit 3"]
        spec = {"name": name, "kind": "command", "image": "", "status": status, "stop": ["true"], "start": ["sh", "-c", start]}
        return service_of(spec, Context(Engine(), str(tmp_path)))

    down = {"running": False, "release": "", "image_id": "", "restart_policy": ""}
    services = [one("web", f"touch {tmp_path}/web"), one("api", "echo broken >&2; exit 1"), one("off", f"touch {tmp_path}/off")]
    before = [{**down, "name": each.name, "wanted": each.name != "off"} for each in services]
    assert _services_run.start(services, before, None) == ({}, []), "what ran before is nothing"
    started, missed = _services_run.start(services, before, {})
    assert (list(started), [path.name for path in tmp_path.iterdir()]) == (["web"], ["web"])
    assert len(missed) == 1
    assert missed[0].startswith("api was down before, and could not be started: ")


def test_what_a_command_says_that_it_runs_is_its_own_affair(context: Context) -> None:
    _services_run.see_images([service(context, "command")], [{"image_id": "2.0"}], {"api": "/srv/2"})


# One whose containers api and web are stopped, with their policies set aside.
STOPPED = """#!/bin/sh
echo "$*" >> $0.log
case "$*" in
"inspect --type container api" | "inspect --type container web")
  echo '[{"Id": "'$4'", "Image": "one", "Config": {"Image": "i", "Env": []}, "State": {"Running": false},'
  echo '"HostConfig": {"RestartPolicy": {"Name": "no"}}}]' ;;
update*) ;;
*) echo "no such container" >&2; exit 1 ;;
esac
"""


def test_restart_policies_are_put_back_and_nothing_is_started(tmp_path: Path) -> None:
    binary, log = tmp_path / "docker", tmp_path / "docker.log"
    binary.write_text(STOPPED, encoding="utf-8")
    binary.chmod(0o755)
    stopped = Context(Engine(str(binary)), str(tmp_path))
    policies = {"api": "always", "web": "unless-stopped", "gone": "on-failure:3"}
    services = [service_of({"name": name, "kind": "container"}, stopped) for name in policies]
    before = [{"name": name, "restart_policy": policy} for name, policy in policies.items()]
    assert _services_run.keep(services, before, check_mode=True)[0] == ["api"]
    assert "update" not in log.read_text(encoding="utf-8")
    kept, missed = _services_run.keep(services, before)
    assert kept == ["api"]
    assert [each.partition(": Service 'gone'")[0] for each in missed] == ["The restart policy of gone, on-failure:3, could not be put back"]
    done = [line for line in log.read_text(encoding="utf-8").splitlines() if not line.startswith("inspect")]
    assert done == ["update --restart always api"]


# A step on a target, whose one command says its number and goes on for a minute.
STEP = """
import sys
from ansible_collections.amanat.dbops.plugins.module_utils import _hook
from ansible_collections.amanat.dbops.plugins.module_utils._place import Engine
from ansible_collections.amanat.dbops.plugins.module_utils._services import Context, service_of
long = ["sh", "-c", f"echo $$ > {sys.argv[1]}; sleep 61"]
service = service_of({"name": "api", "kind": "command", "start": long, "stop": long}, Context(Engine(), ""))
{"start": lambda: service.start("", ""), "stop": service.stop, "hook": lambda: _hook.call(long, 90)}[sys.argv[2]]()
"""


@pytest.mark.parametrize("what", ["stop", "start", "hook"])
def test_a_command_does_not_outlive_its_step(tmp_path: Path, what: str) -> None:
    """Whoever ends the window would not know of it, and have it act on what he has brought back."""
    number, env = tmp_path / "number", {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", STEP, str(number), what], env=env) as step:
        while not (number.exists() and number.read_text(encoding="utf-8")):
            time.sleep(0.02)
        step.kill()
    process, end = Path(f"/proc/{number.read_text(encoding='utf-8').strip()}"), time.monotonic() + 10
    while process.exists() and time.monotonic() < end:
        time.sleep(0.02)
    assert not process.exists()


def test_one_that_does_not_say_whether_it_runs_keeps_no_other_running_or_down(tmp_path: Path) -> None:
    """As an LSB script says of a program that was killed."""

    def one(name: str, unknown: int) -> Service:
        runs = tmp_path / name
        runs.touch()
        status = ["sh", "-c", f"[ ! -e {runs}.killed ] || exit {unknown}; [ -e {runs} ] || exit 3"]
        stop, start = ["rm", str(runs)], ["sh", "-c", f"touch {runs}; rm -f {runs}.killed"]
        return service_of({"name": name, "kind": "command", "image": "", "status": status, "stop": stop, "start": start}, context)

    context = Context(Engine(), str(tmp_path))
    services = [one("worker", 1), one("web", 1)]
    before = [{**each.look(), "restart_policy": ""} for each in services]
    (tmp_path / "worker.killed").touch()
    with pytest.raises(OperationError) as caught:
        _services_run.stop(services, check_mode=True)
    with pytest.raises(OperationError) as caught:
        _services_run.stop(services)
    assert caught.value.slug == "service-unknown"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["worker.killed"], "both were told to stop"
    assert _services_run.start(services, before, None)[0].keys() == {"worker", "web"}
    assert [each.look()["running"] for each in services] == [True, True]
