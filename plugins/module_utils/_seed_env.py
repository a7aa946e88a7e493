# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The environment of a program, without anything in it that leads or lets in anywhere. Pure."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

NOWHERE = "replaced.invalid"  # a name that no resolver may know: https://www.rfc-editor.org/rfc/rfc6761#section-6.4

_SECRET = re.compile(
    r"PASS|PWD|SECRET|TOKEN|KEY|CREDENTIAL|AUTH|JWT|SALT|SIGN|COOKIE|CERT|PRIVATE|WEBHOOK|DSN|URI|URL|ENDPOINT|CONNECTION", re.IGNORECASE
)
# What no one would write by hand: long, of letters and digits, and neither a path nor an option.
_OPAQUE = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])[A-Za-z0-9+][A-Za-z0-9+/=_-]{19,}")
_SHORT = 4  # characters; what is shorter stands in any text
_POSTGRES = ("postgres", "postgresql")
_REDIS = ("redis", "rediss", "valkey", "valkeys")


# A URL begins with its scheme: https://www.rfc-editor.org/rfc/rfc3986#section-3.1. Where text stands before it, it leads somewhere, too.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


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


def replaced(env: dict[str, str], pg_url: str, redis_url: str, secret: str) -> dict[str, str]:
    """The same names. pg_url, redis_url: what addresses of PostgreSQL and Redis become ("" for Redis: nowhere); secret: any other."""
    urls = [_inside(value) for value in env.values() if _scheme(value)]
    hosts = {host for host, _password in urls}
    passwords = {password for _host, password in urls if len(password) >= _SHORT}

    def replacement(name: str, value: str) -> str:
        if not value:
            return value
        if name.upper().endswith(("HOST", "HOSTNAME", "SERVER", "ADDR")) or value in hosts:
            return "127.0.0.1"
        if _SECRET.search(name) or _OPAQUE.fullmatch(value) or any(password in value for password in passwords):
            return secret
        return value

    return {name: _address(value, pg_url, redis_url) or replacement(name, value) for name, value in env.items()}


def _address(value: str, pg_url: str, redis_url: str) -> str:
    """What a URL becomes; "" for what is none."""
    scheme = _scheme(value)
    if scheme in _POSTGRES:
        return pg_url
    if scheme in _REDIS:
        return redis_url or f"redis://{NOWHERE}:6379"
    return f"{scheme if scheme.isalnum() else 'http'}://{NOWHERE}" if scheme else ""


def has_postgres(env: dict[str, str]) -> bool:
    """Whether it names PostgreSQL by a URL."""
    return any(_scheme(value) in _POSTGRES for value in env.values())


def led_to(env: dict[str, str], pg_url: str) -> dict[str, str]:
    """The same environment, in which every address of PostgreSQL is that of the database that was checked and backed up."""
    return {name: pg_url if _scheme(value) in _POSTGRES else value for name, value in env.items()}


def open_part(env: dict[str, str]) -> dict[str, str]:
    """What may decide what a program does, without a secret: the same for a rotated password, another for another mode."""
    return replaced(env, f"postgres://{NOWHERE}", f"redis://{NOWHERE}", "")


def without_secrets(text: str, env: dict[str, str]) -> str:
    """Text of a program, without the secrets that it was given."""
    values = {part for value in env.values() if _scheme(value) for part in (value, _inside(value)[1])}
    values |= {value for name, value in env.items() if _SECRET.search(name) or _OPAQUE.fullmatch(value)}
    for value in sorted((value for value in values if len(value) >= _SHORT), key=len, reverse=True):
        text = text.replace(value, "***")
    return text
