# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The door: rules at the top of pg_hba.conf that keep everybody out of a database but the window's own role. Pure.

Nothing else holds a superuser back, which the application's role often is: a connection limit does not count for it,
and ALLOW_CONNECTIONS false would shut out the migration, too. The server's own socket is shut as well: whoever operates the
server works from another of its databases.
https://www.postgresql.org/docs/18/auth-pg-hba-conf.html
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import shlex

from ._errors import OperationError
from ._pg_clone import NAME_BYTES, fit
from ._psql import quote_literal
from ._saslprep import prepared
from ._stack import Stack

ITERATIONS = 4096  # PostgreSQL's own default, scram_iterations


def mark(stack: Stack) -> str:
    """What every line of a stack's door ends with: by it they are found again, and nothing else is touched."""
    return f"# amanat.dbops door of {stack}"


def has_lines(stack: Stack) -> str:
    """An expression of SQL: whether the file that the server reads has lines of this stack's door."""
    line_end = quote_literal(mark(stack) + "\n")  # with its end, as one name may begin another
    return f"position(convert_to({line_end}, 'UTF8') in pg_read_binary_file(current_setting('hba_file'))) > 0"


def window_role(stack: Stack) -> str:
    """The role by which a window works in the database. It stands in a URL without being quoted."""
    return fit(f"dbops_window_{stack.environment}_{stack.name}", NAME_BYTES)


def quoted(name: str) -> str:
    """A database or role as pg_hba.conf wants it: quoted, so that no keyword is meant; with a slash first it is an expression."""
    if re.search(r"[\r\n]", name):
        raise OperationError(
            "door-impossible",
            f"The name {name!r} holds a line break, which pg_hba.conf cannot express.",
            "Nothing was changed.",
            "Rename it.",
        )
    if name.startswith("/"):
        name = f"/^{re.escape(name)}$"
    return '"' + name.replace('"', '""') + '"'


def rules(stack: Stack, database: str) -> str:
    """The lines of a shut door, in the order in which the server reads them."""
    where, window = quoted(database), quoted(window_role(stack))
    lines = [
        f"local {where} {window} scram-sha-256",
        f"host {where} {window} all scram-sha-256",
        f"local {where} all reject",
        f"host {where} all all reject",
    ]
    return "".join(f"{line} {mark(stack)}\n" for line in lines)


def verifier(password: str, salt: bytes) -> str:
    """A password as PostgreSQL stores it, so that neither a statement nor the server's log ever holds the password itself.

    https://www.rfc-editor.org/rfc/rfc5802#section-3
    """
    salted = hashlib.pbkdf2_hmac("sha256", prepared(password).encode(), salt, ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return "SCRAM-SHA-256${}:{}${}:{}".format(ITERATIONS, *(base64.b64encode(part).decode() for part in (salt, stored, server)))


NOT_OURS = 78  # the script's exit code where the file is none that we may change

# For a shell, which may stay. Works on bytes, whatever the encoding of the file. The copy beside it keeps owner and mode; a file that is
# mounted by itself cannot be replaced by a rename and is written in place. The server may have the doors of several stacks, so
# whoever changes the file holds a lock on its directory. Of an input that is cut off nothing is done, as its bracket is never closed.
# $1: path, $2: mark, $3: what to do, $4: the new lines. `write` shows the old ones.
_SCRIPT = rf"""
set -eu
export LC_ALL=C
file=$(readlink -f "$1") || file=$1
test -f "$file" || {{ echo "$1 is not here, or not for this user" >&2; exit {NOT_OURS}; }}
exec 9< "$(dirname "$file")"
flock 9
lines() {{ awk -v mark="$1" -v ours="$2" '(substr($0, length($0) - length(mark) + 1) == mark) == ours' "$file"; }}
case $3 in
  show) lines "$2" 1 ;;
  digest)
    test -w "$file" || {{ echo "$file may not be written" >&2; exit {NOT_OURS}; }}
    sha256sum < "$file" | cut -d ' ' -f 1 ;;
  write)
    lines "$2" 1
    beside=$file.dbops
    cp -p "$file" "$beside" 2> /dev/null || beside=$(mktemp)
    trap 'rm -f "$beside"' EXIT
    {{ printf '%s' "$4"; lines "$2" 0; }} > "$beside"
    sync "$beside" 2> /dev/null || sync
    if [ "$beside" != "$file.dbops" ] || ! mv -f "$beside" "$file" 2> /dev/null; then cat "$beside" > "$file"; fi ;;
esac
"""


def on_file(stack: Stack, verb: str, path: str, lines: str) -> str:
    """What a shell beside the server is told, so that it does that with pg_hba.conf; it ends only where that fails."""
    arguments = " ".join(map(shlex.quote, (path, mark(stack), verb, lines)))
    # `-e` would mean nothing in a bracket whose failure is taken up in the same line.
    return f'(set -- {arguments}\n{_SCRIPT}) < /dev/null\ncode=$?; test "$code" = 0 || exit "$code"\n'
