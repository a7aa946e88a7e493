# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue of a directory, and the removal of what is left over in it and on the server."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from datetime import datetime, timezone
from typing import Any, Callable

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _pg_clone

from tests.integration.backup.conftest import Caller
from tests.integration.backup.directories import Directory, names
from tests.integration.plays import Outcome, play

VERIFIED = {"check": "verified", "passed": "2026-11-22T12:00:00.000Z"}
STAMP = datetime(2026, 11, 1, 12, tzinfo=timezone.utc)


def drilled(**outcome: Any) -> dict[str, Any]:
    return {"check": "drilled", **outcome}


def test_an_empty_directory(directory: Directory) -> None:
    told = directory.run("backup_info")
    assert [told[key] for key in ("series", "partial", "orphans", "foreign", "changed")] == [[], [], [], [], False]
    assert directory.run("backup_info", series=["a_pg"])["series"] == [
        {"series": "a_pg", "backups": [], "bytes": 0, "newest": "", "rpo": None, "gaps": [], "drill": {}}
    ]
    directory.path.rmdir()
    assert directory.call("backup_info")["slug"] == "backup-dir-missing"


def test_what_is_told_of_a_series(directory: Directory) -> None:
    future = directory.backup("a_pg_2099-01-01T000000Z.pgdir")
    invalid = directory.backup(directory.name(1), {"check": "verified", "failed": "2026-11-22T12:00:00.000Z", "reason": "a bit"})
    verified = directory.backup(directory.name(3), VERIFIED)
    proven = directory.backup(directory.name(27), drilled(passed="2026-11-20T12:00:00.000Z", rto=41.5))
    complete = directory.backup(directory.name(75, extension=".dump"), drilled(failed="2026-11-19T12:00:00.000Z", reason="x"), VERIFIED)
    (series,) = directory.run("backup_info", interval="25h")["series"]
    listed = {backup["name"]: (backup["state"], backup["reason"]) for backup in series["backups"]}
    assert list(listed) == [future, invalid, verified, proven, complete]
    assert listed == {
        future: ("complete", ""),
        invalid: ("invalid", "verified failed: a bit"),
        verified: ("verified", ""),
        proven: ("drilled", ""),
        complete: ("invalid", "drilled failed: x"),
    }
    assert series["newest"] == verified
    assert 3 * 3600 <= series["rpo"] < 3 * 3600 + 60
    # The last one is not older than the interval, those before lie 24 hours apart.
    assert series["gaps"] == []
    assert series["drill"] == {"name": proven, "time": "2026-11-20T12:00:00.000Z", "passed": True, "rto": 41.5}
    assert series["backups"][2]["bytes"] == sum(path.stat().st_size for path in (directory.path / verified).iterdir())
    assert series["bytes"] == sum(backup["bytes"] for backup in series["backups"])
    assert series["backups"][2]["database"] == "amanat"
    assert len(directory.run("backup_info", interval="23h")["series"][0]["gaps"]) == 1


def test_gaps_until_now(directory: Directory) -> None:
    made = [directory.backup(directory.name(hour)) for hour in (30, 31, 60)]
    (series,) = directory.run("backup_info", interval="26h")["series"]
    assert [(gap["from"][:10], gap["seconds"] // 3600) for gap in series["gaps"]] == [(made[2][5:15], 29), (made[0][5:15], 30)]
    assert directory.run("backup_info")["series"][0]["gaps"] == []
    assert directory.call("backup_info", interval="26")["slug"] == "policy-malformed"


def test_what_is_no_backup_is_told_apart(directory: Directory) -> None:
    partial, orphan = f".{directory.name(5)}.partial", f"{directory.name(6)}.manifest.json"
    written = f"{directory.name(7)}.manifest.json.123.0123abcd.tmp"
    for name in (partial, orphan, written, "amanat_dev_pg_2026-06-06.dump"):
        directory.file(name)
    told = directory.run("backup_info")
    assert (told["partial"], told["orphans"]) == (sorted([partial, written]), [orphan])
    assert told["foreign"] == [
        {"name": "amanat_dev_pg_2026-06-06.dump", "bytes": 4, "reason": "its name is not <series>_<stamp><extension>"}
    ]


# -- cleanup of files ----------------------------------------------------------------------------------------------


def test_what_is_left_over_goes_when_it_is_named(directory: Directory) -> None:
    good = directory.backup(directory.name(1))
    torn = directory.backup(directory.name(2))
    (directory.path / torn / "toc.dat").unlink()
    partial = f".{directory.name(5)}.partial"
    (directory.path / partial).mkdir()
    (directory.path / partial / "toc.dat").write_text("half")
    orphan = directory.file(f"{directory.name(6)}.manifest.json")
    foreign = directory.file("notes.txt")
    before = directory.names()
    told = directory.run("backup_cleanup")
    assert {leftover["name"]: (leftover["kind"], leftover["busy"]) for leftover in told["leftovers"]} == {
        torn: ("invalid", ""),
        partial: ("partial", ""),
        orphan: ("orphan", ""),
    }
    assert names(told["foreign"]) == [foreign]
    assert (told["changed"], told["removed"]) == (False, [])
    chosen = [torn, partial, orphan]
    foretold = directory.run("backup_cleanup", names=chosen, confirm=chosen, check=True)
    assert directory.names() == before
    done = directory.run("backup_cleanup", names=chosen, confirm=chosen)
    assert (done["removed"], done["freed"]) == (foretold["removed"], foretold["freed"]) == (chosen, sum(sizes(told, chosen)))
    assert directory.names() == {good, f"{good}.globals.sql", f"{good}.manifest.json", foreign}


def sizes(told: dict[str, Any], chosen: list[str]) -> list[int]:
    return [leftover["bytes"] for leftover in told["leftovers"] if leftover["name"] in chosen]


def test_what_is_not_confirmed_or_not_left_over_stays(directory: Directory) -> None:
    good, foreign = directory.backup(directory.name(1)), directory.file("notes.txt")
    partial = directory.file(f".{directory.name(5, extension='.dump')}.partial")
    for name in (good, foreign, f"../{partial}", ""):
        directory.refused("leftover-unknown", "backup_cleanup", names=[name], confirm=[name])
    directory.refused("leftover-unknown", "backup_cleanup", names=[partial, good], confirm=[partial, good])
    directory.refused("confirm-missing", "backup_cleanup", names=[partial])
    directory.refused("confirm-mismatch", "backup_cleanup", names=[partial], confirm=[good])


def test_what_somebody_works_on_stays(directory: Directory) -> None:
    torn = directory.backup(directory.name(2))
    (directory.path / torn / "toc.dat").unlink()
    partial = directory.file(f".{directory.name(5, extension='.dump')}.partial")
    descriptor = os.open(directory.path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    assert "at work" in {leftover["name"]: leftover for leftover in directory.run("backup_cleanup")["leftovers"]}[partial]["busy"]
    directory.refused("backup-busy", "backup_cleanup", names=[partial], confirm=[partial])
    os.close(descriptor)
    journal = directory.state / "staging/nickapp/window.json"
    journal.parent.mkdir(parents=True)
    journal.write_text(json.dumps({"id": "w1", "backup": {"path": f"{directory.path}/{torn}"}}))
    assert "window w1" in directory.refused("leftover-in-use", "backup_cleanup", names=[torn], confirm=[torn])


# -- cleanup of databases ------------------------------------------------------------------------------------------


def test_databases_go_when_they_are_named(caller: Caller, make_database: Callable[..., str]) -> None:
    database = make_database()
    old, failed = (make_database(name=_pg_clone.beside(database, kind, STAMP)) for kind in (_pg_clone.OLD, _pg_clone.FAILED))
    make_database(name=f"{database}_other__old_20261101T120000Z")
    make_database(name=f"{database}__old_")
    told = caller.run("postgres_cleanup", database, backup_dir=None)
    assert {leftover["name"]: (leftover["kind"], leftover["busy"]) for leftover in told["leftovers"]} == {
        old: ("old", ""),
        failed: ("failed", ""),
    }
    assert all(leftover["bytes"] > 1e6 and leftover["age"] > 1e6 for leftover in told["leftovers"])
    assert not told["changed"]
    for names_, confirm, slug in (
        ([old], [], "confirm-missing"),
        ([old], [failed], "confirm-mismatch"),
        ([database],) * 2 + ("leftover-unknown",),
    ):
        caller.refused("postgres_cleanup", database, slug, backup_dir=None, names=names_, confirm=confirm)
    assert caller.run("postgres_cleanup", database, backup_dir=None, names=[old], confirm=[old], check=True)["changed"]
    assert caller.run("postgres_cleanup", database, backup_dir=None, names=[old], confirm=[old])["removed"] == [old]
    left = caller.run("postgres_cleanup", database, backup_dir=None)["leftovers"]
    assert [leftover["name"] for leftover in left] == [failed]


def test_databases_that_somebody_needs_stay(caller: Caller, make_database: Callable[..., str]) -> None:
    database = make_database()
    old = make_database(name=_pg_clone.beside(database, _pg_clone.OLD, STAMP))
    session = subprocess.Popen([*caller.server.psql(old), "--command", "SELECT pg_sleep(60)"], stdout=subprocess.DEVNULL)
    try:
        caller.server.await_sql("postgres", f"EXISTS (SELECT FROM pg_stat_activity WHERE datname = '{old}' AND state = 'active')")
        assert "psql" in caller.refused("postgres_cleanup", database, "leftover-in-use", backup_dir=None, names=[old], confirm=[old])
    finally:
        caller.server.sql("postgres", f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{old}'")
        session.wait()
    journal = caller.directory / "state/development/backups/window.json"
    journal.parent.mkdir(parents=True)
    journal.write_text(json.dumps({"id": "w1", "rollback_point": {"database": old}}))
    assert "window w1" in caller.refused("postgres_cleanup", database, "leftover-in-use", backup_dir=None, names=[old], confirm=[old])


@pytest.mark.slow
def test_the_playbook_takes_files_and_databases(caller: Caller, directory: Directory, make_database: Callable[..., str]) -> None:
    database = make_database()
    old = make_database(name=_pg_clone.beside(database, _pg_clone.OLD, STAMP))
    partial = directory.file(f".{directory.name(5, extension='.dump')}.partial")
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "dbops_environment": "development",
        "dbops_state_dir": str(directory.state),
        "dbops_backup_dir": str(directory.path),
        "dbops_postgres_container": caller.server.container,
        "dbops_pg_url": caller.server.url(database),
        "dbops_names": [old, partial],
    }

    def clean_up(**more: Any) -> Outcome:
        return play("cleanup", "-i", "nickapp,", "-e", json.dumps({**variables, **more}))

    stack = "development/nickapp"
    caller.run("environment_stamp", database, stack=stack, state_dir=str(directory.state), backup_dir=None, state="present", confirm=stack)
    refused = clean_up(dbops_confirm=old)
    assert refused.code == 2
    assert refused.last_line.startswith("dbops cleanup development/nickapp refused: [confirm-mismatch]"), refused.last_line
    assert directory.names() == {partial}
    log = (directory.state / stack / "audit.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(log[-1])["slug"] == "confirm-mismatch"
    removed = clean_up(dbops_confirm=[partial, old])
    assert removed.code == 0, removed.out
    assert removed.last_line.startswith(f"dbops cleanup development/nickapp changed: removed {old}, {partial}, "), removed.last_line
    assert directory.names() == set()
    assert caller.server.sql("postgres", f"SELECT count(*) FROM pg_database WHERE datname = '{old}'") == "0"
