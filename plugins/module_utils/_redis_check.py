# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The server's own programs read its files through."""

from __future__ import annotations

import re

from ._client import Client
from ._command import Answer, run

# $1: rdb or aof, $2: the file. Some packages hold the server alone, which does the same under the other name.
_SCRIPT = r"""
set -eu
for family in redis valkey; do
  if command -v "$family-check-$1" > /dev/null; then exec "$family-check-$1" "$2"; fi
done
for family in redis valkey; do
  if command -v "$family-server" > /dev/null; then
    links=$(mktemp -d)
    trap 'rm -rf "$links"' EXIT
    ln -s "$(command -v "$family-server")" "$links/$family-check-$1"
    "$links/$family-check-$1" "$2"
    exit
  fi
done
echo "no redis-check-$1" >&2
exit 127
"""

# $1: the archive, $2: path of the append-only files' manifest in it.
_AOF_SCRIPT = r"""
set -eu
umask 077
files=$(mktemp -d)
trap 'rm -rf "$files"' EXIT
tar -xf "$1" -C "$files"
check=$3
sh -c "$check" check aof "$files/$2"
"""

_TELLING = re.compile(
    r"ERROR|error|Unexpected|not valid|Bad|Can't|Wrong|truncated|version|no redis-check|tar:|too small|Invalid", re.IGNORECASE
)
_KEYS = re.compile(r"^\[info\] (\d+) keys read", re.MULTILINE)
_QUIET = re.compile(r"AUX FIELD|--- RDB ERROR DETECTED ---")


def read_snapshot(client: Client, path: str) -> tuple[str, int]:
    """Why a snapshot cannot be read to its end by the programs of that place, "" where it can, and how many keys it holds.

    path: as they see it.
    """
    answer = run(client.command(["sh", "-c", _SCRIPT, "check", "rdb", path], {}), tied=True, encoding="latin-1")
    wrong, keys = _verdict(answer), _KEYS.search(answer.out)
    if wrong or not keys:
        return wrong or f"how many keys it holds is not said ({reason(answer.out)})", 0
    return "", int(keys[1])


def wrong_append_only(client: Client, path: str, manifest: str) -> str:
    """The same of an archive of append-only files. manifest: path of their own manifest in it."""
    argv = ["sh", "-c", _AOF_SCRIPT, "check", path, manifest, _SCRIPT]
    return _verdict(run(client.command(argv, {}), tied=True, encoding="latin-1"))


def _verdict(answer: Answer) -> str:
    return "" if answer.ok else reason(answer.out + "\n" + answer.err)


def reason(said: str) -> str:
    """What a check complains of, without the rest that it says; it shows parts of data, which are left out. Pure."""
    lines = [re.sub(r"^\[offset \d+\] ", "", line.strip()) for line in said.splitlines() if not _QUIET.search(line)]
    telling = [line for line in lines if _TELLING.search(line)]
    return "; ".join(telling[:2])[:300] or (lines[-1][:300] if lines else "it said nothing")
