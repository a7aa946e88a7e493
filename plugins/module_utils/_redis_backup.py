# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Making one backup of one Redis: snapshot or append-only files, read through, loaded and counted, manifest."""

from __future__ import annotations

import os
import shlex
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from . import _manifest, _redis_check, _redis_counts
from ._client import Client
from ._command import run
from ._errors import OperationError
from ._job import Progress
from ._new_backup import REMOVED, free_name, publish, remove, turn
from ._place import Place
from ._read_through import hash_files
from ._redis_aside import aside
from ._redis_cli import Redis
from ._redis_files import Layout, beside_server, layout_of, require_reach
from ._redis_info import configuration, info, keys, product
from ._redis_save import await_idle, save
from ._redis_session import Session
from ._redis_throwaway import Loading, NotLoaded, loaded
from ._stack import Stack
from ._throwaway import Limits
from ._window import stamp

EXTENSIONS = {"rdb": ".rdb", "aof": ".aof.tar"}

# A set of append-only files is another one as soon as they are rewritten; so often is begun anew.
ATTEMPTS = 3

# A server that loads data takes more than they did where they came from: it reads them from a buffer, and its heap is fragmented.
MEMORY = 1.5
MEMORY_OF_SERVER = 128 << 20

# $1: where to, $2: who is to own it, $3: the directory of the data, then the files. What is appended meanwhile is left out: GNU tar
# ends with 1 for that, and that of busybox for every failure. https://www.gnu.org/software/tar/manual/html_node/Synopsis.html
COPY = r"""
set -eu
umask 077
to=$1 owner=$2 from=$3
shift 3
cd "$from"
case $to in
  *.aof.tar*)
    words=$(LC_ALL=C tar -cf "$to" -- "$@" 2>&1) || {
      code=$?
      # 1: nothing else was said
      others=$(printf '%s\n' "$words" | grep -v 'file changed as we read it$') || [ $? = 1 ]
      [ $code = 1 ] && [ "$words" ] && [ -z "$others" ] || {
        printf '%s\n' "${others:-tar ended with exit code $code}" >&2
        exit 1
      }
    }
    ;;
  *) cp -- "$1" "$to" ;;
esac
chown "$owner" "$to"
"""


@dataclass(frozen=True)
class Plan:
    """What one backup needs to know. format: rdb or aof."""

    stack: Stack
    redis: Redis
    image: str
    directory: str
    series: str
    format: str
    run: str
    verify: bool = True
    wait_for_others: bool = True

    @property
    def labels(self) -> dict[str, str]:
        return {"stack": str(self.stack), "run": self.run}

    @property
    def extension(self) -> str:
        return EXTENSIONS[self.format]


def require_memory(used: int) -> None:
    """The throw-away server that counts has room beside the others on this host."""
    with open("/proc/meminfo", encoding="ascii") as stream:
        fields = dict(line.split(":", 1) for line in stream)
    available = int(fields["MemAvailable"].split()[0]) << 10
    needed = memory_for(used)
    if needed > available:
        raise OperationError(
            "backup-no-memory",
            f"The keys are counted in a throw-away server, which takes about {needed >> 20} MiB; {available >> 20} MiB are available.",
            "No backup was begun.",
            "Free memory, or have the backup made without (redis_backup_verify: false) and drilled elsewhere.",
        )


def memory_for(used: int) -> int:
    return int(used * MEMORY) + MEMORY_OF_SERVER


def append_only_files(manifest: str) -> list[str]:
    """Names of the files that a manifest of append-only files lists, but for those that are history. Pure."""
    names = []
    for line in manifest.splitlines():
        words = shlex.split(line, comments=True)
        fields = dict(zip(words[::2], words[1::2]))
        if fields.get("type") in ("b", "i"):
            names.append(fields["file"])
    return names


def facts_of(session: Session, layout: Layout) -> dict[str, Any]:
    """What a manifest says of a server."""
    told = info(session, "server", "memory", "keyspace")
    name, version = product(told)
    return {
        "product": name,
        "server_version": ".".join(map(str, version)),
        "database": "",
        "database_bytes": told["used_memory"],
        "append_only": {"directory": layout.append_directory, "file": layout.append_file},
        "modules": _modules(session),
        "settings": configuration(session, "maxmemory", "maxmemory-policy", "save", "appendonly", "databases"),
        "live_keys": keys(told),
    }


def _modules(session: Session) -> list[dict[str, str]]:
    """What the server was told to load; a replacement of it needs the same."""
    found = []
    for flat in session.ask("MODULE", "LIST"):
        module = dict(zip(flat[::2], flat[1::2]))
        if module.get("path"):
            found.append({"name": module["name"], "path": module["path"], "arguments": " ".join(module.get("args") or [])})
    return found


def loading_of(
    manifest: dict[str, Any], place: Place, stack: Stack, run: str, directory: str, image: str, limits: Limits, name: str = ""
) -> Loading:
    """With what a backup is loaded. name: of its file, where it has not its own yet."""
    settings = [("databases", manifest["settings"]["databases"])]
    if manifest["format"] == "aof":
        append_only = manifest["append_only"]
        settings += [("appendonly", "yes"), ("appenddirname", append_only["directory"]), ("appendfilename", append_only["file"])]
    settings += [("loadmodule", f"{module['path']} {module['arguments']}".strip()) for module in manifest["modules"]]
    return Loading(place, stack, run, directory, name or manifest["name"], image, limits, tuple(settings))


def wrong_file(client: Client, manifest: dict[str, Any], name: str = "") -> str:
    """Why the server's own programs cannot read a backup to its end; "" where they can."""
    return read_file(client, manifest, name)[0]


def read_file(client: Client, manifest: dict[str, Any], name: str = "") -> tuple[str, int | None]:
    """The same, and how many keys are in it: a snapshot tells, append-only files do not."""
    path = client.path(name or manifest["name"])
    if manifest["format"] == "rdb":
        return _redis_check.read_snapshot(client, path)
    append_only = manifest["append_only"]
    return _redis_check.wrong_append_only(client, path, f"{append_only['directory']}/{append_only['file']}.manifest"), None


class Backup:
    """The making of it. Whatever fails, nothing is left that looks like a backup, and the server has its own settings."""

    def __init__(self, plan: Plan, progress: Progress) -> None:
        self.plan = plan
        self.progress = progress
        self.name = ""

    @property
    def _partial(self) -> str:
        return _manifest.partial_name(self.name)

    def make(self) -> dict[str, Any]:
        plan = self.plan
        with turn(plan.directory, plan.series, self.progress, wait=plan.wait_for_others):
            return self._make()

    def _make(self) -> dict[str, Any]:
        plan = self.plan
        clock = time.monotonic()
        self.name, started, warnings = free_name(plan.directory, plan.series, plan.extension)
        try:
            facts = self._copied()
            self.progress.say("reading the copy through", now=True)
            files = hash_files(os.path.join(plan.directory, self._partial), flush=True)
            counts = self._counted({**facts, "format": plan.format})
            manifest = self._manifest(started, {**facts, **counts}, files)
            publish(plan.directory, manifest)
        except BaseException:
            remove(os.path.join(plan.directory, self._partial))
            raise
        return {
            "changed": True,
            "name": self.name,
            "path": os.path.join(plan.directory, self.name),
            "series": plan.series,
            "format": plan.format,
            "sha256": manifest["sha256"],
            "bytes": manifest["bytes"],
            "seconds": round(time.monotonic() - clock, 3),
            **_manifest.contents_of(manifest),
            "verified": plan.verify,
            "warnings": warnings,
        }

    # -- the copy ------------------------------------------------------------------------------------------------

    def _copied(self) -> dict[str, Any]:
        """The server's files are beside the manifests, under the unfinished name; what the server said of itself."""
        plan = self.plan
        with plan.redis.session() as session:
            layout = layout_of(session)
            require_reach(plan.redis, layout, info(session, "server"))
            facts = facts_of(session, layout)
            with beside_server(plan.redis, plan.directory, plan.labels) as client:
                if plan.format == "rdb":
                    self.progress.say("the server writes its snapshot", now=True)
                    save(plan.redis, session, self.progress)
                    self.progress.say("copying the snapshot", now=True)
                    self._copy(client, layout, [layout.snapshot])
                else:
                    record = os.path.join(plan.stack.directory, "redis_aside.json")
                    # Whoever rewrites the files removes the old ones.
                    with aside(plan.redis, session, "auto-aof-rewrite-percentage", "0", record):
                        self._copy_append_only(session, client, layout)
        return facts

    def _copy_append_only(self, session: Session, client: Client, layout: Layout) -> None:
        manifest = os.path.join(layout.directory, layout.append_manifest)
        for _attempt in range(ATTEMPTS):
            await_idle(session, self.progress)
            self.progress.say("copying the append-only files", now=True)
            before = self._said(client, ["cat", manifest])
            names = [layout.append_manifest, *(os.path.join(layout.append_directory, name) for name in append_only_files(before))]
            remove(os.path.join(self.plan.directory, self._partial))
            self._copy(client, layout, names)
            # The same list of files, that only grow: what was copied is what there was, up to the moment at which it was copied.
            if self._said(client, ["cat", manifest]) == before:
                return
        raise OperationError(
            "backup-failed",
            "Somebody rewrites the append-only files again and again (BGREWRITEAOF) while they are copied.",
            REMOVED,
            "Run it again when nobody does.",
        )

    def _copy(self, client: Client, layout: Layout, names: list[str]) -> None:
        place = self.plan.redis.place
        owner = place.engine.caller() if place.container else f"{os.getuid()}:{os.getgid()}"
        self._said(client, ["sh", "-c", COPY, "copy", client.path(self._partial), owner, layout.directory, *names])

    def _said(self, client: Client, argv: list[str]) -> str:
        answer = run(client.command(argv, {}), tied=True)
        if answer.ok:
            return answer.out
        slug, cure = "backup-failed", "Correct what it says, then run it again."
        if "No space" in answer.err:
            slug, cure = "backup-no-space", "Free space in the backup directory."
        raise OperationError(slug, f"The server's files could not be copied: {answer.reason}.", REMOVED, cure)

    # -- what is in it -------------------------------------------------------------------------------------------

    def _counted(self, facts: dict[str, Any]) -> dict[str, Any]:
        """Keys by prefix. They are those of the copy: nobody can count a server that is written to."""
        plan = self.plan
        memory = str(memory_for(facts["database_bytes"]))
        loading = loading_of(facts, plan.redis.place, plan.stack, plan.run, plan.directory, plan.image, Limits(memory, 1.0), self._partial)
        with loading.client() as client:
            wrong = wrong_file(client, facts, self._partial)
            if wrong:
                raise self._not_verified(wrong)
            if not plan.verify:
                return {"keys": None, "prefixes": []}
            self.progress.say("loading the copy into a throw-away server and counting its keys", now=True)
            try:
                with loaded(loading, client) as redis, redis.session() as session:
                    counts = _redis_counts.count(session)
            except NotLoaded as why:
                raise self._not_verified(str(why)) from None
        return {"keys": _redis_counts.total(counts), "prefixes": counts}

    def _not_verified(self, wrong: str) -> OperationError:
        return OperationError(
            "backup-not-verified",
            f"The copy cannot be read as the server reads it: {wrong}.",
            REMOVED,
            "Look at the file system and the memory of the target, then run it again.",
        )

    def _manifest(self, started: datetime, facts: dict[str, Any], files: list[dict[str, Any]]) -> dict[str, Any]:
        plan = self.plan
        ended = stamp(datetime.now(timezone.utc))
        checks: list[dict[str, Any]] = [{"check": _manifest.COMPLETE, "passed": ended}]
        if plan.verify:
            checks.append({"check": _manifest.VERIFIED, "passed": ended, "keys": facts["keys"]})
        return _manifest.sealed(
            {
                "version": _manifest.MANIFEST_VERSION,
                "complete": True,
                "name": self.name,
                "series": plan.series,
                "kind": _manifest.REDIS,
                "format": plan.format,
                "environment": plan.stack.environment,
                "stack": str(plan.stack),
                "image_id": plan.image,
                "image_digest": plan.redis.place.engine.digest(plan.image),
                "started": stamp(started),
                "ended": ended,
                "bytes": sum(file["bytes"] for file in files),
                "sha256": _manifest.digest_of(files),
                "files": files,
                "globals": None,
                "checks": checks,
                **facts,
            }
        )
