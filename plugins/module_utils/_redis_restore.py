# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""A backup of Redis in the place of the server's data, and back."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from . import _audit, _redis_counts, _redis_stamp
from ._backup_dir import disagreement, in_use, unusable
from ._client import Client
from ._command import run
from ._errors import OperationError
from ._files import make_private_directory, read_json, write_json
from ._job import Progress
from ._redis_backup import append_only_files, read_file
from ._redis_check import read_snapshot
from ._redis_cli import Redis
from ._redis_files import Layout, beside_server
from ._redis_hold import hold, release
from ._redis_save import persistence, save
from ._redis_session import Session
from ._redis_swap import Swap
from ._redis_target import is_down, look
from ._redis_verify import other_content
from ._services import Service
from ._stack import Stack

# Nobody who came back with the server writes while it is compared; it lets them go by itself if this process does not live to do it.
_HOLD = 600  # seconds

_START = 60  # seconds until a server that was started listens


@dataclass(frozen=True)
class Plan:
    """What one restore needs to know. manifest: {} for a return.

    service: what stops and starts the server; restart_policy: what its container had before the stop; returning: whether the backup is the
    snapshot of a window that has failed, which has to come back also where what is there now can be neither saved nor kept.
    """

    stack: Stack
    redis: Redis
    layout: Layout
    service: Service
    restart_policy: str
    directory: str
    moment: str
    run: str
    manifest: dict[str, Any]
    by: dict[str, str]
    returning: bool = False

    @property
    def labels(self) -> dict[str, str]:
        return {"stack": str(self.stack), "run": self.run}


def require_own(manifest: dict[str, Any], stack: Stack, old_stamp: str) -> None:
    """Data of another environment have nothing to do here: nobody makes keys anonymous."""
    name, made = manifest["name"], manifest["stack"]
    if manifest["environment"] != stack.environment:
        raise OperationError(
            "restore-environment",
            f"{name} is a backup of {made}, and this is {stack}.",
            "Nothing was changed.",
            "Name a backup of this environment: keys cannot be made fit for another one.",
        )
    if made not in (str(stack), old_stamp):
        raise OperationError(
            "restore-stack",
            f"{name} is a backup of {made}, and this is {stack}.",
            "Nothing was changed.",
            f"If {stack} is to have those data: -e dbops_old_stamp={made}",
        )


def require_form(manifest: dict[str, Any], layout: Layout) -> None:
    """A server without append-only files starts from a snapshot alone."""
    if manifest["format"] == "aof" and not layout.appending:
        raise OperationError(
            "restore-needs-aof",
            f"{manifest['name']} holds append-only files, and the server has appendonly no: it would not look at them.",
            "Nothing was changed.",
            "Switch them on first (playbooks/persistence.yml), or name a backup that is a snapshot (.rdb).",
        )


def restored_wrongly(told: dict[str, Any], *, appending: bool, stored: int | None) -> list[str]:
    """What a server says of its own start that is not a start from the backup; true whoever has written since. Pure.

    told: its section persistence; appending: what it was to start with; stored: how many keys the snapshot holds, None where nobody knows.
    """
    if bool(told["aof_enabled"]) != appending:
        return [f"it has started with appendonly {'yes' if told['aof_enabled'] else 'no'}, so from other files"]
    loaded = told["rdb_last_load_keys_loaded"] + told["rdb_last_load_keys_expired"]
    return [] if stored in (None, loaded) else [f"it has loaded {loaded} keys of {stored}"]


def _record(stack: Stack, moment: str) -> str:
    return os.path.join(stack.directory, f"redis_restore_{moment}.json")


def remember(plan: Plan) -> None:
    """For whoever comes after the stop: a server that does not start cannot be asked, and its container has lost its policy by then."""
    make_private_directory(plan.stack.directory)
    write_json(_record(plan.stack, plan.moment), {"layout": asdict(plan.layout), "restart_policy": plan.restart_policy})


def remembered(stack: Stack, moment: str) -> tuple[Layout, str] | None:
    """Where the files are, and what the container's restart policy was."""
    known = read_json(_record(stack, moment))
    return (Layout(**known["layout"]), known["restart_policy"]) if known else None


def known_of(stack: Stack, redis: Redis, service: Service, moment: str, *, replaced: bool = False) -> tuple[Layout, str, dict[str, Any]]:
    """Where the files are, the restart policy of the container, and what the server says of itself: {} where it has said it before.

    replaced: see `look`.
    """
    known = remembered(stack, moment)
    if known:
        return (*known, {})
    layout, told = look(stack, redis, replaced=replaced)
    return layout, service.look()["restart_policy"], told


class Restore:
    """The steps of it. Each can be asked for again, whatever has ended it the first time."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.notes: list[str] = []
        self.compared = "nothing"

    # -- before anything stops -----------------------------------------------------------------------------------

    def stage(self, progress: Progress) -> dict[str, Any]:
        """Every reason to refuse is found, and the files lie beside those of the server."""
        with self._files() as (client, swap):
            self._read(client, progress)
            self._require_room_for_copy(client, swap)
            self._copy(swap, progress)
        return self.result()

    def _read(self, client: Client, progress: Progress) -> int | None:
        """Nothing is wrong with the backup; how many keys its snapshot holds."""
        plan, manifest = self.plan, self.plan.manifest
        path = os.path.join(plan.directory, manifest["name"])
        remember(plan)
        with in_use(path):
            progress.say("reading the backup through", now=True, mib=manifest["bytes"] >> 20)
            unreadable, stored = read_file(client, manifest)
            wrong = disagreement(plan.directory, manifest) or other_content(manifest, path) or unreadable
            if wrong:
                raise unusable(manifest["name"], "backup-not-verified", wrong)
        return stored

    def _copy(self, swap: Swap, progress: Progress) -> None:
        progress.say("copying the backup beside the data", now=True)
        swap.stage(self.plan.manifest)

    def require_room(self, needed: int) -> None:
        """So many bytes are free beside the data. There may be no directory of backups yet."""
        with beside_server(self.plan.redis, "", self.plan.labels) as client:
            free = self._free(client, needed)
        if free < needed:
            raise self._no_room(free, needed)

    def _require_room_for_copy(self, client: Client, swap: Swap) -> bool:
        """Whether there is room for the backup beside the data, or the copy is there; else there would be, were they given up."""
        if {swap.new, swap.old} & swap.names():
            return True
        needed = self.plan.manifest["bytes"]
        free = self._free(client, needed)
        if free >= needed:
            return True
        if not self.plan.returning or free + self._taken(client) < needed:
            raise self._no_room(free, needed)
        return False

    def _free(self, client: Client, otherwise: int) -> int:
        """Bytes; otherwise: where nobody can say it."""
        answer = run(client.command(["df", "-Pk", self.plan.layout.directory], {}), tied=True)
        return int(answer.out.splitlines()[-1].split()[3]) << 10 if answer.ok else otherwise

    def _taken(self, client: Client) -> int:
        """Bytes that what the server starts from takes."""
        layout = self.plan.layout
        look = ["sh", "-c", 'cd "$0" && du -sk -- "$@" 2> /dev/null', layout.directory, layout.snapshot, layout.append_directory]
        return sum(int(line.split()[0]) << 10 for line in run(client.command(look, {}), tied=True).out.splitlines())

    def _no_room(self, free: int, needed: int) -> OperationError:
        return OperationError(
            "restore-no-space",
            f"{self.plan.layout.directory} has {free / 2**20:.1f} MiB free, and {needed / 2**20:.1f} MiB are needed beside the data.",
            "Nothing was changed.",
            "Free space there.",
        )

    # -- while nobody writes -------------------------------------------------------------------------------------

    def swap(self, progress: Progress) -> dict[str, Any]:
        """The server has the backup's keys, and what it had lies beside."""
        plan = self.plan
        clock = time.monotonic()
        with self._files() as (client, swap):
            stored = self._read(client, progress)
            fits = self._require_room_for_copy(client, swap)
            if fits:
                self._copy(swap, progress)
            swapped = fits and swap.new not in swap.names()
            self._save(progress)
            self._stop(progress)
            if not fits:
                self._give_up(swap)
                self._copy(swap, progress)
            swap.swap()
            if not fits:
                swap.remove(swap.old)  # nothing is in it that a return could lead back to
            if swapped and not self._is_backup(client):
                stored = None  # a server has begun with it before, and saved since
        progress.say("starting the server", now=True)
        plan.service.start("", plan.restart_policy)
        with self._started() as session:
            self._compare(session, stored, progress)
            _redis_stamp.write(session, plan.stack)
        _audit.record(plan.stack, "restored", plan.by, service="redis", backup=plan.manifest["name"], old=swap.old)
        result = self.result() if fits else {**self.result(), "old_directory": ""}
        return {**result, "seconds": round(time.monotonic() - clock, 3)}

    def _give_up(self, swap: Swap) -> None:
        """The operation that left it has failed, and the snapshot to return to, which was read through, is a backup."""
        for name in (self.plan.layout.snapshot, self.plan.layout.append_directory):
            swap.remove(name)
        self.notes.append("Beside the snapshot to which Redis was led back there was no room to keep what it had then.")

    def _start_file(self, client: Client) -> str:
        """The snapshot that the server starts with, be it the first of its append-only files; "" where that is none."""
        layout = self.plan.layout
        name = layout.snapshot
        if layout.appending:
            listed = run(client.command(["cat", os.path.join(layout.directory, layout.append_manifest)], {}), tied=True).out
            name = next((os.path.join(layout.append_directory, name) for name in append_only_files(listed) if name.endswith(".rdb")), "")
        return os.path.join(layout.directory, name) if name else ""

    def _is_backup(self, client: Client) -> bool:
        """Whether that is the backup, byte by byte."""
        file = self._start_file(client)
        return bool(file) and run(client.command(["cmp", "-s", "--", client.path(self.plan.manifest["name"]), file], {}), tied=True).ok

    def _compare(self, session: Session, stored: int | None, progress: Progress) -> None:
        """stored: how many keys the server has just read from the backup's snapshot; None where the server says nothing of them."""
        progress.say("comparing what it has loaded", now=True)
        wrong = self._differences(session, stored, progress)
        if wrong:
            raise OperationError(
                "restore-differs",
                f"The server does not hold what was backed up: {'; '.join(wrong[:5])}.",
                f"It runs with what it has loaded; what it had before lies beside, in dbops__old_{self.plan.moment}.",
                "A window returns to that by itself; else repeat the restore, with another backup.",
            )

    def _differences(self, session: Session, stored: int | None, progress: Progress) -> list[str]:
        manifest = self.plan.manifest
        wrong = restored_wrongly(persistence(session), appending=self.plan.layout.appending, stored=stored)
        if wrong or stored is not None or manifest["keys"] is None:
            self._tell_compared(stored)
            return wrong
        hold(session, _HOLD)
        progress.say("counting its keys", now=True)
        self.compared = "counted"
        wrong = _redis_counts.differences(manifest["prefixes"], _redis_counts.count(session, manifest["prefixes"]), more=True)
        release(session)
        return wrong

    def _tell_compared(self, stored: int | None) -> None:
        self.compared = "nothing" if stored is None else "loaded"
        if stored is None:
            self.notes.append("Nobody knows how many keys Redis should have loaded, so that was compared with nothing.")

    def put_back(self, progress: Progress) -> dict[str, Any]:
        """The server has what it had before. Where it never had anything else, nothing is changed."""
        plan = self.plan
        clock = time.monotonic()
        stored = None
        with self._files() as (client, swap):
            there = swap.names()
            moved = bool({swap.old, f"{swap.old}.partial", f"{swap.failed}.partial"} & there)
            if moved:
                self._stop(progress)
            swap.put_back()
            starts = plan.layout.serving and not plan.service.look()["running"]
            file = self._start_file(client) if starts else ""
            if file:
                progress.say("reading what it had through", now=True)
                unreadable, found = read_snapshot(client, file)
                stored = None if unreadable else found
        plan.service.start("", plan.restart_policy)
        if moved:
            _audit.record(plan.stack, "returned", plan.by, service="redis", failed=swap.failed)
        if plan.layout.serving:  # else it has again what it did not serve with
            with self._started() as session:
                if starts:
                    self._see_same(session, stored)
        failed = swap.failed if moved or swap.failed in there else ""
        return {**self.result(), "changed": moved, "failed_directory": failed, "seconds": round(time.monotonic() - clock, 3)}

    def _see_same(self, session: Session, stored: int | None) -> None:
        self._tell_compared(stored)
        wrong = restored_wrongly(persistence(session), appending=self.plan.layout.appending, stored=stored)
        if wrong:
            raise OperationError(
                "restore-differs",
                f"The server does not hold what it had before: {'; '.join(wrong)}.",
                f"It runs with what it has loaded, out of {self.plan.layout.directory}, where what it had before is, too.",
                "Look at its log before anybody writes.",
            )

    def is_swapped(self) -> bool:
        """The server runs, with the backup's data or what became of them."""
        with self._files() as (_client, swap):
            there = {leftover.name for leftover in swap.leftovers()}
        return swap.old in there and f"dbops__new_{self.plan.moment}" not in there and bool(self.plan.service.look()["running"])

    # ------------------------------------------------------------------------------------------------------------

    def result(self) -> dict[str, Any]:
        manifest = self.plan.manifest
        return {
            "changed": True,
            "backup": manifest.get("name", ""),
            "taken": manifest.get("started", ""),
            "bytes": manifest.get("bytes", 0),
            "keys": manifest.get("keys"),
            "old_directory": f"dbops__old_{self.plan.moment}",
            "compared": self.compared,
            "notes": self.notes,
            "seconds": 0.0,
        }

    @contextlib.contextmanager
    def _files(self) -> Iterator[tuple[Client, Swap]]:
        plan = self.plan
        with beside_server(plan.redis, plan.directory, plan.labels, writable=True) as client:
            yield client, Swap(client, plan.layout, plan.moment)

    def _save(self, progress: Progress) -> None:
        """What is set aside is all that there was, also of a server that does not save when it stops."""
        try:
            with self.plan.redis.session() as session:
                save(self.plan.redis, session, progress)
        except OperationError as error:
            if is_down(self.plan.redis, error):
                return
            if not self.plan.returning:
                raise
            self.notes.append(f"What is kept of Redis from before it was led back is as old as its last save: {error.what}")

    def _started(self) -> Session:
        return self.plan.redis.started(_START, _redis_counts.TIMEOUT)

    def _stop(self, progress: Progress) -> None:
        progress.say("stopping the server", now=True)
        if self.plan.service.look()["running"]:
            self.plan.service.stop()
