# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of proxies that hold clients off, with the real ones before an application that counts what reaches it."""

from __future__ import annotations

import http.server
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _hook

from tests.integration.plays import ROOT

PROXIES = ROOT / "examples/proxy"
UNPACK = """
import pathlib, sys
sys.path.insert(0, "tests/images")
import debian
debian.unpack(["nginx", "caddy"], "bookworm", pathlib.Path(sys.argv[1]))
"""


class Application(http.server.BaseHTTPRequestHandler):
    reached = 0

    def do_GET(self) -> None:
        Application.reached += 1
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"here")

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two of Debian, unpacked and not installed."""
    directory = tmp_path_factory.mktemp("proxies")
    subprocess.run([sys.executable, "-c", UNPACK, str(directory)], cwd=ROOT, check=True)
    return directory / "usr"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def nginx(programs: Path, work: Path, text: str, port: int) -> list[str]:
    (work / "site.conf").write_text(text.replace("listen 80;", f"listen 127.0.0.1:{port};"), encoding="utf-8")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{kind}_temp_path {work}/{kind};" for kind in kinds)
    user = "user root;" if os.geteuid() == 0 else ""  # else its workers could not read what lies here
    whole = f"{user} daemon off; pid {work}/pid; events {{}} http {{ {paths} access_log off; include {work}/site.conf; }}"
    (work / "nginx.conf").write_text(whole, encoding="utf-8")
    return [str(programs / "sbin/nginx"), "-p", str(work), "-e", str(work / "error.log"), "-c", str(work / "nginx.conf")]


def caddy(programs: Path, work: Path, text: str, port: int) -> list[str]:
    site = text.replace("amn.example {", f"http://127.0.0.1:{port} {{")
    (work / "Caddyfile").write_text("{\n\tadmin off\n}\n" + site, encoding="utf-8")
    return [str(programs / "bin/caddy"), "run", "--config", str(work / "Caddyfile"), "--adapter", "caddyfile"]


@pytest.fixture(params=[("nginx.conf", nginx), ("Caddyfile", caddy)], ids=["nginx", "caddy"])
def proxy(request: pytest.FixtureRequest, programs: Path, tmp_path: Path) -> Iterator[str]:
    """Its URL. The folder /srv/maintenance of the example is the one of this test."""
    name, start = request.param
    port = free_port()
    (tmp_path / "maintenance.html").write_bytes((PROXIES / "maintenance.html").read_bytes())
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Application) as application:
        thread = threading.Thread(target=application.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        text = (PROXIES / name).read_text(encoding="utf-8")
        text = text.replace("/srv/maintenance", str(tmp_path)).replace("127.0.0.1:5000", f"127.0.0.1:{application.server_address[1]}")
        argv = start(programs, tmp_path, text, port)
        log = (tmp_path / "out").open("wb")
        with log, subprocess.Popen(argv, stdout=log, stderr=log, env={**os.environ, "HOME": str(tmp_path)}) as process:
            try:
                yield f"http://127.0.0.1:{port}/offers"
            finally:
                process.terminate()
                application.shutdown()
                thread.join()


def ask(url: str, data: bytes | None = None) -> tuple[int, str | None, str]:
    """Status, Retry-After and text, once the proxy listens."""
    end = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, data), timeout=5) as answer:  # noqa: S310 - our own URL
                return answer.status, answer.headers["Retry-After"], answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers["Retry-After"], error.read().decode()
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.05)


def test_clients_are_held_off_with_a_page_and_let_in_again(proxy: str, tmp_path: Path) -> None:
    assert ask(proxy) == (200, None, "here")
    _hook.call(["touch", str(tmp_path / "on")], 10)
    reached = Application.reached
    for data in (None, b"a write"):
        status, retry, text = ask(proxy, data)
        assert (status, retry) == (503, "120")
        assert "We will be right back" in text
    assert Application.reached == reached
    for _ in range(2):  # whoever ends the window may do it again
        _hook.call(["rm", "-f", str(tmp_path / "on")], 10)
        assert ask(proxy) == (200, None, "here")
