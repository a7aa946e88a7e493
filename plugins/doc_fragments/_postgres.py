# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at any time.

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  postgres_container:
    description:
      - Container of the PostgreSQL server. The server is operated by its own programs, through its socket.
      - Empty where PostgreSQL runs on the target itself; then the host and port of O(pg_url) are used.
    type: str
    default: ''
  postgres_bin_dir:
    description:
      - Directory of C(psql), C(pg_dump) and C(pg_restore) on the target, where they are not on its path.
      - Without effect with O(postgres_container).
    type: str
    default: ''
  pg_url:
    description:
      - The URL by which the application reaches its database, V(postgres://user:password@host:port/database).
      - A secret. It is never shown, logged or put on a command line.
    type: str
    required: true
  login_user:
    description:
      - Role that operates the server. Defaults to the user of O(pg_url).
    type: str
  login_password:
    description:
      - Password of O(login_user). A server's own socket usually asks for none.
    type: str
  allowed_servers:
    description:
      - The servers of this environment, hosts as O(pg_url) names them, with or without a port, and system identifiers.
      - Where it names hosts, no other is connected to. Where it names system identifiers, nothing destructive is done on another
        server; without any, only on the one on which the database was stamped.
    type: list
    elements: str
    default: []
"""
