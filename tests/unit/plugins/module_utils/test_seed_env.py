# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment of a rehearsal holds the names of the real one, and nothing that leads or lets in anywhere."""

from __future__ import annotations

import re

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._command import Answer
from ansible_collections.amanat.dbops.plugins.module_utils._seed_env import (
    addresses,
    elsewhere,
    led_to,
    open_part,
    redis_addresses,
    replaced,
    without_secrets,
)
from ansible_collections.amanat.dbops.plugins.module_utils._seed_reach import redis_url_of
from ansible_collections.amanat.dbops.plugins.module_utils._seed_rehearsal import complaint_in, told
from ansible_collections.amanat.dbops.plugins.module_utils._stage import attempts_in
from hypothesis import example, given
from hypothesis import strategies as st

PG, REDIS, SECRET = "postgres://u:throwaway@127.0.0.1:5432/d", "redis://:throwaway@127.0.0.1:6379", "throwaway"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PG_URL", "postgres://amanat:pw@postgres:5432/amanat", PG),
        ("REPLICA", "postgresql://replica/amanat", PG),
        ("REDIS_URL", "rediss://:pw@redis:6379", REDIS),
        ("API", "https://api.example.com/v1", "https://replaced.invalid"),
        ("CONNECTION_STRING", "Server=db;Pwd=x", SECRET),
        ("JWT_SECRET", "long-enough", SECRET),
        ("API_KEY_2", "long-enough", SECRET),
        ("SMTP_PASS", "long-enough", SECRET),
        ("STRIPE_SECRET_KEYS", "long-enough", SECRET),
        ("PGPASSWORD", "pw", "throwaway"),
        ("PGDATABASE", "amanat", "d"),
        ("COPY", "pw-of-amanat", SECRET),
        # What decides what a program does has to be what it is in earnest.
        ("SEED_PASS_MODE", "careful-one", "careful-one"),
        ("BYPASS_CHECKS", "everything", "everything"),
        ("DESIGN_MODE", "wipe-it-all", "wipe-it-all"),
        ("PRIMARY_KEY_MODE", "start-anew", "start-anew"),
        ("MONKEY", "chimpanzee", "chimpanzee"),
        ("SEED_TOKEN", "wipe", "wipe"),
        ("RESET_PASSWORDS", "false", "false"),
        ("SESSION_KEY", "1234567890", "1234567890"),
        ("SMTP_PASS", "abc1234", SECRET),
        ("SEED_ADMIN_PASSWORD", "Adm1n!!", SECRET),
        ("ADMIN_PASSWORD_DEFAULT", "change-Me", SECRET),
        ("SECRET_KEY_BASE", "a few words of it", SECRET),
        ("SIGNING_KEY_PEM", "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n", SECRET),
        ("TLS", "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----\n", SECRET),
        ("SEED_DATA", "one,two\nthree,four", "one,two\nthree,four"),
        ("JWT_EXPIRES_IN", "900s", "900s"),
        ("API_KEY_HEADER", "X-Api-Key", "X-Api-Key"),
        ("SEED_TOKEN_FILE", "data/Tokens.csv", "data/Tokens.csv"),
        ("TOKEN_POLICY", "Wipe-All", "Wipe-All"),
        ("STRIPE", "sk1live1aaaaaaaaaaaaaaaaaaaa", SECRET),
        ("NODE_ENV", "pw-of-amanat-1", "pw-of-amanat-1"),
        ("PGHOST", "postgres", "127.0.0.1"),
        ("DB_HOST", "10.0.0.7", "127.0.0.1"),
        ("REDIS_HOSTNAME", "redis", "127.0.0.1"),
        ("READ_HOST", "replica", "127.0.0.1"),
        ("DB_TYPE", "postgres", "postgres"),
        ("MAIL_HOST", "mail", "replaced.invalid"),
        ("SEARCH_ENDPOINT", "search:9200/index", "replaced.invalid"),
        ("HOST", "localhost", "localhost"),
        ("USE_MAIL_SERVER", "true", "true"),
        ("NODE_ENV", "production", "production"),
        ("PORT", "5000", "5000"),
        ("PATH", "/usr/local/sbin:/usr/local/bin", "/usr/local/sbin:/usr/local/bin"),
        ("NODE_OPTIONS", "--max-old-space-size=4096", "--max-old-space-size=4096"),
        ("EMPTY_TOKEN", "", ""),
        ("SEPARATOR", "://", "://"),
        ("HELP", "see https://wiki.example.com", "https://replaced.invalid"),
        ("JDBC", "jdbc:postgresql://replica/amanat", PG),
    ],
)
def test_what_a_variable_becomes(name: str, value: str, expected: str) -> None:
    env = {"OTHER": "amqp://u:pw-of-amanat@rabbit", "REPLICA_URL": "postgres://replica/amanat", name: value}
    assert replaced(env, PG, REDIS, SECRET)[name] == expected


def test_without_a_redis_its_address_leads_nowhere() -> None:
    env = {"REDIS_URL": "redis://redis", "REDIS_HOST": "redis"}
    assert replaced(env, PG, "", SECRET) == {"REDIS_URL": "redis://replaced.invalid:6379", "REDIS_HOST": "replaced.invalid"}


values = st.text() | st.builds("{}{}://{}".format, st.text(), st.sampled_from(["a", "0", ""]), st.text())


@given(st.dictionaries(st.text(min_size=1), values))
@example({"0": "://"})
def test_names_stay(env: dict[str, str]) -> None:
    new = replaced(env, PG, REDIS, SECRET)
    assert new.keys() == env.keys()
    # Without a scheme it is no URL, and leads nowhere by itself.
    urls = [value for value in new.values() if re.search(r"[A-Za-z][A-Za-z0-9+.-]*://", value)]
    assert not [value for value in urls if value not in (PG, REDIS) and "replaced.invalid" not in value]


def test_what_makes_another_program() -> None:
    """A mode does, a rotated password does not."""
    env = {"PG_URL": "postgres://amanat:one@postgres:5432/amanat", "PGPASSWORD": "one", "JWT_SECRET": "abcd1234", "SEED_MODE": "add"}
    rotated = {"PG_URL": "postgres://amanat:two@postgres:5432/amanat", "PGPASSWORD": "two", "JWT_SECRET": "other-one"}
    assert open_part({**env, **rotated}) == open_part(env)
    for name in ("SEED_MODE", "SEED_PASS_MODE", "BYPASS_CHECKS", "DESIGN_MODE", "PRIMARY_KEY_MODE"):
        assert open_part({**env, name: "wipe-everything"}) != open_part({**env, name: "add-what-is-missing"})
    assert not [value for value in open_part(env).values() if "one" in value or "abcd" in value]


def test_output_without_secrets() -> None:
    env = {"PG_URL": "postgres://amanat:p%40ss@postgres:5432/amanat", "JWT_SECRET_OLD": "abcd1234", "PORT": "5000", "AUTH": "true"}
    said = "postgres://amanat:p%40ss@postgres:5432/amanat p@ss p%40ss abcd1234 5000 postgres true"
    assert without_secrets(said, env) == "*** *** *** *** 5000 postgres true"


@pytest.mark.parametrize(
    ("name", "value", "printed"),
    [
        ("SMTP_PASS", "abc1234", "abc1234"),
        ("SEED_ADMIN_PASSWORD", "Adm1n!!", "Adm1n!!"),
        ("ADMIN_PASSWORD_DEFAULT", "change-me", "change-me"),
        ("SECRET_KEY_BASE", "a few words of it", "a few words of it"),
        ("SIGNING_KEY_PEM", "-----BEGIN KEY-----\nMIIEvQIBADANBg\n-----END KEY-----\n", "-----BEGIN KEY-----\\nMIIEvQIBADANBg\\n"),
        ("SIGNING_KEY_PEM", "-----BEGIN KEY-----\nMIIEvQIBADANBg\n-----END KEY-----\n", "MIIEvQIBADANBg\r\n-----END KEY-----"),
    ],
)
def test_a_secret_that_a_seed_prints(name: str, value: str, printed: str) -> None:
    said = told(Answer(0, f"it is {printed}, it says\n", ""), {name: value})
    assert said.startswith("it is ***")
    assert said.endswith(", it says\n")
    assert not [line for line in value.splitlines() if line in said]


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ("", ""),
        ("(node:1) DeprecationWarning: old", ""),
        ("starting\n  Error: relation is missing\n    at x", "Error: relation is missing"),
        ("seed failed: no", "seed failed: no"),
        ('error: detail: "Key (email)=(ann) exists"', 'error: detail: "…"'),
        ("DETAIL:  failed (ann)", "an error"),
        ("error: cannot log in with abcd1234", "error: cannot log in with ***"),
    ],
)
def test_complaints(errors: str, expected: str) -> None:
    assert complaint_in(errors, {"JWT_SECRET": "abcd1234"}) == expected


SNMP = """Ip: Forwarding DefaultTTL InReceives OutNoRoutes
Ip: 1 64 9 3
Udp: InDatagrams NoPorts InErrors OutDatagrams
Udp: 0 0 0 2
UdpLite: InDatagrams NoPorts InErrors OutDatagrams
UdpLite: 0 0 0 7
Ip6OutNoRoutes                  	4
"""


@pytest.mark.parametrize(("snmp", "found"), [(SNMP, 9), ("", 0), (SNMP.replace("Ip6", "Icmp6"), 5)])
def test_attempts(snmp: str, found: int) -> None:
    assert attempts_in(snmp) == found


@pytest.mark.parametrize(
    ("env", "redis_url", "expected"),
    [
        ({"PG_URL": "postgres://a:b@other/live", "REPLICA": "postgresql://a:b@replica/live"}, "", {"PG_URL": PG, "REPLICA": PG}),
        (
            {"PGHOST": "other", "PGDATABASE": "live", "PGSERVICE": "live", "PGOPTIONS": "-c a=b"},
            "",
            {"PGHOST": "127.0.0.1", "PGDATABASE": "d", "PGSERVICE": ""},
        ),
        ({"REDIS_URL": "redis://other", "QUEUE": "rediss://queue/3"}, REDIS, {"REDIS_URL": REDIS, "QUEUE": REDIS}),
        # Without a Redis that was checked, nowhere, as in the rehearsal.
        (
            {"REDIS_URL": "redis://other", "REDIS_HOST": "other", "REDIS_PORT": "6379"},
            "",
            {"REDIS_URL": "redis://replaced.invalid:6379", "REDIS_HOST": "replaced.invalid"},
        ),
        ({"REDIS_HOST": "redis", "MODE": "x"}, REDIS, {}),
    ],
)
def test_every_address_is_that_of_a_server_that_was_checked(env: dict[str, str], redis_url: str, expected: dict[str, str]) -> None:
    assert led_to(env, PG, redis_url) == {**env, **expected}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DB_HOST", "other", "other"),
        ("POSTGRES_HOST", "10.0.0.7", "10.0.0.7"),
        ("DATABASE_SERVER", "localhost", "localhost"),
        ("DB_ADDR", "127.0.0.1:6543", "6543"),
        ("DATABASE_URL", "other:5432/d", "other"),
        ("READ_HOST", "replica", "replica"),
        ("DB_ADDR", "u:geheim@other:five", "other:five"),
        ("DB_ADDR", "u:geheim@", ""),
        ("DB_PORT", "6543", "6543"),
        ("POSTGRES_DB", "other", "other"),
        ("DB_NAME", "other", "other"),
        ("CONNECTION", "host=other port=5432 dbname=d user=u password=geheim", "other"),
        ("CONNECTION", "user=u password=geheim host='other'", "other"),
        ("CONNECTION", "hostaddr=10.0.0.7", "10.0.0.7"),
        ("CONNECTION", "host=127.0.0.1 dbname=other", "other"),
        ("CONNECTION", "Server=other;Database=d;Pwd=geheim", "other"),
        ("REDIS_HOST", "other", "other"),
        ("REDIS_PORT", "6380", "6380"),
        ("REDIS_DB", "3", "3"),
        # The same, and what is none of it.
        ("DB_HOST", "127.0.0.1", ""),
        ("DB_HOST", "", ""),
        ("DB_ADDR", "127.0.0.1:5432", ""),
        ("DB_PORT", "5432", ""),
        ("DB_NAME", "d", ""),
        ("REDIS_HOST", "127.0.0.1", ""),
        ("CONNECTION", "host=127.0.0.1 port=5432 dbname=d", ""),
        ("MAIL", "Server=mail;Port=25", ""),
        ("GHOST", "ghost=other", ""),
        ("PGHOST", "other", ""),
        ("MAIL_HOST", "mail", ""),
        ("DB_URL", "postgres://other/live", ""),
        ("DB_SSL_SERVER", "true", ""),
    ],
)
def test_what_leads_past_the_addresses(name: str, value: str, said: str) -> None:
    env = {"PG_URL": "postgres://u@somewhere/d", "REPLICA": "postgres://u@replica/d", name: value}
    assert elsewhere(env, PG, REDIS) == ([f"{name} is {said!r}"] if said else [])


@pytest.mark.parametrize(
    ("env", "given", "expected"),
    [
        ({"REDIS_URL": "redis://own", "QUEUE": "redis://queue"}, "", "redis://own"),
        ({"REDIS_URL": "redis://own"}, REDIS, REDIS),
        ({"REDIS_HOST": "own"}, REDIS, REDIS),
        ({"REDIS_HOST": "own"}, "", ""),
        ({"MODE": "x"}, REDIS, ""),
    ],
)
def test_the_redis_that_a_seed_gets(env: dict[str, str], given: str, expected: str) -> None:
    assert redis_url_of(env, given) == expected


def test_without_a_redis_nothing_of_it_leads_past() -> None:
    assert elsewhere({"REDIS_HOST": "other", "REDIS_PORT": "1"}, PG, "") == []


def test_what_is_an_address() -> None:
    env = {"PG_URL": "postgres://a:b@other/live", "REPLICA": "postgresql://a:b@replica/live", "REDIS_URL": "redis://redis", "MODE": "x"}
    assert (addresses(env), redis_addresses(env)) == (["PG_URL", "REPLICA"], ["REDIS_URL"])
