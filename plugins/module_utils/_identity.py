# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Which server is a stack's: by the host of its URL, and by the system identifier that initdb gave its cluster.

A name says little: a container, an alias or a DNS entry can be somebody else's tomorrow, and a stamp travels with every
copy of the data. The identifier is kept on the target when the database is stamped.
https://www.postgresql.org/docs/18/functions-info.html#FUNCTIONS-PG-CONTROL-SYSTEM
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ._errors import OperationError
from ._files import make_private_directory, read_json, write_json
from ._pg_url import PgUrl
from ._stack import Stack

VERSION = 1

IDENTIFIER = "SELECT system_identifier::text FROM pg_control_system()"


def _is_identifier(entry: str) -> bool:
    """A system identifier is a 64-bit number whose upper half is a time: of 19 digits or 20, which no host's name has."""
    return entry.isdecimal() and len(entry) > 15


def require_host(url: PgUrl, allowed: Collection[str]) -> None:
    """The URL's host is on the list, where the list names hosts."""
    hosts = {entry.lower() for entry in allowed if not _is_identifier(entry)}
    host = url.host.lower()
    if hosts and not hosts & {host, f"{host}:{url.port}", f"[{host}]:{url.port}"}:
        raise OperationError(
            "server-not-allowed",
            f"PG_URL leads to {url.host!r}, port {url.port}, and dbops_allowed_servers names {', '.join(sorted(hosts))}.",
            "Nothing was changed: nobody connected to it.",
            "Correct dbops_pg_url; or, where this server is meant, dbops_allowed_servers.",
        )


def require_listed(identifier: str, allowed: Collection[str]) -> None:
    """The server is on the list, where the list names system identifiers."""
    listed = {entry for entry in allowed if _is_identifier(entry)}
    if listed and identifier not in listed:
        raise OperationError(
            "server-not-allowed",
            f"The server's system identifier is {identifier}, and dbops_allowed_servers names {', '.join(sorted(listed))}.",
            "Nothing was changed.",
            "Find out which server answers there. Where it is meant (an upgrade gives a new one), add it to dbops_allowed_servers.",
        )


@dataclass(frozen=True)
class Record:
    """What is kept of the server on which a stack's database was stamped; the identifier is "" where nothing is."""

    stack: Stack
    identifier: str

    @staticmethod
    def _path(stack: Stack) -> str:
        return os.path.join(stack.directory, "server.json")

    @classmethod
    def of(cls, stack: Stack) -> Record:
        try:
            kept: Any = read_json(cls._path(stack))
            return cls(stack, "" if kept is None else str(kept["system_identifier"]))
        except (ValueError, TypeError, KeyError):
            raise OperationError(
                "server-unknown",
                f"{cls._path(stack)} cannot be read, so nobody can say which server is that of {stack}.",
                "Nothing was changed.",
                "Ask the server that answers who it is: SELECT system_identifier FROM pg_control_system(); the stack's backups name the one"
                f" that they were made of. Only where it is that of {stack}, remove the file on the target and accept the server anew:"
                f" rm {shlex.quote(cls._path(stack))}; ansible-playbook playbooks/stamp.yml -e dbops_confirm={stack}",
            ) from None

    def keep(self, identifier: str) -> None:
        make_private_directory(self.stack.directory)
        moment = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        write_json(self._path(self.stack), {"version": VERSION, "system_identifier": identifier, "recorded": moment})

    @contextmanager
    def accepting(self, identifier: str) -> Iterator[None]:
        """The server is recorded. Where what is done within fails, the record is as it was: nobody has accepted that server."""
        before = read_json(self._path(self.stack))
        self.keep(identifier)
        try:
            yield
        except BaseException:
            if before is None:
                os.unlink(self._path(self.stack))
            else:
                write_json(self._path(self.stack), before)
            raise

    def require(self, identifier: str, allowed: Collection[str], *, has_database: bool = True) -> None:
        """The server is the one that is known. Nothing unknown counts as yes.

        has_database: whether there is one to stamp; else the inventory alone can say that the server is meant.
        """
        require_listed(identifier, allowed)
        if identifier in allowed or identifier == self.identifier:
            return
        accepting = f"ansible-playbook playbooks/stamp.yml -e dbops_confirm={self.stack}"
        cure = "If it is: " + (accepting if has_database else f"""-e '{{"dbops_allowed_servers": ["{identifier}"]}}'""")
        if not self.identifier:
            raise OperationError(
                "server-unknown",
                f"Nobody has said on this target that server {identifier} is that of {self.stack}.",
                "Nothing was changed.",
                cure,
            )
        raise OperationError(
            "server-changed",
            f"Another server answers for {self.stack}: its system identifier is {identifier}, it was {self.identifier}.",
            "Nothing was changed.",
            f"Find out why. After an upgrade or a recovery it is the right one. {cure}",
        )
