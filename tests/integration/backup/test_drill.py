# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A drill proves a backup, or says what is wrong with it; and leaves nothing behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _manifest

from tests.integration.backup.conftest import STACK, Caller, Postgres
from tests.integration.backup.damage import flipped
from tests.integration.backup.jobs import await_true, killed_when
from tests.integration.plays import engine

MakeDatabase = Callable[..., str]


def drill(caller: Caller, database: str, **options: Any) -> dict[str, Any]:
    return caller.run("postgres_drill", database, **{"wait": 120.0, **options})


def left_of_drills() -> str:
    return engine("ps", "--all", "--quiet", "--filter", "name=dbops-drill-", "--filter", f"label=amanat.dbops.stack={STACK}")


def volumes_of_drills() -> set[str]:
    mounts = '{{range .Mounts}}{{if eq .Type "volume"}}{{.Name}} {{end}}{{end}}'
    return set(engine("inspect", "--format", mounts, left_of_drills()).split())


def volumes() -> set[str]:
    return set(engine("volume", "ls", "--quiet").splitlines())


@pytest.fixture
def nothing_left() -> Iterator[None]:
    yield
    await_true(lambda: left_of_drills() == "")


@pytest.mark.usefixtures("nothing_left")
def test_a_drill_is_written_down(make_database: MakeDatabase, caller: Caller) -> None:
    database = make_database()
    oldest, name = (caller.backup(database)["name"] for _ in range(2))
    assert drill(caller, database, backup="oldest", check=True)["backup"] == oldest
    done = drill(caller, database)
    assert (done["backup"], done["tables"], done["rows"]) == (name, 2, 2500)
    assert [entry["passed"] for entry in done["assertions"]] == [True, True]
    newest = caller.manifest(name)["checks"][-1]
    assert (newest["check"], newest["rto"]) == ("drilled", done["rto"])
    assert "passed" in newest
    report = json.loads(Path(done["report"]).read_text(encoding="utf-8"))
    assert (report["passed"], report["backup"], report["rto"]) == (True, name, done["rto"])


@pytest.mark.usefixtures("nothing_left")
def test_what_it_has_to_answer(make_database: MakeDatabase, caller: Caller) -> None:
    """Own questions take the place of the usual ones; what is wrong with question or data takes no backup out of those that count."""
    database = make_database()
    name = caller.backup(database)["name"]
    before = caller.manifest(name)
    right = {"name": "users", "sql": "SELECT count(*) FROM users;", "expect": "500"}
    wrong = {"name": "rich", "sql": "SELECT sum(amount) > 1000000 FROM payments -- no less"}
    mistyped = {"name": "typo", "sql": "SELECT count(*) > 1 FROM usres"}
    message = caller.refused("postgres_drill", database, "drill-assertion", assertions=[right, wrong, mistyped], wait=120.0)
    assert "rich: false instead of true" in message
    assert 'relation "usres" does not exist' in message
    assert caller.manifest(name) == before
    report = json.loads(next((caller.directory / "state" / STACK / "reports").iterdir()).read_text(encoding="utf-8"))
    assert [entry["passed"] for entry in report["assertions"]] == [True, False, False]
    assert (report["passed"], "rich" in report["reason"]) == (False, True)


@pytest.mark.usefixtures("nothing_left")
def test_an_image_that_cannot_hold_the_backup_is_to_blame_itself(postgres: Postgres, make_database: MakeDatabase, caller: Caller) -> None:
    """An extension whose files somebody has put into the live container, and a locale that no image knows."""
    add = "d=$(pg_config --sharedir)/extension; echo \"default_version = '1'\" > $d/dbops_own.control; touch $d/dbops_own--1.sql"
    engine("exec", "--user", "root", postgres.container, "bash", "-c", add)
    database = make_database("CREATE EXTENSION dbops_own; CREATE TABLE t (n) AS SELECT 1;")
    name = caller.backup(database)["name"]
    before = caller.manifest(name)
    assert "dbops_own" in caller.refused("postgres_drill", database, "throwaway-unfit", wait=120.0)
    assert caller.manifest(name) == before
    extensions = [entry for entry in before["properties"]["extensions"] if entry["name"] != "dbops_own"]
    elsewhere = {**before["properties"], "lc_collate": "xx_XX.utf8", "extensions": extensions}
    (caller.backups / f"{name}.manifest.json").write_text(json.dumps(_manifest.sealed({**before, "properties": elsewhere})))
    assert "CREATE DATABASE" in caller.refused("postgres_drill", database, "throwaway-unfit", wait=120.0)
    assert len(caller.manifest(name)["checks"]) == len(before["checks"])


@pytest.mark.usefixtures("nothing_left")
def test_a_backup_that_cannot_be_loaded_tells_no_row(make_database: MakeDatabase, caller: Caller) -> None:
    """A constraint that the live rows do not keep, in whose message PostgreSQL quotes one of them."""
    database = make_database("""
        CREATE TABLE t (mail text); INSERT INTO t VALUES ('anna.private@example.org');
        CREATE FUNCTION ok(text) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true'; ALTER TABLE t ADD CHECK (ok(mail));
        CREATE OR REPLACE FUNCTION ok(text) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT false';
    """)
    name = caller.backup(database)["name"]
    message = caller.refused("postgres_drill", database, "drill-failed", wait=120.0)
    assert "t_mail_check" in message
    reports = (caller.directory / "state" / STACK / "reports").iterdir()
    told = [message, json.dumps(caller.manifest(name)), *(path.read_text(encoding="utf-8") for path in reports)]
    assert not any("anna" in text for text in told)


@pytest.mark.slow
@pytest.mark.usefixtures("nothing_left")
def test_roles_settings_and_tablespaces_need_not_be_there(postgres: Postgres, caller: Caller) -> None:
    """Whatever the dump asks for is made in the throw-away server, of whose host nobody needs to know anything."""
    postgres.sql("postgres", "CREATE ROLE drilled LOGIN; SET allow_in_place_tablespaces = on; CREATE TABLESPACE \"od d\" LOCATION '';")
    try:
        postgres.sql("postgres", "CREATE DATABASE drilled OWNER drilled TEMPLATE template0 LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'de'")
        postgres.sql("drilled", "ALTER DATABASE drilled SET default_transaction_read_only = on; ALTER DATABASE drilled CONNECTION LIMIT 0;")
        writable = "SET default_transaction_read_only = off;"
        postgres.sql(
            "drilled", f'{writable} CREATE TABLE t (n int) TABLESPACE "od d"; ALTER TABLE t OWNER TO drilled; CREATE EXTENSION citext;'
        )
        caller.backup("drilled")
        assert drill(caller, "drilled")["tables"] == 1
    finally:
        postgres.sql("postgres", 'DROP DATABASE IF EXISTS drilled; DROP TABLESPACE "od d"; DROP ROLE drilled;')


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("how", ["flipped", "forged"])
def test_a_backup_that_is_not_what_it_was(how: str, make_database: MakeDatabase, caller: Caller) -> None:
    database = make_database()
    name = caller.backup(database)["name"]
    if how == "flipped":
        flipped(next((caller.backups / name).glob("*.dat.zst")))
    else:
        manifest = caller.manifest(name)
        manifest["tables"][0]["digest"] = "1"
        (caller.backups / f"{name}.manifest.json").write_text(json.dumps(_manifest.sealed(manifest)))
    told = caller.refused("postgres_drill", database, "drill-failed", wait=120.0)
    assert "another content" in told
    assert "failed" in caller.manifest(name)["checks"][-1]


@pytest.mark.usefixtures("nothing_left")
def test_a_drill_that_was_cut_off_says_nothing_of_the_backup(make_database: MakeDatabase, caller: Caller) -> None:
    database = make_database()
    name = caller.backup(database)["name"]
    before = caller.manifest(name)
    caller.refused("postgres_drill", database, "throwaway-not-started", settings={"shared_preload_libraries": "nonsense"}, wait=120.0)
    caller.refused("postgres_drill", database, "throwaway-no-image", image="dbops-test/nonsense:1")
    caller.refused("postgres_drill", database, "backup-unknown", backup="other_2026-01-01T000000Z.pgdir")
    assert caller.manifest(name) == before


@pytest.mark.usefixtures("nothing_left")
def test_a_killed_drill_leaves_nothing(make_database: MakeDatabase, caller: Caller) -> None:
    """Neither its container nor the volumes with the data, whoever ended it and how."""
    database = make_database()
    name = caller.backup(database)["name"]
    before = caller.manifest(name)
    made: set[str] = set()

    def is_at_work() -> bool:
        if left_of_drills():
            made.update(volumes_of_drills())
        return bool(made)

    assert killed_when(is_at_work, caller, "postgres_drill", database)["slug"] == "job-died"
    await_true(lambda: not made & volumes())
    assert made
    assert caller.manifest(name) == before


@pytest.mark.slow
@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("end", ["container", "process"])
def test_a_server_that_ends_in_mid_drill(end: str, make_database: MakeDatabase, caller: Caller) -> None:
    """Stopped, or one of its processes killed for its memory, after which it begins anew: nothing was found out about the backup."""
    database = make_database()
    name = caller.backup(database)["name"]
    before = caller.manifest(name)
    sleepy = [{"name": "slow", "sql": "SELECT pg_sleep(60)::text"}]
    with ThreadPoolExecutor(max_workers=1) as pool:
        called = pool.submit(caller.refused, "postgres_drill", database, "drill-cut-off", assertions=sleepy, job="ending", wait=60.0)
        status = caller.directory / "state" / STACK / "jobs" / "ending" / "status.json"
        await_true(lambda: called.done() or (status.exists() and "answer" in status.read_text(encoding="utf-8")))
        if end == "container":
            engine("kill", left_of_drills())
        else:
            asked = "SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()"
            psql = f'psql -qAt -U dbops_throwaway -d postgres -c "{asked}"'
            kill = f'until pid=$({psql}) && test "$pid"; do sleep 0.1; done; kill -9 $pid'
            engine("exec", "--user", "root", left_of_drills(), "sh", "-c", kill)
        assert "Nothing was found out" in called.result()
    assert caller.manifest(name) == before
