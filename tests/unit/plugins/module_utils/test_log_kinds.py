# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as an error in a log, and when two are of one kind."""

from __future__ import annotations

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _log_kinds
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ('{"level":50,"time":1732,"msg":"payment 4711 failed"}', "payment # failed"),
        ('{"level":"error","message":"no such column","stack":"x"}', "no such column"),
        ('{"severity":"CRITICAL","message":"disk full"}', "disk full"),
        (
            '{"at":"2026-11-22T17:01:02Z","event":"query","error":"relation \\"users\\" does not exist"}',
            'query: relation "…" does not exist',
        ),
        ('{"level":50,"err":{"type":"TypeError","message":"x is undefined"}}', "x is undefined"),
        ("2026-11-22T17:01:02.123Z ERROR worker 3: timeout after 1500 ms", "# ERROR worker #: timeout after # ms"),
        ("TypeError: Cannot read properties of undefined (reading 'id')", 'TypeError: Cannot read properties of undefined (reading "…")'),
        ("nginx: [error] 12#12: *3 connect() failed", "nginx: [error] ###: *# connect() failed"),
        ("level=error msg=lost", "level=error msg=lost"),
        ("Unhandled promise rejection", "Unhandled promise rejection"),
        ("2026-11-22 17:01:02,123 - shop.db - ERROR - lost", "# - shop.db - ERROR - lost"),
        ("2026-11-22 17:01:02.123 UTC [12] FATAL:  no pg_hba.conf entry", "# UTC [#] FATAL: no pg_hba.conf entry"),
        ("E, [2026-11-22T17:01:02 #12] ERROR -- : lost", "E, [# ##] ERROR -- : lost"),
        ("time=17:01 level=error msg=lost", "time=#:# level=error msg=lost"),
        ("error: relation is not there", "error: relation is not there"),
        ("Uncaught Error: lost", "Uncaught Error: lost"),
        ("query failed with DatabaseError: lost", "query failed with DatabaseError: lost"),
        ('Exception in thread "main" java.lang.Exception: lost', 'Exception in thread "…" java.lang.Exception: lost'),
    ],
)
def test_an_error_has_a_kind(line: str, kind: str) -> None:
    assert _log_kinds.kinds(line) == [kind]


@pytest.mark.parametrize(
    "line",
    [
        "",
        '{"level":30,"msg":"request completed"}',
        '{"level":"info","error":"none of your concern"}',
        '{"event":"listening","error":null}',
        '{"errors":0}',
        "GET /error 404 12 ms",
        "0 errors, 3 warnings",
        "    at Object.<anonymous> (/app/dist/server.js:10:3)",
        '{"level":50,"msg":"cut o',
        "INFO 0 ERROR, 0 FATAL found",
        "tests: 0 ERROR 0 FATAL",
        "no Error: all fine",
        "Registered Exception handler",
        "retry on Error",
        "info: uncaught exception handler installed",
        "uncaught exception handler installed",
        "ErrorBoundary mounted",
        "2026-11-22T17:01:02Z WARN TimeoutError: will try again",
    ],
)
def test_what_is_no_error_has_none(line: str) -> None:
    assert _log_kinds.kinds(line) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Error: user 17 not found", "Error: user 18 not found"),
        ("Error: order 550e8400-e29b-41d4-a716-446655440000", "Error: order 9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d"),
        ("2026-11-22T17:01:02Z Error: x", "2026-11-23 18:01:02,345 Error: x"),
        ("Error: mail to a.b@example.org", "Error: mail to c@example.com"),
        ("Error: column 'a'", "Error: column 'b'"),
        ("\x1b[31mError: x\x1b[0m", "Error: x"),
    ],
)
def test_the_same_error_of_another_moment_is_the_same_kind(one: str, other: str) -> None:
    assert _log_kinds.kinds(one) == _log_kinds.kinds(other)
    assert _log_kinds.new(_log_kinds.kinds(one), _log_kinds.kinds(other), []) == []


@pytest.mark.parametrize(
    "secret",
    [
        "Error: connect postgres://amanat:S3cret@db/amanat",
        "Error: password=S3cret was refused",
        "Error: Authorization: Bearer S3cret",
        'Error: {"token": "S3cret"}',
        "ERROR:  duplicate key value\nDETAIL:  Key (email)=(S3cret) already exists.",
        "Error: token S3cretS3cretS3cretS3cret",
        "ERROR invalid REDIS_PASSWORD=S3cret given",
        "Error: PGPASSWORD=S3cret rejected",
        "ERROR connect postgres://app:p@ss/S3cret@db/amanat failed",
        "Error: getaddrinfo ENOTFOUND redis://:a/S3cret@redis",
        "ERROR accessToken: S3cret",
        '{"level":50,"msg":"cannot log in","error":{"message":"WRONGPASS for redis://:S3cret@redis:6379"}}',
        '{"level":"error","msg":"db_password S3cret refused"}',
        "ERROR login user=amanat pw=S3cret",
        "ERROR Cookie: theme=dark; sid=S3cret",
        "ERROR Authorization: Basic S3cret",
        "Error: argv: redis-cli -a S3cret",
        'ERROR client_secret: "two words S3cret"',
        "ERROR token: Bearer S3cret",
        r'ERROR body: "{\"password\": \"two words S3cret\"}"',
    ],
)
def test_no_secret_and_no_row_is_in_a_kind(secret: str) -> None:
    assert "S3cret" not in "".join(_log_kinds.kinds(secret))


def test_of_a_record_only_the_secrets_are_left_out() -> None:
    said = '{"level":50,"req":{"url":"http://x/y","headers":{"authorization":"Bearer a b","set-cookie":"sid=c"}},"token":"d","msg":"lost"}'
    left = '{"level":50,"req":{"url":"http://x/y","headers":{"authorization":…,"set-cookie":…}},"token":…,"msg":"lost"}'
    assert _log_kinds.clean(said) == left


def test_what_the_window_logs_in_with_is_in_no_kind_however_it_stands_there() -> None:
    secrets = {"pg_url": "postgres://app:hunter%23%3F@db/shop", "redis_password": "correct horse"}
    (kind,) = _log_kinds.kinds("ERROR hunter#? and hunter%23%3F and correct horse are wrong", secrets)
    assert kind == "ERROR *** and *** and *** are wrong"


def test_a_new_kind_is_told_unless_it_is_ignored() -> None:
    before, now = ["Error: old"], ["Error: old", "Error: new", "RedisError: retrying"]
    assert _log_kinds.new(before, now, []) == ["Error: new", "RedisError: retrying"]
    assert _log_kinds.new(before, now, ["^Redis"]) == ["Error: new"]


@given(st.lists(st.text(max_size=300), max_size=20))
def test_any_text_is_a_log(lines: list[str]) -> None:
    found = _log_kinds.kinds("\n".join(lines + [f"ERROR {line}" for line in lines]))
    assert len(found) == len(set(found)) <= _log_kinds.MOST
    assert all(0 < len(kind) <= _log_kinds.LONGEST for kind in found)
