# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at any time.

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  image:
    description:
      - Image of PostgreSQL that the engine has. With its C(psql) it is found out, on the networks of the service, which server O(pg_url)
        means there. Needed where O(postgres_container) is empty, else without effect.
    type: str
    default: ''
  redis_image:
    description:
      - Image of Redis that the engine has, whose C(redis-cli) asks on the networks of the service. That of O(redis_container) where it
        is empty. Without any the seed gets no Redis.
    type: str
    default: ''
"""
