# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""A reset step by step. What was begun is written down first, so that one that was cut off goes on where it was."""

from __future__ import annotations

import json
import os
import pwd
import shlex
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from . import _audit, _reset, _stamp
from ._command import run
from ._errors import OperationError
from ._files import make_private_directory, read_json, write_json
from ._identity import Record
from ._mounts import Mounts
from ._pg_clone import is_beside, maintenance
from ._place import Engine
from ._psql import Server
from ._reset_files import empty, opened
from ._services import ComposeService, Context
from ._stack import Stack

VERSION = 1

REMOVING, EMPTIED = "removing", "emptied"

# Nobody connects to template0.
_DATABASES = """
SELECT datname AS name, datallowconn AS open, pg_database_size(oid) AS bytes FROM pg_database WHERE datname <> 'template0' ORDER BY datname
"""

# What initdb makes. Where nobody named a database, an application's data are in the first of them.
_INITIAL = ("postgres", "template1")

# Tablespaces without a directory of their own lie within that of the data.
_SERVER = """
SELECT current_setting('data_directory') AS data_directory,
       (SELECT coalesce(json_agg(spcname ORDER BY spcname), '[]') FROM pg_tablespace WHERE pg_tablespace_location(oid) LIKE '/%') AS spaces
"""


@dataclass(frozen=True)
class Reset:
    """The reset of one stack's server. kept: directories that may not go along, and what they are."""

    stack: Stack
    engine: Engine
    name: str
    by: dict[str, Any] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)

    # -- what was begun --------------------------------------------------------------------------------------------

    @property
    def _path(self) -> str:
        return os.path.join(self.stack.directory, "reset.json")

    def begun(self) -> dict[str, Any]:
        """What a reset that was cut off had written down, where it is past the point from which it can only go on; else {}."""
        try:
            plan: dict[str, Any] = read_json(self._path) or {}
            if plan and plan["version"] > VERSION:
                raise ValueError
        except (ValueError, KeyError, TypeError):
            raise OperationError(
                "reset-unreadable",
                f"{self._path}, which says how far a reset came, cannot be read.",
                "Nothing was changed by this run.",
                "Look at the container and its directory; then remove that file and run it again.",
            ) from None
        # While there is a container, nothing is gone: its server is looked at, and backed up, like any other.
        if plan and plan["phase"] == REMOVING and self.engine.inspect("container", self.name):
            return {}
        return plan

    def is_outdated(self, plan: dict[str, Any], reach: Callable[[], Server]) -> bool:
        """Somebody has filled the server since it was emptied: what was begun is of the past. reach: how the server is found."""
        if plan["phase"] != EMPTIED:
            return False
        try:
            server = reach()
            others = [row for row in _databases(server) if row["name"] != server.database]
            return not _stamp.find(server).empty or bool(_filled(server, others))
        except OperationError as error:  # without an answer it is still to be created
            return error.slug == "stamp-unreadable"

    def _keep(self, plan: dict[str, Any]) -> None:
        make_private_directory(self.stack.directory)
        write_json(self._path, plan)

    # -- looking ---------------------------------------------------------------------------------------------------

    def agree(self, server: Server, allowed: Collection[str]) -> None:
        """Stamp and server are the stack's own. A server whose database carries no stamp holds nothing at all, or it is refused."""
        found = _stamp.agree(self.stack, server, allowed)
        if found.stamp:
            return
        Record.of(self.stack).require(found.identifier, allowed, has_database=found.exists)
        filled = _filled(server, _databases(server))
        if filled:
            raise OperationError(
                "stamp-missing",
                f"The database {server.database!r} {'is empty' if found.exists else 'is not there'} and carries no stamp, so nobody can say"
                f" whose data are in {', '.join(filled)}.",
                "Nothing was changed.",
                "Correct the database in dbops_pg_url; or drop what may go.",
            )

    def plan(self, server: Server) -> dict[str, Any]:
        """What would go. Every reason to refuse is found here."""
        container = self.engine.container(self.name)
        how = _reset.how(self.stack, container)
        about = maintenance(server).rows(_SERVER)[0]
        databases = _databases(server)
        own = [row for row in databases if row["name"] == server.database or is_beside(row["name"], server.database)]
        others = [row for row in databases if row not in own]
        filled = _filled(server, [row for row in others if row["name"] in _INITIAL])
        _reset.require_alone([row["name"] for row in others if row["name"] not in _INITIAL] + filled, about["spaces"])
        mount = _reset.data_mount(container, about["data_directory"])
        source = mount["source"]
        mounts = Mounts.here()
        kept = {**_homes(), **self.kept, self.stack.directory: "the state of this stack"}
        _reset.require_fit(source, kept, lambda path: mounts.located(os.path.realpath(path)))
        self._require_alone(container["Id"], source, mount["volume"])
        with opened(source) as descriptor:
            self._require_same(about["data_directory"], os.path.join(source, mount["below"]))
            _reset.require_own(source, mount["below"], os.listdir(descriptor))
            inode = os.fstat(descriptor).st_ino
        if how == "compose":
            self._require_unchanged(container)
        return {
            "version": VERSION,
            "phase": REMOVING,
            "began": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "how": how,
            "container": self.name,
            "container_id": container["Id"],
            "path": source,
            "volume": mount["volume"],
            "inode": inode,
            "databases": [row["name"] for row in own],
            "bytes": sum(int(row["bytes"]) for row in own),
            "service": _reset.compose_service(container) if how == "compose" else {},
        }

    def _containers(self) -> list[dict[str, Any]]:
        """All containers, whether they run or not."""
        listed = self.engine.run("ps", "--all", "--quiet", "--no-trunc")
        identities = listed.out.split()
        answer = self.engine.run("inspect", "--type", "container", *identities) if identities else listed
        # One that has ended since it was listed is of no interest; its complaint is the exit code.
        found = json.loads(answer.out or "[]") if identities else []
        if not listed.ok or (len(found) < len(identities) and "no such" not in answer.err.lower()):
            raise OperationError(
                "engine-unreachable",
                f"{self.engine.binary} does not tell what its containers mount: {answer.reason}.",
                "Nothing was changed.",
                f"Start the engine, or let this user reach it: {shlex.join(self.engine.argv('info'))}",
            )
        return found

    def _require_alone(self, container_id: str, source: str, volume: str) -> None:
        """Neither another container nor a mount is in the directory, whatever path it took there."""
        mounts, containers = Mounts.here(), self._containers()
        theirs = [mount for container in containers for mount in container["Mounts"]]
        volumes = self._volumes({mount.get("Name", "") for mount in theirs} | {volume})
        if volume in volumes:
            _reset.require_plain(volumes[volume])
        for mount in theirs:
            # A directory that a volume stands for is mounted at the volume's path only while a container runs with it.
            options = volumes.get(mount.get("Name", ""), {}).get("Options") or {}
            path = options.get("device") or mount.get("Source") or ""
            if os.path.isabs(path):
                mount["Located"] = mounts.located(os.path.realpath(path))
        _reset.require_unshared(container_id, source, mounts.located(os.path.realpath(source)), volume, containers)
        _reset.require_nothing_within(source, mounts.within(source))

    def _volumes(self, names: Collection[str]) -> dict[str, dict[str, Any]]:
        wanted = sorted(filter(None, names))
        answer = self.engine.run("volume", "inspect", *wanted) if wanted else None
        return {volume["Name"]: volume for volume in json.loads(answer.out or "[]")} if answer else {}

    def _require_same(self, inside: str, outside: str) -> None:
        """The directory on the target is the one in the container: the engine may be that of another machine."""
        answer = self.engine.run("exec", self.name, "stat", "-c", "%d:%i", inside)
        try:
            about = os.stat(outside, follow_symlinks=False)
            same = answer.out.strip() == f"{about.st_dev}:{about.st_ino}"
        except FileNotFoundError:
            same = False
        if not same:
            raise OperationError(
                "reset-path",
                f"{outside} is not what {self.name} has at {inside}: its engine is on another machine, or hides it.",
                "Nothing was changed.",
                "Run it where the engine is, with become.",
            )

    def _compose(self, service: dict[str, Any]) -> ComposeService:
        return ComposeService(service, Context(self.engine, self.stack.directory))

    def _require_unchanged(self, container: dict[str, Any]) -> None:
        """Compose would create this very container again, and not what its files have become, or nothing."""
        service = _reset.compose_service(container)
        answer = run(self._compose(service).project_command(["config", "--hash", service["service"]]), timeout=60)
        words = answer.out.split()
        if not answer.ok or words[-1:] != [_reset.compose_hash(container)]:
            why = "they describe another one" if answer.ok else answer.reason
            raise OperationError(
                "reset-not-recreatable",
                f"Compose could not create {self.name} again from {', '.join(service['files'])}: {why}.",
                "Nothing was changed.",
                "Bring the container in line with its files (docker compose up), then run it again.",
            )

    # -- the steps -------------------------------------------------------------------------------------------------

    def empty(self, plan: dict[str, Any]) -> bool:
        """Remove the container and all of its data; whether there was something to remove."""
        if plan["phase"] == EMPTIED:
            return False
        self._keep(plan)
        _audit.record(self.stack, "reset", self.by, **{key: plan[key] for key in ("container", "path", "databases", "bytes")})
        answer = self.engine.run("rm", "--force", plan["container_id"], timeout=180)
        if not answer.ok and "no such container" not in answer.err.lower():
            raise _interrupted(f"The container {self.name} cannot be removed: {answer.reason}", "It may be stopped; its data are whole.")
        self._require_alone("", plan["path"], plan["volume"])
        with opened(plan["path"]) as descriptor:
            if os.fstat(descriptor).st_ino != plan["inode"]:
                raise _interrupted(f"{plan['path']} is not the directory that it was", "The container is removed; nothing in it was.")
            empty(descriptor, plan["path"])
            os.fsync(descriptor)
        plan["phase"] = EMPTIED
        self._keep(plan)
        return True

    def create(self, plan: dict[str, Any], reach: Callable[[], Server], timeout: float) -> bool:
        """Have Compose create the container again, and wait for its server; whether it had to. reach: how that is found."""
        before = self.engine.inspect("container", self.name)
        service = self._compose(plan["service"])
        up = ["up", "--detach", "--no-deps", "--no-build", "--pull", "never", plan["service"]["service"]]
        answer = run(service.project_command(up), timeout=180 + timeout)
        if not answer.ok:
            raise _interrupted(f"Compose did not create {self.name} again: {answer.reason}", "The data are gone, and there is no server.")
        until = time.monotonic() + timeout
        while not _serves(reach):
            if time.monotonic() > until:
                raise _interrupted(
                    f"PostgreSQL in {self.name} does not answer within {timeout:g} s", "The data are gone; the container was created again."
                )
            time.sleep(0.5)
        return before is None

    def finish(self) -> None:
        os.unlink(self._path)


def _databases(server: Server) -> list[dict[str, Any]]:
    return maintenance(server).rows(_DATABASES)


def _filled(server: Server, databases: Iterable[dict[str, Any]]) -> list[str]:
    """Those of the databases that hold something, be it a stamp. One that lets nobody in counts, too."""
    return [row["name"] for row in databases if not row["open"] or not _stamp.find(server.to(row["name"])).is_new]


def _serves(reach: Callable[[], Server]) -> bool:
    """By TCP: while the cluster is made, a server without it answers on the socket already."""
    try:
        server = reach()
        return run(server.place.short(["pg_isready", "--quiet", "--host=127.0.0.1"], {}), timeout=30).ok and server.ask("SELECT 1;").ok
    except OperationError:  # its container does not run yet
        return False


def _interrupted(what: str, state: str) -> OperationError:
    return OperationError("reset-interrupted", f"{what}.", state, "Correct that, then run it again: it goes on where it was.")


def _homes() -> dict[str, str]:
    """Of root and of people, who count from 1000."""
    people = [user for user in pwd.getpwall() if user.pw_uid == 0 or 1000 <= user.pw_uid < 65534]
    return {os.path.realpath(user.pw_dir): f"the home of {user.pw_name}" for user in people if user.pw_dir not in ("", "/")}
