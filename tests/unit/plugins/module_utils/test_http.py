# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A request says why nobody answered, and never whom it asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._http import Unanswered, request


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(302 if self.path == "/moved" else 200)
        self.send_header("Location", "/elsewhere")
        text = f"{self.headers['Authorization']} {self.path}".encode()
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def place() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_user_and_password_of_a_url_are_a_header(place: str) -> None:
    assert request("POST", f"http://mo:p%40ss@{place}/x?y=1", 5, b"")[:2] == (200, "Basic bW86cEBzcw== /x?y=1")


def test_a_redirect_is_not_followed(place: str) -> None:
    assert request("POST", f"http://{place}/moved", 5, b"").status == 302


@pytest.mark.parametrize(
    "url",
    ["", "s3cret", "ftp://s3cret", "file:///s3cret", "http://[s3cret", "http:///s3cret", "http://127.0.0.1/s3cret a", "http://x:s3cret/"],
)
def test_what_is_no_url_is_not_asked_and_not_shown(url: str) -> None:
    with pytest.raises(Unanswered) as caught:
        request("POST", url, 5, b"")
    assert "URL" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_no_time_is_no_answer(place: str) -> None:
    with pytest.raises(Unanswered):
        request("POST", f"http://{place}/", -1, b"")
