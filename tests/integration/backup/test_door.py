# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door on a real server: who stays out, who is sent away, who is let in, and what is left of it afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from tests.integration.backup.conftest import PASSWORD, USER, WINDOW, WINDOW_PASSWORD, Caller, Postgres, remove, run_postgres
from tests.integration.plays import engine, images

# Quoted, of several words, in capitals, beyond ASCII; a keyword; what would be a regular expression.
NAMES = ['Of "Shop" данные-ünï', "all", "/slash.[a-z]*"]


def door(caller: Caller, database: str, state: str, *, check: bool = False, **options: Any) -> dict[str, Any]:
    password = WINDOW_PASSWORD if state == "shut" else None
    return caller.run("postgres_door", database, check=check, state=state, **{"password": password, "backup_dir": None, **options})


def log_in(
    server: Postgres, database: str, user: str = USER, password: str = PASSWORD, sql: str = "SELECT 1"
) -> subprocess.CompletedProcess[str]:
    """By TCP, as an application does."""
    connection = ["--host", "127.0.0.1", "--username", user, "--dbname", database]
    argv = ["docker", "exec", "--env", "PGPASSWORD", server.container, "psql", "-XAtq", *connection, "--command", sql]
    return subprocess.run(argv, env={"PGPASSWORD": password, "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False)


def rules(server: Postgres) -> str:
    """The server's file, and who may read it."""
    return engine(
        "exec", server.container, "sh", "-c", 'file=$(psql -U amanat -Atc "SHOW hba_file" postgres) && stat -c "%U %a" $file && cat $file'
    )


@pytest.fixture
def stay(postgres: Postgres) -> Iterator[Callable[[str, str], None]]:
    """A function that leaves a session behind which has done something."""
    left: list[subprocess.Popen[str]] = []

    def open_one(database: str, sql: str) -> None:
        session = subprocess.Popen(
            postgres.psql(database), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert session.stdin
        assert session.stdout
        session.stdin.write(f"{sql}\n\\echo done\n")
        session.stdin.flush()
        while session.stdout.readline() != "done\n":
            assert session.poll() is None
        left.append(session)

    yield open_one
    for session in left:
        session.kill()
        session.communicate()


def test_a_shut_door_keeps_the_application_out_and_an_open_one_lets_it_in(
    caller: Caller, postgres: Postgres, make_database: Callable[..., str]
) -> None:
    database = make_database("CREATE TABLE written (at timestamptz DEFAULT clock_timestamp())")
    before = rules(postgres)
    answers: list[tuple[float, bool]] = []
    ended = threading.Event()

    def hammer() -> None:
        while not ended.is_set():
            begun = time.monotonic()
            answers.append((begun, log_in(postgres, database, sql="INSERT INTO written DEFAULT VALUES").returncode == 0))

    client = threading.Thread(target=hammer)
    client.start()
    try:
        assert door(caller, database, "shut", check=True)["changed"]
        assert rules(postgres) == before
        assert door(caller, database, "shut")["changed"]
        shut = time.monotonic()
        rows = postgres.behind_the_door().sql(database, "SELECT count(*) FROM written")
        assert not door(caller, database, "shut", check=True)["changed"]
        assert not door(caller, database, "shut")["changed"]
        assert postgres.behind_the_door().sql(database, "SELECT count(*) FROM written") == rows
        opening = time.monotonic()
        assert door(caller, database, "open")["changed"]
        opened = time.monotonic()
        time.sleep(0.5)
    finally:
        ended.set()
        client.join()
    assert any(ok for begun, ok in answers if begun < shut)
    assert [ok for begun, ok in answers if shut < begun < opening - 1].count(True) == 0
    assert all(ok for begun, ok in answers if begun > opened)
    assert not door(caller, database, "open", check=True)["changed"]
    assert not door(caller, database, "open")["changed"]
    assert rules(postgres) == before


def test_a_door_whose_opening_was_cut_off_before_the_server_knew_is_opened(
    caller: Caller, postgres: Postgres, make_database: Callable[..., str]
) -> None:
    database = make_database()
    door(caller, database, "shut")
    take_out = 'file=$(psql -U amanat -Atc "SHOW hba_file" postgres) && sed -i "/amanat.dbops door/d" "$file"'
    engine("exec", postgres.container, "sh", "-c", take_out)
    assert log_in(postgres, database).returncode != 0
    door(caller, database, "open")
    assert log_in(postgres, database).returncode == 0


def test_whoever_is_inside_is_sent_away(
    caller: Caller, postgres: Postgres, make_database: Callable[..., str], stay: Callable[[str, str], None]
) -> None:
    database, other = make_database(), make_database()
    stay(database, "BEGIN; UPDATE users SET name = 'x';")
    stay(database, "SELECT pg_advisory_lock(1);")
    stay(database, "LISTEN news;")
    stay(other, "SELECT 1;")
    try:
        assert door(caller, database, "shut")["ended"] == 3
        assert postgres.sql("postgres", f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}'") == "0"
        assert postgres.sql("postgres", f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{other}'") == "1"
    finally:
        door(caller, database, "open")


def test_the_windows_role_works_as_the_application_does(caller: Caller, postgres: Postgres, make_database: Callable[..., str]) -> None:
    application = "app of shop"
    postgres.sql("postgres", f"CREATE ROLE \"{application}\" LOGIN PASSWORD '{PASSWORD}'")
    database = make_database("", options=f'OWNER "{application}"')
    try:
        postgres.sql(
            "postgres",
            f"ALTER ROLE \"{application}\" SET search_path = 'its Own', public; ALTER ROLE \"{application}\" SET statement_timeout = '7s';"
            f"ALTER ROLE \"{application}\" IN DATABASE {database} SET statement_timeout = '9s';",
        )
        url = caller.server.url(database).replace(f"{USER}:", f"{application.replace(' ', '%20')}:")
        shut = door(caller, database, "shut", pg_url=url, login_user=USER, login_password=PASSWORD)
        asked = "CREATE TABLE public.made (); SELECT current_user, session_user"
        asked += ", current_setting('search_path'), current_setting('statement_timeout')"
        answer = log_in(postgres, database, shut["role"], WINDOW_PASSWORD, asked)
        assert answer.stdout.strip() == f'{application}|{WINDOW}|"its Own", public|9s', answer.stderr
        inside = postgres.behind_the_door()
        assert inside.sql(database, "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'made'") == application
        for way in (["--host", "127.0.0.1"], []):
            argv = [
                "docker",
                "exec",
                "--env",
                f"PGPASSWORD={PASSWORD}",
                postgres.container,
                "psql",
                *way,
                "-U",
                application,
                "-d",
                database,
            ]
            assert "rejects connection" in subprocess.run(argv, capture_output=True, text=True, check=False).stderr
        assert door(caller, database, "open", pg_url=url, login_user=USER, login_password=PASSWORD)["changed"]
        assert postgres.sql("postgres", f"SELECT count(*) FROM pg_roles WHERE rolname = '{WINDOW}'") == "0"
    finally:
        postgres.sql("postgres", f'DROP DATABASE {database} WITH (FORCE); DROP ROLE "{application}"')


def test_the_socket_is_shut_too_even_for_the_operator(caller: Caller, postgres: Postgres, make_database: Callable[..., str]) -> None:
    """With the image alone the application's role is the operator's, and so is that of a cron job in the container."""
    database = make_database()
    door(caller, database, "shut")
    try:
        insert = postgres.psql(database, "--command", "INSERT INTO users VALUES (0, 'acknowledged')")
        assert "rejects connection" in subprocess.run(insert, capture_output=True, text=True, check=False).stderr
        assert postgres.behind_the_door().sql(database, "SELECT count(*) FROM users") == "500"
    finally:
        door(caller, database, "open")


@pytest.mark.slow
def test_a_role_that_made_something_of_its_own_stays_and_cannot_be_used(
    caller: Caller, postgres: Postgres, make_database: Callable[..., str]
) -> None:
    database = make_database("GRANT CREATE ON SCHEMA public TO PUBLIC")
    door(caller, database, "shut")
    try:
        assert log_in(postgres, database, WINDOW, WINDOW_PASSWORD, "SET ROLE NONE; CREATE TABLE its_own ()").returncode == 0
        assert door(caller, database, "open")["changed"]
        assert postgres.sql("postgres", f"SELECT rolcanlogin, rolpassword IS NULL FROM pg_authid WHERE rolname = '{WINDOW}'") == "f|t"
        assert door(caller, database, "shut")["changed"]  # the next window has it again
    finally:
        door(caller, database, "open")
        postgres.sql(database, f"DROP OWNED BY {WINDOW}")
        door(caller, database, "open")
    assert postgres.sql("postgres", f"SELECT count(*) FROM pg_roles WHERE rolname = '{WINDOW}'") == "0"


@pytest.mark.parametrize("name", NAMES)
def test_a_name_means_one_database(caller: Caller, postgres: Postgres, make_database: Callable[..., str], name: str) -> None:
    make_database("", name=name)
    try:
        door(caller, name, "shut")
        assert "rejects connection" in log_in(postgres, name).stderr
        assert log_in(postgres, name, WINDOW, WINDOW_PASSWORD).returncode == 0
        assert log_in(postgres, "postgres").returncode == 0
    finally:
        door(caller, name, "open")
    assert log_in(postgres, name).returncode == 0


@pytest.mark.slow
def test_two_stacks_of_one_server_have_a_door_each(caller: Caller, postgres: Postgres, make_database: Callable[..., str]) -> None:
    one, other = make_database(), make_database()
    before = rules(postgres)
    stacks = {one: "development/backups", other: "development/backups.two"}
    try:
        for database, stack in stacks.items():
            door(caller, database, "shut", stack=stack)
        for database, stack in stacks.items():
            assert log_in(postgres, database).returncode != 0
            door(caller, database, "open", stack=stack)
            assert log_in(postgres, database).returncode == 0
    finally:
        for database, stack in stacks.items():
            door(caller, database, "open", stack=stack)
    assert rules(postgres) == before


def test_a_door_that_cannot_be_shut_is_refused_beforehand(caller: Caller, postgres: Postgres, make_database: Callable[..., str]) -> None:
    database = make_database()
    postgres.sql("postgres", f"CREATE ROLE plain LOGIN PASSWORD '{PASSWORD}'")
    try:
        options = {"state": "shut", "password": WINDOW_PASSWORD, "backup_dir": None, "login_user": "plain", "login_password": PASSWORD}
        refused = caller.call("postgres_door", caller.arguments(database, **options), check=True)
        assert refused["slug"] == "door-impossible"
        assert "plain is no superuser" in refused["msg"]
    finally:
        postgres.sql("postgres", "DROP ROLE plain")
    assert not door(caller, database, "open", check=True)["changed"]


def broken_engine(caller: Caller, name: str, when: str, instead: str) -> dict[str, str]:
    """An environment in which the engine's client does something else when it is told what the shell pattern matches."""
    programs = caller.directory / name
    programs.mkdir()
    docker = shutil.which("docker")
    script = f'#!/bin/bash\ncase " $* " in {when}) {instead.format(docker=docker)} ;; esac\nexec {docker} "$@"\n'
    (programs / "docker").write_text(script, encoding="utf-8")
    (programs / "docker").chmod(0o755)
    return {"PATH": f"{programs}:{os.environ['PATH']}"}


def test_an_engine_that_does_not_answer_says_nothing_of_the_door(
    caller: Caller, postgres: Postgres, make_database: Callable[..., str]
) -> None:
    database = make_database()
    timeout = broken_engine(caller, "timeout", "*' sh '", 'echo "Error response from daemon: i/o timeout" >&2; exit 1')
    arguments = caller.arguments(database, state="shut", password=WINDOW_PASSWORD, backup_dir=None)
    refused = caller.call("postgres_door", arguments, check=True, environ=timeout)
    assert refused["slug"] == "door-unknown"
    assert "i/o timeout" in refused["msg"]
    elsewhere = broken_engine(caller, "elsewhere", "*' sh '", f"exec {{docker}} exec {postgres.container} sh -c 'exit 78'")
    assert caller.call("postgres_door", arguments, check=True, environ=elsewhere)["slug"] == "door-impossible"


@pytest.mark.parametrize("left", [0, 20, 400])
def test_an_input_that_is_cut_off_leaves_no_half_line(
    caller: Caller, postgres: Postgres, make_database: Callable[..., str], left: int
) -> None:
    database = make_database()
    before = rules(postgres)
    cut = broken_engine(caller, "cut", "*' sh '", f'{{docker}} "$@" < <(head -c {left}); exit')
    arguments = caller.arguments(database, state="shut", password=WINDOW_PASSWORD, backup_dir=None)
    assert caller.call("postgres_door", arguments, environ=cut)["failed"]
    assert rules(postgres) == before
    assert postgres.sql("postgres", "SELECT count(error) FROM pg_hba_file_rules") == "0"
    door(caller, database, "open")
    assert rules(postgres) == before


def test_whatever_a_step_behind_it_barred_is_free_when_it_is_open(
    caller: Caller, postgres: Postgres, make_database: Callable[..., str]
) -> None:
    database = make_database()
    postgres.sql("postgres", f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
    assert door(caller, database, "open", check=True)["changed"]
    assert door(caller, database, "open")["changed"]
    assert log_in(postgres, database).returncode == 0
    assert not door(caller, database, "open")["changed"]


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Postgres]:
    """A server whose rules are a single mounted file, which no rename can replace, and which logs every statement."""
    file = tmp_path / "pg_hba.conf"
    file.write_bytes(b"# \xe9crit en latin-1\nlocal all all trust\nhost all all all scram-sha-256\n")
    file.chmod(0o644)
    mount = ["--volume", f"{file}:/etc/rules/pg_hba.conf"]
    server = run_postgres(images("postgres")["postgres"], "-c", "hba_file=/etc/rules/pg_hba.conf", "-c", "log_statement=all", options=mount)
    yield server
    remove(server)


@pytest.mark.faults
def test_a_mounted_file_a_restart_and_an_error_in_it(mounted: Postgres, tmp_path: Path) -> None:
    caller = Caller(mounted, tmp_path)
    file = tmp_path / "pg_hba.conf"
    before = file.read_bytes()
    door(caller, "amanat", "shut")
    assert "rejects connection" in log_in(mounted, "amanat").stderr
    engine("restart", mounted.container)
    mounted.await_ready()
    assert "rejects connection" in log_in(mounted, "amanat").stderr
    assert log_in(mounted, "amanat", WINDOW, WINDOW_PASSWORD).returncode == 0
    door(caller, "amanat", "open")
    assert file.read_bytes() == before
    assert log_in(mounted, "amanat").returncode == 0
    log = subprocess.run(
        ["docker", "logs", mounted.container], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True
    ).stdout
    assert "SCRAM-SHA-256$" in log
    assert WINDOW_PASSWORD not in log

    file.write_bytes(before + b"host nonsense\n")
    for check in (True, False):
        options = {"state": "shut", "password": WINDOW_PASSWORD, "backup_dir": None}
        refused = caller.call("postgres_door", caller.arguments("amanat", **options), check=check)
        assert refused["slug"] == ("door-impossible" if check else "door-not-loaded")
        assert file.read_bytes() == before + b"host nonsense\n"
    assert log_in(mounted, "amanat").returncode == 0
    file.write_bytes(before)
    door(caller, "amanat", "open")


@pytest.mark.faults
@pytest.mark.slow
def test_who_does_not_go_is_named(
    caller: Caller, postgres: Postgres, make_database: Callable[..., str], stay: Callable[[str, str], None]
) -> None:
    database = make_database()
    stay(database, "SET application_name = 'stubborn';")
    pid = postgres.sql("postgres", "SELECT pid FROM pg_stat_activity WHERE application_name = 'stubborn'")
    engine("exec", postgres.container, "bash", "-c", f"kill -STOP {pid}")  # it cannot even be told to end
    try:
        options = {"state": "shut", "password": WINDOW_PASSWORD, "backup_dir": None}
        message = caller.refused("postgres_door", database, "database-in-use", **options)
    finally:
        engine("exec", postgres.container, "bash", "-c", f"kill -CONT {pid}")
        door(caller, database, "open")
    assert f"amanat from socket (stubborn, idle, pid {pid})" in message
