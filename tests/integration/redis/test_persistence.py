# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Append-only files switched in servers that hold keys, and killed, starved and misled on the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.integration import modules
from tests.integration.plays import ROOT, engine

from .conftest import KEYS, Server
from .killed import killed

Own = Callable[..., Server]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A directory that the server may write, with its configuration file."""
    directory = tmp_path / "config"
    directory.mkdir()
    directory.chmod(0o777)
    (directory / "redis.conf").write_text("appendonly no\nsave 3600 1\n", encoding="utf-8")
    return directory / "redis.conf"


def started(own: Own, config: Path, kind: str, *options: str) -> Server:
    if kind == "valkey":
        server = own("valkey", config=str(config))
    else:
        os.chown(config, 999, -1)
        server = own(kind, config="/config/redis.conf", options=("--volume", f"{config.parent}:/config", *options))
    server.fill()
    return server


def in_file(config: Path) -> str:
    return next(line for line in config.read_text(encoding="utf-8").splitlines() if line.startswith("appendonly "))


def in_server(server: Server) -> str:
    return " ".join(server.ask("CONFIG", "GET", "appendonly").split())


def arguments(config: Path, on: bool, **more: Any) -> dict[str, Any]:
    state = str(config.parent.parent / "state")
    return {"path": str(config), "uid": config.stat().st_uid, "appendonly": on, "state_dir": state, "wait": 60.0, **more}


@pytest.mark.parametrize("kind", ["redis", "valkey", pytest.param("redis7", marks=pytest.mark.slow)])
def test_on_and_off_without_losing_a_key(own: Own, config: Path, kind: str) -> None:
    server = started(own, config, kind)
    foreseen = server.run("redis_persistence", check=True, **arguments(config, True))
    assert (foreseen["steps"], in_server(server)) == (["switch", "rewrite", "keep"], "appendonly no")
    done = server.run("redis_persistence", **arguments(config, True))
    assert (done["steps"], in_server(server), in_file(config)) == (foreseen["steps"], "appendonly yes", "appendonly yes")
    expected = {"before": KEYS, "after": KEYS, "sampled": KEYS, "changed": 0, "expired": 0, "gone": 0}
    assert done["keys"] == expected
    assert not server.run("redis_persistence", **arguments(config, True))["changed"]
    # What is written from now on survives a crash.
    server.ask("SET", "auth:refresh:2", "late")
    if kind != "valkey":
        server.await_ask("aof_pending_bio_fsync:0", "INFO", "persistence")
        time.sleep(1.2)
        engine("kill", server.container)
        engine("start", server.container)
        server.await_answer()
        assert (server.ask("DBSIZE"), server.ask("GET", "auth:refresh:2")) == (str(KEYS + 1), "late")

    server.ask("SET", "auth:refresh:3", "later")
    off = server.run("redis_persistence", **arguments(config, False))
    assert (off["steps"], in_server(server), in_file(config)) == (["save", "keep", "switch"], "appendonly no", "appendonly no")
    if kind != "valkey":
        engine("kill", server.container)
        engine("start", server.container)
        server.await_answer()
    assert server.ask("GET", "auth:refresh:3") == "later"


def test_tried_out_by_a_restart(own: Own, config: Path) -> None:
    server = started(own, config, "redis")
    server.ask("SET", "stamp", "x", "PX", "1")
    begun = engine("inspect", "--format", "{{.State.StartedAt}}", server.container)
    done = server.run("redis_persistence", **arguments(config, True, restart=True))
    assert done["steps"] == ["switch", "rewrite", "keep", "restart"]
    assert (done["keys"]["after"], done["keys"]["gone"], done["keys"]["changed"]) == (KEYS, 0, 0)
    assert begun != engine("inspect", "--format", "{{.State.StartedAt}}", server.container)
    assert "aof_enabled:1" in server.ask("INFO", "persistence")
    assert server.ask("SET", "writers", "are held no more") == "OK"


@pytest.mark.parametrize(
    "settings",
    [
        # Asked to stop, it saves nothing by itself.
        'save ""',
        # It saves for longer than it is given.
        pytest.param("save 3600 1\nrdb-key-save-delay 100000", marks=pytest.mark.slow),
    ],
)
def test_what_is_written_until_the_restart_is_kept(own: Own, config: Path, settings: str) -> None:
    config.write_text(f"appendonly no\n{settings}\n", encoding="utf-8")
    server = started(own, config, "redis", "--stop-timeout", "1")
    server.run("redis_persistence", **arguments(config, True))
    stop, taken = threading.Event(), []

    def write() -> None:
        while not stop.is_set():
            name = f"payment:idem:late:{len(taken)}"
            if server.ask("SET", name, "paid") == "OK":
                taken.append(name)

    with ThreadPoolExecutor(max_workers=1) as pool:
        writing = pool.submit(write)
        done = server.run("redis_persistence", **arguments(config, False, restart=True))
        stop.set()
        writing.result()
    assert (done["steps"], done["keys"]["gone"]) == (["save", "keep", "switch", "restart"], 0)
    assert in_server(server) == "appendonly no"
    assert server.ask("EXISTS", *taken) == str(len(taken))
    assert taken


def test_no_restart_where_no_file_keeps_it(redis: Server) -> None:
    for on in (True, False):
        message = redis.refused("redis_persistence", "restart-unkept", appendonly=on, keep=False, restart=True)
        assert "Nothing was changed" in message
    assert in_server(redis) == "appendonly no"


def test_the_wrong_way_is_found_out(own: Own, config: Path) -> None:
    """Written to the file and restarted: Redis has begun empty, and would overwrite its snapshot."""
    server = started(own, config, "redis")
    assert server.ask("SAVE") == "OK"
    config.write_text("appendonly yes\nsave 3600 1\n", encoding="utf-8")
    engine("kill", server.container)
    time.sleep(1.5)
    engine("start", server.container)
    server.await_answer()
    assert server.ask("DBSIZE") == "0"
    server.ask("SET", "rate:ip:2", "1")
    for check in (False, True):
        message = server.refused("redis_persistence", "aof-started-empty", **arguments(config, True), _ansible_check_mode=check)
    assert "/data/dump.rdb" in message


def test_what_its_command_says_is_not_switched_in_its_file(own: Own, config: Path) -> None:
    """It goes before the file: the next start would find append-only files that are old by then."""
    os.chown(config, 999, -1)
    options = ("--volume", f"{config.parent}:/config")
    server = own("redis", "--appendonly", "yes", config="/config/redis.conf", options=options)
    server.fill()
    for how in (arguments(config, False), {**arguments(config, False), "path": None, "uid": None, "keep": False}):
        for check in (False, True):
            message = server.refused("redis_persistence", "append-only-unkept", **how, _ansible_check_mode=check)
    assert "says --appendonly yes" in message
    assert (in_server(server), in_file(config)) == ("appendonly yes", "appendonly no")
    # Done by hand, it is not as described either.
    assert server.ask("CONFIG", "SET", "appendonly", "no") == "OK"
    assert "Redis has appendonly no" in server.refused("redis_persistence", "append-only-unkept", **arguments(config, False))
    # With what is wished the command agrees, and the file is made to.
    assert server.run("redis_persistence", **arguments(config, True))["steps"] == ["switch", "rewrite", "keep"]
    engine("restart", server.container)
    server.await_answer()
    assert (in_server(server), server.ask("DBSIZE")) == ("appendonly yes", str(KEYS))


def test_a_file_that_is_ahead_of_its_server(own: Own, config: Path) -> None:
    """Written to the file and not restarted yet: nothing is lost by doing it the right way now."""
    server = started(own, config, "valkey")
    config.write_text("appendonly yes\n", encoding="utf-8")
    assert server.run("redis_persistence", **arguments(config, True))["steps"] == ["switch", "rewrite"]
    assert server.ask("DBSIZE") == str(KEYS)


KILL = """
import os, signal, sys
from ansible_collections.amanat.dbops.plugins.module_utils._job import Progress
from ansible_collections.amanat.dbops.plugins.modules import redis_persistence
left, say = int(os.environ["KILLED_AT"]), Progress.say
def until_killed(self, doing, *, now=False, **figures):
    global left
    say(self, doing, now=now, **figures)
    left -= now and doing != "starting"
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
Progress.say = until_killed
redis_persistence.main()
"""


@pytest.mark.faults
@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize("step", range(1, 6))
def test_killed_at_each_step_and_run_again(own: Own, config: Path, on: bool, step: int) -> None:
    server = started(own, config, "valkey")
    if not on:
        server.run("redis_persistence", **arguments(config, True))
        server.ask("SET", "auth:refresh:2", "late")
    done = subprocess.run(
        [sys.executable, "-c", KILL],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": server.arguments(**arguments(config, on))}),
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'collections'}", "KILLED_AT": str(step)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert json.loads(done.stdout)["slug"] == "job-died", done.stdout
    again = server.run("redis_persistence", **arguments(config, on))
    word = "yes" if on else "no"
    assert (in_server(server), in_file(config)) == (f"appendonly {word}", f"appendonly {word}")
    assert server.ask("DBSIZE") == str(KEYS if on else KEYS + 1)
    assert not server.run("redis_persistence", **arguments(config, on))["changed"], again


@pytest.mark.faults
@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize("step", ["append-only files {}: restart", "waiting until it has loaded its keys"])
def test_killed_at_the_restart(own: Own, config: Path, on: bool, step: str) -> None:
    server = started(own, config, "redis")
    if not on:
        server.run("redis_persistence", **arguments(config, True))
        server.ask("SET", "auth:refresh:2", "late")
    told = arguments(config, on, restart=True)
    assert killed("redis_persistence", step.format("on" if on else "off"), server.arguments(**told))["slug"] == "job-died"
    server.await_answer()
    assert not server.run("redis_persistence", **told)["changed"]
    assert server.ask("SET", "writers", "are held no more") == "OK"
    engine("kill", server.container)
    engine("start", server.container)
    server.await_answer()
    assert int(server.ask("DBSIZE")) >= (KEYS if on else KEYS + 1)


@pytest.mark.faults
def test_a_full_disk_leaves_it_serving_as_before(own: Own, config: Path) -> None:
    server = started(own, config, "redis", "--tmpfs", "/data:size=3m,mode=1777")
    server.ask("CONFIG", "SET", "rdbcompression", "no")
    server.ask("EVAL", "for i = 1, 60 do redis.call('SET', 'big:' .. i, string.rep(redis.sha1hex(i), 2000)) end", "0")
    message = server.refused("redis_persistence", "aof-rewrite-failed", **arguments(config, True))
    assert "No space left" in message
    assert "without them" in message
    assert (in_server(server), in_file(config)) == ("appendonly no", "appendonly no")
    assert server.ask("DBSIZE") == str(KEYS + 60)


@pytest.mark.faults
def test_restarted_in_the_middle_of_it(own: Own, config: Path) -> None:
    server = started(own, config, "redis")
    assert server.ask("SAVE") == "OK"
    server.ask("CONFIG", "SET", "rdb-key-save-delay", "1000000")
    call = subprocess.Popen(
        [sys.executable, "-m", "ansible_collections.amanat.dbops.plugins.modules.redis_persistence"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'collections'}"},
    )
    assert call.stdin
    call.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": server.arguments(**arguments(config, True))}))
    call.stdin.close()
    server.await_ask("aof_rewrite_in_progress:1", "INFO", "persistence")
    # Asked to end, Redis would write them first.
    engine("kill", server.container)
    engine("start", server.container)
    assert call.stdout
    told = json.loads(call.stdout.read())
    call.wait()
    assert told.get("slug") == "redis-connection-lost", told
    server.await_answer()
    assert (server.ask("DBSIZE"), in_file(config)) == (str(KEYS), "appendonly no")
    assert server.run("redis_persistence", **arguments(config, True))["steps"] == ["switch", "rewrite", "keep"]


@pytest.mark.faults
def test_a_server_that_is_full_switches_all_the_same(own: Own, config: Path) -> None:
    server = started(own, config, "redis")
    server.ask("CONFIG", "SET", "maxmemory", "1")
    assert "OOM" in server.ask("SET", "more", "x")
    assert server.run("redis_persistence", **arguments(config, True))["keys"]["gone"] == 0
    assert server.run("redis_persistence", **arguments(config, False))["keys"]["gone"] == 0


@pytest.mark.faults
def test_a_fork_that_is_refused_leaves_it_serving_as_before(own: Own, config: Path) -> None:
    server = started(own, config, "redis")
    server.ask("CONFIG", "SET", "rdb-key-save-delay", "1000000")
    server.ask("BGSAVE")
    told = arguments(config, True, job="forked")
    with ThreadPoolExecutor(max_workers=1) as pool:
        running = pool.submit(modules.call, "redis_persistence", server.arguments(**told))
        server.await_ask("aof_rewrite_scheduled:1", "INFO", "persistence")
        # Of the tasks that there are now one is the child that saves; after it no other one may begin.
        tasks = int(engine("stats", "--no-stream", "--format", "{{.PIDs}}", server.container))
        engine("update", "--pids-limit", str(tasks - 1), server.container)
        result, _printed = running.result()
    assert result["slug"] == "aof-rewrite-failed", result
    assert "fork" in result["msg"]
    engine("update", "--pids-limit", "-1", server.container)
    server.ask("CONFIG", "SET", "rdb-key-save-delay", "0")
    assert (in_server(server), in_file(config), server.ask("DBSIZE")) == ("appendonly no", "appendonly no", str(KEYS))
    assert server.run("redis_persistence", **arguments(config, True))["keys"]["gone"] == 0
