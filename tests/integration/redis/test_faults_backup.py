# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What breaks while a backup or a restore is at work: a clear error, a server with its own settings and data, and the same end."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _manifest

from tests.integration import modules
from tests.integration.machine import require_root
from tests.integration.plays import engine

from .conftest import KEYS, Server
from .killed import killed
from .places import Places

pytestmark = pytest.mark.faults

Own = Callable[..., Server]
MOMENT = "20261122T170102Z"
PERCENTAGE = "auto-aof-rewrite-percentage"


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


def full_disk(megabytes: int) -> tuple[str, ...]:
    """Options of a container with that little room for its data, in a volume that others can share."""
    options = ("type=volume", "destination=/data", "volume-driver=local", "volume-opt=type=tmpfs", "volume-opt=device=tmpfs")
    return ("--mount", ",".join([*options, f'"volume-opt=o=size={megabytes}m,mode=0777"']))


def test_a_full_disk_is_told_in_the_servers_words(own: Own, places: Places) -> None:
    server = own("redis", "--rdbcompression", "no", options=full_disk(2))
    server.fill()
    server.ask("EVAL", "redis.call('SET', 'cache:page:big', string.rep('x', 3000000))", "0")
    message = server.refused("redis_backup", "redis-save-failed", **places)
    assert "No space left on device" in message
    assert "it takes no writes until it has saved" in message
    assert places.names() == []
    assert server.ask("GET", "auth:refresh:1") == "token"
    engine("exec", server.container, "redis-cli", "-a", server.password, "CONFIG", "SET", "stop-writes-on-bgsave-error", "no")
    server.ask("UNLINK", "cache:page:big")
    assert server.run("redis_backup", **places)["keys"] == KEYS


def test_a_full_backup_directory_is_told_as_what_it_is(own: Own, places: Places) -> None:
    require_root("A file system of a few megabytes is mounted where the engine sees it.")
    server = own("redis", "--appendonly", "yes", "--auto-aof-rewrite-percentage", "0")
    server.fill()
    # More has been appended than the server holds, by which the room is judged beforehand.
    server.ask("EVAL", "for i = 1, 40 do redis.call('SET', 'cache:page:big', string.rep(tostring(i % 10), 200000)) end", "0")
    places.backups.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=5m", "tmpfs", str(places.backups)], check=True)
    try:
        message = server.refused("redis_backup", "backup-no-space", verify=False, **places)
        assert "No space left on device" in message
        assert not [name for name in places.names() if not name.startswith(".")]
    finally:
        subprocess.run(["umount", str(places.backups)], check=True)


def test_a_fork_that_is_refused_is_told_in_the_servers_words(own: Own, places: Places) -> None:
    server = own("redis", "--save", "", "--rdb-key-save-delay", "1000000")
    server.fill()
    server.ask("BGSAVE")
    with ThreadPoolExecutor(max_workers=1) as pool:
        running = pool.submit(modules.call, "redis_backup", server.arguments(job="forked", **places))
        places.await_step("forked", "waiting for a save that runs already")
        # Of the tasks that there are now one is the child that saves; after it no other one may begin.
        tasks = int(engine("stats", "--no-stream", "--format", "{{.PIDs}}", server.container))
        engine("update", "--pids-limit", str(tasks - 1), server.container)
        result, _printed = running.result()
    assert result["slug"] == "redis-save-failed", result
    assert "fork" in result["msg"]
    assert "It serves as before, with its own settings." in result["msg"]
    assert places.names() == []
    engine("update", "--pids-limit", "-1", server.container)
    server.ask("CONFIG", "SET", "rdb-key-save-delay", "0")
    assert server.run("redis_backup", **places)["keys"] == KEYS


def test_a_save_that_runs_already_is_waited_for_and_another_one_made(own: Own, places: Places) -> None:
    server = own("redis", "--save", "", "--rdb-key-save-delay", "200000")
    server.fill()
    server.ask("BGSAVE")
    server.ask("CONFIG", "SET", "rdb-key-save-delay", "0")
    server.ask("SET", "auth:refresh:2", "later")
    assert server.run("redis_backup", **places)["keys"] == KEYS + 1
    assert "rdb_saves:2" in server.ask("INFO", "persistence")


def test_a_container_that_is_restarted_meanwhile(own: Own, places: Places) -> None:
    server = own("redis", "--rdb-key-save-delay", "500000")
    server.fill()
    with ThreadPoolExecutor(max_workers=1) as pool:
        running = pool.submit(modules.call, "redis_backup", server.arguments(**places))
        server.await_ask("rdb_bgsave_in_progress:1", "INFO", "persistence")
        engine("restart", "--time", "0", server.container)
        result, _printed = running.result()
    assert result["slug"] == "redis-connection-lost", result
    assert places.names() == []
    server.await_answer()
    server.fill()
    server.ask("CONFIG", "SET", "rdb-key-save-delay", "0")
    assert server.run("redis_backup", **places)["keys"] == KEYS


def damage(places: Places, name: str, data: bytes) -> None:
    """Other data under a backup's name, and a manifest that agrees with them in size and digest."""
    (places.backups / name).write_bytes(data)
    manifest = places.manifest(name)
    manifest["files"][0] |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    manifest |= {"bytes": len(data), "sha256": _manifest.digest_of(manifest["files"])}
    (places.backups / f"{name}.manifest.json").write_text(json.dumps(_manifest.sealed(manifest)), encoding="utf-8")


def see_it_refused(server: Server, places: Places, name: str, why: str) -> None:
    assert why in server.refused("redis_restore", "backup-not-verified", state="staged", moment=MOMENT, backup=name, **places)
    server.refused("redis_drill", "drill-failed", backup=name, **places)
    assert why in server.refused("redis_verify", "backup-not-verified", backup=name, **places)
    # Now its manifest says so, and what is valid no longer counts it.
    server.refused("redis_drill", "backup-none", **places)
    assert server.ask("DBSIZE") == str(KEYS)


def test_a_snapshot_that_was_cut_off_is_seen_by_its_reader(server: Server, places: Places) -> None:
    name = server.run("redis_backup", **places)["name"]
    whole = (places.backups / name).read_bytes()
    (places.backups / name).write_bytes(whole[:-20])
    assert "bytes instead of" in server.refused("redis_verify", "backup-not-verified", **places)
    if server.container:
        damage(places, name, whole[:-20])
        see_it_refused(server, places, name, "Unexpected EOF")


def test_append_only_files_whose_last_part_was_cut_off_are_seen_by_their_reader(own: Own, places: Places) -> None:
    server = own("redis", "--appendonly", "yes")
    server.fill()
    name = server.run("redis_backup", **places)["name"]
    cut = io.BytesIO()
    with tarfile.open(places.backups / name) as whole, tarfile.open(fileobj=cut, mode="w") as archive:
        for member in whole:
            content = (whole.extractfile(member) or io.BytesIO()).read()
            if member.name.endswith(".incr.aof"):
                content = content[:-5]
                member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    damage(places, name, cut.getvalue())
    see_it_refused(server, places, name, "is not valid")


STEPS_OF_BACKUP = {
    "aof": (
        "waiting for another backup or rotation in this directory",
        "copying the append-only files",
        "reading the copy through",
        "loading the copy into a throw-away server and counting its keys",
    ),
    # The others are the same.
    "rdb": ("the server writes its snapshot", "copying the snapshot"),
}


@pytest.mark.parametrize("form", STEPS_OF_BACKUP)
def test_a_backup_that_is_killed_at_any_step_leaves_nothing_and_is_made_again(own: Own, places: Places, form: str) -> None:
    server = own("redis", "--appendonly", "yes", f"--{PERCENTAGE}", "77")
    server.fill()
    for step in STEPS_OF_BACKUP[form]:
        result = killed("redis_backup", step, server.arguments(format=form, **places))
        assert result["slug"] == "job-died", result
        assert [name for name in places.names() if not name.startswith(".")] == []
        server.await_ask("77", "CONFIG", "GET", PERCENTAGE, seconds=10)
    made = server.run("redis_backup", format=form, **places)
    assert made["keys"] == KEYS
    assert places.names() == [made["name"], f"{made['name']}.manifest.json"]
    assert "77" in server.ask("CONFIG", "GET", PERCENTAGE)
    assert "throwaway" not in engine("ps", "--format", "{{.Command}}", "--no-trunc")


def test_what_a_killed_backup_has_put_back_is_not_put_back_again(own: Own, places: Places) -> None:
    server = own("redis", "--appendonly", "yes", f"--{PERCENTAGE}", "77")
    server.fill()
    assert killed("redis_backup", "copying the append-only files", server.arguments(**places))["slug"] == "job-died"
    server.await_ask("77", "CONFIG", "GET", PERCENTAGE, seconds=10)
    assert server.ask("CONFIG", "SET", PERCENTAGE, "0") == "OK"
    server.run("redis_backup", **places)
    assert server.ask("CONFIG", "GET", PERCENTAGE).split() == [PERCENTAGE, "0"]


STEPS_OF_RESTORE = (
    ("rdb", "reading the backup through"),
    ("rdb", "copying the backup beside the data"),
    ("rdb", "stopping the server"),
    ("rdb", "starting the server"),
    ("rdb", "comparing what it has loaded"),
    ("aof", "counting its keys"),  # while writers are held
)


@pytest.mark.parametrize(("form", "step"), STEPS_OF_RESTORE)
def test_a_restore_that_is_killed_at_any_step_ends_the_same_when_it_is_run_again(own: Own, places: Places, form: str, step: str) -> None:
    server = own("redis", "--appendonly", "yes", options=("--restart", "always"))
    server.fill()
    server.run("redis_backup", format=form, **places)
    server.ask("SET", "auth:refresh:2", "since")
    options = {"state": "swapped", "moment": MOMENT, **places}
    assert killed("redis_restore", step, server.arguments(**options))["slug"] == "job-died"
    assert server.run("redis_restore", **options)["keys"] == KEYS
    server.await_answer()
    assert server.ask("EXISTS", "auth:refresh:1", "auth:refresh:2") == "1"
    assert server.ask("SET", "auth:refresh:3", "nobody is held back") == "OK"
    assert server.restart_policy() == "always"
    server.run("redis_restore", **{**options, "state": "returned"})
    server.await_answer()
    assert server.ask("EXISTS", "auth:refresh:1", "auth:refresh:2") == "2"
    assert server.restart_policy() == "always"


def small(own: Own) -> Server:
    """A server with 8 MiB for its data, and one more that keeps the volume mounted: what is in it goes with the last one."""
    server = own("redis", "--rdbcompression", "no", options=full_disk(8))
    own("redis", "--dir", "/tmp", options=("--volumes-from", server.container))
    server.fill()
    return server


def test_a_window_returns_to_its_snapshot_on_a_disk_that_its_operation_has_filled(own: Own, places: Places) -> None:
    server = small(own)
    window = {"moment": MOMENT, **places}
    foreseen = {"state": "returned", **window, "_ansible_check_mode": True}
    assert "has 8.0 MiB free" in server.refused("redis_restore", "restore-no-space", room=16 << 20, **foreseen)
    assert server.run("redis_restore", room=4 << 20, **{**foreseen, "check": True})["changed"]
    server.ask("EVAL", "redis.call('SET', 'cache:page:big', string.rep('x', 2500000))", "0")
    made = server.run("redis_backup", format="rdb", verify=False, **places)
    # It cannot be saved any more.
    server.ask("UNLINK", "auth:refresh:1")
    server.ask("EVAL", "redis.call('SET', 'cache:page:huge', string.rep('x', 6000000))", "0")
    back = {"state": "swapped", "backup": made["name"], **window}
    server.refused("redis_restore", "redis-save-failed", **back)
    assert server.ask("EXISTS", "auth:refresh:1") == "0"
    returned = server.run("redis_restore", returning=True, **back)
    assert "No space left" in returned["notes"][0]
    assert returned["old_directory"] in engine("exec", server.container, "ls", "/data")
    assert (server.ask("GET", "auth:refresh:1"), server.ask("EXISTS", "cache:page:huge")) == ("token", "0")


def test_where_there_is_no_room_for_a_copy_what_failed_is_given_up(own: Own, places: Places) -> None:
    server = small(own)
    server.ask("EVAL", "redis.call('SET', 'cache:page:big', string.rep('x', 2500000))", "0")
    made = server.run("redis_backup", format="rdb", verify=False, **places)
    server.ask("UNLINK", "auth:refresh:1")
    engine("exec", server.container, "sh", "-c", "! cat /dev/zero > /data/filled 2> /dev/null")
    back = {"state": "swapped", "backup": made["name"], "moment": MOMENT, **places}
    server.refused("redis_restore", "restore-no-space", **back)
    assert killed("redis_restore", "starting the server", server.arguments(returning=True, **back))["slug"] == "job-died"
    returned = server.run("redis_restore", returning=True, **back)
    assert returned["old_directory"] == ""
    assert "no room to keep" in returned["notes"][-1]
    server.await_answer()
    assert (server.ask("GET", "auth:refresh:1"), server.ask("DBSIZE")) == ("token", str(KEYS + 2))
    assert "dbops__" not in engine("exec", server.container, "ls", "/data")
