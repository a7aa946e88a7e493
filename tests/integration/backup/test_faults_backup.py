# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What breaks while a backup is made: a clear error, nothing left that runs or that looks like a backup, and no earlier one lost."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _manifest

from tests.integration.machine import faketime, require_root
from tests.integration.plays import engine

from .conftest import SOME_DATA, STACK, Caller, Postgres, programs, remove, run_postgres
from .jobs import await_true

Make = Callable[..., str]

# What zstd cannot make small, so that a dump takes a moment and room.
BULK = (
    SOME_DATA
    + "CREATE TABLE bulk AS SELECT n, gen_random_uuid()::text AS a, gen_random_uuid()::text AS b FROM generate_series(1, 500000) n;"
)


def processes(*words: str) -> list[int]:
    """Processes of this machine, containers included, whose command lines hold all of the words."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            if all(word in line for word in words):
                found.append(int(path.parent.name))
    return sorted(set(found) - {os.getpid()})


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])


@dataclass
class Running:
    """A backup at work, whose pg_dump was stopped in the middle of it."""

    caller: Caller
    database: str
    job: str
    called: Future[dict[str, Any]]
    dumping: list[int] = field(default_factory=list)

    @property
    def job_pid(self) -> int:
        status = self.caller.directory / "state" / STACK / "jobs" / self.job / "status.json"
        return int(json.loads(status.read_text(encoding="utf-8"))["pid"])

    @property
    def client(self) -> str:
        return engine("ps", "--quiet", "--filter", f"label=amanat.dbops.run={self.job}")

    def go_on(self) -> dict[str, Any]:
        """Let pg_dump run again, where it still can, and wait for the end."""
        for pid in self.dumping:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        return self.called.result(timeout=60)

    def sessions(self) -> str:
        return self.caller.server.sql("postgres", f"SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '%{self.job}'")

    def assert_nothing_is_left_running(self, seconds: float = 15) -> None:
        await_true(lambda: not processes(f".{self.database}_pg_"), seconds)
        await_true(lambda: self.client == "", seconds)
        await_true(lambda: self.sessions() == "0", seconds)


@contextlib.contextmanager
def backing_up(caller: Caller, database: str, **options: Any) -> Iterator[Running]:
    job = f"job-{os.urandom(4).hex()}"
    arguments = caller.arguments(database, job=job, wait=60.0, **options)
    with ThreadPoolExecutor(max_workers=1) as pool:
        running = Running(caller, database, job, pool.submit(caller.call, "postgres_backup", arguments))
        # The leader and its workers are forks of one command line; the engine's client has it too, and goes on.
        await_true(lambda: running.called.done() or len(processes("pg_dump --format", f".{database}_pg_", "--compress")) > 1)
        running.dumping = [pid for pid in processes("pg_dump --format", f".{database}_pg_") if is_pg_dump(pid)]
        for pid in running.dumping:
            os.kill(pid, signal.SIGSTOP)
        assert not running.called.done(), running.called.result()
        try:
            yield running
        finally:
            for pid in running.dumping:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)


def is_pg_dump(pid: int) -> bool:
    """The program itself, not the engine's client that has its command line; one that only awaits its burial has none."""
    with contextlib.suppress(OSError):
        return Path(os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0])).name == "pg_dump"
    return False


@pytest.fixture
def place(request: pytest.FixtureRequest, caller: Caller) -> Callable[..., dict[str, Any]]:
    """Options of a backup by a client container, or by programs of this machine."""
    if request.param == "container":
        return lambda _database: {}
    bin_dir = programs()
    address = engine("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", caller.server.container)

    def options(database: str) -> dict[str, Any]:
        url = caller.server.url(database).replace("@postgres:", f"@{address}:")
        return {"postgres_container": "", "postgres_bin_dir": bin_dir, "pg_url": url}

    return options


both_places = pytest.mark.parametrize("place", ["container", pytest.param("target", marks=pytest.mark.faults)], indirect=True)


@both_places
def test_pg_dump_is_killed(caller: Caller, make_database: Make, place: Callable[..., dict[str, Any]]) -> None:
    database = make_database(BULK)
    first = caller.backup(database, **place(database))["name"]
    with backing_up(caller, database, **place(database)) as running:
        os.kill(running.dumping[0], signal.SIGKILL)
        result = running.called.result(timeout=60)
        running.assert_nothing_is_left_running()  # not even those that are still stopped
    assert result["slug"] == "backup-failed", result
    assert "earlier backups are untouched" in result["msg"]
    assert caller.names() == [*_manifest.parts_of(first)]


@both_places
def test_the_job_is_killed(caller: Caller, make_database: Make, place: Callable[..., dict[str, Any]]) -> None:
    """Nothing that it started outlives it, and what it leaves on the disk is swept away by the next backup."""
    database = make_database(BULK)
    with backing_up(caller, database, **place(database)) as running:
        os.kill(running.job_pid, signal.SIGKILL)
        leader = running.dumping[0]
        with contextlib.suppress(ProcessLookupError):
            os.kill(leader, signal.SIGCONT)
        await_true(lambda: not is_pg_dump(leader))  # while its workers stand still, so it did not come to its end
        result = running.go_on()
        running.assert_nothing_is_left_running()
    assert result["slug"] == "job-died", result
    assert [name for name in caller.names() if not name.startswith(".")] == []
    name = caller.backup(database, **place(database))["name"]
    assert caller.names() == [*_manifest.parts_of(name)]


@pytest.mark.faults
def test_the_module_is_killed(caller: Caller, make_database: Make) -> None:
    """Its job goes on, and whoever asks for it again is told how it ended."""
    database = make_database(BULK)
    with backing_up(caller, database) as running:
        mine = [pid for pid in processes("modules.postgres_backup") if parent(pid) == os.getpid()]
        os.kill(mine[0], signal.SIGKILL)
        assert isinstance(running.called.exception(timeout=60), AssertionError)  # it said nothing
    name = caller.run("postgres_backup", database, job=running.job, wait=60.0)["name"]
    assert caller.names() == [*_manifest.parts_of(name)]
    running.assert_nothing_is_left_running()


@pytest.mark.faults
def test_the_job_is_killed_while_the_server_computes(caller: Caller, make_database: Make) -> None:
    """A session that works for a client which is gone ends by itself."""
    # Small on the disk, and minutes of work for whoever reads all of it.
    one = "CREATE TABLE one AS SELECT repeat('x', 1000000) AS t;"
    database = make_database(one + "CREATE TABLE many AS SELECT t FROM one, generate_series(1, 8000) n;")
    arguments = caller.arguments(database, job="counting", wait=60.0)
    hashing = "EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE '%counting' AND query LIKE '%hashtext%many%')"
    with ThreadPoolExecutor(max_workers=1) as pool:
        running = Running(caller, database, "counting", pool.submit(caller.call, "postgres_backup", arguments))
        caller.server.await_sql("postgres", hashing)
        os.kill(running.job_pid, signal.SIGKILL)
        running.assert_nothing_is_left_running(5)
        assert running.called.result(timeout=60)["slug"] == "job-died"


@pytest.mark.faults
def test_the_client_container_is_killed(caller: Caller, make_database: Make) -> None:
    database = make_database(BULK)
    with backing_up(caller, database) as running:
        engine("kill", running.client)
        result = running.go_on()
    assert result["slug"] in ("backup-failed", "psql-failed"), result
    running.assert_nothing_is_left_running()
    assert caller.names() == []


@pytest.mark.faults
def test_the_server_is_killed(postgres: Postgres, tmp_path: Path) -> None:
    server = run_postgres(postgres.image)
    caller = Caller(server, tmp_path)
    try:
        server.sql("postgres", "CREATE DATABASE bulk")
        server.sql("bulk", BULK)
        first = caller.backup("bulk")["name"]
        with backing_up(caller, "bulk") as running:
            engine("kill", server.container)
            result = running.go_on()
            assert result["failed"]
            assert result["slug"] in ("backup-failed", "psql-failed", "postgres-unreachable"), result
            await_true(lambda: not processes(".bulk_pg_"))
            assert running.client == ""
        assert caller.names() == [*_manifest.parts_of(first)]
        engine("start", server.container)
        server.await_ready()
        caller.backup("bulk")
    finally:
        remove(server)


def test_the_disk_is_full(caller: Caller, make_database: Make) -> None:
    """An earlier, tiny backup makes the forecast small, so the dump itself meets the end of the disk."""
    require_root("A file system of a few megabytes is mounted where the engine sees it.")
    database = make_database(SOME_DATA)
    caller.backups.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs", str(caller.backups)], check=True)
    try:
        first = caller.backup(database)["name"]
        caller.server.sql(database, "CREATE TABLE bulk AS SELECT gen_random_uuid(), gen_random_uuid() AS b FROM generate_series(1, 200000)")
        message = caller.refused("postgres_backup", database, "backup-no-space", wait=60.0)
        assert "No space left" in message
        assert caller.names() == [*_manifest.parts_of(first)]
        caller.run("postgres_verify", database, wait=60.0)
    finally:
        subprocess.run(["umount", str(caller.backups)], check=True)


@pytest.mark.faults
@pytest.mark.parametrize("change", ["DROP TABLE payments", "TRUNCATE payments", "ALTER TABLE payments ADD COLUMN more int"])
def test_a_table_is_changed_during_the_dump(caller: Caller, make_database: Make, change: str) -> None:
    """Either the backup holds what the snapshot held, or it fails and says why; the change goes through in both cases."""
    database = make_database(BULK)
    with backing_up(caller, database) as running, subprocess.Popen([*caller.server.psql(database), "--command", change]) as changing:
        waits = "EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%payments%')"
        caller.server.await_sql("postgres", waits)
        result = running.go_on()
        assert changing.wait(timeout=30) == 0
    running.assert_nothing_is_left_running()
    if result.get("failed"):
        assert result["slug"] == "backup-ddl", result
        assert caller.names() == []
    else:
        held = {table["table"]: table["rows"] for table in caller.manifest(result["name"])["tables"]}
        assert held == {"bulk": 500000, "payments": 2000, "users": 500}


@pytest.mark.faults
def test_a_table_is_created_and_rows_are_written_during_the_dump(caller: Caller, make_database: Make) -> None:
    database = make_database(BULK)
    with backing_up(caller, database) as running:
        caller.server.sql(
            database,
            "CREATE TABLE late AS SELECT 1 AS n; DELETE FROM payments; UPDATE users SET name = 'late';"
            "INSERT INTO payments (amount) SELECT 1 FROM generate_series(1, 9);",
        )
        result = running.go_on()
    assert not result.get("failed"), result
    manifest = caller.manifest(result["name"])
    assert {table["table"]: table["rows"] for table in manifest["tables"]} == {"bulk": 500000, "payments": 2000, "users": 500}
    (sequence,) = manifest["sequences"]
    assert sequence["last_value"] == 2000
    assert sequence["last_value_after"] in (2000, 2009)


@pytest.mark.faults
def test_somebody_holds_a_table(caller: Caller, make_database: Make) -> None:
    """A lock that is not given back in time: refused, and nobody waits behind us."""
    database = make_database()
    lock = "BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(60);"
    with subprocess.Popen([*caller.server.psql(database), "--command", lock], stdout=subprocess.DEVNULL) as holding:
        caller.server.await_sql("postgres", "EXISTS (SELECT FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation > 16000)")
        result = caller.call("postgres_backup", caller.arguments(database, wait=60.0))
        caller.server.sql("postgres", f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")
        holding.wait()
    assert result["slug"] == "backup-ddl", result
    assert caller.names() == []


def test_two_at_once(caller: Caller, make_database: Make) -> None:
    """The second refuses, or waits, as asked."""
    database = make_database(BULK)
    with backing_up(caller, database) as running, ThreadPoolExecutor(max_workers=1) as pool:
        message = caller.refused("postgres_backup", database, "backup-busy", busy="refuse", wait=60.0)
        assert "Nothing was changed" in message
        waiting = pool.submit(caller.backup, database, job="waiting")
        status = caller.directory / "state" / STACK / "jobs/waiting/status.json"
        await_true(lambda: status.exists() and "waiting for another" in status.read_text(encoding="utf-8"))
        names = {running.go_on()["name"], waiting.result(timeout=60)["name"]}
    assert len(names) == 2
    assert caller.names() == sorted(part for name in names for part in _manifest.parts_of(name))


@pytest.mark.faults
def test_the_clock_was_set_back(caller: Caller, make_database: Make, tmp_path: Path) -> None:
    """No name is given twice, nothing is lost, and the operator is told."""
    library = faketime(tmp_path / "faketime")
    database = make_database()
    first = caller.backup(database)["name"]
    result = caller.run("postgres_backup", database, wait=60.0, environ={"LD_PRELOAD": library, "FAKETIME": "-10d"})
    assert result["name"] < first
    assert first in json.dumps(result["warnings"])
    assert caller.names() == sorted([*_manifest.parts_of(first), *_manifest.parts_of(result["name"])])
    moment = _manifest.parse_name(first).moment  # type: ignore[union-attr]
    repeated = {"LD_PRELOAD": library, "FAKETIME": f"@{moment:%Y-%m-%d %H:%M:%S}", "TZ": "UTC"}
    again = caller.run("postgres_backup", database, wait=60.0, environ=repeated)["name"]
    assert again not in (first, result["name"])
