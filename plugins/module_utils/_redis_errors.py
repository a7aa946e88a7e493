# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Why Redis, or the way to it, refuses: the few common causes told apart, each with its cure."""

from __future__ import annotations

import re

from ._errors import OperationError

_NOTHING = "This command changed nothing."

# The words, the slug, what happened, what is true now, the next step. The first that fits, decides. The server's own words
# begin with a code: https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors
CAUSES: tuple[tuple[str, str, str, str, str], ...] = (
    (  # before the login, which redis-cli says has failed then
        r"max number of clients",
        "redis-clients-full",
        "Redis serves as many clients as it may",
        _NOTHING,
        "Have some of them let go (CLIENT LIST names them), or raise maxclients; then run it again.",
    ),
    (
        r"^NOAUTH|WRONGPASS|AUTH failed|^DENIED",
        "redis-login-failed",
        "Redis refuses the login",
        _NOTHING,
        "Correct dbops_redis_password (and the application's own REDIS_URL).",
    ),
    (
        r"^NOPERM|^ERR ACL failure in script|^ERR The user executing the script can't run",
        "redis-forbidden",
        "Redis forbids its user {command}",
        _NOTHING,
        "Operate it as a user that may, or grant it: ACL SETUSER <user> +<command>.",
    ),
    (
        r"^ERR unknown (sub)?command|^ERR Unknown (Redis |Valkey )?command called from script",
        "redis-command-unknown",
        "Redis knows no {command}: its configuration renames it, or its version is too old",
        _NOTHING,
        "Take rename-command out of its configuration (an ACL forbids a command without hiding it), or upgrade it.",
    ),
    (
        r"^LOADING",
        "redis-loading",
        "Redis is still loading its data",
        _NOTHING,
        "Wait until it has, then run it again.",
    ),
    (
        r"^READONLY",
        "redis-replica",
        "Redis is a read-only replica",
        _NOTHING,
        "Name the server that it follows: INFO replication says which.",
    ),
    (
        r"^OOM",
        "redis-memory-full",
        "Redis has reached maxmemory and evicts nothing",
        _NOTHING,
        "Raise maxmemory, or flush a cache by its pattern.",
    ),
    (
        r"^MISCONF",
        "redis-not-saving",
        "Redis takes no writes, because it cannot save them",
        _NOTHING,
        "Read its log for the cause (a full disk, most often); it takes writes again as soon as it has saved.",
    ),
    (
        r"^BUSY ",
        "redis-busy",
        "Redis answers nobody while a script runs",
        _NOTHING,
        "Wait for it, or end it: SCRIPT KILL (FUNCTION KILL), which a script that has written refuses.",
    ),
    (
        r"Unrecognized option",
        "redis-cli-too-old",
        "redis-cli is older than that of Redis 7",
        _NOTHING,
        "Operate Redis 7 or Valkey 8, or newer.",
    ),
    (
        r"(redis|valkey)-cli.*not found|executable file not found",
        "redis-cli-missing",
        "There is no redis-cli",
        _NOTHING,
        "Name the server's container in dbops_redis_container, or its directory in dbops_redis_bin_dir.",
    ),
    (
        r"Could not connect|is not running|cannot exec in a stopped|is restarting, wait|No such container",
        "redis-unreachable",
        "Redis is not there",
        _NOTHING,
        "Start the server and look at its log.",
    ),
    (
        r"Connection reset|Server closed the connection|^Error|no answer",
        "redis-no-answer",
        "Redis does not answer, and may serve all the same",
        _NOTHING,
        "Look at the server and its log: it may be paused, or too busy; then run it again.",
    ),
)

# Of these a server that was just started gets out by itself.
BEGINNING = ("redis-unreachable", "redis-no-answer", "redis-clients-full")


# An unknown command is quoted with its arguments, and those may be a secret.
_ARGUMENTS = re.compile(r",? with args beginning with:.*", re.DOTALL)


# Where in a script it was is nothing to an operator.
_PLACE = re.compile(r",? script: [0-9a-f]{40}, on @\S+:\d+")


def failure(words: str, command: str) -> OperationError:
    """words: what the server or redis-cli says; command: its name, without its arguments."""
    words = _PLACE.sub("", _ARGUMENTS.sub("", words)).strip().rstrip(".")
    for mark, slug, what, state, cure in CAUSES:
        if re.search(mark, words, re.MULTILINE):
            return OperationError(slug, f"{what.format(command=command)}: {words}.", state, cure)
    return OperationError("redis-refused", f"Redis refuses {command}: {words}.", _NOTHING, "Correct what it says.")


# What redis-cli or the engine says begins with a word; a reply begins with a sign or a number, or a name and a value.
_SAID = re.compile(r"^(?:Error: |[A-Za-z]+ )[^\n]{,200}", re.MULTILINE)


def lost(words: str, command: str) -> OperationError:
    """words: the last that came, also what there is of a reply, which is shown to nobody: it may hold settings and keys."""
    said = _SAID.search(words)
    why = said[0].strip().rstrip(".") if said else "in the middle of its answer" if words.strip() else "without a word"
    return OperationError(
        "redis-connection-lost",
        f"The connection to Redis ended during {command}: {why}.",
        "Whether the server carried that command out is not known.",
        "Look at the server and its log (a restart, a killed client, a full machine); then run it again.",
    )
