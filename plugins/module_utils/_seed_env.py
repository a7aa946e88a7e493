# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The environment of a program, without anything in it that leads or lets in anywhere. Pure."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote, urlsplit

from ._pg_url import PgUrl

NOWHERE = "replaced.invalid"  # a name that no resolver may know: https://www.rfc-editor.org/rfc/rfc6761#section-6.4

NO_REDIS = f"redis://{NOWHERE}:6379"

# Words of names. The first ones may be the end of a longer word, as in PGPASSWORD; BYPASS and MONKEY are no secrets.
_WORDS = (
    r"(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|APIKEY|(?<![A-Z0-9])(?:PASS|PWD|KEY|AUTH|JWT|SALT|PEPPER|SIGNATURE|COOKIE"
    r"|CERT|CERTIFICATE|PRIVATE|DSN|CONNECTION(?:_?STRING)?))S?"
)
# What a name says at its end is what it holds: JWT_SECRET and API_KEY_2 are secrets, SEED_PASS_MODE and TOKEN_POLICY decide something.
_SECRET = re.compile(rf"{_WORDS}(?:_?\d+)?$", re.IGNORECASE)
# Elsewhere in a name these speak of one as well, as in ADMIN_PASSWORD_DEFAULT, SECRET_KEY_BASE and SIGNING_KEY_PEM.
_HOLDS_SECRET = re.compile(r"(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|(?<![A-Z0-9])(?:PASS|PWD|KEY))S?(?![A-Z])", re.IGNORECASE)
_DECIDES = re.compile(
    r"_(?:MODE|POLICY|TYPE|STRATEGY|ACTION|PROVIDER|CHECKS?|ENABLED|DISABLED|REQUIRED|ROUNDS|COST|COUNT|LIMIT|MIN|MAX|LENGTH|SIZE|BITS|TTL|AGE"
    r"|IN|LIFETIME|EXPIRES|EXPIRY|EXPIRATION|SECONDS|MINUTES|HOURS|DAYS|ALG|ALGORITHM|FORMAT|VERSION|PREFIX|SUFFIX|NAME|FIELD|COLUMN|HEADER"
    r"|ISSUER|AUDIENCE|ID|FILE|PATH|DIR)$",
    re.IGNORECASE,
)
_PEM = "-----BEGIN "  # https://www.rfc-editor.org/rfc/rfc7468#section-2
# In what is kept of its output less is at stake: there it is enough that a name speaks of one.
_SUSPECT = re.compile(rf"(?:{_WORDS}|(?<![A-Z0-9])(?:URL|URI|ENDPOINT|WEBHOOK)S?)(?![A-Z])", re.IGNORECASE)
# What no one would write by hand: long, of letters and digits, and neither a path nor an option.
_OPAQUE = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])[A-Za-z0-9+][A-Za-z0-9+/=_-]{19,}")
_SWITCH = re.compile(r"true|false|yes|no|on|off|[+-]?\d+(?:\.\d+)?", re.IGNORECASE)
_SHORTEST = 8  # characters of any secret; what is shorter and a word is rather a mode, which a rehearsal must not leave out
_SHORT = 4  # characters; what is shorter stands in any text

_HOST = re.compile(r"(?:HOST|HOSTNAME|SERVER|ADDR|ADDRESS|URL|URI|ENDPOINT|WEBHOOK)S?$", re.IGNORECASE)
_HERE = ("localhost", "127.0.0.1", "::1", "0.0.0.0", "::")  # noqa: S104 - compared, not listened on
_DATABASE_HOST = re.compile(r"PG|POSTGRES|DB|DATABASE", re.IGNORECASE)
_CACHE_HOST = re.compile(r"REDIS|VALKEY", re.IGNORECASE)
_POSTGRES = ("postgres", "postgresql")
_REDIS = ("redis", "rediss", "valkey", "valkeys")
# By which libpq and node-postgres find a server where no URL says it.
_LIBPQ = ("PGHOST", "PGHOSTADDR", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGSERVICE")

# A URL begins with its scheme: https://www.rfc-editor.org/rfc/rfc3986#section-3.1. Where text stands before it, it leads somewhere, too.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")

_KEYWORD = re.compile(r"(?<![^\s;])(host|hostaddr|server|port|dbname|database)\s*=\s*(?:'([^']*)'|([^\s;']+))", re.IGNORECASE)


def _scheme(value: str) -> str:
    """Of the first URL in it; "" where there is none."""
    match = _URL.search(value)
    return match[1].lower() if match else ""


def _inside(value: str) -> tuple[str, str]:
    """Host and password of a URL, which may stand elsewhere as well."""
    try:
        parts = urlsplit(value)
        return parts.hostname or "", unquote(parts.password or "")
    except ValueError:
        return "", ""


def _is_secret(name: str, value: str) -> bool:
    if _SWITCH.fullmatch(value):
        return False
    if _OPAQUE.fullmatch(value) or _PEM in value or (_SECRET.search(name) and len(value) >= _SHORTEST):
        return True
    holds = _HOLDS_SECRET.search(name) and not _DECIDES.search(name)
    # A word in small letters, or several, is a mode rather than a secret.
    is_wordy = value.islower() and re.sub("[-_.]", "", value).isalpha()
    return bool(holds and len(value) >= _SHORT and not is_wordy)


def replaced(env: dict[str, str], pg_url: str, redis_url: str, secret: str) -> dict[str, str]:
    """The same names. pg_url, redis_url: what addresses of PostgreSQL and Redis become ("" for Redis: nowhere); secret: any other."""
    served = _POSTGRES + (_REDIS if redis_url else ())
    hosts = {_inside(value)[0] for value in env.values() if _scheme(value) in served}
    passwords = {_inside(value)[1] for value in env.values() if _scheme(value)}

    def replacement(name: str, value: str) -> str:
        if _HOST.search(name) and value and not _SWITCH.fullmatch(value):
            is_ours = _DATABASE_HOST.match(name) or (redis_url and _CACHE_HOST.match(name)) or value.lower() in hosts
            return value if value in _HERE else "127.0.0.1" if is_ours else NOWHERE
        repeated = len(value) >= _SHORTEST and value in passwords
        return secret if repeated or _is_secret(name, value) else value

    new = {name: _address(value, pg_url, redis_url) or replacement(name, value) for name, value in env.items()}
    return {**new, **_libpq(env, pg_url)}


def _address(value: str, pg_url: str, redis_url: str) -> str:
    """What a URL becomes; "" for what is none."""
    scheme = _scheme(value)
    if scheme in _POSTGRES:
        return pg_url
    if scheme in _REDIS:
        return redis_url or NO_REDIS
    return f"{scheme if scheme.isalnum() else 'http'}://{NOWHERE}" if scheme else ""


def _libpq(env: dict[str, str], pg_url: str) -> dict[str, str]:
    """Those of libpq's own variables that are there, as the URL has them."""
    found = [name for name in _LIBPQ if name in env]
    return {name: PgUrl.parse(pg_url).environ().get(name, "") for name in found}


def addresses(env: dict[str, str]) -> list[str]:
    """The variables that are an address of PostgreSQL."""
    return [name for name, value in env.items() if _scheme(value) in _POSTGRES]


def elsewhere(env: dict[str, str], pg_url: str, redis_url: str) -> list[str]:
    """What leads somewhere else than these URLs without being one: `DB_HOST is 'other'`. It cannot be led, as nobody knows how it is read.

    Whatever led to the copy in the rehearsal has to mean, in earnest, the server that was checked. redis_url: "" where there is none:
    then nothing of it is left.
    """
    url = PgUrl.parse(pg_url)
    found = _elsewhere(env, _POSTGRES, "PG|POSTGRES|POSTGRESQL|DB|DATABASE", _DATABASE_HOST, (url.host, str(url.port), url.database))
    if redis_url:
        host, port, database = _authority(redis_url.partition("://")[2])
        found += _elsewhere(env, _REDIS, "REDIS|VALKEY", _CACHE_HOST, (host, port or "6379", database or "0"))
    return found


def _elsewhere(
    env: dict[str, str], schemes: tuple[str, ...], words: str, of_host: re.Pattern[str], meant: tuple[str, str, str]
) -> list[str]:
    """schemes, words, of_host: how URLs, names and names of hosts of such a server begin; meant: its host, port and database."""
    hosts = {_inside(value)[0] for value in env.values() if _scheme(value) in schemes} - set(_HERE)
    found = []
    for name, value in env.items():
        if not value or name in _LIBPQ or _scheme(value):
            continue
        is_host = _HOST.search(name) and not _SWITCH.fullmatch(value) and (of_host.match(name) or value.lower() in hosts)
        is_port = re.fullmatch(rf"(?:{words})_?PORT", name, re.IGNORECASE)
        is_database = re.fullmatch(rf"(?:{words})_?(?:NAME|DATABASE|DBNAME|DB)", name, re.IGNORECASE)
        named = _authority(value) if is_host else ("", value if is_port else "", value if is_database else "")
        if schemes == _POSTGRES and not any(named):
            named = _keywords(value)
        wrong = [said for said, right in zip(named, meant) if said and said.lower() != right.lower()]
        found += [f"{name} is {wrong[0]!r}"] if wrong else []
    return found


def _authority(value: str) -> tuple[str, str, str]:
    """Host, port and database of what is a URL but for its scheme, "" for each that is not said. No user and no password."""
    host = value.rpartition("@")[2]
    try:
        parts = urlsplit(f"//{value}")
        return parts.hostname or host, str(parts.port or ""), parts.path.strip("/")
    except ValueError:
        return host, "", ""


def _keywords(value: str) -> tuple[str, str, str]:
    """The same of a connection string: https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-CONNSTRING, and ADO.NET's."""
    said = {key.lower(): (quoted or plain) for key, quoted, plain in _KEYWORD.findall(value)}
    database = said.get("dbname", said.get("database", ""))
    host = said.get("host") or said.get("hostaddr") or (said.get("server", "") if database else "")
    return host, said.get("port", "") if host else "", database if host else ""


def redis_addresses(env: dict[str, str]) -> list[str]:
    """The variables that are an address of Redis."""
    return [name for name, value in env.items() if _scheme(value) in _REDIS]


def redis_hosts(env: dict[str, str]) -> list[str]:
    """Those that name its host alone."""
    return [name for name, value in env.items() if value and not _scheme(value) and _HOST.search(name) and _CACHE_HOST.match(name)]


def led_to(env: dict[str, str], pg_url: str, redis_url: str) -> dict[str, str]:
    """The same environment, in which every address of PostgreSQL and of Redis is that of the server that was checked.

    redis_url: "" where none was. Then what names Redis leads nowhere, as it did in the rehearsal.
    """
    redis = {**dict.fromkeys([] if redis_url else redis_hosts(env), NOWHERE), **dict.fromkeys(redis_addresses(env), redis_url or NO_REDIS)}
    return {**env, **redis, **dict.fromkeys(addresses(env), pg_url), **_libpq(env, pg_url)}


def open_part(env: dict[str, str]) -> dict[str, str]:
    """What may decide what a program does, without a secret: the same for a rotated password, another for another mode."""
    return replaced(env, f"postgres://nobody@{NOWHERE}/nothing", f"redis://{NOWHERE}", "")


def without_secrets(text: str, env: dict[str, str]) -> str:
    """Text of a program, without the secrets that it was given: a URL's password also where it stands alone, encoded or not."""
    passwords = {_inside(value)[1] for value in env.values() if _scheme(value)}
    values = {value for value in env.values() if _scheme(value)} | passwords | {quote(password, safe="") for password in passwords}
    values |= {value for name, value in env.items() if _SUSPECT.search(name) or _OPAQUE.fullmatch(value)}
    # A certificate or a key is printed whole, or line by line, and with line breaks of another kind.
    values |= {line.strip() for value in env.values() if "\n" in value for line in value.splitlines()}
    values = {value for value in values if len(value) >= _SHORT and not _SWITCH.fullmatch(value)}
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, "***")
    return text
