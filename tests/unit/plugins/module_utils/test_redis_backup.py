# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is decided about backups of Redis without a server."""

from __future__ import annotations

import os
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._redis_backup import COPY, append_only_files
from ansible_collections.amanat.dbops.plugins.module_utils._redis_check import reason
from ansible_collections.amanat.dbops.plugins.module_utils._redis_counts import differences, total
from ansible_collections.amanat.dbops.plugins.module_utils._redis_files import Layout, starts_appending
from ansible_collections.amanat.dbops.plugins.module_utils._redis_image import announced, require_major
from ansible_collections.amanat.dbops.plugins.module_utils._redis_keys import beginning_with
from ansible_collections.amanat.dbops.plugins.module_utils._redis_line import decoded, shown, unshown
from ansible_collections.amanat.dbops.plugins.module_utils._redis_restore import require_form, require_own, restored_wrongly
from ansible_collections.amanat.dbops.plugins.module_utils._redis_save import reasons
from ansible_collections.amanat.dbops.plugins.module_utils._redis_target import has_ended
from ansible_collections.amanat.dbops.plugins.module_utils._redis_throwaway import last_words
from ansible_collections.amanat.dbops.plugins.module_utils._stack import Stack
from hypothesis import given
from hypothesis import strategies as st

STACK = Stack.parse("staging/nickapp", "/var/lib/dbops")


def counted(**keys: tuple[int, int]) -> list[dict[str, Any]]:
    return [{"database": 0, "prefix": f"{name}:x:", "keys": number, "volatile": volatile} for name, (number, volatile) in keys.items()]


@pytest.mark.parametrize(
    ("expected", "found", "wrong"),
    [
        (counted(a=(3, 1)), counted(a=(3, 1)), []),
        (counted(a=(3, 1), b=(2, 2)), counted(a=(2, 0)), []),
        (counted(a=(3, 1)), counted(a=(2, 1)), ["a:x:* of database 0: 1 keys that do not expire instead of 2"]),
        (counted(a=(3, 1)), counted(a=(4, 2)), ["a:x:* of database 0: 2 keys that expire instead of at most 1"]),
        (counted(a=(3, 1)), counted(a=(3, 1), b=(1, 0)), ["b:x:* of database 0: 1 keys that do not expire instead of 0"]),
        (counted(a=(1, 0)), [], ["a:x:* of database 0: 0 keys that do not expire instead of 1"]),
        (
            [{"database": 2, "prefix": "", "keys": 1, "volatile": 0}],
            [],
            ["other keys of database 2: 0 keys that do not expire instead of 1"],
        ),
    ],
)
def test_only_what_expires_may_be_gone(expected: list[dict[str, Any]], found: list[dict[str, Any]], wrong: list[str]) -> None:
    assert differences(expected, found) == wrong
    assert differences(expected, expected) == []


def test_more_keys_may_have_come_where_clients_write() -> None:
    before, fewer, more = counted(a=(5, 2)), counted(a=(4, 2)), counted(a=(9, 3), b=(1, 0))
    assert differences(before, more, more=True) == []
    assert differences(before, more) != []
    assert len(differences(before, fewer, more=True)) == 1


@pytest.mark.parametrize(
    ("command", "file", "appending"),
    [
        ("docker-entrypoint.sh redis-server", "", None),
        ("redis-server --appendonly yes", "appendonly no\n", True),
        ("sh -lc redis-server --requirepass x --appendonly 'yes' --appendfsync everysec", "", True),
        ("redis-server /etc/redis.conf", '# appendonly no\nappendonly no\nAppendOnly "yes"\n', True),
        ("redis-server /etc/redis.conf", "appendonly no\nappendfsync always\n", False),
    ],
)
def test_what_a_server_starts_with(command: str, file: str, appending: bool | None) -> None:
    assert starts_appending(command, file) is appending


@pytest.mark.parametrize(
    ("appending", "stored", "told", "wrong"),
    [
        (False, 9, {}, []),
        (False, 10, {}, ["it has loaded 9 keys of 10"]),
        (False, 10, {"rdb_last_load_keys_expired": 1}, []),
        (True, 9, {}, ["it has started with appendonly no, so from other files"]),
        (True, 9, {"aof_enabled": 1}, []),
        (False, 9, {"aof_enabled": 1}, ["it has started with appendonly yes, so from other files"]),
    ],
)
def test_what_a_server_has_loaded_says_whether_it_was_restored(
    appending: bool, stored: int, told: dict[str, int], wrong: list[str]
) -> None:
    known = {"aof_enabled": 0, "rdb_last_load_keys_loaded": 9, "rdb_last_load_keys_expired": 0, **told}
    assert restored_wrongly(known, appending=appending, stored=stored) == wrong


def test_keys_add_up() -> None:
    assert total(counted(a=(3, 1), b=(2, 2))) == 5


@given(st.binary(max_size=40))
def test_what_is_shown_of_a_key_says_which_it_is(key: bytes) -> None:
    assert unshown(shown(decoded(key))) == key


@pytest.mark.parametrize(
    ("manifest", "names"),
    [
        ("file a.1.base.rdb seq 1 type b\nfile a.1.incr.aof seq 1 type i startoffset 0\n", ["a.1.base.rdb", "a.1.incr.aof"]),
        ("file a.0.incr.aof seq 0 type h\n# a remark\n\nfile a.1.incr.aof seq 1 type i\n", ["a.1.incr.aof"]),
        ('file "a file.1.base.rdb" seq 1 type b\n', ["a file.1.base.rdb"]),
        ("", []),
    ],
)
def test_history_is_not_copied(manifest: str, names: list[str]) -> None:
    assert append_only_files(manifest) == names


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (
            "[offset 52] AUX FIELD ctime = '1'\n--- RDB ERROR DETECTED ---\n[offset 54] Unexpected EOF reading RDB file\n",
            "Unexpected EOF reading RDB file",
        ),
        (
            "Start to check INCR files.\nAOF a.1.incr.aof is not valid. Use the --fix option\n",
            "AOF a.1.incr.aof is not valid. Use the --fix option",
        ),
        ("", "it said nothing"),
    ],
)
def test_what_a_check_complains_of(said: str, why: str) -> None:
    assert reason(said) == why


def test_why_a_server_did_not_save() -> None:
    log = (
        "1:M 23 Nov 2026 02:48:35.1 * Background saving started by pid 22\n"
        "22:C 23 Nov 2026 02:48:35.2 # Write error while saving DB to the disk(rdbSaveRio): No space left on device\n"
        "1:M 23 Nov 2026 02:48:35.3 # Background saving error\n"
    )
    assert reasons(log) == "Write error while saving DB to the disk(rdbSaveRio): No space left on device"
    assert reasons("1:M 23 Nov 2026 02:48:35.1 * Ready to accept connections\n") == ""


def test_why_a_server_did_not_load() -> None:
    log = "9:M 23 Nov 2026 02:48:35.1 * Server initialized\n9:M 23 Nov 2026 02:48:35.2 # Can't handle RDB format version 12\n"
    assert last_words(log) == "Can't handle RDB format version 12"
    assert last_words("") == ""


@pytest.mark.parametrize(
    ("product", "version", "server", "reads"),
    [
        ("redis", "7.0.15", ("redis", (8, 0, 6)), True),
        ("redis", "8.0.6", ("redis", (7, 0, 15)), False),
        ("redis", "7.2.4", ("valkey", (8, 1, 0)), True),
        ("redis", "7.4.0", ("valkey", (8, 1, 0)), False),
        ("valkey", "8.1.0", ("redis", (8, 0, 6)), True),
        ("valkey", "9.0.0", ("redis", (8, 0, 6)), False),
        ("valkey", "8.1.0", ("valkey", (9, 0, 0)), True),
    ],
)
def test_a_server_reads_what_an_older_one_has_written(product: str, version: str, server: tuple[str, tuple[int, ...]], reads: bool) -> None:
    manifest = {"name": "x", "product": product, "server_version": version}
    if reads:
        require_major(manifest, *server)
        return
    with pytest.raises(OperationError) as caught:
        require_major(manifest, *server)
    assert caught.value.slug == "backup-newer-major"


@pytest.mark.parametrize(
    ("made", "old_stamp", "slug"),
    [
        ("staging/nickapp", "", ""),
        ("staging/other", "staging/other", ""),
        ("staging/other", "", "restore-stack"),
        ("production/nickapp", "production/nickapp", "restore-environment"),
    ],
)
def test_whose_backup_may_be_restored(made: str, old_stamp: str, slug: str) -> None:
    manifest = {"name": "x", "stack": made, "environment": made.partition("/")[0]}
    if not slug:
        require_own(manifest, STACK, old_stamp)
        return
    with pytest.raises(OperationError) as caught:
        require_own(manifest, STACK, old_stamp)
    assert caught.value.slug == slug


@pytest.mark.parametrize(
    ("form", "appending", "fits"), [("rdb", False, True), ("rdb", True, True), ("aof", True, True), ("aof", False, False)]
)
def test_append_only_files_want_a_server_that_looks_at_them(form: str, appending: bool, fits: bool) -> None:
    layout = Layout("/data", "dump.rdb", "appendonlydir", "appendonly.aof", appending)
    if fits:
        require_form({"name": "x", "format": form}, layout)
        return
    with pytest.raises(OperationError) as caught:
        require_form({"name": "x", "format": form}, layout)
    assert caught.value.slug == "restore-needs-aof"


@pytest.mark.parametrize(("prefix", "pattern"), [("auth:refresh:", "auth:refresh:*"), ("a*[b]?\\-^", "a\\*\\[b\\]\\?\\\\\\-\\^*")])
def test_a_prefix_is_meant_letter_by_letter(prefix: str, pattern: str) -> None:
    assert beginning_with(prefix) == pattern


@pytest.mark.parametrize(
    ("state", "restarts", "age", "listens", "ended"),
    [
        ({"Running": False}, 0, 100, True, True),
        ({"Running": True, "Restarting": True}, 3, 1, True, True),
        # One that just begins, or ends time and again.
        ({"Running": True}, 0, 1, False, True),
        ({"Running": True}, 3, 1, True, True),
        ({"Running": True}, 0, 1, True, False),
        # It runs for long: whatever it does, it has not ended, even where nothing listens at this port.
        ({"Running": True}, 0, 100, False, False),
        ({"Running": True}, 3, 100, True, False),
    ],
)
def test_a_container_says_whether_its_server_has_ended(state: dict[str, Any], restarts: int, age: int, listens: bool, ended: bool) -> None:
    facts = {"State": {**state, "StartedAt": "2026-11-22T17:01:02.123456789Z"}, "RestartCount": restarts}
    begun = datetime(2026, 11, 22, 17, 1, 2, tzinfo=timezone.utc).timestamp()
    assert has_ended(facts, begun + age, listens=listens) is ended


@pytest.mark.parametrize(
    ("words", "code", "copied"),
    [
        ("", 0, True),
        ("tar: a.incr.aof: file changed as we read it", 1, True),
        ("tar: a.incr.aof: file changed as we read it\ntar: b.incr.aof: File removed before we read it", 1, False),
        ("tar: a.incr.aof: Cannot write: No space left on device\ntar: Error is not recoverable: exiting now", 2, False),
        # That of busybox knows one way to fail.
        ("tar: write error: No space left on device", 1, False),
        ("", 1, False),
    ],
)
def test_a_copy_of_files_that_grow_fails_for_every_other_reason(tmp_path: Path, words: str, code: int, copied: bool) -> None:
    program = tmp_path / "tar"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/copy.aof.tar\nprintf '%s' '{words}' >&2\nexit {code}\n", encoding="utf-8")
    program.chmod(0o755)
    argv = ["sh", "-c", COPY, "copy", f"{tmp_path}/copy.aof.tar", f"{os.getuid()}:{os.getgid()}", str(tmp_path), "a.incr.aof"]
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(argv, capture_output=True, text=True, env=env, check=False)
    assert (done.returncode == 0) is copied, done.stderr
    assert copied or done.stderr.strip() == "\n".join(line for line in words.splitlines() if "changed" not in line) or not words


@pytest.mark.parametrize(
    ("told", "product"),
    [
        ("Redis server v=8.2.1 sha=00000000:1 malloc=jemalloc-5.3.0 bits=64 build=dcbbb1f3f4a3d6f1\n", ("redis", (8, 2, 1))),
        ("Valkey server v=8.1.3 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1\n", ("valkey", (8, 1, 3))),
        ("cli: 1: exec: valkey-server: not found\n", None),
    ],
)
def test_what_an_image_says_of_its_server(told: str, product: tuple[str, tuple[int, ...]] | None) -> None:
    assert announced(told) == product
