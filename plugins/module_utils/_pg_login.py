# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Logging in as the application does: by its URL, from its network."""

from __future__ import annotations

import secrets

from ._command import run
from ._pg_url import PgUrl
from ._place import Place
from ._psql import CONNECT_TIMEOUT, PSQL, failure


def log_in(place: Place, url: PgUrl, sql: str, **settings: str) -> str:
    """What the server answers whoever has the URL. It is the server's own image that asks. settings: further variables of libpq."""
    env = {**url.environ(), "PGCONNECT_TIMEOUT": str(CONNECT_TIMEOUT), **settings}
    if place.container:
        image = str(place.engine.container(place.container)["Image"])
        name = f"dbops-login-{secrets.token_hex(4)}"
        command = place.client(name, PSQL, env, image=image, network=place.engine.network(place.container))
    else:
        command = place.here(PSQL, env)
    answer = run(command, stdin=sql, timeout=60)
    if not answer.ok:
        raise failure(answer, url.database)
    return answer.out
