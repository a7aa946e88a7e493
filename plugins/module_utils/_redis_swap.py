# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Other files in the place of those that a server starts from, each step of which can be repeated after it was cut off."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, NamedTuple

from ._client import Client
from ._command import run
from ._errors import OperationError
from ._redis_files import Layout

STAMP = "%Y%m%dT%H%M%SZ"
PARTIAL = ".partial"
_NAME = re.compile(r"dbops__(new|old|failed)_([0-9]{8}T[0-9]{6}Z)(\.partial)?")

# Directories of the server's own directory; a name is theirs as soon as they are whole. $1: verb, $2: the time in their names, $3:
# the snapshot, $4: the append-only files' directory. A server that somebody starts in between writes files that count for nothing.
_SCRIPT = r"""
set -eu
umask 077
verb=$1 moment=$2 snapshot=$3 append=$4
new=dbops__new_$moment old=dbops__old_$moment failed=dbops__failed_$moment

set_aside() {
  [ ! -d "$1" ] || return 0
  mkdir -p "$1.partial"
  for file in "$snapshot" "$append"; do
    [ ! -e "$file" ] || [ -e "$1.partial/$file" ] || mv -- "$file" "$1.partial/"
  done
  mv -- "$1.partial" "$1"
}

put() {
  for file in "$snapshot" "$append"; do
    [ ! -e "$1/$file" ] || { rm -rf -- "./$file"; mv -- "$1/$file" .; }
  done
  rmdir -- "$1"
}

case $verb in
  stage)
    backup=$5 file=$6 from=$7 made=$8
    [ ! -d "$new" ] && [ ! -d "$old" ] || exit 0
    rm -rf -- "$new.partial"
    mkdir "$new.partial"
    case $backup in
      *.aof.tar)
        tar -xf "$backup" -C "$new.partial"
        [ "$from" = "$append" ] || mv -- "$new.partial/$from" "$new.partial/$append"
        [ "$made" = "$file" ] || mv -- "$new.partial/$append/$made.manifest" "$new.partial/$append/$file.manifest"
        ;;
      *)
        if [ "$file" ]; then
          mkdir "$new.partial/$append"
          cp -- "$backup" "$new.partial/$append/$file.1.base.rdb"
          echo "file $file.1.base.rdb seq 1 type b" > "$new.partial/$append/$file.manifest"
        else
          cp -- "$backup" "$new.partial/$snapshot"
        fi
        ;;
    esac
    chown -R "$(stat -c %u:%g .)" "$new.partial"
    sync
    mv -- "$new.partial" "$new"
    ;;
  swap)
    [ ! -d "$new" ] || { set_aside "$old"; put "$new"; }
    ;;
  return)
    if [ -d "$old" ]; then set_aside "$failed"; put "$old"
    elif [ -d "$old.partial" ]; then put "$old.partial"
    fi
    rm -rf -- "$new" "$new.partial"
    ;;
  list)
    for name in dbops__*; do
      [ ! -d "$name" ] || du -sk -- "$name"
    done
    ;;
  remove)
    rm -rf -- "./$5"
    ;;
esac
[ "$verb" = list ] || sync
"""


class Leftover(NamedTuple):
    """A directory that a restore made beside the server's files. kind: new, old or failed."""

    name: str
    kind: str
    moment: datetime
    bytes: int


@dataclass(frozen=True)
class Swap:
    """The server's files, as programs beside it reach them. moment: the time in the directories' names."""

    client: Client
    layout: Layout
    moment: str

    @property
    def new(self) -> str:
        return f"dbops__new_{self.moment}"

    @property
    def old(self) -> str:
        return f"dbops__old_{self.moment}"

    @property
    def failed(self) -> str:
        return f"dbops__failed_{self.moment}"

    def stage(self, manifest: dict[str, Any]) -> None:
        """The backup's files lie beside the server's, as the server wants them. A snapshot is what append-only files may begin with."""
        file = self.layout.append_file if self.layout.appending else ""
        made = manifest["append_only"]
        self._do("stage", self.client.path(manifest["name"]), file, made["directory"], made["file"])

    def swap(self) -> None:
        """The server, which does not run, starts from what was staged."""
        self._do("swap")

    def put_back(self) -> None:
        """The server, which does not run, starts from what it had before."""
        self._do("return")

    def remove(self, name: str) -> None:
        self._do("remove", name)

    def leftovers(self) -> list[Leftover]:
        found = []
        for line in self._do("list").splitlines():
            size, name = line.split("\t")
            parsed = _NAME.fullmatch(name)
            if parsed:
                moment = datetime.strptime(parsed[2], STAMP).replace(tzinfo=timezone.utc)
                found.append(Leftover(name, parsed[1], moment, int(size) << 10))
        return found

    def names(self) -> set[str]:
        return {leftover.name for leftover in self.leftovers()}

    def _do(self, verb: str, *more: str) -> str:
        layout = self.layout
        script = f'cd "$0" && {_SCRIPT.strip()}'
        arguments = [layout.directory, verb, self.moment, layout.snapshot, layout.append_directory, *more]
        answer = run(self.client.command(["sh", "-c", script, *arguments], {}), tied=True)
        if not answer.ok:
            raise OperationError(
                "redis-files",
                f"The files of Redis in {layout.directory} could not be changed ({verb}): {answer.reason}.",
                "What it was begun with is whole, there or beside, in directories named dbops__….",
                "Correct what it says; the same step can be repeated.",
            )
        return answer.out
