# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example application does what windows are measured by: its health is that of its servers, and it writes as a real one does."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.plays import engine

from .conftest import Stack
from .guarded import ask

PATIENCE = 30  # seconds


def call(stack: Stack, path: str, body: dict[str, Any] | None = None, **headers: str) -> tuple[int, Any]:
    """Status and answer; with a body it is a POST."""
    base = stack.state["health_url"].removesuffix("/api/health")
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{base}{path}", data, {"Content-Type": "application/json", **headers})  # noqa: S310 - our own URL
    try:
        with urllib.request.urlopen(request, timeout=5) as response:  # noqa: S310 - our own URL
            text, status = response.read(), response.status
    except urllib.error.HTTPError as error:
        text, status = error.read(), error.code
    return status, json.loads(text) if text else None


def wait(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def redis(stack: Stack, *command: str) -> str:
    return engine("exec", stack.state["redis"]["container"], "redis-cli", *command)


@pytest.fixture
def user(docker: Stack) -> dict[str, Any]:
    status, made = call(docker, "/api/users", {"email": f"{uuid.uuid4().hex}@example.test", "name": "Somebody"})
    assert status == 201
    return made


@pytest.mark.parametrize(("server", "other"), [("postgres", "redis"), ("redis", "postgres")])
def test_it_is_unavailable_while_a_server_is_stopped(docker: Stack, server: str, other: str) -> None:
    engine("stop", docker.state[server]["container"])
    try:
        wait(lambda: call(docker, "/api/health")[0] == 503)
        health = call(docker, "/api/health")[1]
    finally:
        engine("start", docker.state[server]["container"])
    assert (health["status"], health[server]["ok"], health[other]["ok"]) == ("unavailable", False, True)
    wait(lambda: call(docker, "/api/health")[0] == 200)


def test_a_payment_is_made_once(docker: Stack, user: dict[str, Any]) -> None:
    """Redis remembers it, and without Redis the database does."""
    key = uuid.uuid4().hex
    payment = {"userId": user["id"], "amount": "12.50", "currency": "USDT"}
    idempotent = {"Idempotency-Key": key}
    made = call(docker, "/api/payments", payment, **idempotent)
    assert made[0] == 201
    assert call(docker, "/api/payments", payment, **idempotent) == (200, made[1])
    assert redis(docker, "DEL", f"payment:idem:{key}") == "1"
    assert call(docker, "/api/payments", payment, **idempotent) == (200, made[1])
    assert ask(docker, f"SELECT count(*), sum(amount)::numeric(20, 2) FROM payments WHERE idempotency_key = '{key}'") == "1|12.50"
    status, refused = call(docker, "/api/payments", {**payment, "userId": str(uuid.uuid4())}, **idempotent)
    assert (status, refused["error"].partition(" ")[0]) == (409, "[idempotency-key-reused]")


def test_redis_holds_what_the_runbook_lists_and_for_a_while_only(docker: Stack, user: dict[str, Any]) -> None:
    status, login = call(docker, "/api/auth/login", {"email": user["email"]})
    assert status == 201
    assert call(docker, "/api/stats/users")[0] == 200
    assert int(redis(docker, "TTL", f"auth:refresh:{user['id']}")) > 0
    assert int(redis(docker, "TTL", "cache:stats:users")) > 0
    (limit, *_) = redis(docker, "--scan", "--pattern", "ratelimit:ip:*").split()
    assert int(redis(docker, "TTL", limit)) > 0
    token = {"userId": user["id"], "refreshToken": login["refreshToken"]}
    assert call(docker, "/api/auth/logout", token)[0] == 204
    assert redis(docker, "EXISTS", f"auth:refresh:{user['id']}") == "0"
    assert call(docker, "/api/auth/refresh", token)[0] == 401


def test_the_variables_of_mongodb_are_ignored(docker: Stack) -> None:
    name, postgres = "window-docker-mongo", docker.state["postgres"]["container"]
    network = engine("inspect", "--format", "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}", postgres)
    variables = [f"--env={name}=mongodb://nowhere.invalid" for name in ("MONGO_URI", "MONGODB_URI")]
    image = engine("inspect", "--format", "{{.Image}}", docker.state["backend"]["container"])
    options = ["--detach", f"--name={name}", f"--network={network}", "--env-file", docker.state["env_file"], *variables]
    engine("run", *options, image)
    get = "fetch('http://127.0.0.1:5000/api/health').then((r) => console.log(r.status), () => console.log('none'))"
    try:
        wait(lambda: engine("exec", name, "node", "-e", get) == "200")
        assert "mongo" not in engine("logs", name).lower()
    finally:
        engine("rm", "--force", name)


def test_nothing_is_published_but_the_backend_and_that_to_this_machine_alone(docker: Stack) -> None:
    published = {
        part: json.loads(engine("inspect", "--format", "{{json .HostConfig.PortBindings}}", docker.state[part]["container"]))
        for part in ("postgres", "redis", "backend")
    }
    port = str(docker.state["backend"]["port"])
    assert published == {"postgres": {}, "redis": {}, "backend": {"5000/tcp": [{"HostIp": "127.0.0.1", "HostPort": port}]}}
