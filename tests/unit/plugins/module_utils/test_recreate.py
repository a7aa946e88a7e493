# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same container with another image: what was its own stays, what came from its old image does not."""

from __future__ import annotations

import copy
import http.server
import json
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._engine_api import create
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._place import Engine
from ansible_collections.amanat.dbops.plugins.module_utils._recreate import creation, policy_of

ID = "c0ffee123456" + "0" * 52
IMAGE: dict[str, Any] = {
    "Config": {
        "Cmd": ["node", "server.js"],
        "Entrypoint": ["tini", "--"],
        "WorkingDir": "/app",
        "User": "node",
        "Env": ["PATH=/usr/bin", "NODE_VERSION=24"],
        "Labels": {"version": "1", "maintainer": "x"},
        "ExposedPorts": {"5000/tcp": {}},
    }
}


def container(config: dict[str, Any] | None = None, host: dict[str, Any] | None = None, **facts: Any) -> dict[str, Any]:
    """A container that says nothing of its own but its name and its restart policy."""
    return {
        "Id": ID,
        "Config": {**copy.deepcopy(IMAGE["Config"]), "Hostname": ID[:12], "Image": "nickapp:1", **(config or {})},
        "HostConfig": {"NetworkMode": "bridge", "Binds": None, "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}, **(host or {})},
        "Mounts": [],
        "NetworkSettings": {"Networks": {"bridge": {"Aliases": None}}},
        **facts,
    }


def test_what_came_from_the_old_image_is_left_to_the_new_one() -> None:
    request = creation(container(), IMAGE, "nickapp:2", "")
    assert request["Image"] == "nickapp:2"
    assert request["Env"] == []
    assert request["Labels"] == {}
    assert not {"Cmd", "Entrypoint", "WorkingDir", "User", "ExposedPorts", "Hostname"} & set(request)


@pytest.mark.parametrize(
    ("own", "request_has"),
    [
        ({"Cmd": ["node", "worker.js"]}, {"Cmd": ["node", "worker.js"]}),
        ({"User": "0"}, {"User": "0"}),
        ({"Hostname": "api"}, {"Hostname": "api"}),
        ({"Env": ["PG_URL=x", "PATH=/usr/bin", "NODE_VERSION=22"]}, {"Env": ["PG_URL=x", "NODE_VERSION=22"]}),
        ({"Labels": {"version": "1", "traefik": "on"}}, {"Labels": {"traefik": "on"}}),
        ({"Labels": {"version": "mine"}}, {"Labels": {"version": "mine"}}),
        ({"Env": None, "Labels": None}, {"Env": [], "Labels": {}}),
        ({"Healthcheck": {"Test": ["CMD", "true"]}, "StopTimeout": 60, "Tty": True}, {"StopTimeout": 60, "Tty": True}),
    ],
)
def test_what_is_its_own_stays(own: dict[str, Any], request_has: dict[str, Any]) -> None:
    request = creation(container(own), IMAGE, "nickapp:2", "")
    assert request.items() >= request_has.items()


def test_an_image_without_a_configuration() -> None:
    assert creation(container(), {"Config": None}, "nickapp:2", "")["Cmd"] == ["node", "server.js"]


@pytest.mark.parametrize(
    ("policy", "expected", "times"),
    [("", "no", 0), ("always", "always", 0), ("on-failure", "on-failure", 0), ("on-failure:3", "on-failure", 3)],
)
def test_the_restart_policy_is_the_one_from_before_the_window(policy: str, expected: str, times: int) -> None:
    new = creation(container(), IMAGE, "nickapp:2", policy)
    assert new["HostConfig"]["RestartPolicy"] == {"Name": expected, "MaximumRetryCount": times}
    assert policy_of(new) == (policy or "no")


def volume(name: str, destination: str) -> dict[str, str]:
    return {"Type": "volume", "Name": name, "Destination": destination}


@pytest.mark.parametrize(
    ("host", "mounts", "binds"),
    [
        ({}, [], []),
        ({"Binds": ["/srv:/srv:ro"]}, [{"Type": "bind", "Destination": "/srv"}], ["/srv:/srv:ro"]),
        ({"Binds": ["data:/data"]}, [volume("data", "/data")], ["data:/data"]),
        ({"Binds": ["data:/data/"]}, [volume("data", "/data")], ["data:/data/"]),
        # Of a volume that nobody named the new container would get another, empty one.
        ({}, [volume("0a1b", "/uploads")], ["0a1b:/uploads"]),
        ({"Binds": ["data:/data"]}, [volume("data", "/data"), volume("0a1b", "/uploads")], ["data:/data", "0a1b:/uploads"]),
        ({"Tmpfs": {"/run": ""}}, [{"Type": "tmpfs", "Destination": "/run"}], []),
    ],
)
def test_volumes_are_kept(host: dict[str, Any], mounts: list[dict[str, str]], binds: list[str]) -> None:
    request = creation(container(host=host, Mounts=mounts), IMAGE, "nickapp:2", "")
    assert request["HostConfig"]["Binds"] == binds


@pytest.mark.parametrize(
    ("asked", "mounts", "expected"),
    [
        ([{"Type": "volume", "Source": "data", "Target": "/data"}], [volume("data", "/data")], "data"),
        ([{"Type": "volume", "Target": "/data/"}], [volume("0a1b", "/data")], "0a1b"),
        ([{"Type": "bind", "Source": "/srv", "Target": "/srv"}], [{"Type": "bind", "Destination": "/srv"}], "/srv"),
        ([{"Type": "tmpfs", "Target": "/run"}], [{"Type": "tmpfs", "Destination": "/run"}], None),
    ],
)
def test_mounts_name_the_volumes_that_they_got(asked: list[dict[str, str]], mounts: list[dict[str, str]], expected: str | None) -> None:
    host = creation(container(host={"Mounts": asked}, Mounts=mounts), IMAGE, "nickapp:2", "")["HostConfig"]
    assert [mount.get("Source") for mount in host["Mounts"]] == [expected]
    assert host["Binds"] == []


def test_networks_keep_their_aliases_and_the_first_one_stays_the_first() -> None:
    networks = {
        "a": {"Aliases": [ID[:12]], "IPAMConfig": None, "Links": None, "DriverOpts": None, "IPAddress": "172.18.0.5"},
        "b": {"Aliases": ["api", ID[:12]], "IPAMConfig": {"IPv4Address": "10.0.0.9"}, "Links": ["x:y"], "DriverOpts": {"o": "1"}},
    }
    request = creation(container(host={"NetworkMode": "b"}, NetworkSettings={"Networks": networks}), IMAGE, "nickapp:2", "")
    assert list(request["NetworkingConfig"]["EndpointsConfig"].items()) == [
        ("b", {"Aliases": ["api"], "IPAMConfig": {"IPv4Address": "10.0.0.9"}, "Links": ["x:y"], "DriverOpts": {"o": "1"}}),
        ("a", {"Aliases": [], "IPAMConfig": None, "Links": None, "DriverOpts": None}),
    ]


@pytest.mark.parametrize("mode", ["host", "none", "container:abc"])
def test_without_a_network_of_its_own_it_gets_none(mode: str) -> None:
    request = creation(container(host={"NetworkMode": mode}), IMAGE, "nickapp:2", "")
    assert request["NetworkingConfig"] == {"EndpointsConfig": {}}


def test_the_hostname_of_another_container_is_not_its_own() -> None:
    # The engine refuses a host name beside another container's network, and shows that one's name as this one's.
    request = creation(container({"Hostname": "of-the-other"}, {"NetworkMode": "container:abc"}), IMAGE, "nickapp:2", "")
    assert "Hostname" not in request


def test_the_container_that_was_looked_at_is_not_changed() -> None:
    facts = container({"Env": ["A=1"]}, {"Binds": ["data:/data"]}, Mounts=[volume("data", "/data"), volume("0a1b", "/x")])
    before = copy.deepcopy(facts)
    creation(facts, IMAGE, "nickapp:2", "always")
    assert facts == before


class Api(socketserver.ThreadingUnixStreamServer):
    """An engine's API on a socket that notes its requests."""

    refusal = ""

    def __init__(self, path: str) -> None:
        self.requests: list[tuple[str, Any]] = []
        super().__init__(path, Handler)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Api)
        self.server.requests.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
        answer = {"message": self.server.refusal} if self.server.refusal else {"Id": "new"}
        body = b"" if "connect" in self.path else json.dumps(answer).encode()
        self.send_response(409 if self.server.refusal else 201)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with Api(str(tmp_path / "engine.sock")) as api:
        thread = threading.Thread(target=api.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield api
        api.shutdown()
        thread.join()


def test_a_container_is_created_on_one_network_and_connected_to_the_others(api: Api, tmp_path: Path) -> None:
    request = {"Image": "i", "NetworkingConfig": {"EndpointsConfig": {"a": {"Aliases": ["x"]}, "b c": {"Aliases": []}}}}
    assert create(Engine(socket=str(tmp_path / "engine.sock")), "api__new", request) == "new"
    assert api.requests == [
        ("/containers/create?name=api__new", {"Image": "i", "NetworkingConfig": {"EndpointsConfig": {"a": {"Aliases": ["x"]}}}}),
        ("/networks/b%20c/connect", {"Container": "new", "EndpointConfig": {"Aliases": []}}),
    ]


def test_a_refusal_of_the_engine_is_told(api: Api, tmp_path: Path) -> None:
    api.refusal = "Conflict. The container name is in use."
    with pytest.raises(OperationError, match="name is in use") as caught:
        create(Engine(socket=f"unix://{tmp_path}/engine.sock"), "api__new", {"NetworkingConfig": {"EndpointsConfig": {}}})
    assert caught.value.slug == "service-failed"


@pytest.mark.parametrize("socket", ["/no/such/engine.sock", "tcp://engine.example.org:2376"])
def test_an_engine_elsewhere_cannot_be_asked(socket: str) -> None:
    with pytest.raises(OperationError) as caught:
        create(Engine(socket=socket), "x", {"NetworkingConfig": {"EndpointsConfig": {}}})
    assert caught.value.slug == "engine-unreachable"
