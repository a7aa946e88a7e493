# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The health gate, before a server that answers as it is told and services that log what they are told."""

from __future__ import annotations

import http.server
import itertools
import json
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _log_kinds
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._gate import Gate
from ansible_collections.amanat.dbops.plugins.module_utils._gate_beneath import Beneath, secrets_of
from ansible_collections.amanat.dbops.plugins.module_utils._place import Engine
from ansible_collections.amanat.dbops.plugins.module_utils._services import Context, Service, service_of

UP = (200, {"redis": "up"})
DOWN = (503, {"redis": "down"})


class Application(http.server.ThreadingHTTPServer):
    answers: Iterator[tuple[int, Any]]
    asked = 0

    def says(self, *answers: tuple[int, Any], then: tuple[int, Any]) -> None:
        self.answers = itertools.chain(answers, itertools.repeat(then))

    def gate(self, **more: Any) -> Gate:
        return Gate(f"http://127.0.0.1:{self.server_address[1]}/", **{"interval": 0.01, "timeout": 0.3, **more})


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Application)
        self.server.asked += 1
        status, body = next(self.server.answers)
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def application() -> Iterator[Application]:
    with Application(("127.0.0.1", 0), Handler) as server:
        server.says(then=UP)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


NOTHING = Beneath()


def test_good_answers_in_a_row_open_it(application: Application) -> None:
    application.says(UP, UP, DOWN, UP, UP, then=UP)
    look = application.gate(successes=3, timeout=5).wait(NOTHING)
    assert (look.passed, look.answer["status"], application.asked) == (True, 200, 6)


def test_they_have_to_span_a_time(application: Application) -> None:
    begun = time.monotonic()
    assert application.gate(successes=1, steady=0.2, timeout=5).wait(NOTHING).passed
    assert time.monotonic() - begun >= 0.2
    assert application.asked > 3


def test_what_is_wrong_is_told_when_the_time_is_over(application: Application) -> None:
    application.says(then=DOWN)
    gate = application.gate(json=[{"path": "redis", "equals": "up"}])
    look = gate.wait(NOTHING)
    assert [each.name for each in look.flaws] == ["http", "json redis"]
    error = gate.failure(look)
    assert error.slug == "health-gate"
    assert "HTTP 503" in error.what
    assert 'redis is "down", not equals "up"' in error.what


def test_another_status_may_be_the_good_one(application: Application) -> None:
    application.says(then=(204, None))
    assert not application.gate().wait(NOTHING).passed
    assert application.gate(status=[200, 204]).wait(NOTHING).passed


def test_what_was_wrong_before_is_waited_for_and_not_insisted_on(application: Application) -> None:
    application.says(then=DOWN)
    look = application.gate(waived=["http"]).wait(NOTHING)
    assert (look.passed, [each.name for each in look.excused]) == (True, ["http"])
    assert not application.gate(waived=["http"], json=[{"path": "redis", "equals": "up"}]).wait(NOTHING).passed
    application.says(DOWN, DOWN, then=UP)
    look = application.gate(waived=["http"], timeout=5).wait(NOTHING)
    assert (look.passed, look.excused) == (True, ())


def unreachable() -> Any:
    raise OperationError("postgres-unreachable", "PostgreSQL does not answer.")


def test_a_server_that_cannot_be_reached_keeps_it_shut(application: Application) -> None:
    look = application.gate().wait(Beneath(postgres=unreachable))
    assert look.flaws == [("postgres", "PostgreSQL does not answer.", False)]


@pytest.fixture
def api(tmp_path: Path) -> Service:
    spec = {"name": "api", "kind": "command", "log": ["cat", str(tmp_path / "log")]}
    return service_of(spec, Context(Engine(), str(tmp_path)))


def write(tmp_path: Path, lines: Iterable[str]) -> None:
    (tmp_path / "log").write_text("\n".join(lines), encoding="utf-8")


def test_a_new_kind_of_error_in_a_log_shuts_it_at_once(application: Application, api: Service, tmp_path: Path) -> None:
    write(tmp_path, ["Error: order 1 is late"])
    beneath = Beneath(services=[api])
    look = application.gate(log=True).wait(beneath)
    assert (look.passed, look.log) == (True, {"api": ["Error: order # is late"]})

    write(tmp_path, ["Error: order 2 is late"])
    assert application.gate(log=True, known=look.log).wait(beneath).passed

    write(tmp_path, ["Error: order 3 is late", "Error: no such column"])
    begun = time.monotonic()
    shut = application.gate(log=True, known=look.log, timeout=30).wait(beneath)
    assert shut.flaws == [("log api", "the log of api has a new kind of error, Error: no such column", True)]
    assert time.monotonic() - begun < 10
    assert application.gate(log=True, known=look.log, ignore=["no such column"]).wait(beneath).passed
    assert application.gate(log=False, known=look.log).wait(beneath).passed


@pytest.mark.parametrize(
    ("data", "slug"),
    [
        ({"url": "ftp://x"}, "health-url-malformed"),
        ({"url": "http://x", "json": [{"path": "a"}]}, "health-malformed"),
        ({"url": "http://x", "ignore": ["("]}, "health-malformed"),
    ],
)
def test_what_no_gate_can_be_made_of_is_refused(data: dict[str, Any], slug: str) -> None:
    with pytest.raises(OperationError) as caught:
        Gate(**data)
    assert caught.value.slug == slug


@pytest.mark.parametrize("login", ["mo:s3cr%C3%A9t", "s3cr%C3%A9t"])
def test_a_log_is_told_the_same_secrets_by_the_gate_and_by_the_target(login: str) -> None:
    gate = secrets_of({"pg_url": "postgresql://db/shop", "url_login": login, "redis_url": None})
    assert gate == secrets_of({"pg_url": "postgresql://db/shop", "health_login": login})
    for text in ("s3cr%C3%A9t", "s3crét"):
        assert _log_kinds.clean(f"401 with {text}", gate) == "401 with ***"
