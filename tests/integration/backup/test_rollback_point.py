# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollback point on a real server: the database that one returns to is the one that was left, whatever happened in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable

import pytest

from tests.integration.backup.conftest import SOME_DATA, USER, WINDOW, WINDOW_PASSWORD, Caller, Postgres, remove, run_postgres
from tests.integration.plays import engine, images

MOMENT = "20261122T170102Z"

# What belongs to the database itself and is no part of a dump.
OWN = """
SELECT json_build_array(datconnlimit, datallowconn, (SELECT array_agg(a ORDER BY a) FROM unnest(datacl::text[]) a),
  pg_get_userbyid(datdba), shobj_description(oid, 'pg_database'), datlocprovider, datlocale, datcollversion,
  (SELECT json_agg(json_build_array(setrole::regrole::text, setconfig) ORDER BY setrole) FROM pg_db_role_setting WHERE setdatabase = d.oid))
FROM pg_database d WHERE datname = '{}'
"""


def point(caller: Caller, database: str, state: str, *, check: bool = False, **options: Any) -> dict[str, Any]:
    known = {"backup_dir": None, "state": state, "moment": MOMENT, "wait": 60.0, **options}
    return caller.run("rollback_point", database, check=check, **known)


def refused(caller: Caller, database: str, slug: str, state: str, **options: Any) -> str:
    known = {"backup_dir": None, "state": state, "moment": MOMENT, "wait": 60.0, **options}
    return caller.refused("rollback_point", database, slug, **known)


@contextmanager
def shut_door(caller: Caller, database: str) -> Iterator[None]:
    caller.run("postgres_door", database, backup_dir=None, state="shut", password=WINDOW_PASSWORD)
    try:
        yield
    finally:
        caller.run("postgres_door", database, backup_dir=None, state="open")


def contents(postgres: Postgres, database: str) -> tuple[bytes, str]:
    """Everything that a dump of the database holds, byte by byte, and what belongs to the database itself."""
    argv = postgres.program(database, "pg_dump", "--restrict-key=x")
    dump = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=True).stdout
    return dump, postgres.sql("postgres", OWN.format(database.replace("'", "''")))


def databases(postgres: Postgres) -> list[str]:
    """The databases of this moment."""
    return postgres.sql("postgres", f"SELECT datname FROM pg_database WHERE datname ~ '__(old|failed)_{MOMENT}$' ORDER BY 1").splitlines()


@pytest.mark.parametrize("name", ['Of "Shop\'s" данные-ünï', pytest.param("n" * 63, marks=pytest.mark.slow)])
def test_a_return_gives_back_what_was_there(caller: Caller, postgres: Postgres, make_database: Callable[..., str], name: str) -> None:
    make_database(name=name)
    quoted, literal = name.replace('"', '""'), "'" + name.replace("'", "''") + "'"
    postgres.sql(
        "postgres",
        f"CREATE ROLE reader; ALTER DATABASE \"{quoted}\" SET work_mem = '5MB';"
        f'ALTER ROLE reader IN DATABASE "{quoted}" SET search_path = "A b", public;'
        f'REVOKE CONNECT ON DATABASE "{quoted}" FROM PUBLIC; GRANT CONNECT ON DATABASE "{quoted}" TO reader;'
        f"ALTER DATABASE \"{quoted}\" CONNECTION LIMIT 7; COMMENT ON DATABASE \"{quoted}\" IS 'the shop''s';",
    )
    # As after an upgrade of the system's libraries.
    postgres.sql("postgres", f"UPDATE pg_database SET datcollversion = '1.0' WHERE datname = {literal}")
    before = contents(postgres, name)
    try:
        prepared = point(caller, name, "prepared")
        assert (prepared["changed"], prepared["bytes"] > 7_000_000, prepared["free"] > prepared["bytes"]) == (False, True, True)
        with shut_door(caller, name):
            assert point(caller, name, "taken", check=True)["changed"]
            assert databases(postgres) == []
            taken = point(caller, name, "taken")
            assert taken["changed"]
            assert not point(caller, name, "taken")["changed"]
            assert databases(postgres) == [taken["name"]]
            inside = postgres.behind_the_door()
            inside.sql(name, "DROP TABLE payments CASCADE; UPDATE users SET name = 'gone'; CREATE TABLE extra (); ")
            postgres.sql("postgres", f'ALTER DATABASE "{quoted}" RESET work_mem')
            damaged = contents(inside, name)[0]
            assert point(caller, name, "returned", check=True)["changed"]
            assert contents(inside, name)[0] == damaged
            returned = point(caller, name, "returned")
            assert returned["changed"]
            assert not point(caller, name, "returned")["changed"]
        assert contents(postgres, name) == before
        assert databases(postgres) == [returned["failed_database"]]
        assert contents(postgres, returned["failed_database"])[0] == damaged  # a superuser can look at it
        assert postgres.sql("postgres", f"SELECT datconnlimit FROM pg_database WHERE datname ~ '__failed_{MOMENT}$'") == "0"
    finally:
        for left in databases(postgres):
            postgres.sql("postgres", 'DROP DATABASE "{}" WITH (FORCE)'.format(left.replace('"', '""')))
        postgres.sql("postgres", f'DROP DATABASE IF EXISTS "{quoted}" WITH (FORCE); DROP ROLE reader')


def test_a_point_that_is_not_needed_any_more_is_dropped(caller: Caller, postgres: Postgres, make_database: Callable[..., str]) -> None:
    database = make_database("")
    with shut_door(caller, database):
        point(caller, database, "taken")
    assert databases(postgres) != []
    assert point(caller, database, "dropped", check=True)["changed"]
    assert point(caller, database, "dropped")["changed"]
    assert not point(caller, database, "dropped")["changed"]
    assert databases(postgres) == []
    with shut_door(caller, database):
        message = refused(caller, database, "swap-impossible", "returned")
    assert "There is no database" in message


def test_a_restored_database_is_swapped_in_and_out_again(caller: Caller, postgres: Postgres, make_database: Callable[..., str]) -> None:
    database = make_database("CREATE TABLE of_before ()", options="CONNECTION LIMIT 7")
    restored = f"{database}__new_{MOMENT}"
    make_database("CREATE TABLE of_backup ()", name=restored)
    before, backup = contents(postgres, database), contents(postgres, restored)
    assert point(caller, database, "swapped", check=True)["changed"]
    refused(caller, database, "door-open", "swapped")
    with shut_door(caller, database):
        swapped = point(caller, database, "swapped")
        assert (swapped["changed"], swapped["name"]) == (True, f"{database}__old_{MOMENT}")
        assert not point(caller, database, "swapped")["changed"]
        assert contents(postgres.behind_the_door(), database)[0] == backup[0]
        assert contents(postgres, swapped["name"]) == before
        assert point(caller, database, "returned")["changed"]
    assert contents(postgres, database) == before
    postgres.sql("postgres", f'DROP DATABASE "{database}__failed_{MOMENT}"')


def test_without_a_swap_there_is_nothing_to_return_from(caller: Caller, postgres: Postgres, make_database: Callable[..., str]) -> None:
    """Whoever undoes a restore need not know how far it came."""
    database = make_database()
    restored = make_database("CREATE TABLE of_backup ()", name=f"{database}__new_{MOMENT}")
    before, backup = contents(postgres, database), contents(postgres, restored)
    assert not point(caller, database, "returned", check=True)["changed"]
    returned = point(caller, database, "returned")
    assert (returned["changed"], returned["failed_database"]) == (False, "")
    assert (contents(postgres, database), contents(postgres, restored)) == (before, backup)


def test_what_a_killed_job_has_the_server_do_still_is_ended_first(
    caller: Caller, postgres: Postgres, make_database: Callable[..., str]
) -> None:
    """Else its swap could follow a return that found nothing to return from."""
    database = make_database()
    restored = make_database("CREATE TABLE of_backup ()", name=f"{database}__new_{MOMENT}")
    holder = subprocess.Popen(postgres.psql("postgres"), stdin=subprocess.PIPE, text=True)
    assert holder.stdin
    holder.stdin.write(f"BEGIN; ALTER DATABASE {database} CONNECTION LIMIT 9;\n")  # for this one the renames wait
    holder.stdin.flush()
    postgres.await_sql("postgres", "count(*) = 1 FROM pg_stat_activity WHERE state = 'idle in transaction'")
    waits = "count(*) = 1 FROM pg_stat_activity WHERE application_name LIKE 'amanat.dbops point%' AND wait_event_type = 'Lock'"
    with shut_door(caller, database):
        status = caller.directory / "state/development/backups/jobs/first/status.json"
        with ThreadPoolExecutor() as pool:
            first = pool.submit(refused, caller, database, "job-died", "swapped", job="first")
            postgres.await_sql("postgres", waits)
            os.kill(json.loads(status.read_text(encoding="utf-8"))["pid"], signal.SIGKILL)
            assert first.result()
        assert not point(caller, database, "returned", job="second")["changed"]
        holder.communicate("ROLLBACK;\n")
        assert postgres.sql("postgres", f"SELECT count(*) FROM pg_database WHERE datname IN ('{database}', '{restored}')") == "2"
        assert databases(postgres) == []


@pytest.fixture
def come_again(postgres: Postgres) -> Iterator[Callable[[str], None]]:
    """A function that leaves a client behind which the door lets in, and which is there again at once whenever it is ended."""
    clients: list[subprocess.Popen[bytes]] = []
    engine("exec", postgres.container, "touch", "/tmp/come-again")

    def start(database: str) -> None:
        client = f'psql -XAtq -h 127.0.0.1 -U {WINDOW} -d {database} -c "SELECT pg_sleep(60)"'
        loop = f"while test -e /tmp/come-again; do {client}; sleep 0.05; done"
        argv = ["docker", "exec", "--env", f"PGPASSWORD={WINDOW_PASSWORD}", postgres.container, "bash", "-c", loop]
        clients.append(subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        postgres.await_sql("postgres", f"count(*) = {len(clients)} FROM pg_stat_activity WHERE usename = '{WINDOW}'")

    yield start
    # Not by a signal: orphans of a container are its first process', and PostgreSQL takes one that is killed for a crash of its own.
    engine("exec", postgres.container, "rm", "/tmp/come-again")
    for client in clients:
        client.wait()


@pytest.mark.slow
def test_a_client_that_comes_again_bars_neither_copy_nor_return(
    caller: Caller, postgres: Postgres, make_database: Callable[..., str], come_again: Callable[[str], None]
) -> None:
    database = make_database()
    before = contents(postgres, database)
    with shut_door(caller, database):
        for _client in range(3):
            come_again(database)
        for second in range(3):
            moment = f"20261122T17010{second}Z"
            assert point(caller, database, "taken", moment=moment)["changed"]
            postgres.behind_the_door().sql(database, "CREATE TABLE of_operation ()")
            assert point(caller, database, "returned", moment=moment)["changed"]
            postgres.sql("postgres", f'DROP DATABASE "{database}__failed_{moment}" WITH (FORCE)')
    assert postgres.sql("postgres", f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}'") == "0"
    assert contents(postgres, database) == before


def test_a_lost_database_is_replaced(caller: Caller, postgres: Postgres, make_database: Callable[..., str]) -> None:
    database = "lost one"
    make_database("CREATE TABLE of_backup ()", name=f"{database}__new_{MOMENT}")
    assert point(caller, database, "swapped", check=True)["changed"]
    assert point(caller, database, "swapped")["changed"]
    assert postgres.sql(database, "SELECT relname FROM pg_class WHERE relname = 'of_backup'") == "of_backup"
    postgres.sql("postgres", f'DROP DATABASE "{database}"')


def test_nothing_is_copied_or_renamed_while_clients_may_write(
    caller: Caller, postgres: Postgres, make_database: Callable[..., str]
) -> None:
    database = make_database("")
    assert database in refused(caller, database, "door-open", "taken")
    with shut_door(caller, database):
        point(caller, database, "taken")
    refused(caller, database, "door-open", "returned")
    assert len(databases(postgres)) == 1
    point(caller, database, "dropped")


@pytest.fixture
def replicating(tmp_path: Path) -> Iterator[Caller]:
    """A server that replicates, and prepares transactions; a part of its files lies where there is little room."""
    settings = ("wal_level=logical", "max_prepared_transactions=5", "max_replication_slots=5")
    options = [part for setting in settings for part in ("-c", setting)]
    server = run_postgres(images("postgres")["postgres"], *options, options=["--tmpfs", "/small:size=40m,mode=1777"])
    yield Caller(server, tmp_path)
    remove(server)


@pytest.mark.faults
def test_what_a_copy_would_break_is_refused_with_its_reason(replicating: Caller) -> None:
    postgres, database = replicating.server, USER
    postgres.sql(database, SOME_DATA)
    postgres.sql(database, "BEGIN; DELETE FROM payments; PREPARE TRANSACTION 'half done'")
    assert "the prepared transaction half done" in refused(replicating, database, "rollback-impossible", "prepared")
    postgres.sql(database, "ROLLBACK PREPARED 'half done'")

    postgres.sql(database, "SELECT pg_create_logical_replication_slot('to_elsewhere', 'pgoutput')")
    postgres.sql(database, "CREATE PUBLICATION everything FOR ALL TABLES")
    plugin = ["--option", "proto_version=1", "--option", "publication_names=everything"]
    receive = [
        "pg_recvlogical",
        "--username",
        USER,
        "--dbname",
        database,
        "--slot",
        "to_elsewhere",
        "--start",
        *plugin,
        "--file",
        "/dev/null",
    ]
    engine("exec", "--detach", postgres.container, *receive)
    postgres.await_sql(database, "count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'walsender'")
    message = refused(replicating, database, "rollback-impossible", "prepared")
    assert "the replication slot to_elsewhere" in message
    assert "the walsender pg_recvlogical" in message
    engine("exec", postgres.container, "pkill", "pg_recvlogical")
    postgres.await_sql(database, "NOT bool_or(active) FROM pg_replication_slots")
    postgres.sql(database, "SELECT pg_drop_replication_slot('to_elsewhere')")

    postgres.sql(database, "CREATE SUBSCRIPTION from_elsewhere CONNECTION 'host=nowhere' PUBLICATION p WITH (connect = false)")
    assert "the subscription from_elsewhere" in refused(replicating, database, "rollback-impossible", "prepared")
    postgres.sql(database, "ALTER SUBSCRIPTION from_elsewhere SET (slot_name = NONE); DROP SUBSCRIPTION from_elsewhere")

    slowly = ["pg_basebackup", "--username", USER, "--format=tar", "--pgdata=-", "--wal-method=none", "--max-rate=32k", "--checkpoint=fast"]
    engine("exec", "--detach", postgres.container, *slowly)
    postgres.await_sql(database, "count(*) = 1 FROM pg_stat_progress_basebackup")
    assert "a base backup is running" in refused(replicating, database, "rollback-impossible", "prepared")
    engine("exec", postgres.container, "pkill", "pg_basebackup")
    postgres.await_sql(database, "count(*) = 0 FROM pg_stat_progress_basebackup")

    # An archive that streams the whole cluster is in nobody's way.
    engine("exec", "--detach", postgres.container, "pg_receivewal", "--username", USER, "--directory", "/tmp")
    postgres.await_sql(database, "count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'walsender'")
    with shut_door(replicating, database):
        assert point(replicating, database, "taken")["changed"]
        assert point(replicating, database, "returned")["changed"]


@pytest.mark.faults
def test_without_room_it_is_refused_until_a_failed_database_is_named(replicating: Caller, tmp_path: Path) -> None:
    postgres = replicating.server
    engine("exec", postgres.container, "chown", "postgres", "/small")
    postgres.sql("postgres", "CREATE TABLESPACE small LOCATION '/small'")
    postgres.sql("postgres", "CREATE DATABASE shop TABLESPACE small")
    postgres.sql("shop", "CREATE TABLE kept ()")
    with shut_door(replicating, "shop"):
        point(replicating, "shop", "taken")
        point(replicating, "shop", "returned")
    postgres.sql("shop", "CREATE TABLE large AS SELECT n, md5(n::text) FROM generate_series(1, 150000) n")
    failed = f"shop__failed_{MOMENT}"
    later = {"moment": "20261123T000000Z"}

    message = refused(replicating, "shop", "rollback-no-space", "prepared", **later)
    size = postgres.sql("postgres", "SELECT pg_database_size('shop')")
    assert f"needs {size} bytes" in message
    assert "are free in /small" in message
    assert f"dbops_drop_failed: {failed}" in message
    assert "Free space there" in refused(replicating, "shop", "rollback-no-space", "prepared", drop_failed="postgres", **later)
    running = {"name": "worker", "kind": "command", "status": ["true"], "start": ["true"], "stop": ["touch", str(tmp_path / "stopped")]}
    before_the_stop = {"backup_dir": None, "services": [running], "password": WINDOW_PASSWORD, "wait": 60.0, **later}
    replicating.refused("window_quiesce", "shop", "rollback-no-space", **before_the_stop)
    assert not (tmp_path / "stopped").exists()
    assert "kept" in postgres.sql(failed, "SELECT relname FROM pg_class WHERE relname = 'kept'")

    assert point(replicating, "shop", "prepared", check=True, drop_failed=failed, **later)["dropped"] == failed
    assert databases(postgres) == [failed]
    prepared = point(replicating, "shop", "prepared", drop_failed=failed, **later)
    assert (prepared["changed"], prepared["dropped"], prepared["path"]) == (True, failed, "/small")
    assert databases(postgres) == []
    with shut_door(replicating, "shop"):
        assert point(replicating, "shop", "taken", **later)["changed"]


def _pid_of_job(status: Path) -> int:
    """The process of a job that is at its work."""
    until = time.monotonic() + 10
    while not status.exists() or "copying" not in status.read_text(encoding="utf-8"):
        assert time.monotonic() < until
        time.sleep(0.01)
    return int(json.loads(status.read_text(encoding="utf-8"))["pid"])


@pytest.mark.faults
@pytest.mark.slow
def test_what_was_killed_is_asked_for_again(caller: Caller, postgres: Postgres, make_database: Callable[..., str]) -> None:
    database = make_database(f"{SOME_DATA} CREATE TABLE large AS SELECT n, repeat(md5(n::text), 20) FROM generate_series(1, 200000) n;")
    postgres.sql("postgres", f"ALTER DATABASE {database} SET work_mem = '5MB'")
    before = contents(postgres, database)
    with shut_door(caller, database):
        status = caller.directory / "state/development/backups/jobs/first/status.json"
        with ThreadPoolExecutor() as pool:
            first = pool.submit(refused, caller, database, "job-died", "taken", job="first")
            os.kill(_pid_of_job(status), signal.SIGKILL)
            assert first.result()
        # Whether the server had got as far as the copy or not, and whether anybody had given it its properties.
        assert point(caller, database, "taken", job="second")["name"].startswith(database)
        assert databases(postgres) != []
        postgres.behind_the_door().sql(database, "TRUNCATE users CASCADE")
        postgres.sql("postgres", f'ALTER DATABASE "{database}__old_{MOMENT}" RESET work_mem')
        point(caller, database, "taken", job="third")
        point(caller, database, "returned", job="fourth")
    assert contents(postgres, database) == before
    postgres.sql("postgres", f'DROP DATABASE "{database}__failed_{MOMENT}"')
