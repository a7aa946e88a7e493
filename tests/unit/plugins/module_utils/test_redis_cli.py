# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How redis-cli is called, and what its failures mean."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._place import Engine, Place
from ansible_collections.amanat.dbops.plugins.module_utils._redis_cli import Redis, published
from ansible_collections.amanat.dbops.plugins.module_utils._redis_errors import failure, lost

INSIDE, HERE = Place(Engine(), "nickapp-redis"), Place(Engine())


@pytest.mark.parametrize(
    ("place", "url", "password", "expected"),
    [
        (INSIDE, "", "", Redis(INSIDE, "", "")),
        (INSIDE, "redis://:p%25@redis:6379/2", "", Redis(INSIDE, "", "p%", database=2)),
        (INSIDE, "rediss://ann:p@redis", "other", Redis(INSIDE, "ann", "other")),
        (HERE, "", "", Redis(HERE, "", "", ("127.0.0.1", 6379))),
        (HERE, "redis://db.example:7000", "p", Redis(HERE, "", "p", ("db.example", 7000))),
        (HERE, "rediss://[::1]/0", "", Redis(HERE, "", "", ("::1", 6379), tls=True)),
    ],
)
def test_a_url_is_taken_apart(place: Place, url: str, password: str, expected: Redis) -> None:
    assert Redis.of(place, url, password) == expected


@pytest.mark.parametrize(
    ("facts", "port", "inner"),
    [
        ({}, 6380, 6380),
        ({"HostConfig": {"PortBindings": {"6379/tcp": [{"HostIp": "", "HostPort": "6380"}]}}}, 6380, 6379),
        (
            {"HostConfig": {"PortBindings": {}}, "NetworkSettings": {"Ports": {"8001/tcp": None, "7000/tcp": [{"HostPort": "6380"}]}}},
            6380,
            7000,
        ),
        ({"HostConfig": {"PortBindings": {"6379/tcp": [{"HostIp": "", "HostPort": "6380"}]}}}, 6381, 6381),
    ],
)
def test_a_published_port_leads_to_that_of_the_server(facts: dict[str, Any], port: int, inner: int) -> None:
    assert published(facts, port) == inner


@pytest.mark.parametrize("url", ["http://:secret@redis", "redis://", "redis://:secret@redis:six", "redis://:secret@redis/db", "secret"])
def test_a_malformed_url_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(OperationError) as caught:
        Redis.of(HERE, url, "")
    assert caught.value.slug == "redis-url-malformed"
    assert "secret" not in caught.value.message


def test_no_password_is_shown_or_put_on_a_command_line() -> None:
    redis = Redis.of(HERE, "rediss://ann:s3cret@db.example:7000/3", "")
    command = redis.command()
    assert command.argv[-8:] == ["3", "-h", "db.example", "-p", "7000", "--tls", "--user", "ann"]
    assert "s3cret" not in " ".join(command.argv) + repr(command) + repr(redis)
    assert command.env == {"REDISCLI_AUTH": "s3cret"}
    inside = Redis.of(INSIDE, "rediss://ann:s3cret@db.example:7000/3", "").command()
    assert "db.example" not in inside.argv
    assert inside.argv[:6] == ["docker", "exec", "--interactive", "--env", "REDISCLI_AUTH", "nickapp-redis"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("Error: Server closed the connection\n", "Error: Server closed the connection"),
        ("no answer in time", "no answer in time"),
        ("error during connect: EOF\n", "error during connect: EOF"),
        ("", "without a word"),
        ('[["maxmemory","0","requirepass","hush hush', "in the middle of its answer"),
        ('"hush', "in the middle of its answer"),
        ("# Server\r\nredis_version:8.0.6\r\nexecutable:/hush", "in the middle of its answer"),
        ('["requirepass","hush\nError: Server closed the connection\n', "Error: Server closed the connection"),
        ("Cannot " + "x" * 9999, "Cannot " + "x" * 200),
    ],
)
def test_of_a_connection_that_ended_no_half_reply_is_told(words: str, told: str) -> None:
    message = lost(words, "CONFIG").message
    assert f"ended during CONFIG: {told}. State: " in message
    assert "hush" not in message


@pytest.mark.parametrize(
    ("words", "slug"),
    [
        ("NOAUTH Authentication required.", "redis-login-failed"),
        ("AUTH failed: WRONGPASS invalid username-password pair or user is disabled.", "redis-login-failed"),
        ("AUTH failed: ERR AUTH <password> called without any password configured for the default user.", "redis-login-failed"),
        ("LOADING Redis is loading the dataset in memory", "redis-loading"),
        ("Could not connect to Redis at 127.0.0.1:9: Connection refused", "redis-unreachable"),
        ("DENIED Redis is running in protected mode", "redis-login-failed"),
        ("ERR max number of clients reached", "redis-clients-full"),
        ("AUTH failed: ERR max number of clients reached", "redis-clients-full"),
        ("Error response from daemon: container 12ab is not running", "redis-unreachable"),
        ("Error response from daemon: Container 12ab is restarting, wait until the container is running", "redis-unreachable"),
        ("Error response from daemon: Container 12ab is paused, unpause the container before exec", "redis-no-answer"),
        ("Error: Server closed the connection", "redis-no-answer"),
        ("no answer", "redis-no-answer"),
        ("cli: 1: exec: valkey-cli: not found", "redis-cli-missing"),
        ("Unrecognized option or bad number of args for: '--quoted-json'", "redis-cli-too-old"),
        ("NOPERM User reader has no permissions to run the 'type' command", "redis-forbidden"),
        ("ERR unknown command 'CONFIG', with args beginning with: 'SET' 's3cret' ", "redis-command-unknown"),
        ("ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP.", "redis-command-unknown"),
        ("READONLY You can't write against a read only replica.", "redis-replica"),
        ("OOM command not allowed when used memory > 'maxmemory'.", "redis-memory-full"),
        ("MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.", "redis-not-saving"),
        ("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.", "redis-busy"),
        ("BUSYGROUP Consumer Group name already exists", "redis-refused"),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", "redis-refused"),
    ],
)
def test_failures_are_told_apart(words: str, slug: str) -> None:
    told = failure(words, "TYPE")
    assert told.slug == slug
    assert words.partition(",")[0].rstrip(".") in told.what
    assert "s3cret" not in told.message
    assert told.state
    assert told.next_step
