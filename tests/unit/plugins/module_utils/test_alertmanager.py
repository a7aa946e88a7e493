# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Matchers as amtool writes them, and which alerts they fit; and what answers that is no Alertmanager."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _notice
from ansible_collections.amanat.dbops.plugins.module_utils._alertmanager import Alertmanager, Matcher, not_allowed, parse, parse_all
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Watchdog", [("alertname", "=", "Watchdog")]),
        ('stack="nickapp"', [("stack", "=", "nickapp")]),
        ("stack=nickapp", [("stack", "=", "nickapp")]),
        (' a != "x" , b=~"y|z",c!~w.* ', [("a", "!=", "x"), ("b", "=~", "y|z"), ("c", "!~", "w.*")]),
        (r'a="with , and \" and \\",b=""', [("a", "=", 'with , and " and \\'), ("b", "=", "")]),
    ],
)
def test_matchers_are_read(text: str, expected: list[tuple[str, str, str]]) -> None:
    operators = {(False, True): "=", (False, False): "!=", (True, True): "=~", (True, False): "!~"}
    assert [(each.name, operators[each.is_regex, each.is_equal], each.value) for each in parse(text)] == expected


@pytest.mark.parametrize("text", ['"', "a==b=", 'a="x" b="y"', '=~"x"', 'a=~"("', "{a}", 'a="x'])
def test_what_is_no_matcher_is_refused(text: str) -> None:
    with pytest.raises(OperationError) as caught:
        parse(text)
    assert caught.value.slug == "alertmanager-malformed"


@pytest.mark.parametrize(
    "texts",
    [
        [],
        ['a=""'],
        ['a=~".*"', 'b!="x"'],
        ['alertname=~".+"'],
        ['alertname!=""'],
        ['stack=~"[a-z]+"'],
        ['stack=~"[0-9a-zA-Z_.-]{6,}"'],
        ['port=~"[0-9]+"'],
        ['team="",stack=~".+"'],
        ['stack=~".+"', 'stack!="blog"'],
    ],
)
def test_a_silence_of_everybodys_alerts_is_refused(texts: list[str]) -> None:
    with pytest.raises(OperationError) as caught:
        parse_all(texts)
    assert caught.value.slug == "alertmanager-malformed"


@pytest.mark.parametrize("texts", [['stack="shop"', 'severity!="page"'], ['stack=~"shop|blog"'], ['stack=~"shop-.+"', 'alertname=~".+"']])
def test_a_silence_of_a_stacks_alerts_is_taken(texts: list[str]) -> None:
    assert len(parse_all(texts)) == len(texts)


class Anything(ThreadingHTTPServer):
    """Something else that answers where an Alertmanager should: `text` to every request, and HTTP 200, after `delay` seconds."""

    def __init__(self, text: str, delay: float) -> None:
        self.text = text.encode()
        self.delay = delay
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Anything

    def do_GET(self) -> None:
        self.server.asked.append(self.command)
        time.sleep(self.server.delay)
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.text)))
        self.end_headers()
        self.wfile.write(self.server.text)

    do_POST = do_DELETE = do_GET

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def answering(text: str, delay: float = 0.0) -> Iterator[Anything]:
    with Anything(text, delay) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


ODD = ["", "{}", "null", '"ok"', "[7]", '[{"labels": null}]', '{"status": "success", "data": []}', "<html>Maintenance</html>"]
JOURNAL = {"id": "w1", "stack": "production/shop", "deadline": "2026-11-22T18:01:02.000Z"}
NOW = datetime(2026, 11, 22, 17, 1, 2, tzinfo=timezone.utc)


@pytest.mark.parametrize("text", ODD)
def test_what_is_no_alertmanager_is_a_warning_and_not_a_quiet_one(text: str) -> None:
    with answering(text) as server:
        with pytest.raises(OperationError) as caught:
            Alertmanager(server.url).firing()
        private = {"alertmanager": json.dumps({"url": server.url, "matchers": ['stack="shop"']})}
        begun, ended = _notice.silence(JOURNAL, private, NOW), _notice.end_silence(JOURNAL, private)
    why = "The Alertmanager does not answer: what answers is no Alertmanager."
    assert (caught.value.slug, caught.value.what) == ("alertmanager-unreachable", why)
    assert begun == {"warnings": [f"Alerts are not silenced until 2026-11-22T18:11:02.000Z: {why}"]}
    assert ended == {"warnings": [f"The silence of alerts was not ended: {why}"]}


def test_a_silence_that_was_taken_without_a_word_is_a_warning() -> None:
    """All is quiet there, and what is posted is no silence."""
    with answering("[]") as server:
        private = {"alertmanager": json.dumps({"url": server.url, "matchers": ['stack="shop"']})}
        assert _notice.silence(JOURNAL, private, NOW)["warnings"]


def test_however_many_silences_there_are_a_slow_one_delays_nobody_longer_than_one_answer_may_take() -> None:
    ours = {"id": "s", "matchers": [], "startsAt": "", "createdBy": "", "comment": "w1", "status": {"state": "active"}}
    with answering(json.dumps([ours] * 20), delay=0.2) as server:
        began = time.monotonic()
        with pytest.raises(OperationError, match="no answer within"):
            Alertmanager(server.url, until=began + 1.0).expire("w1")
        assert time.monotonic() - began < 1.5
        assert server.asked[:2] == ["GET", "DELETE"]


@pytest.mark.parametrize("private", [{"alertmanager": "{", "announce": "{"}, {"alertmanager": "[7]", "announce": "[7]"}])
def test_what_nobody_foresaw_fails_no_window_and_tells_no_secret(private: dict[str, str]) -> None:
    journal = {**JOURNAL, "operation": "none"}
    for said in (
        _notice.silence(journal, private, NOW),
        _notice.end_silence(journal, private),
        _notice.tell(journal, private, "failed", ""),
    ):
        (warning,) = said["warnings"]
        assert re.search("an unforeseen [A-Za-z]+Error[.]$", warning)


ALERTS = [
    {"alertname": "Watchdog"},
    {"alertname": "Down", "stack": "shop", "severity": "page"},
    {"alertname": "Down", "stack": "blog", "severity": "info"},
]


@pytest.mark.parametrize(
    ("allow", "left"),
    [
        ([], ["Down (severity=info, stack=blog)", "Down (severity=page, stack=shop)", "Watchdog"]),
        (["Watchdog", "Down"], []),
        (["Watchdog", 'stack="shop",severity="page"'], ["Down (severity=info, stack=blog)"]),
        (['stack="shop",severity="info"'], ["Down (severity=info, stack=blog)", "Down (severity=page, stack=shop)", "Watchdog"]),
        (['stack!="shop"'], ["Down (severity=page, stack=shop)"]),
        (['alertname=~"D|Watch"'], ["Down (severity=info, stack=blog)", "Down (severity=page, stack=shop)", "Watchdog"]),
        (['alertname=~"D.*|Watchdog"'], []),
    ],
)
def test_only_what_no_entry_fits_keeps_a_window_from_opening(allow: list[str], left: list[str]) -> None:
    assert not_allowed(ALERTS, allow) == left


@given(st.from_regex(r"\A[a-z_]{1,9}\Z"), st.text(max_size=30))
def test_any_value_survives_its_quotes(name: str, value: str) -> None:
    quoted = re.sub(r'(["\\])', r"\\\1", value)
    assert parse(f'{name}="{quoted}"') == [Matcher(name, value, is_regex=False, is_equal=True)]
