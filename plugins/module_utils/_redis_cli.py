# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Redis through the server's own `redis-cli`: no driver, no published port, and no password on a command line."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote, urlsplit

from ._command import Command
from ._errors import OperationError, refused
from ._place import Place
from ._redis_errors import BEGINNING
from ._redis_session import LOADING, Session
from ._seat import Seat

DEFAULT_PORT = 6379
_POLL = 0.1  # seconds between two questions whether a server listens yet


def program(name: str) -> list[str]:
    """A program of the server, `redis-cli` for "cli": the other family has the same ones under its own name."""
    choose = 'program=redis-$0; command -v "$program" > /dev/null || program=valkey-$0; exec "$program" "$@"'
    return ["sh", "-c", choose, name]


def password_from(path: str) -> str:
    """What a file of the target holds, "" without one."""
    if not path:
        return ""
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise refused(
            "redis-password-file",
            f"The password of Redis cannot be read from {path}: {getattr(error, 'strerror', None) or 'it is no text'}.",
            "Put it there, or correct redis_password_file.",
        ) from None


@dataclass(frozen=True)
class Redis:
    """How the operator reaches one server. address: host and port, None for the usual ones of a container; socket: goes before it."""

    place: Place
    user: str
    password: str = field(repr=False)
    address: tuple[str, int] | None = None
    tls: bool = False
    database: int = 0
    socket: str = ""

    @classmethod
    def of(cls, place: Place, url: str, password: str, user: str = "") -> Redis:
        """url: that of the application, "" for a server without one. user, password: of the operator, where they are others."""
        try:
            parts = urlsplit(url or "redis://127.0.0.1")
            port = parts.port or DEFAULT_PORT
            database = int(parts.path.strip("/") or 0)
        except ValueError:
            raise _malformed("its host, port or database cannot be read") from None
        if parts.scheme not in ("redis", "rediss") or not parts.hostname:
            raise _malformed("it is not redis://<host>")
        return cls(
            place,
            user=user or unquote(parts.username or ""),
            password=password or unquote(parts.password or ""),
            address=_inside(place, parts.scheme, port) if place.container else (parts.hostname, port),
            tls=parts.scheme == "rediss" and not place.container,
            database=database,
        )

    def command(self, *before: str) -> Command:
        """before: a program that runs redis-cli, whose command line follows as its arguments."""
        return self.place.short(*self._client(*before))

    def command_at(self, seat: Seat) -> Command:
        """The same elsewhere, for a server by the host of its URL."""
        return seat.command(*self._client())

    def _client(self, *before: str) -> tuple[list[str], dict[str, str]]:
        # Replies of RESP2, one line each: https://redis.io/docs/latest/develop/tools/cli/
        options = ["--no-auth-warning", "-2", "--quoted-json", "-n", str(self.database)]
        if self.socket:
            options += ["-s", self.socket]
        elif self.address:
            options += ["-h", self.address[0], "-p", str(self.address[1])]
        if self.tls:
            options.append("--tls")
        if self.user:
            options += ["--user", self.user]
        env = {"REDISCLI_AUTH": self.password} if self.password else {}
        # An engine's exec has two streams, of which either may be ahead: that a login failed has to come before the first answer.
        merged = ["sh", "-c", 'exec "$@" 2>&1', "merged"]
        return [*before, *merged, *program("cli"), *options], env

    def session(self, loading: float = LOADING) -> Session:
        """loading: seconds that the server may still take to load its data."""
        try:
            return Session(self.command(), loading)
        except OperationError as error:
            if error.slug != "redis-unreachable" or not self.place.container or not self.address or not self._serves_elsewhere():
                raise
        raise OperationError(
            "redis-other-port",
            f"dbops_redis_url leads to port {self.address[1]}, and what serves in {self.place.container} listens on {DEFAULT_PORT}.",
            "Nothing was changed.",
            "Correct dbops_redis_container or the port: one of the two is not what you think.",
        )

    def started(self, listens: float, loads: float) -> Session:
        """A session of the server that was just started: it answers nobody at first, and then that it is loading. Both in seconds."""
        until = time.monotonic() + listens
        while True:
            try:
                return self.session(loads)
            except OperationError as error:
                if error.slug not in BEGINNING or time.monotonic() > until:
                    raise
            time.sleep(_POLL)

    def _serves_elsewhere(self) -> bool:
        """Whether there is a server that the URL does not mean."""
        try:
            Session(replace(self, address=None).command()).close()
        except OperationError as error:
            return error.slug != "redis-unreachable"
        return True


def _inside(place: Place, scheme: str, port: int) -> tuple[str, int] | None:
    """Where a container's server listens for programs beside it, without TLS; the URL may have a port that the engine publishes."""
    if port == DEFAULT_PORT or scheme == "rediss":
        return None
    return "127.0.0.1", published(place.engine.inspect("container", place.container) or {}, port)


def published(facts: dict[str, Any], port: int) -> int:
    """The port of a container behind this one of its host, else the same. facts: what the engine knows of it. Pure."""
    for ports in (facts.get("HostConfig", {}).get("PortBindings"), facts.get("NetworkSettings", {}).get("Ports")):
        for inner, bindings in (ports or {}).items():
            if any(binding["HostPort"] == str(port) for binding in bindings or []):
                return int(inner.partition("/")[0])
    return port


def _malformed(why: str) -> OperationError:
    # The value itself is a secret: it is never shown, not even in part.
    return OperationError(
        "redis-url-malformed",
        f"REDIS_URL is malformed: {why}.",
        "Nothing was changed.",
        "Set dbops_redis_url to redis://<host>:<port>, special characters of user and password percent-encoded.",
    )
