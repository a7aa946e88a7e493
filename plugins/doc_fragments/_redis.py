# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at any time.

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  redis_container:
    description:
      - Container of the Redis or Valkey server. The server is operated by its own C(redis-cli).
      - Where the collection deployed it, the login that it was started with is used, as long as another O(redis_user) or
        O(redis_password) waits for a restart.
      - Empty where it runs on the target itself; then the host and port of O(redis_url) are used.
    type: str
    default: ''
  redis_bin_dir:
    description:
      - Directory of C(redis-cli) or C(valkey-cli) on the target, where it is not on its path.
      - Without effect with O(redis_container).
    type: str
    default: ''
  redis_url:
    description:
      - The URL by which the application reaches the server, V(redis://user:password@host:port/database).
      - A secret. It is never shown, logged or put on a command line.
    type: str
    default: ''
  redis_user:
    description:
      - The server's user as whom it is operated. Defaults to that of O(redis_url).
    type: str
    default: ''
  redis_password:
    description:
      - The server's password. Defaults to that of O(redis_url).
    type: str
    default: ''
"""
