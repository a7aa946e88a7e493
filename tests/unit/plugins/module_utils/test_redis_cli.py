# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How redis-cli is called, and what its failures mean."""

from __future__ import annotations

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _redis_cli
from ansible_collections.amanat.dbops.plugins.module_utils._command import Answer
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._place import Engine, Place
from ansible_collections.amanat.dbops.plugins.module_utils._redis_cli import Redis

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


@pytest.mark.parametrize("url", ["http://:secret@redis", "redis://", "redis://:secret@redis:six", "redis://:secret@redis/db", "secret"])
def test_a_malformed_url_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(OperationError) as caught:
        Redis.of(HERE, url, "")
    assert caught.value.slug == "redis-url-malformed"
    assert "secret" not in caught.value.message


def test_no_password_is_shown_or_put_on_a_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}

    def run(command: _redis_cli.Command, timeout: float) -> Answer:
        seen.update(argv=command.argv, env=command.env, timeout=timeout)
        return Answer(0, "PONG\n", "")

    monkeypatch.setattr(_redis_cli, "run", run)
    redis = Redis.of(HERE, "rediss://ann:s3cret@db.example:7000/3", "")
    assert redis.execute("PING") == "PONG"
    assert seen["argv"][-1] == "PING"
    assert "s3cret" not in " ".join(seen["argv"])
    assert seen["env"] == {"REDISCLI_AUTH": "s3cret"}
    assert "s3cret" not in repr(redis)
    inside = Redis.of(INSIDE, "rediss://ann:s3cret@db.example:7000/3", "")
    inside.execute("PING")
    assert "db.example" not in seen["argv"]
    assert seen["argv"][:6] == ["docker", "exec", "--interactive", "--env", "REDISCLI_AUTH", "nickapp-redis"]


@pytest.mark.parametrize(
    ("answer", "slug"),
    [
        (Answer(1, "", "NOAUTH Authentication required."), "redis-login-failed"),
        (Answer(0, "", "AUTH failed: WRONGPASS invalid username-password pair or user is disabled."), "redis-login-failed"),
        (Answer(1, "", "LOADING Redis is loading the dataset in memory"), "redis-loading"),
        (Answer(1, "", "Could not connect to Redis at 127.0.0.1:9: Connection refused"), "redis-unreachable"),
        (Answer(1, "", "DENIED Redis is running in protected mode"), "redis-unreachable"),
        (Answer(124, "", "no answer within 60 s"), "redis-unreachable"),
        (Answer(127, "", "redis-cli: not found"), "redis-unreachable"),
        (Answer(1, "", "NOPERM User reader has no permissions to run the 'type' command"), "redis-refused"),
        (Answer(1, "", "READONLY You can't write against a read only replica."), "redis-refused"),
        (Answer(1, "", "WRONGTYPE Operation against a key holding the wrong kind of value"), "redis-refused"),
    ],
)
def test_failures_are_told_apart(monkeypatch: pytest.MonkeyPatch, answer: Answer, slug: str) -> None:
    monkeypatch.setattr(_redis_cli, "run", lambda _command, **_options: answer)
    with pytest.raises(OperationError) as caught:
        Redis.of(INSIDE, "", "").execute("TYPE", "dbops:environment")
    assert caught.value.slug == slug
    assert answer.reason in caught.value.what
