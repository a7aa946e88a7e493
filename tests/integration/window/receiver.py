# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A webhook that is told of windows, in good health and in bad."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable


class Receiver(ThreadingHTTPServer):
    """Remembers what it was told. `hook` is called with each event's name.

    By its path it answers well, or 500 (`/broken`), or not before `over` is set (`/slow`), or a byte now and then until then (`/drip`).
    """

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.hook: Callable[[str], object] = str
        self.over = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def announce(self) -> list[dict[str, str]]:
        """The senders that tell it."""
        return [{"kind": "webhook", "url": self.url("ok")}]

    @property
    def events(self) -> list[str]:
        return [message["event"] for message in self.told]

    def shutdown(self) -> None:
        self.over.set()
        super().shutdown()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{path}"


@contextmanager
def listening() -> Iterator[Receiver]:
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/slow":
            self.server.over.wait()
            self.send_response(200)
            self.end_headers()
        elif self.path == "/drip":
            self.send_response(200)
            self.end_headers()
            while not self.server.over.wait(0.2):
                self.wfile.write(b"x")
        elif self.path == "/broken":
            self.send_response(500)
            self.end_headers()
        else:
            self.server.told.append(body)
            self.server.hook(body["event"])
            self.send_response(200)
            self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass
