# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The application's `PG_URL`, taken apart without a driver."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from ._errors import OperationError

DEFAULT_PORT = 5432  # https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-CONNECT-PORT

# Parameters of a URL that libpq also takes from the environment; a driver's own are not ours to judge.
# https://www.postgresql.org/docs/18/libpq-envars.html
_PARAMETERS = {"sslmode": "PGSSLMODE", "application_name": "PGAPPNAME", "options": "PGOPTIONS"}

# Both libpq and node-postgres let these replace what stands before the question mark.
_REPLACING = frozenset({"host", "hostaddr", "port", "user", "password", "dbname", "database", "service"})

_NO_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")


def _malformed(why: str) -> OperationError:
    # The value itself is a secret: it is never shown, not even in part.
    return OperationError(
        "pg-url-malformed",
        f"PG_URL is malformed: {why}.",
        "Nothing was changed.",
        "Set dbops_pg_url to postgres://<user>:<password>@<host>:<port>/<database>, special characters percent-encoded.",
    )


def with_settings(options: str, settings: Mapping[str, str]) -> str:
    """PGOPTIONS that ask for these settings on top of what they ask for already."""
    return " ".join([options, *(f"-c {name}={value}" for name, value in sorted(settings.items()))]).strip()


@dataclass(frozen=True)
class PgUrl:
    user: str
    password: str = field(repr=False)
    host: str
    port: int
    database: str
    parameters: dict[str, str]

    @classmethod
    def parse(cls, url: str) -> PgUrl:
        if not url:
            raise OperationError(
                "pg-url-missing",
                "There is no PG_URL.",
                "Nothing was changed.",
                "Set dbops_pg_url in the inventory (from Vault) to the URL that the application uses.",
            )
        try:
            parts = urlsplit(url)
            port = parts.port or DEFAULT_PORT
        except ValueError:
            raise _malformed("its host or port cannot be read") from None
        if parts.scheme not in ("postgres", "postgresql"):
            raise _malformed("it does not begin with postgres://")
        if _NO_ESCAPE.search(url):
            raise _malformed("a percent sign in it has to be written as %25")
        database = unquote(parts.path[1:])
        if not parts.username or not parts.hostname or not database or "/" in parts.path[1:]:
            raise _malformed("it needs a user, a host and one database")
        parameters = dict(parse_qsl(parts.query))
        if _REPLACING & parameters.keys():
            raise _malformed(f"{', '.join(sorted(_REPLACING & parameters.keys()))} stands among its parameters")
        return cls(
            user=unquote(parts.username),
            password=unquote(parts.password or ""),
            host=parts.hostname,
            port=port,
            database=database,
            parameters=parameters,
        )

    def environ(self) -> dict[str, str]:
        """The same connection as libpq's own variables."""
        env = {
            "PGUSER": self.user,
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGDATABASE": self.database,
        }
        if self.password:
            env["PGPASSWORD"] = self.password
        for key, name in _PARAMETERS.items():
            if key in self.parameters:
                env[name] = self.parameters[key]
        if env.get("PGSSLMODE") == "no-verify":  # node-postgres's own word for it
            env["PGSSLMODE"] = "require"
        return env
