# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The engine's API, for what its command line client has no verb for.

It stands apart because `http.client` takes 0.04 s to import, for which clients would wait in every task of a window.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
from typing import Any
from urllib.parse import quote, urlsplit

from ._errors import OperationError
from ._place import Engine


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _socket_of(engine: Engine) -> str:
    """The socket that the engine's client uses."""
    host = engine.socket or os.environ.get("DOCKER_HOST", "")
    if not host:
        answer = engine.run("context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
        host = answer.out.strip() if answer.ok else "unix:///var/run/docker.sock"
    path = urlsplit(host).path
    if not path or not os.path.exists(path):
        raise OperationError(
            "engine-unreachable",
            f"The engine's socket {host!r} is not on this machine.",
            "The container was left as it is.",
            "Set dbops_engine_socket, or describe the service as one of kind compose.",
        )
    return path


def create(engine: Engine, name: str, request: dict[str, Any]) -> str:
    """Create a container and return its id; it is not started."""
    endpoints = dict(request["NetworkingConfig"]["EndpointsConfig"])
    # Engines before API 1.44 take one network at the creation; the others are connected afterwards.
    first = next(iter(endpoints), "")
    network = {"EndpointsConfig": {first: endpoints.pop(first)} if first else {}}
    identity = str(_post(engine, name, f"/containers/create?name={quote(name)}", {**request, "NetworkingConfig": network})["Id"])
    for other, endpoint in endpoints.items():
        _post(engine, name, f"/networks/{quote(other)}/connect", {"Container": identity, "EndpointConfig": endpoint})
    return identity


def _post(engine: Engine, name: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    connection = _UnixConnection(_socket_of(engine))
    try:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read() or "{}")
    finally:
        connection.close()
    if response.status >= 400:
        raise OperationError(
            "service-failed",
            f"The engine does not create {name!r} anew: {answer.get('message', response.status)}.",
            "The container that ran before is still there, stopped.",
            "Read the message; correct the image or the container.",
        )
    return answer
