# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Redis through the server's own `redis-cli`: no driver, no published port, and no password on a command line."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from ._command import Command
from ._errors import OperationError
from ._place import Place
from ._redis_session import LOADING, Session

DEFAULT_PORT = 6379


def program(name: str) -> list[str]:
    """A program of the server, `redis-cli` for "cli": the other family has the same ones under its own name."""
    choose = 'program=redis-$0; command -v "$program" > /dev/null || program=valkey-$0; exec "$program" "$@"'
    return ["sh", "-c", choose, name]


@dataclass(frozen=True)
class Redis:
    """How the operator reaches one server. address: host and port, empty for the container's own; socket: goes before it."""

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
            address=None if place.container else (parts.hostname, port),
            tls=parts.scheme == "rediss" and not place.container,
            database=database,
        )

    def command(self, *before: str) -> Command:
        """before: a program that runs redis-cli, whose command line follows as its arguments."""
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
        return self.place.short([*before, *program("cli"), *options], env)

    def session(self, loading: float = LOADING) -> Session:
        """loading: seconds that the server may still take to load its data."""
        return Session(self.command(), loading)


def _malformed(why: str) -> OperationError:
    # The value itself is a secret: it is never shown, not even in part.
    return OperationError(
        "redis-url-malformed",
        f"REDIS_URL is malformed: {why}.",
        "Nothing was changed.",
        "Set dbops_redis_url to redis://<host>:<port>, special characters of user and password percent-encoded.",
    )
