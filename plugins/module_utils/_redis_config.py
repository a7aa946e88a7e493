# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Bring settings into force: in the server by CONFIG SET, and in the file that it reads when it starts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ._command import run
from ._errors import OperationError
from ._files import write_text
from ._place import Place
from ._redis_errors import failure
from ._redis_info import configuration, databases, info
from ._redis_line import Refusal
from ._redis_session import Session
from ._redis_settings import Plan, Setting, hidden, is_told, parse, plan, render, show, size, wishes

HEADER = "Written by amanat.dbops: change redis_settings and deploy; what is changed here is lost."


@dataclass(frozen=True)
class ManagedFile:
    """A file that holds what is wished and nothing else. uid: of its owner, -1 for the caller."""

    path: str
    uid: int = -1

    def read(self, _session: Session | None) -> str:
        try:
            with open(self.path, encoding="utf-8") as stream:
                return stream.read()
        except FileNotFoundError:
            return ""

    def text(self, settings: Mapping[str, tuple[str, ...]]) -> str:
        return render(HEADER, settings)

    def write(self, _session: Session | None, text: str) -> None:
        write_text(self.path, text, uid=self.uid)


@dataclass(frozen=True)
class OwnFile:
    """The file that the server was started with, and that it alone writes. keep: whether it has to have one."""

    place: Place
    keep: bool = True

    def path(self, session: Session) -> str:
        return str(info(session, "server")["config_file"])

    def require(self, session: Session) -> bool:
        """Whether there is a file, and the server can write it: it is written as it is."""
        if self.path(session):
            refused = session.reply("CONFIG", "REWRITE")
            if not isinstance(refused, Refusal):
                return True
            why = f"cannot write its configuration file, {self.path(session)}: {refused}"
            cure = "Mount the file's directory and not the file, as the server's own"
        else:
            why = "was started without a configuration file"
            cure = "Give it one in a directory that is mounted and its own"
        if not self.keep:
            return False
        raise OperationError(
            "settings-not-kept",
            f"Redis {why}: what is set in it now, the next start would forget.",
            "Nothing was changed.",
            f"{cure}; or set them where it is started from, and here with redis_keep_settings=false.",
        )

    def read(self, session: Session) -> str:
        """Its text; "" where there is none, or none that can be read."""
        path = self.path(session)
        return run(self.place.short(["cat", path], {}), timeout=60).out if path else ""


def require_read(place: Place, session: Session, path: str) -> None:
    """Whether this file on the target is the one that the server reads."""
    reads = host_path(place, str(info(session, "server")["config_file"]))
    if reads != path:
        raise OperationError(
            "config-not-mounted",
            f"Redis reads its settings from {reads or 'no file of the target'}, not from {path}.",
            "Nothing was changed.",
            "Put dbops_state_dir and dbops_name back; or deploy.",
        )


def host_path(place: Place, path: str) -> str:
    """Where a file of the server lies on the target; "" where it lies in no mount of its container."""
    if not place.container:
        return path
    mounts = {mount["Destination"]: mount["Source"] for mount in place.engine.container(place.container)["Mounts"]}
    for destination in sorted(mounts, key=len, reverse=True):
        if path.startswith(destination.rstrip("/") + "/"):
            return os.path.join(mounts[destination], os.path.relpath(path, destination))
    return ""


@dataclass(frozen=True)
class Done:
    differing: list[Setting]
    set: list[str]
    written: bool
    waiting: list[str]
    switching: list[str]
    diff: list[dict[str, str]]
    unkept: bool = False


def configure(
    session: Session | None,
    file: ManagedFile | OwnFile,
    settings: Mapping[str, Any],
    *,
    only: frozenset[str] = frozenset(),
    force: bool = False,
    check: bool = False,
) -> Done:
    """session: None where no server runs. The other options are those of `plan`."""
    wish = wishes(settings)
    server = configuration(session, "*") if session else {}
    if session:
        _require_known(wish, server)
    before = file.read(session)
    directives = parse(before)
    if isinstance(file, OwnFile):
        # Whatever else stands in it is somebody else's wish.
        only = (only or frozenset(wish)) & frozenset(wish)
        directives = {name: directives.get(name, wish[name]) for name in only}
    planned = plan(wish, directives, server, only=only, force=force)
    if session:
        _require_room(session, planned)
        _require_databases(session, planned)
    if isinstance(file, ManagedFile):
        return _managed(session, file, planned, server, before, check=check)
    return _own(session, file, planned, server, before, check=check)


def _managed(session: Session | None, file: ManagedFile, planned: Plan, server: Mapping[str, str], before: str, *, check: bool) -> Done:
    after = file.text(planned.file)
    changed = list(planned.set)
    if not check:
        # First the server, which refuses what is wrong. Killed in between, the next run finds the file differing.
        changed = _set(session, planned.set, server)
        if after != before:
            file.write(session, after)
    diff = [_diff(file.path, hidden(before), hidden(after)), *_server_diff(planned)]
    return Done(planned.differing, changed, after != before, planned.waiting, planned.switching, diff)


def _own(session: Any, file: OwnFile, planned: Plan, server: Mapping[str, str], before: str, *, check: bool) -> Done:
    if check:
        return Done(planned.differing, list(planned.set), False, planned.waiting, planned.switching, _server_diff(planned))
    kept = file.require(session)
    changed = _set(session, planned.set, server)
    if kept:
        session.ask("CONFIG", "REWRITE")
    after = file.read(session)
    diff = [_diff(file.path(session) or "no file", hidden(before), hidden(after)), *_server_diff(planned)]
    return Done(planned.differing, changed, after != before, planned.waiting, planned.switching, diff, bool(changed) and not kept)


def _set(session: Session | None, wished: Mapping[str, str], server: Mapping[str, str]) -> list[str]:
    """All or nothing: the names of what has another value now. Two ways to write the same value change nothing."""
    if not session or not wished:
        return []
    reply = session.reply("CONFIG", "SET", *(word for pair in wished.items() for word in pair))
    if isinstance(reply, Refusal):
        if reply.startswith("ERR CONFIG SET failed") or "Unknown option" in reply:
            raise OperationError(
                "settings-invalid",
                f"Redis refuses the settings: {reply.rstrip('.')}.",
                "Nothing was changed: it takes all of them or none.",
                "Correct redis_settings.",
            )
        raise failure(reply, "CONFIG SET")
    after = configuration(session, *wished)
    return sorted(name for name in wished if after.get(name) != server.get(name))


def _require_known(wish: Mapping[str, tuple[str, ...]], server: Mapping[str, str]) -> None:
    unknown = sorted(name for name in wish if is_told(name) and name not in server)
    if unknown:
        raise OperationError(
            "settings-invalid",
            f"Redis knows no setting {', '.join(unknown)}.",
            "Nothing was changed.",
            "Correct redis_settings.",
        )


def _require_room(session: Session, planned: Plan) -> None:
    """With less than it holds, a server evicts at once, or refuses every write."""
    limit = size(planned.set.get("maxmemory", "0"))
    if limit:
        used = info(session, "memory")["used_memory"]
        if used > limit:
            raise OperationError(
                "maxmemory-too-small",
                f"Redis holds {used} bytes, and maxmemory is to become {limit}: it would evict keys at once, or refuse every write.",
                "Nothing was changed.",
                "Set more; or flush a cache by its pattern first.",
            )


# What Redis has without a setting for it.
_DATABASES = ("16",)


def _require_databases(session: Session, planned: Plan) -> None:
    """With fewer than it uses, a server does not start any more."""
    for setting in planned.differing:
        if setting.name == "databases":
            wish = size((setting.wish or _DATABASES)[-1])
            used = databases(info(session, "keyspace"))
            if wish is not None and max(used, default=-1) >= wish:
                raise OperationError(
                    "databases-too-few",
                    f"Redis has keys in database {max(used)}, and databases is to become {wish}: it would not start any more.",
                    "Nothing was changed.",
                    f"Set databases to {max(used) + 1} at least; or empty database {max(used)} first.",
                )


def _diff(path: str, before: str, after: str) -> dict[str, str]:
    return {"before_header": path, "after_header": path, "before": before, "after": after}


def _server_diff(planned: Plan) -> list[dict[str, str]]:
    """Of the server's settings those that differ from what is wished, and of each when it becomes so."""
    before, after = [], []
    for setting in planned.differing:
        name = setting.name
        there = show(name, setting.server)
        wished = show(name, setting.wish)
        if setting.server is not None:
            before.append(f"{name} {there}\n")
        if name in planned.set:
            after.append(f"{name} {wished}\n")
        elif setting.server is not None and name not in planned.waiting and name not in planned.switching:
            after.append(f"{name} {there}\n")
        else:
            how = "by playbooks/persistence.yml" if name in planned.switching else "by a restart"
            after.append(f"{name} {there if setting.server is not None else ''} # {how}: {'its default' if wished is None else wished}\n")
    if before == after:
        return []
    return [_diff("the server", "".join(before), "".join(after))]
