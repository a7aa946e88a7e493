# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seeds are believed by what they do: rehearsed on a copy, refused or run, and nothing of them stays behind."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.integration.backup.conftest import STACK, Postgres, pooled, programs
from tests.integration.backup.jobs import await_true, killed_when
from tests.integration.migrations.conftest import in_background
from tests.integration.plays import engine, images
from tests.integration.redis.conftest import run_redis
from tests.integration.seeds.conftest import SECRET, Elsewhere, report


def left() -> str:
    return engine("ps", "--all", "--quiet", "--filter", "name=dbops-stage-", "--filter", "label=amanat.dbops.stack")


def test_the_seeds_of_the_runbook(make_shop: Any) -> None:
    """Rehearsed once, run twice: the second run changes nothing, and says so. Whatever it prints, no secret is kept."""
    elsewhere = make_shop("staging/shop", backed_up=False)
    untouched = elsewhere.content()
    # Whatever database the service was given, a seed works on the one that was checked and backed up.
    shop = make_shop("production/shop", leads_to=elsewhere.database)
    guard = shop.guard("seedCategories")
    assert (guard["verdict"], guard["rehearse"], guard["slug"]) == ("refuse", True, "seed-not-rehearsed")
    shop.refused("seedCategories", "seed-not-rehearsed")
    before = shop.content()
    rehearsed = shop.rehearse("seedCategories")
    assert (rehearsed["passed"], rehearsed["reasons"]) == (True, [])
    assert [run["changes"] for run in rehearsed["runs"]] == [
        [{"table": "public.categories", "added": 12, "changed": 0, "deleted": 0}],
        [],
    ]
    assert report(rehearsed["report"])["passed"] is True
    assert shop.content() == before, "a rehearsal touches nothing"
    assert shop.guard("seedCategories")["verdict"] == "allow"
    shop.sql("INSERT INTO categories (name, slug, position) VALUES ('Own', 'own', 77)")
    done = shop.seed("seedCategories")
    assert (done["changed"], done["tables"]) == (True, [{"table": "public.categories", "before": 1, "after": 13, "own": True}])
    report(done["report"])
    before = shop.content()
    again = shop.seed("seedCategories")
    assert (again["changed"], again["tables"]) == (False, [])
    assert shop.content() == before
    assert elsewhere.content() == untouched
    assert not left()


@pytest.mark.slow
def test_a_backup_that_is_named_proves_nothing(make_shop: Any) -> None:
    """What the rehearsal of somebody's choice finds is told. The guard goes by the data of today."""
    shop = make_shop("production/shop")
    older = next(name for name in shop.caller.names() if name.endswith(".pgdir"))
    time.sleep(1.1)  # backups are named by the second
    newest = shop.caller.backup(shop.database, stack=shop.stack)["name"]
    rehearsed = shop.rehearse("seedCategories", backup=older)
    assert (rehearsed["passed"], rehearsed["counts"], rehearsed["backup"]) == (True, False, older)
    assert report(rehearsed["report"])["counts"] is False
    shop.refused("seedCategories", "seed-not-rehearsed")
    rehearsed = shop.rehearse("seedCategories", backup=newest)
    assert (rehearsed["passed"], rehearsed["counts"]) == (True, True)
    shop.rehearse("seedCategories", backup=older)
    assert shop.guard("seedCategories")["verdict"] == "allow"


@pytest.mark.slow
def test_what_it_calls_itself_is_not_believed(make_shop: Any) -> None:
    shop = make_shop(image="lying")
    rehearsed = shop.rehearse("seedCategories")
    assert rehearsed["passed"] is False
    assert "200 rows of public.users were deleted" in rehearsed["reasons"]
    assert "TRUNCATE" in rehearsed["hints"]
    before = shop.content()
    assert "200 rows of public.users were deleted" in shop.refused("seedCategories", "seed-unsafe")
    assert shop.content() == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "reason"),
    [
        ("meddles", "1 row of public.users, which is none of its own tables, were changed"),
        ("repeats", "its second run was to change nothing: public.categories: 1 row added"),
        ("opens", "run 1: it did not end within 4 s and was ended"),
        ("reaches", "run 1: it tried to reach another host"),
        ("mails", "run 1: it tried to reach another host"),
        ("needs", "run 1: it ended with 1"),
        ("pretends", 'run 1: it ended with 0 and yet said: seed failed: relation "no_such_table" does not exist'),
        ("alters", "the schema changed"),
        ("clashes", "run 1: it ended with 1"),
        ("hangs", "run 1: it did not end within 4 s and was ended"),
    ],
)
def test_what_does_not_come_through(seed: str, reason: str, make_shop: Any) -> None:
    shop = make_shop()
    before = shop.content()
    rehearsed = shop.rehearse(seed, timeout=4.0)
    assert rehearsed["passed"] is False
    assert reason in rehearsed["reasons"]
    assert "example.test" not in json.dumps(report(rehearsed["report"])), "no row stands in a report"
    shop.refused(seed, "seed-unsafe")
    assert shop.content() == before
    assert not left()


@pytest.mark.slow
def test_what_reaches_beyond_its_tables(make_shop: Any) -> None:
    shop = make_shop("production/shop", backed_up=False)
    shop.sql("CREATE SEQUENCE numbers; SELECT setval('numbers', 500)")
    shop.caller.backup(shop.database, stack=shop.stack)
    rehearsed = shop.rehearse("oversteps", redis_image=images("redis")["redis"])
    assert rehearsed["passed"] is False
    assert [reason for reason in rehearsed["reasons"] if not reason.startswith("run 2")] == [
        "run 1: it reaches beyond its database: DROP DATABASE in PostgreSQL",
        "run 1: it reaches beyond its database: FLUSHALL in Redis",
        "run 1: the sequence public.numbers went back from 500 to 1",
        "roles, databases or settings of the server changed",
    ]
    shop.refused("oversteps", "seed-unsafe")


@pytest.mark.slow
def test_rows_of_others_that_are_gone_are_a_failure(make_shop: Any) -> None:
    """A rehearsal knows what there was at the time of its backup. A table of partitions is declared by its own name."""
    shop = make_shop("production/shop", backed_up=False)
    shop.sql(
        "CREATE TABLE events (at int PRIMARY KEY, what text) PARTITION BY RANGE (at);"
        " CREATE TABLE events_0 PARTITION OF events FOR VALUES FROM (0) TO (10);"
        " CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (10) TO (20)"
    )
    backup = shop.caller.backup(shop.database, stack=shop.stack)["name"]
    seeds = [{"name": "prunes", "tables": ["public.events"]}]
    rehearsed = shop.rehearse("prunes", seeds=seeds)
    assert (rehearsed["passed"], rehearsed["reasons"]) == (True, [])
    assert rehearsed["runs"][0]["changes"] == [{"table": "public.events", "added": 2, "changed": 0, "deleted": 0}]
    shop.sql("INSERT INTO users (name, email) VALUES ('of today', 'today@example.test')")
    said = shop.refused("prunes", "seed-unexpected", seeds=seeds, backup=backup)
    assert "rows were lost: public.users had 201 rows and has 200." in said
    assert backup in said
    path = said.partition("the report is ")[2].partition(". Next")[0]
    assert {"table": "public.events", "before": 0, "after": 2, "own": True} in report(path)["tables"]
    done = shop.seed("prunes", seeds=seeds)
    assert (done["changed"], done["tables"]) == (False, [])
    # Nor may a table of its own lose what the copy did not have, be there as many rows as before.
    shop.sql("INSERT INTO events VALUES (5, 'of today'); DELETE FROM events WHERE at = 1")
    said = shop.refused("prunes", "seed-unexpected", seeds=seeds, backup=backup)
    assert "rows were lost: 1 row of its own public.events." in said
    assert shop.sql("SELECT string_agg(at::text, ' ' ORDER BY at) FROM events") == "1 11"


@pytest.mark.slow
def test_its_environment_is_another(make_shop: Any) -> None:
    """The names stay; whatever leads or lets in anywhere does not. A Redis answers where one is asked for."""
    shop = make_shop()
    rehearsed = shop.rehearse("tells", redis_image=images("redis")["redis"])
    said = rehearsed["runs"][0]["said"].splitlines()
    told = f"postgres://amanat:throwaway@127.0.0.1:5432/{shop.database} throwaway replaced.invalid production"
    assert said == [told, "***", "redis answers"]
    report(rehearsed["report"])
    assert rehearsed["passed"] is True


def test_what_is_known_to_destroy(make_shop: Any) -> None:
    """seed:all and seed:users run in development alone, by whatever name; and never where the stamp says otherwise."""
    shop = make_shop("production/shop", backed_up=False)
    before = shop.content()
    for seed in ("seed:all", "seedUsers"):
        shop.refused(seed, "seed-never")
    other = [{"name": "harmless", "argv": ["npm", "run", "seed:users"], "files": ["package.json"]}]
    shop.refused("harmless", "seed-never", seeds=other)
    shop.refused("seedAll", "stamp-mismatch", stack="development/shop")
    shop.refused("seedNothing", "seed-unknown")
    server = shop.caller.directory / "state" / shop.stack / "server.json"
    record = server.read_text(encoding="utf-8")
    server.write_text(json.dumps({**json.loads(record), "system_identifier": "7000000000000000001"}))
    shop.refused("seedUsers", "server-changed", by={"user": "ann"})
    guard = shop.guard("seedUsers")
    assert (guard["verdict"], guard["slug"], guard["rehearse"]) == ("refuse", "server-changed", False)
    assert shop.content() == before
    refusals = shop.audit()
    assert [(line["event"], line["seed"], line["slug"]) for line in refusals] == [
        ("refused", "seed:all", "seed-never"),
        ("refused", "seedUsers", "seed-never"),
        ("refused", "harmless", "seed-never"),
        ("refused", "seedNothing", "seed-unknown"),
        ("refused", "seedUsers", "server-changed"),
    ]
    assert refusals[-1]["by"]["user"] == "ann"
    free = make_shop("development/shop", backed_up=False)
    done = free.seed("seed:users")
    assert done["changed"] is True
    assert {"table": "public.users", "before": 200, "after": 12, "own": False} in done["tables"]


@pytest.mark.parametrize("place", ["container", pytest.param("target", marks=pytest.mark.slow)])
def test_a_server_that_nobody_checked(elsewhere: Elsewhere, make_shop: Any, place: str) -> None:
    """PG_URL means one server to whoever operates, and another one on the networks of the service: no seed runs on either."""
    on = elsewhere.network if place == "container" else f"container:{elsewhere.server.container}"
    shop = make_shop(backed_up=False, on=on)
    here = {"pg_url": elsewhere.url(shop.database, "postgres")}
    if place == "target":
        here = {"pg_url": elsewhere.url(shop.database, "127.0.0.1"), "postgres_container": "", "postgres_bin_dir": programs()}
        here["image"] = shop.caller.server.image
    elsewhere.server.sql("postgres", f"CREATE DATABASE {shop.database}")
    elsewhere.server.sql(shop.database, "CREATE TABLE users (id int); INSERT INTO users SELECT generate_series(1, 200)")
    before = shop.content()
    said = shop.refused("seedUsers", "pg-url-elsewhere", **here)
    assert " PG_URL leads to another server or database than " in said
    shop.caller.refused("seed_guard_info", shop.database, "pg-url-elsewhere", **shop.options("seedUsers", backup_dir=None, **here))
    assert shop.content() == before
    assert elsewhere.server.sql(shop.database, "SELECT count(*), sum(id) FROM users") == "200|20100"


@pytest.mark.slow
def test_a_redis_that_nobody_checked(make_shop: Any, network: str) -> None:
    """The seed gets the Redis of the inventory, by the service's own address where that has none; or none at all."""
    shop = make_shop(backed_up=False)
    own, other = (
        run_redis("redis", password="", options=("--network", network, "--network-alias", name)) for name in ("redis", "other-redis")
    )
    try:
        it = {"seeds_never": ["caches"], "redis_container": own.container}
        shop.refused("caches", "redis-url-elsewhere", **it, redis_url="redis://other-redis:6379")
        own.ask("SET", "dbops:environment", "production/shop")
        shop.refused("caches", "stamp-mismatch", **it)
        own.ask("DEL", "dbops:environment")
        shop.refused("caches", "seed-failed", seeds_never=["caches"])
        assert (own.ask("DBSIZE"), other.ask("DBSIZE")) == ("0", "0")
        shop.seed("caches", **it)
        assert (own.ask("KEYS", "*"), other.ask("DBSIZE")) == ("seeded", "0")
        own.ask("FLUSHALL")
        shop.seed("caches", **{**it, "redis_container": other.container}, redis_url="redis://other-redis:6379")
        assert (own.ask("DBSIZE"), other.ask("KEYS", "*")) == ("0", "seeded")
    finally:
        own.remove()
        other.remove()


@pytest.mark.slow
@pytest.mark.parametrize("settings", ["", "ignore_startup_parameters = options\n"], ids=["refuses settings", "drops settings"])
def test_over_a_pooler_no_seed_runs(make_shop: Any, network: str, shop_server: Postgres, settings: str) -> None:
    """What ends a seed's sessions with it would not reach the server."""
    shop = make_shop(backed_up=False)
    before = shop.content()
    with pooled(shop_server, network, settings) as pooler:
        shop.refused("seedUsers", "pg-url-pooler", pg_url=shop_server.url(shop.database).replace("@postgres:", f"@{pooler}:"))
    assert shop.content() == before


@pytest.mark.slow
def test_one_that_hangs_is_ended(make_shop: Any) -> None:
    """Its process, all that it started, its session and its transaction; the service beside it stays."""
    shop = make_shop(backed_up=False)
    shop.sql("INSERT INTO categories (name, slug, position) VALUES ('Own', 'own', 77)")
    before = shop.content()
    hanging = in_background(lambda: shop.refused("hangs", "seed-timeout", timeout=10.0, seeds_never=["hangs"]))
    shop.caller.server.await_sql(shop.database, "EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE '%pg_sleep(7777)')", seconds=60)
    said = shop.refused("seed:users", "seed-running")
    assert f"amanat from socket (dbops seed {shop.stack}, since " in said
    hanging()
    assert shop.content() == before
    assert shop.sql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%7777%' AND pid <> pg_backend_pid()") == "0"
    assert shop.sql("SELECT count(*) FROM pg_locks WHERE mode = 'RowExclusiveLock'") == "0"
    await_true(lambda: not left())
    assert engine("inspect", "--format", "{{.State.Running}}", shop.backend) == "true"
    assert SECRET not in engine("logs", shop.backend)


@pytest.mark.faults
def test_a_killed_run_takes_its_seed_along(make_shop: Any) -> None:
    """Whatever ends the job on the target: no process, no container and no session of the seed outlives it."""
    shop = make_shop(STACK, backed_up=False)
    before = shop.content()
    asleep = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%7777%' AND pid <> pg_backend_pid()"
    options = shop.options("hangs", backup_dir=None, seeds_never=["hangs"])
    died = killed_when(lambda: shop.sql(asleep) == "1", shop.caller, "seed_run", shop.database, **options)
    assert died["slug"] == "job-died"
    await_true(lambda: not left())
    await_true(lambda: shop.sql(asleep) == "0")
    assert shop.content() == before


def test_what_has_no_image_is_not_shut_in(make_shop: Any) -> None:
    shop = make_shop(backed_up=False)
    commands = {"start": ["true"], "stop": ["true"], "status": ["true"]}
    shop.refused("seedCategories", "seed-no-image", services=[{"name": "backend", "kind": "command", **commands}])
    shop.refused("seedCategories", "seed-no-image", seeds=[{"name": "seedCategories", "service": "frontend"}])
