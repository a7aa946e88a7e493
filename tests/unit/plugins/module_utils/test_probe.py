# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client sees, asked of real servers, and the figure that is made of it."""

from __future__ import annotations

import contextlib
import http.server
import itertools
import json
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _probe
from hypothesis import given
from hypothesis import strategies as st

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


def say(status: int, body: bytes = b"{}", **headers: str) -> Answer:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


class Server(http.server.ThreadingHTTPServer):
    answer: Answer
    asked: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/api/health"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Server)
        self.server.asked += 1
        self.server.answer(self)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        server.answer = say(200)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("answer", "status", "ok", "body"),
    [
        (say(200, b'{"status": "ok"}'), 200, True, {"status": "ok"}),
        (say(200, b"fine"), 200, True, None),
        (say(200, b"\xff"), 200, True, None),
        (say(200, b"1" * 100_000), 200, True, ...),
        (say(204, b""), 204, False, None),
        (say(503, b'{"postgres": false}'), 503, False, {"postgres": False}),
        (say(404, b"{}"), 404, False, {}),
        (say(302, b"", Location="/login"), 302, False, None),
    ],
)
def test_an_answer(server: Server, answer: Answer, status: int, ok: bool, body: Any) -> None:
    server.answer = answer
    told = _probe.ask(server.url, 5)
    assert (told["url"], told["status"], told["ok"], told["reason"]) == (server.url, status, ok, "")
    assert body is ... or told["body"] == body
    assert server.asked == 1, "a redirect is not followed"


@pytest.mark.parametrize("beside", [False, True], ids=["in the URL", "beside it"])
def test_a_login_is_taken_and_not_shown(server: Server, beside: bool) -> None:
    def guarded(handler: http.server.BaseHTTPRequestHandler) -> None:
        say(200 if handler.headers["Authorization"] == "Basic bW86cEBzcw==" else 401)(handler)

    server.answer = guarded
    url = server.url if beside else server.url.replace("//", "//mo:p%40ss@")
    told = _probe.ask(url, 5, login="mo:p%40ss" if beside else "")
    assert (told["status"], told["url"]) == (200, server.url)
    assert _probe.ask(server.url, 5)["status"] == 401


def test_a_slow_answer_takes_its_time(server: Server) -> None:
    def slow(handler: http.server.BaseHTTPRequestHandler) -> None:
        time.sleep(0.3)
        say(200)(handler)

    server.answer = slow
    assert 300 <= _probe.ask(server.url, 5)["ms"] < 5000
    told = _probe.ask(server.url, 0.1)
    assert (told["status"], told["ok"]) == (0, False)
    assert "timed out" in told["reason"]


def test_a_clock_that_is_set_makes_no_outage_longer(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(1_800_000_000, -3600)
    monkeypatch.setattr(_probe.time, "time", lambda: float(next(clock)))
    server.answer = say(503)
    _probe.watch(server.url, str(tmp_path / "samples"), 5, (200,), lambda: server.asked == 3)
    assert 0 < _probe.downtime(_probe.samples(str(tmp_path / "samples")))["seconds"] < 60


@pytest.mark.parametrize("status", [200, 503])
def test_a_body_that_never_comes_is_no_answer(server: Server, status: int) -> None:
    def stuck(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", "10")
        handler.end_headers()
        time.sleep(0.5)

    server.answer = stuck
    told = _probe.ask(server.url, 0.1)
    assert (told["status"], told["ok"]) == (0, False)
    assert told["reason"]


def test_a_body_that_comes_in_drips_is_not_waited_for(server: Server) -> None:
    def drip(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        with contextlib.suppress(OSError):  # the one who asked has gone
            for _ in range(20):
                handler.wfile.write(b" ")
                time.sleep(0.1)

    server.answer = drip
    answer = _probe.ask(server.url, 0.5)
    assert (answer["status"], answer["ok"], answer["reason"]) == (0, False, "timed out")
    assert answer["ms"] < 1500


def test_what_is_no_http_is_no_answer(server: Server) -> None:
    server.answer = lambda handler: handler.wfile.write(b"SSH-2.0-OpenSSH\r\n")
    told = _probe.ask(server.url, 5)
    assert (told["status"], told["ok"]) == (0, False)
    assert told["reason"]


def test_a_connection_that_is_closed_is_no_answer(server: Server) -> None:
    server.answer = lambda handler: handler.connection.shutdown(socket.SHUT_RDWR)
    assert _probe.ask(server.url, 5)["ok"] is False


def test_nobody_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        told = _probe.ask(f"http://127.0.0.1:{unused.getsockname()[1]}/", 5)
    assert (told["status"], told["ok"], told["body"]) == (0, False, None)
    assert "refused" in told["reason"]


@pytest.mark.parametrize("url", ["", "nickapp", "http://", "http://[::1", "http://127.0.0.1:port/", "gopher://x/", "http://a b/"])
def test_what_is_no_url_is_no_crash(url: str) -> None:
    told = _probe.ask(url, 1)
    assert told["ok"] is False
    assert told["reason"]
    if "//" in url:
        assert "s3cret" not in str(_probe.ask(url.replace("//", "//mo:s3cret@"), 1))


def test_no_proxy_stands_between(server: Server) -> None:
    code = f"import sys; from {_probe.__name__} import ask; sys.exit(not ask({server.url!r}, 5)['ok'])"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "http_proxy": "http://127.0.0.1:1"}
    assert subprocess.run([sys.executable, "-c", code], env=env, check=False).returncode == 0


def test_watching_writes_what_is_read_back(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "samples"
    begun = time.time()
    looks = iter([False, False, False, True])

    def stopped() -> bool:
        server.answer = say(200 if server.asked != 1 else 503)
        return next(looks)

    _probe.watch(server.url, str(path), 5, (200,), stopped)
    found = _probe.samples(str(path))
    assert [ok for _, ok in found] == [True, False, True]
    assert begun - 0.001 <= found[0][0]
    assert [later - sooner >= _probe.INTERVAL - 0.01 for (sooner, _), (later, _) in zip(found, found[1:])] == [True, True]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_line_that_was_cut_short_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "samples").write_text("1.000 1\n1.200 0\n1.4", encoding="utf-8")
    assert _probe.samples(str(tmp_path / "samples")) == [(1.0, True), (1.2, False)]


def test_a_probe_that_never_began_saw_nothing(tmp_path: Path) -> None:
    assert _probe.samples(str(tmp_path / "samples")) == []


def every_fifth_of_a_second(marks: str) -> list[tuple[float, bool]]:
    return [(1000 + index * 0.2, mark == ".") for index, mark in enumerate(marks)]


@pytest.mark.parametrize(
    ("marks", "failures", "outages", "seconds"),
    [
        ("", 0, 0, 0.0),
        (".", 0, 0, 0.0),
        (".....", 0, 0, 0.0),
        # From the last good answer to the next one: the longest that a client can have been without it.
        ("..x..", 1, 1, 0.4),
        ("..xxx..", 3, 1, 0.8),
        # A slow answer during the backup, and the stop later on: the time between them was no downtime.
        ("..x.....xx..", 3, 2, 1.0),
        (".x.x.", 2, 2, 0.8),
        # Where no good answer stands before or after, nobody can say how long it was; what was seen counts.
        ("x....", 1, 1, 0.2),
        ("....x", 1, 1, 0.2),
        ("x", 1, 1, 0.0),
        ("xxxx", 4, 1, 0.6),
    ],
)
def test_downtime(marks: str, failures: int, outages: int, seconds: float) -> None:
    figures = _probe.downtime(every_fifth_of_a_second(marks))
    assert (figures["probes"], figures["failures"], figures["outages"], figures["seconds"]) == (len(marks), failures, outages, seconds)
    assert ("from" in figures) == ("to" in figures) == bool(failures)


def test_downtime_says_when() -> None:
    figures = _probe.downtime(every_fifth_of_a_second(".x..x."))
    assert (figures["from"], figures["to"]) == ("1970-01-01T00:16:40.000Z", "1970-01-01T00:16:41.000Z")


@given(st.lists(st.tuples(st.floats(0, 10), st.booleans()), max_size=40))
def test_downtime_is_never_more_than_was_watched(steps: list[tuple[float, bool]]) -> None:
    moment, samples = 1000.0, []
    for step, ok in steps:
        moment += step
        samples.append((moment, ok))
    figures = _probe.downtime(samples)
    watched = samples[-1][0] - samples[0][0] if samples else 0.0
    assert 0.0 <= figures["seconds"] <= watched + 0.001
    assert figures["failures"] == sum(not ok for _, ok in samples)
    assert (figures["outages"] > 0) == (figures["failures"] > 0)
    assert json.dumps(figures)
