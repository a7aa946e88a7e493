# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""That a seed reaches, from where it runs, the very servers that are asked for their stamp, backed up and compared."""

from __future__ import annotations

from ._pg_login import require_same
from ._pg_url import PgUrl
from ._psql import Server
from ._seat import Seat
from ._seed_program import GUARDING, Program, with_settings
from ._throwaway import image_here


def require_database(program: Program, url: PgUrl, server: Server, image: str) -> None:
    """PG_URL, from the networks of the program, means the database of `server`. image: of PostgreSQL, where no container has one."""
    seat = Seat(server.place, image_here(server.place, "" if server.place.container else image), program.networks)
    require_same(seat, url, server, GUARDING, PGOPTIONS=with_settings(url.environ().get("PGOPTIONS", "")))
