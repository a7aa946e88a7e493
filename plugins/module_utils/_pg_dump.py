# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What is known of pg_dump's output. Pure."""

from __future__ import annotations

import codecs
import re

# Counts the rows of every COPY block that pg_restore writes out of a dump. pg_restore itself loads a truncated
# directory dump without a word, so an end of input inside a block is a failure of its own (exit 3).
# What it finds wrong with the dump it says by codes of its own: any other one may be that of something that ended it.
# A table's quoted name may hold line breaks, hence the gathering up to "FROM stdin;". Names are in the dump's encoding.
# Told to end, the shell takes the pipeline with it; all of them are in a session of their own.
COUNT_ROWS = r"""
trap 'trap - TERM; kill -TERM 0' TERM
{ pg_restore --data-only --file=- "$1" | LC_ALL=C awk '
  state == 0 && /^SET client_encoding = / { print }
  state == 0 && /^COPY / { state = 1; header = "" }
  state == 1 { header = header (header == "" ? "" : "\n") $0
               if ($0 ~ / FROM stdin;$/) { state = 2; rows = 0; next } }
  state == 2 && $0 == "\\." { print rows "\t" header; state = 0; next }
  state == 2 { rows++ }
  END { if (state) exit 3 }
'
  codes=("${PIPESTATUS[@]}")
  case ${codes[0]} in
    0) exit "${codes[1]}" ;;
    1) exit 4 ;;
    *) exit "${codes[0]}" ;;
  esac
} &
wait $!
"""

BYTES = "latin-1"  # each byte a character: the answer of COUNT_ROWS is read so, whatever encoding it turns out to have

# Exit codes of COUNT_ROWS; all others are those of a shell, or of an engine, that was cut off.
UNTERMINATED = 3
REFUSED = 4  # what pg_restore cannot read

_IDENTIFIER = r'(?:"((?:[^"]|"")*)"|([^".( ]+))'
_ENCODING = re.compile(r"SET client_encoding = '([A-Za-z0-9_]+)';\n")
_VERSION = re.compile(r"^-- Dumped by pg_dump version (.+)$", re.MULTILINE)
_COUNT = re.compile(r"(\d+)\t(COPY .*? FROM stdin;)\n", re.DOTALL)
_HEADER = re.compile(rf"COPY {_IDENTIFIER}\.{_IDENTIFIER} ", re.DOTALL)


def _unquote(quoted: str | None, plain: str | None) -> str:
    return plain if quoted is None else quoted.replace('""', '"')  # type: ignore[return-value]


def table_of(header: str) -> tuple[str, str]:
    """Schema and table of a COPY statement as pg_dump writes it."""
    match = _HEADER.match(header)
    if not match:
        raise ValueError(f"not a COPY statement of pg_dump: {header[:80]!r}")
    return _unquote(match[1], match[2]), _unquote(match[3], match[4])


def codec_of(encoding: str) -> str:
    """Python's name of one of PostgreSQL's encodings. What Python does not know (SQL_ASCII, EUC_TW) is read as UTF-8."""
    name = re.sub(r"^WIN", "cp", re.sub(r"^KOI8", "koi8_", encoding))
    try:
        return codecs.lookup(name).name
    except LookupError:
        return "utf-8"


def version_of(text: str) -> str:
    """Which pg_dump wrote a dump as text, by its first lines; "" where they do not say."""
    found = _VERSION.search(text)
    return found[1] if found else ""


def counted(out: str) -> dict[tuple[str, str], int]:
    """The answer of COUNT_ROWS, as BYTES: rows by schema and table."""
    encoding = _ENCODING.match(out)
    codec = codec_of(encoding[1] if encoding else "UTF8")
    rows: dict[tuple[str, str], int] = {}
    for count, header in _COUNT.findall(out):
        table = table_of(header.encode(BYTES).decode(codec, "replace"))
        rows[table] = rows.get(table, 0) + int(count)  # partitions may be written as rows of their root
    return rows


def compare_counts(expected: dict[tuple[str, str], int], found: dict[tuple[str, str], int]) -> list[str]:
    """Every table whose rows in the dump are not those of its snapshot, in words."""
    wrong = []
    for table in sorted(expected.keys() | found.keys()):
        if expected.get(table) != found.get(table):
            name = ".".join(table)
            wrong.append(f"{name}: {expected.get(table, 'no')} rows in the snapshot, {found.get(table, 'no')} in the dump")
    return wrong
