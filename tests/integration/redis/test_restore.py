# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup in the place of a real server's data, and back, whatever the server starts from and whenever a step is cut off."""

from __future__ import annotations

import contextlib
import shlex
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration import modules
from tests.integration.machine import free_port
from tests.integration.plays import engine

from .conftest import KEYS, STACK, Server, audit
from .killed import killed
from .places import Places

Own = Callable[..., Server]
MOMENT = "20261122T170102Z"


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


def files(server: Server) -> list[str]:
    return sorted(engine("exec", server.container, "ls", "/data").split())


def free_address() -> tuple[str, int]:
    return "127.0.0.1", free_port()


def restore(server: Server, places: Places, state: str, *, await_answer: bool = True, **more: object) -> dict[str, object]:
    result = server.run("redis_restore", state=state, moment=MOMENT, **places, **more)
    if await_answer:
        server.await_answer()
    return result


@pytest.mark.parametrize(
    ("settings", "form"),
    [
        pytest.param(["--save", ""], "rdb", id="snapshot"),
        pytest.param(["--appendonly", "yes"], "rdb", id="first-of-append-only", marks=pytest.mark.slow),
        pytest.param(["--appendonly", "yes"], "aof", id="append-only", marks=pytest.mark.slow),
    ],
)
def test_a_backup_takes_the_place_of_the_data_and_leaves_it_again(own: Own, places: Places, settings: list[str], form: str) -> None:
    server = own("redis", *settings)
    server.fill()
    made = server.run("redis_backup", format=form, **places)
    server.ask("SET", "auth:refresh:2", "since")
    server.ask("-n", "2", "SET", "dbops:environment", "production/others")
    message = server.refused("redis_restore", "stamp-mismatch", state="swapped", moment=MOMENT, **places)
    assert "in database 2 of the same Redis says production/others" in message
    server.ask("-n", "2", "DEL", "dbops:environment")
    foreseen = server.run("redis_restore", check=True, state="swapped", moment=MOMENT, **places)
    assert (foreseen["backup"], foreseen["keys"], foreseen["keys_now"]) == (made["name"], KEYS, KEYS + 1)
    restore(server, places, "staged")
    assert f"dbops__new_{MOMENT}" in files(server)
    assert server.ask("DBSIZE") == str(KEYS + 1)
    restored = restore(server, places, "swapped")
    assert (restored["keys"], restored["old_directory"]) == (KEYS, f"dbops__old_{MOMENT}")
    assert restored["compared"] == ("loaded" if form == "rdb" else "counted")
    assert server.ask("EXISTS", "auth:refresh:2") == "0"
    assert server.ask("GET", "dbops:environment") == STACK
    assert restored["old_directory"] in files(server)
    # Nobody is held back any more, and nothing is lost with the next stop.
    assert server.ask("CONFIG", "SET", "save", "3600 1") == server.ask("SET", "auth:refresh:3", "later") == "OK"
    engine("restart", server.container)
    server.await_answer()
    assert server.ask("EXISTS", "auth:refresh:1", "auth:refresh:3") == "2"
    returned = restore(server, places, "returned")
    assert (returned["changed"], returned["failed_directory"]) == (True, f"dbops__failed_{MOMENT}")
    assert (returned["compared"], returned["notes"]) == ("loaded", [])
    assert server.ask("EXISTS", "auth:refresh:1", "auth:refresh:2", "auth:refresh:3") == "2"
    again = restore(server, places, "returned")
    assert (again["changed"], again["compared"]) == (False, "nothing")
    assert [name for name in files(server) if name.startswith("dbops")] == [f"dbops__failed_{MOMENT}"]
    failed = f"dbops__failed_{MOMENT}"
    state = {"state_dir": places["state_dir"]}
    server.refused("redis_cleanup", "confirm-missing", names=[failed], **state)
    # As long as a step can be repeated, its files may be the only ones.
    named = {"names": [failed], "confirm": [failed], **state}
    engine("exec", server.container, "mv", f"/data/{failed}", f"/data/{failed}.partial")
    half = {**named, "names": [f"{failed}.partial"], "confirm": [f"{failed}.partial"]}
    assert "they may be nowhere else" in server.refused("redis_cleanup", "leftover-in-use", **half)
    engine("exec", server.container, "mv", f"/data/{failed}.partial", f"/data/{failed}")
    # A window names its moment from its beginning on.
    opened = {"state": "open", "operation": "restore", "record": {"redis": {"moment": MOMENT}}, "stack": STACK, **state}
    window = modules.call("window_state", opened)[0]["journal"]["id"]
    assert f"window {window} names it" in server.refused("redis_cleanup", "leftover-in-use", **named)
    modules.call("window_state", {"state": "close", "result": "aborted", "window": window, "stack": STACK, **state})
    removed = server.run("redis_cleanup", **named)
    line = audit(Path(places["state_dir"]))[-1]
    assert (line["event"], line["names"], line["removed"]) == ("cleaned-up", [failed], 1)
    assert (removed["removed"], [each["kind"] for each in removed["leftovers"]]) == ([failed], ["failed"])
    assert removed["freed"] > 0
    assert not [name for name in files(server) if name.startswith("dbops")]


@pytest.mark.faults
def test_a_server_that_cannot_load_what_it_has_is_restored(own: Own, places: Places) -> None:
    server = own("redis", options=("--restart", "always"))
    server.fill()
    server.run("redis_backup", **places)
    server.ask("SAVE")
    engine("exec", server.container, "sh", "-c", "truncate --size -20 /data/dump.rdb")
    engine("kill", server.container)  # a kill saves nothing
    engine("start", server.container)
    restore(server, places, "staged", await_answer=False)
    assert restore(server, places, "swapped")["keys"] == KEYS
    assert server.ask("GET", "auth:refresh:1") == "token"
    assert server.restart_policy() == "always"
    # What it gets back is what it did not start with, and that is nobody's failure now.
    assert restore(server, places, "returned", await_answer=False)["changed"]
    assert server.restart_policy() == "always"
    engine("stop", server.container)
    server.refused("redis_hold", "container-stopped", state="held")
    assert not server.run("redis_hold", state="held", down_ok=True)["serves"]
    assert not server.run("redis_hold", state="released")["serves"]


@pytest.mark.faults
def test_a_server_that_serves_others_is_not_taken_for_one_that_has_ended(own: Own, places: Places) -> None:
    address = free_address()
    published = f"{address[0]}:{address[1]}:6379"
    server = own("redis", options=("--label", "amanat.dbops.stack=production/others", "--publish", published))
    server.fill()
    server.run("redis_backup", **places)
    begun = engine("inspect", "--format", "{{.State.StartedAt}}", server.container)

    def see_refused(slug: str) -> None:
        for how in ({"state": "staged"}, {"state": "swapped", "_ansible_check_mode": True}):
            server.refused("redis_restore", slug, moment=MOMENT, **how, **places)
        server.refused("redis_hold", slug, state="held", down_ok=True)

    assert server.ask("CONFIG", "SET", "maxclients", "1") == "OK"
    with socket.create_connection(address) as client:
        client.sendall(b"PING\r\n")
        assert client.recv(100).startswith(b"-NOAUTH")
        see_refused("redis-clients-full")
    engine("pause", server.container)
    see_refused("redis-no-answer")
    engine("unpause", server.container)
    server.await_answer()
    assert begun == engine("inspect", "--format", "{{.State.StartedAt}}", server.container)
    # Where it has ended, its container says whose it is.
    engine("stop", server.container)
    message = server.refused("redis_restore", "container-foreign", state="staged", moment=MOMENT, **places)
    assert "was deployed for production/others" in message


@pytest.mark.slow
def test_a_server_without_a_container_is_stopped_and_started_by_its_service(tmp_path: Path, own: Own, places: Places) -> None:
    server = own("valkey")
    server.fill()
    assert server.process
    start, pid = tmp_path / "start", tmp_path / "pid"
    pid.write_text(str(server.process.pid), encoding="utf-8")
    command = shlex.join(map(str, server.process.args))
    start.write_text(f"#!/bin/sh\n{command} > /dev/null 2>&1 < /dev/null &\necho $! > {pid}\n", encoding="utf-8")
    start.chmod(0o755)
    server.run("redis_backup", **places)
    server.ask("SET", "auth:refresh:2", "since")
    assert "dbops_redis_service" in server.refused("redis_restore", "restore-no-service", state="swapped", moment=MOMENT, **places)
    service = {
        "kind": "command",
        "start": [str(start)],
        "stop": ["sh", "-c", f"kill $(cat {pid}); while [ -e /proc/$(cat {pid})/exe ]; do sleep 0.1; done"],
        "status": ["sh", "-c", f"[ -e /proc/$(cat {pid})/exe ] || exit 3"],
    }
    try:
        assert restore(server, places, "swapped", service=service)["keys"] == KEYS
        assert server.ask("EXISTS", "auth:refresh:1", "auth:refresh:2") == "1"
        assert restore(server, places, "returned", service=service)["changed"]
        assert server.ask("EXISTS", "auth:refresh:1", "auth:refresh:2") == "2"
    finally:
        subprocess.run(service["stop"], check=False)


def test_a_backup_whose_keys_nobody_counted_is_whole_or_refused(own: Own, places: Places) -> None:
    server = own("redis")
    server.fill()
    made = server.run("redis_backup", format="rdb", verify=False, **places)
    assert made["keys"] is None
    server.ask("SET", "auth:refresh:2", "since")
    # It would start without the files that hold its keys, and with others another time.
    assert server.ask("CONFIG", "SET", "appendonly", "yes") == "OK"
    for state in ("staged", "swapped"):
        message = server.refused("redis_restore", "append-only-unkept", state=state, moment=MOMENT, **places)
    assert "appendonly yes and starts with no" in message
    assert server.ask("EXISTS", "auth:refresh:2") == "1"
    server.await_ask("aof_rewrite_in_progress:0", "INFO", "persistence")
    assert server.ask("CONFIG", "SET", "appendonly", "no") == "OK"
    # Whatever kills it, what the server loads is compared with what was read of the backup, where it still lies there.
    options = server.arguments(state="swapped", moment=MOMENT, **places)
    assert killed("redis_restore", "starting the server", options)["slug"] == "job-died"
    restored = restore(server, places, "swapped")
    assert (restored["keys"], restored["compared"], restored["notes"]) == (None, "loaded", [])
    assert server.ask("DBSIZE") == str(KEYS + 1)  # with the stamp
    # The stamp is in what it has saved since, and nobody counted the keys of the backup.
    restored = restore(server, places, "swapped")
    assert (restored["compared"], len(restored["notes"])) == ("nothing", 1)
    assert restore(server, places, "returned")["compared"] == "loaded"


def test_a_backup_of_a_newer_major_is_refused_also_where_the_server_is_down(redis: Server, own: Own, places: Places) -> None:
    made = redis.run("redis_backup", format="rdb", verify=False, **places)
    server = own("redis7")
    server.fill()
    asked = {"moment": MOMENT, "backup": made["name"], **places}
    for state in ("staged", "swapped"):
        assert "the server is Redis 7." in server.refused("redis_restore", "backup-newer-major", state=state, **asked)
    assert server.ask("DBSIZE") == str(KEYS)
    engine("stop", server.container)
    for check in (False, True):
        message = server.refused("redis_restore", "backup-newer-major", state="swapped", _ansible_check_mode=check, **asked)
        assert "the server is Redis 7." in message


def test_whoever_comes_back_with_the_server_and_writes_makes_nothing_differ(own: Own, places: Places) -> None:
    address = free_address()
    server = own("redis", options=("--publish", f"127.0.0.1:{address[1]}:6379"))
    server.fill()
    server.run("redis_backup", format="rdb", **places)
    login, ended = server.password.encode(), threading.Event()
    words = b"*2\r\n$4\r\nAUTH\r\n$%d\r\n%s\r\n*2\r\n$4\r\nINCR\r\n$12\r\nsession:late\r\n" % (len(login), login)

    def write() -> None:
        while not ended.is_set():
            with contextlib.suppress(OSError), socket.create_connection(address, timeout=0.1) as client:
                client.sendall(words)
                client.recv(100)

    client = threading.Thread(target=write)
    restore(server, places, "staged")
    client.start()
    try:
        assert restore(server, places, "swapped")["keys"] == KEYS
        until = time.monotonic() + 30
        while not server.ask("GET", "session:late"):
            assert time.monotonic() < until, "it never came back"
            time.sleep(0.1)
    finally:
        ended.set()
        client.join()
