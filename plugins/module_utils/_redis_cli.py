# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Redis through the server's own `redis-cli`: no driver, no published port, and no password on a command line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from ._command import Answer, Command, run
from ._errors import OperationError
from ._place import Place

DEFAULT_PORT = 6379
TIMEOUT = 60.0  # seconds

# With -e an error answer goes to stderr and the exit code is 1. Without it NOAUTH would be an answer like any other.
# https://redis.io/docs/latest/develop/tools/cli/
CLI = ["redis-cli", "-e", "--no-auth-warning"]


@dataclass(frozen=True)
class Redis:
    """How the operator reaches one server. address: host and port, empty for the container's own."""

    place: Place
    user: str
    password: str = field(repr=False)
    address: tuple[str, int] | None = None
    tls: bool = False
    database: int = 0

    @classmethod
    def of(cls, place: Place, url: str, password: str) -> Redis:
        """url: that of the application, "" for a server without one."""
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
            user=unquote(parts.username or ""),
            password=password or unquote(parts.password or ""),
            address=None if place.container else (parts.hostname, port),
            tls=parts.scheme == "rediss" and not place.container,
            database=database,
        )

    def command(self, *command: str) -> Command:
        argv = [*CLI, "-n", str(self.database)]
        if self.address:
            argv += ["-h", self.address[0], "-p", str(self.address[1])]
        if self.tls:
            argv.append("--tls")
        if self.user:
            argv += ["--user", self.user]
        env = {"REDISCLI_AUTH": self.password} if self.password else {}
        return self.place.short([*argv, *command], env)

    def ask(self, *command: str) -> Answer:
        return run(self.command(*command), timeout=TIMEOUT)

    def execute(self, *command: str) -> str:
        """The answer to one command, as text without the line end that redis-cli adds."""
        answer = self.ask(*command)
        # A login that failed is told on stderr, whatever the command then answers.
        if not answer.ok or "AUTH failed" in answer.err:
            raise failure(answer, command[0])
        return answer.out[:-1] if answer.out.endswith("\n") else answer.out


def _malformed(why: str) -> OperationError:
    # The value itself is a secret: it is never shown, not even in part.
    return OperationError(
        "redis-url-malformed",
        f"REDIS_URL is malformed: {why}.",
        "Nothing was changed.",
        "Set dbops_redis_url to redis://<host>:<port>, special characters of user and password percent-encoded.",
    )


# The words that errors begin with. https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors
_LOGIN = ("NOAUTH", "WRONGPASS", "AUTH failed")
_CONNECTION = ("Could not connect", "DENIED", "Connection reset", "Server closed the connection")


def failure(answer: Answer, command: str) -> OperationError:
    """Say which of the few common causes it was; the server's own words stay in the message."""
    text = answer.err + answer.out
    if any(mark in text for mark in _LOGIN):
        return OperationError(
            "redis-login-failed",
            f"Redis refuses the login: {answer.reason}.",
            "Nothing was changed by this step.",
            "Correct dbops_redis_password (and the application's own REDIS_URL).",
        )
    if re.search(r"\bLOADING\b", text):
        return OperationError(
            "redis-loading",
            f"Redis is still loading its data: {answer.reason}.",
            "Nothing was changed by this step.",
            "Wait until it has, then run it again.",
        )
    if answer.code > 1 or any(mark in text for mark in _CONNECTION):
        return OperationError(
            "redis-unreachable",
            f"Redis does not answer: {answer.reason}.",
            "Nothing was changed by this step.",
            "Start the server and look at its log.",
        )
    return OperationError(
        "redis-refused",
        f"Redis refuses {command}: {answer.reason}.",
        "Nothing was changed by this step.",
        "Correct what it says; NOPERM is a matter of the user's ACL, READONLY of a replica.",
    )
