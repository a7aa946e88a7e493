# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Reading a dump through: the digest of each of its files, and the rows of each of its tables."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from . import _pg_dump
from ._client import Client
from ._command import run
from ._files import open_plain, sync_directory

# Files of a backup as its manifest lists them; rows by schema and table.
Files = list[dict[str, Any]]
Rows = dict[tuple[str, str], int]

_BLOCK = 1 << 20


class Unreadable(ValueError):
    """A dump that cannot be read to its end; its text says why. `cut_off`: that may not be the dump's fault."""

    def __init__(self, reason: str, *, cut_off: bool = False) -> None:
        super().__init__(reason)
        self.cut_off = cut_off


def hash_files(data: str, *, flush: bool = False) -> Files:
    """Path, size and SHA-256 of every file of a backup; one that is a file itself has the path "".

    flush: the files are new: they become private, and are on the disk before this returns.
    """
    if not os.path.isdir(data):
        return [{"path": "", **_hash(data, flush)}]
    names = sorted(os.listdir(data))
    # Neither computing a digest nor waiting for the disk holds Python's lock.
    with ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
        hashed = pool.map(lambda name: _hash(os.path.join(data, name), flush), names)
        files = [{"path": name, **known} for name, known in zip(names, hashed)]
    if flush:
        sync_directory(data)
    return files


def _hash(path: str, flush: bool) -> dict[str, Any]:
    digest = hashlib.sha256()
    with open_plain(path) as stream:
        for block in iter(lambda: stream.read(_BLOCK), b""):
            digest.update(block)
        if flush:
            os.fchmod(stream.fileno(), 0o600)
            os.fsync(stream.fileno())
        return {"bytes": stream.tell(), "sha256": digest.hexdigest()}


def count_rows(client: Client, name: str) -> Rows:
    """Rows by schema and table, counted out of the dump's files where PostgreSQL's programs are."""
    script = ["bash", "-c", _pg_dump.COUNT_ROWS, "count-rows", client.path(name)]
    answer = run(client.command(script, {}), encoding=_pg_dump.BYTES, tied=True)
    if answer.ok:
        return _pg_dump.counted(answer.out)
    if answer.code == _pg_dump.UNTERMINATED:
        raise Unreadable("the data of a table end in the middle")
    raise Unreadable(f"pg_restore cannot read it: {answer.reason}", cut_off=answer.code != _pg_dump.REFUSED)


def read_through(client: Client, directory: str, name: str, *, flush: bool = False) -> tuple[Files, Rows | Unreadable]:
    """Files and rows, in one pass: what one of the two reads, the other finds in memory."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        counting = pool.submit(count_rows, client, name)
        files = hash_files(os.path.join(directory, name), flush=flush)
        try:
            return files, counting.result()
        except Unreadable as why:
            return files, why
