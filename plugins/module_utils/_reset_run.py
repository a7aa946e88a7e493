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
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from . import _audit, _reset
from ._command import run
from ._errors import OperationError
from ._files import make_private_directory, read_json, write_json
from ._pg_clone import is_beside, maintenance
from ._place import Engine
from ._psql import Server
from ._reset_files import empty, opened, require_one_file_system
from ._services import ComposeService, Context
from ._stack import Stack

VERSION = 1

REMOVING, EMPTIED = "removing", "emptied"

# Tablespaces without a directory of their own lie within that of the data.
_SERVER = """
SELECT current_setting('data_directory') AS data_directory,
       (SELECT coalesce(json_agg(json_build_object('name', datname, 'bytes', pg_database_size(oid)) ORDER BY datname), '[]')
          FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres') AS databases,
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
        if plan and plan["phase"] == REMOVING:
            container = self.engine.inspect("container", self.name)
            # One that runs, or another one, is there to be looked at like any other.
            if container and (container["State"]["Running"] or container["Id"] != plan["container_id"]):
                return {}
        return plan

    def _keep(self, plan: dict[str, Any]) -> None:
        make_private_directory(self.stack.directory)
        write_json(self._path, plan)

    # -- looking ---------------------------------------------------------------------------------------------------

    def plan(self, server: Server) -> dict[str, Any]:
        """What would go. Every reason to refuse is found here."""
        container = self.engine.container(self.name)
        how = _reset.how(self.stack, container)
        about = maintenance(server).rows(_SERVER)[0]
        names = [row["name"] for row in about["databases"]]
        _reset.require_alone([each for each in names if each != server.database and not is_beside(each, server.database)], about["spaces"])
        mount = _reset.data_mount(container, about["data_directory"])
        source = mount["source"]
        _reset.require_fit(source, {**_homes(), **self.kept, self.stack.directory: "the state of this stack"})
        _reset.require_unshared(container["Id"], source, mount["volume"], self._containers())
        with opened(source) as descriptor:
            self._require_same(about["data_directory"], os.path.join(source, mount["below"]))
            _reset.require_own(source, mount["below"], os.listdir(descriptor))
            require_one_file_system(descriptor, source)
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
            "databases": names,
            "bytes": sum(int(row["bytes"]) for row in about["databases"]),
            "service": _reset.compose_service(container) if how == "compose" else {},
        }

    def _containers(self) -> list[dict[str, Any]]:
        """All containers, whether they run or not, their mounts as paths without symbolic links."""
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
        for container in found:
            for mount in container["Mounts"]:
                if mount.get("Source"):
                    mount["Source"] = os.path.realpath(mount["Source"])
        return found

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
        _reset.require_unshared("", plan["path"], plan["volume"], self._containers())
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
