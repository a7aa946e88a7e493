# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The files in which a server keeps its data, and programs that reach them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from typing import Any

from ._client import Client
from ._command import run
from ._errors import OperationError
from ._redis_cli import Redis
from ._redis_info import configuration
from ._redis_session import Session
from ._redis_settings import APPENDONLY, parse

# On a command line, which goes before the file. It may be one of a shell.
_FILE = re.compile(r"/\S+\.conf\b")
_ARGUMENT = re.compile(r"--appendonly[\s'\"]+(yes|no)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Layout:
    """Where the data are, as the server's settings say.

    appending: whether it starts from its append-only files; serving: whether it said so itself, and was not taken for a usual one.
    """

    directory: str
    snapshot: str
    append_directory: str
    append_file: str
    appending: bool
    serving: bool = True

    @property
    def append_manifest(self) -> str:
        """The file that lists the append-only files."""
        return os.path.join(self.append_directory, f"{self.append_file}.manifest")


def layout_of(session: Session) -> Layout:
    told = configuration(session, "dir", "dbfilename", "appenddirname", "appendfilename", "appendonly")
    return Layout(told["dir"], told["dbfilename"], told["appenddirname"], told["appendfilename"], told["appendonly"] == "yes")


def usual_layout(redis: Redis) -> Layout:
    """Where a container's server that cannot be asked has its files: where its image has them; it starts from what it is told, or has."""
    facts: dict[str, Any] = redis.place.engine.inspect("container", redis.place.container) or {}
    directory = facts.get("Config", {}).get("WorkingDir") or "/data"
    layout = Layout(directory, "dump.rdb", "appendonlydir", "appendonly.aof", appending=False, serving=False)
    command = _command_of(facts)
    with beside_server(redis, "", {}) as client:
        file = run(client.command(["cat", "/dev/null", *_FILE.findall(command)], {})).out
        appending = starts_appending(command, file)
        if appending is None:
            appending = run(client.command(["test", "-e", os.path.join(directory, layout.append_manifest)], {})).ok
    return replace(layout, appending=appending)


def _command_of(facts: dict[str, Any]) -> str:
    """What a container runs; facts: what the engine knows of it."""
    made = facts.get("Config", {})
    return " ".join([*(made.get("Entrypoint") or []), *(made.get("Cmd") or [])])


def starts_appending(command: str, file: str) -> bool | None:
    """Whether a server begins with its append-only files, as its command and its file say it; None where neither does. Pure."""
    said = _ARGUMENT.findall(command) or parse(file).get(APPENDONLY)
    return said[-1].strip("'\"").lower() == "yes" if said else None


def require_unsaid(redis: Redis, session: Session, wish: bool) -> None:
    """Refuse where a container's own command says another thing than what is wished: it goes before every file, with each start."""
    said = starts_appending(_command_of(redis.place.engine.container(redis.place.container)), "") if redis.place.container else None
    if said not in (None, wish):
        uses, starts = configuration(session, APPENDONLY)[APPENDONLY], "yes" if said else "no"
        raise OperationError(
            "append-only-unkept",
            f"The command of {redis.place.container} says --appendonly {starts}, which goes before any file: what is switched now, its next"
            " start would undo, and begin from files that are old by then.",
            f"Nothing was changed: Redis has appendonly {uses}.",
            f"Say appendonly {uses} in its file and nothing of it in its command, make the container anew on the same data;"
            " then run this again.",
        )


def require_kept(redis: Redis, layout: Layout, server: dict[str, Any]) -> None:
    """Refuse where the server would start from other files than it uses now. server: that section of INFO."""
    command, file, path = "", "", str(server["config_file"])
    if redis.place.container:
        command = _command_of(redis.place.engine.container(redis.place.container))
    if path:
        answer = run(redis.place.short(["cat", path], {}), timeout=60)
        if not answer.ok:  # then nobody knows
            return
        file = answer.out
    starts = starts_appending(command, file)
    if starts is None and redis.place.container:
        starts = False
    if starts not in (None, layout.appending):
        now, then = ("yes", "no") if layout.appending else ("no", "yes")
        raise OperationError(
            "append-only-unkept",
            f"Redis has appendonly {now} and starts with {then}: it would be started from other files than those that hold its keys.",
            "Nothing was changed.",
            "Have its file say what is wished: playbooks/persistence.yml",
        )


def require_reach(redis: Redis, layout: Layout, server: dict[str, Any]) -> None:
    """Refuse where the files are not within reach. server: that section of INFO."""
    if redis.place.container:
        mounts = [mount["Destination"] for mount in redis.place.engine.container(redis.place.container)["Mounts"]]
        if not any(os.path.commonpath([layout.directory, mount]) == mount for mount in mounts):
            raise OperationError(
                "data-not-mounted",
                f"{redis.place.container} keeps its data in {layout.directory}, where nothing is mounted: they end with the container.",
                "Nothing was changed.",
                "Mount a directory or a volume there; until then: redis-cli --rdb <file>",
            )
        return
    try:
        beside = os.readlink(f"/proc/{server['process_id']}/cwd")
    except OSError:
        beside = ""
    if beside != os.path.realpath(layout.directory):
        raise OperationError(
            "redis-elsewhere",
            f"The files of Redis in {layout.directory} cannot be read here: the server runs on another machine, or as another user.",
            "Nothing was changed.",
            "Run it on the server's own host, with become; or name the container, dbops_redis_container.",
        )


def beside_server(redis: Redis, directory: str, labels: dict[str, str], *, writable: bool = False) -> Client:
    """Programs that reach the server's files under their own names, and a backup directory. writable: the files of the server."""
    if not redis.place.container:
        return Client(redis.place, directory)
    facts: dict[str, Any] = redis.place.engine.inspect("container", redis.place.container) or {}
    mode = "rw" if writable else "ro"
    # The files are the server's user's alone; a caller who is not root on the host is, through the engine.
    options = ("--user", "0:0", "--volumes-from", f"{facts['Id']}:{mode}")
    return Client(redis.place, directory, image=facts["Image"], labels=labels, as_caller=False, read_only=writable, options=options)
