# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""A PostgreSQL server that lives no longer than this process, in a container that reaches nothing and nobody."""

from __future__ import annotations

import contextlib
import re
import secrets
import subprocess
import tempfile
import time
from dataclasses import dataclass
from typing import Any

from ._client import MOUNT
from ._command import Command, start_tied, without_rows
from ._errors import OperationError
from ._place import Engine, Place
from ._psql import Server

USER = "dbops_throwaway"  # the server's superuser; no dump needs a role of this name

_DATA = "/throwaway"
_PATIENCE = 20.0  # seconds until what the server logs is here
_POLL = 0.05

# Nothing in it has to outlive a crash. It asks nobody for a password, and by itself only its own socket leads to it.
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "autovacuum": "off",
    "lc_messages": "C",
}

# $1: directory of the data, $2: superuser, then the settings. The server ends with this script, and that one when its
# input, a pipe of ours, closes. It is not root's; images have one of three programs for that.
_SCRIPT = r"""
set -eu
data=$1 user=$2
shift 2
if command -v gosu > /dev/null; then as='gosu postgres'
elif command -v su-exec > /dev/null; then as='su-exec postgres'
else as='setpriv --reuid=postgres --regid=postgres --init-groups --'
fi
chown postgres "$data"
cd /
export HOME=/tmp
$as initdb --pgdata="$data/data" --username="$user" --auth=trust --encoding=UTF8 --no-locale --no-sync > /dev/null
$as postgres -D "$data/data" "$@" >&2 &
server=$!
until pg_isready --quiet --username="$user" --dbname=postgres; do
  kill -0 "$server"
  sleep 0.1
done
echo ready
exec cat > /dev/null
"""


@dataclass(frozen=True)
class Limits:
    """What the throw-away server may take from the others on its host."""

    memory: str = "1g"
    cpus: float = 1.0
    settings: tuple[tuple[str, str], ...] = ()


# Options of the doc fragment `_throwaway`.
THROWAWAY_OPTIONS: dict[str, Any] = {
    "image": {"type": "str", "default": ""},
    "memory": {"type": "str", "default": "1g"},
    "cpus": {"type": "float", "default": 1.0},
    "settings": {"type": "dict", "default": {}},
}


def limits_of(params: dict[str, Any]) -> Limits:
    return Limits(params["memory"], params["cpus"], tuple((key, str(value)) for key, value in params["settings"].items()))


def image_here(place: Place, given: str) -> str:
    """The id of the image that is named, else of the one of the server's container."""
    if given:
        found = place.engine.inspect("image", given)
        if found:
            return str(found["Id"])
        raise OperationError(
            "throwaway-no-image",
            f"The engine has no image {given!r}.",
            "Nothing was changed.",
            f"Pull it: {' '.join(place.engine.argv('pull', given))}",
        )
    if not place.container:
        raise OperationError(
            "throwaway-no-image",
            "PostgreSQL runs without a container here, and its programs are needed in one: that takes an engine and an image.",
            "Nothing was changed.",
            "Name an image of the same PostgreSQL that the engine has: postgres_throwaway_image.",
        )
    return str(place.engine.container(place.container)["Image"])


# An empty database with the locale of the backup, and the scripts of an extension, are all the image's.
_OF_IMAGE = re.compile(r"\ACREATE DATABASE|Command was: CREATE (?:DATABASE|EXTENSION)\b")


def is_of_image(error: OperationError) -> bool:
    """A load that failed by what the image lacks, and by nothing of the backup."""
    return error.slug == "restore-failed" and _OF_IMAGE.search(error.what) is not None


def unfit(name: str, why: str, state: str) -> OperationError:
    return OperationError(
        "throwaway-unfit",
        f"The throw-away server cannot hold {name}: {why}.",
        f"It is gone. {state}",
        "Name an image that holds what the live server does (postgres_throwaway_image), or set what it says (postgres_throwaway_settings).",
    )


class Throwaway:
    """The server, and its programs beside a backup directory that they can only read."""

    def __init__(self, engine: Engine, image: str, directory: str, limits: Limits, labels: dict[str, str]) -> None:
        self.name = f"dbops-drill-{secrets.token_hex(6)}"
        self.labels = labels
        self._place = Place(engine, self.name)
        self._image = image
        self._directory = directory
        self._limits = limits
        self._log: Any = None
        self._holder: Any = None

    def __enter__(self) -> Throwaway:
        settings = {**_SETTINGS, **dict(self._limits.settings)}
        script = ["sh", "-c", _SCRIPT, "throwaway", _DATA, USER]
        script += [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        memory, volume = self._limits.memory, f"type=volume,destination={_DATA}"
        command = self._place.client(
            self.name,
            script,
            {},
            image=self._image,
            network="none",
            mounts={self._directory: MOUNT},
            labels=self.labels,
            as_caller=False,
            read_only=True,
            options=(
                *("--user", "0:0", "--mount", volume, "--memory", memory, "--memory-swap", memory),
                *("--cpus", f"{self._limits.cpus:g}", "--shm-size", "256m"),
            ),
        )
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        self._holder = start_tied(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log)
        if not self._holder.stdout.readline():
            self._holder.wait()
            said = self.last_words()
            self.__exit__()
            raise OperationError(
                "throwaway-not-started",
                f"A throw-away server of {self._image} did not start: {said}.",
                "It is gone; nothing else was changed.",
                "Correct what it says; its memory and its settings are options.",
            )
        return self

    def __exit__(self, *_: object) -> None:
        """Its container, and the volume with the data."""
        self._place.engine.run("rm", "--force", "--volumes", self.name)
        with contextlib.suppress(BrokenPipeError):
            self._holder.stdin.close()
        self._holder.wait()
        self._holder.stdout.close()
        self._log.close()

    @property
    def server(self) -> Server:
        """Nothing that a login sets off writes into what is restored there."""
        return Server(self._place, {"PGUSER": USER, "PGDATABASE": "postgres"}).patient(event_triggers="off")

    def command(self, argv: list[str], env: dict[str, str]) -> Command:
        return self._place.inside(self.name, argv, env)

    def path(self, name: str) -> str:
        return f"{MOUNT}/{name}"

    def last_words(self) -> str:
        """What its log says of its end."""
        left_out = r"\t|.*(?:(?:DETAIL|CONTEXT|QUERY|STATEMENT):  |LOG:  (?:statement|execute [^\n]*?): )"
        lines = [line for line in self._said().splitlines() if not re.match(left_out, line)]
        telling = [line for line in lines if re.search(r"FATAL|PANIC|rror:|killed", line)]
        return without_rows("\n".join((telling or lines)[-3:])).replace("\n", " | ")[-600:] or "it said nothing"

    def log(self) -> str:
        """All that the server has logged until now. The engine hands it over in its own time: it is there when our own word is."""
        word = f"dbops-{secrets.token_hex(8)}"
        self.server.execute(f"DO $$BEGIN RAISE LOG '{word}'; END$$;")
        until = time.monotonic() + _PATIENCE
        while word not in (said := self._said()):
            if time.monotonic() > until:
                raise OperationError(
                    "stage-cut-off",
                    f"The log of the throw-away server ended: {self.last_words()}.",
                    "It is gone. Nothing was found out, and nothing else was changed.",
                    "Run it again.",
                )
            time.sleep(_POLL)
        return said

    def _said(self) -> str:
        # Opened anew: a seek in what the engine's client inherited would have it write somewhere else.
        with open(f"/proc/self/fd/{self._log.fileno()}", encoding="utf-8", errors="replace") as log:
            return log.read()

    def is_alive(self) -> bool:
        """Whether it answers, and none of its processes was killed: it begins anew then, without what it was doing."""
        killed = re.search(r"LOG:  [^:\n]*\(PID \d+\) was terminated by signal", self._said())
        return self._holder.poll() is None and not killed and self.server.ask("SELECT 1;").ok
