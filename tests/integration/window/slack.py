# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slack's two hosts, reached through a proxy of the test's own: real requests, real TLS, no route to Slack needed.

Its channel keeps messages, threads and edits, and refuses what Slack refuses.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

TOKEN = "xoxb-bot-secret"
HOSTS = ("hooks.slack.com", "slack.com")


def _certificate(path: Path) -> None:
    """A key and a certificate for Slack's hosts that whoever is given the file as its authority believes."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOSTS[0])])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in HOSTS]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))


class _Slack(BaseHTTPRequestHandler):
    """The proxy: whatever is asked for is Slack."""

    server: Proxy

    def do_CONNECT(self) -> None:
        host = self.path.partition(":")[0]
        self.send_response(200)
        self.end_headers()
        self.wfile.flush()
        with self.server.tls.wrap_socket(self.connection, server_side=True) as secure:
            _Request(secure, host, self.server)
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


class _Request(BaseHTTPRequestHandler):
    def __init__(self, connection: socket.socket, host: str, proxy: Proxy) -> None:
        self.host = host
        self.proxy = proxy
        super().__init__(connection, ("", 0), proxy)

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.proxy.told.append((self.host, self.path, message))
        if self.proxy.too_many:
            self.proxy.too_many -= 1
            self.send_response(429)
            self.send_header("Retry-After", "1")
            self.send_header("Content-Length", "0")
            self.end_headers()
            self.close_connection = True
            return
        if self.host == HOSTS[0]:
            body = b"ok"
        else:
            body = json.dumps(self.proxy.channel.answer(self.path, self.headers["Authorization"], message)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


class Channel:
    """One channel, to which one token may write."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.messages: list[dict[str, Any]] = []
        self.is_editable = True

    @property
    def parents(self) -> list[dict[str, Any]]:
        return [message for message in self.messages if "thread_ts" not in message]

    @property
    def replies(self) -> list[dict[str, Any]]:
        return [message for message in self.messages if "thread_ts" in message]

    def answer(self, path: str, authorization: str, message: dict[str, Any]) -> dict[str, Any]:
        if authorization != f"Bearer {self.token}":
            return {"ok": False, "error": "invalid_auth"}
        method, known = path.removeprefix("/api/"), {each["ts"]: each for each in self.messages}
        if method == "chat.update":
            if message["ts"] not in known or message["channel"] != "C1":  # unlike others it takes no name of a channel
                return {"ok": False, "error": "message_not_found"}
            if not self.is_editable:
                return {"ok": False, "error": "edit_window_closed"}
            known[message["ts"]].update(text=message["text"], edits=known[message["ts"]].get("edits", 0) + 1)
            return {"ok": True, "channel": "C1", "ts": message["ts"]}
        if method != "chat.postMessage" or message["channel"] not in ("#ops", "C1"):
            return {"ok": False, "error": "channel_not_found"}
        if message.get("thread_ts") not in (None, *known):
            return {"ok": False, "error": "thread_not_found"}
        ts = f"1700000000.{len(self.messages):06}"
        self.messages.append({**message, "ts": ts})
        return {"ok": True, "channel": "C1", "ts": ts}


class Proxy(ThreadingHTTPServer):
    def __init__(self, certificate: Path) -> None:
        self.told: list[tuple[str, str, dict[str, Any]]] = []
        self.channel = Channel(TOKEN)
        self.too_many = 0  # of the next requests, which are refused for a second
        self.certificate = certificate
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate)
        super().__init__(("127.0.0.1", 0), _Slack)

    @property
    def environ(self) -> dict[str, str]:
        """What makes a client come here and believe it."""
        return {"https_proxy": f"http://127.0.0.1:{self.server_address[1]}", "SSL_CERT_FILE": str(self.certificate)}


@contextmanager
def slack(directory: Path) -> Iterator[Proxy]:
    certificate = directory / "slack.pem"
    _certificate(certificate)
    with Proxy(certificate) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        yield proxy
        proxy.shutdown()
