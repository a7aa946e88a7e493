# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotation of real directories: what goes, what stays, and what never does."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration.backup.directories import Directory, names
from tests.integration.machine import faketime
from tests.integration.plays import ROOT

DRILLED = {"check": "drilled", "passed": "2026-11-22T12:00:00.000Z"}
VERIFIED = {"check": "verified", "passed": "2026-11-22T12:00:00.000Z"}


def days(directory: Directory, number: int, extension: str = ".pgdir") -> list[str]:
    """A backup of each of the last days, the newest first."""
    return [directory.backup(directory.name(24 * day + 1, extension=extension)) for day in range(number)]


@contextmanager
def locked(path: Path, how: int = fcntl.LOCK_SH) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("extension", [".pgdir", ".dump", ".rdb", ".aof.tar"])
def test_what_no_rule_keeps_goes_with_all_its_parts(directory: Directory, extension: str) -> None:
    made = days(directory, 5, extension)
    foretold = directory.run("backup_rotate", check=True, keep_last=2)
    assert len(directory.names()) == 15
    done = directory.run("backup_rotate", keep_last=2)
    assert names(done["removed"]) == made[:1:-1]  # the oldest first
    assert {**foretold, "summary": "", "invocation": {}} == {**done, "summary": "", "invocation": {}}
    assert done["diff"]["before"].split() == names(done["removed"])
    assert done["diff"]["after"] == ""
    assert directory.names() == {name + suffix for name in made[:2] for suffix in ("", ".globals.sql", ".manifest.json")}
    again = directory.run("backup_rotate", keep_last=2)
    assert (again["changed"], again["removed"], names(again["kept"])) == (False, [], made[:2])


def test_what_is_told_of_each(directory: Directory) -> None:
    newest, oldest = directory.backup(directory.name(1)), directory.backup(directory.name(99))
    done = directory.run("backup_rotate", keep_last=1)
    assert done["kept"] == [
        {
            "name": newest,
            "series": "a_pg",
            "time": f"{newest[5:18]}:{newest[18:20]}:{newest[20:22]}Z",
            "reasons": ["keep_last", "the newest valid one"],
        }
    ]
    assert [done["removed"][0][key] for key in ("name", "reasons")] == [oldest, ["no rule keeps it"]]
    assert done["summary"] == "1 kept, 1 removed"


def test_what_cannot_be_restored_takes_no_slot_and_stays(directory: Directory) -> None:
    """Five torn backups do not evict nine good ones."""
    torn = [directory.backup(directory.name(hour)) for hour in range(1, 6)]
    (directory.path / torn[0] / "toc.dat").unlink()
    (directory.path / torn[1] / "toc.dat").write_bytes(b"")
    (directory.path / f"{torn[2]}.manifest.json").unlink()
    manifest = directory.path / f"{torn[3]}.manifest.json"
    manifest.write_text(manifest.read_text().replace("amanat", "other"))
    manifest = directory.path / f"{torn[4]}.manifest.json"
    manifest.write_text(manifest.read_text()[:-20])
    good = [directory.backup(directory.name(10 + hour)) for hour in range(9)]
    done = directory.run("backup_rotate", keep_last=9)
    assert (done["changed"], names(done["kept"]), names(done["invalid"])) == (False, good, torn)
    assert [entry["reasons"][0] for entry in done["invalid"]] == [
        "toc.dat is missing",
        f"toc.dat has 0 bytes instead of {len('data of ' + torn[1])}",
        "it has no manifest",
        "its manifest was edited or damaged: it does not agree with its own seal",
        "its manifest is no file of JSON",
    ]


def test_a_manifest_that_is_no_file_is_not_waited_for(directory: Directory) -> None:
    """Whoever may write to the directory can put a pipe there, or a link to the manifest of another backup."""
    piped, linked, good = (directory.backup(directory.name(hour)) for hour in (1, 2, 3))
    for name in (piped, linked):
        (directory.path / f"{name}.manifest.json").rename(directory.path.parent / name)
    os.mkfifo(directory.path / f"{piped}.manifest.json")
    (directory.path / f"{linked}.manifest.json").symlink_to(directory.path.parent / linked)
    done = directory.run("backup_rotate", keep_last=1)
    assert (names(done["kept"]), names(done["invalid"])) == ([good], [piped, linked])


def test_what_proves_a_backup(directory: Directory) -> None:
    failed = {"check": "verified", "failed": "2026-11-22T13:00:00.000Z", "reason": "a bit"}
    plain, verified, drilled = (
        directory.backup(directory.name(hour), *checks) for hour, checks in ((1, ()), (2, [VERIFIED]), (3, [DRILLED]))
    )
    broken = directory.backup(directory.name(4), VERIFIED, failed)
    complete = directory.run("backup_rotate", check=True, keep_last=5)
    assert (names(complete["kept"]), names(complete["invalid"])) == ([plain, verified, drilled], [broken])
    strict = directory.run("backup_rotate", check=True, keep_last=5, valid_when="verified")
    assert (names(strict["kept"]), names(strict["invalid"])) == ([verified, drilled], [plain, broken])
    # The newest drilled one stays whatever the policy says.
    assert names(directory.run("backup_rotate", keep_last=1)["removed"]) == [verified]


def test_directories_without_manifests(directory: Directory) -> None:
    """`nonempty` goes by names and sizes, and reads nothing."""
    made = [directory.file(directory.name(hour, extension=".sql.gz")) for hour in range(1, 6)]
    empty = directory.file(directory.name(0.5, extension=".sql.gz"), "")
    done = directory.run("backup_rotate", keep_last=2, valid_when="nonempty", extensions=[".sql.gz"])
    assert (names(done["kept"]), names(done["removed"]), names(done["invalid"])) == (made[:2], made[:1:-1], [empty])


def test_names_that_are_no_backups_are_left_alone(directory: Directory) -> None:
    newest, oldest = directory.name(1), directory.name(99)
    strange = [
        *("notes_2019-01-01_DO_NOT_DELETE.txt", "a_pg_2019-02-30T120000Z.dump", "a_pg_2019-01-01T250000Z.dump", "a_pg_2019-01-01.dump"),
        *("a_pg_2019-01-01T120000Z.DUMP", "a_pg_2019-01-01T120000Z.dump~", "-a_2019-01-01T120000Z.dump", "a_pg_2019-01-01T120000Z.txt"),
        *("_2019-01-01T120000Z.dump", ".hidden_2019-01-01T120000Z.dump", "a_pg_2019-01-01T120000Z .dump", "a_pg_٢019-01-01T120000Z.dump"),
        *(f".{directory.name(8)}.partial", f"{directory.name(7)}.manifest.json"),
    ]
    for name in (newest, oldest):
        directory.backup(name)
    for name in strange:
        directory.file(name)
    os.mkfifo(directory.path / "a_pg_2019-01-02T120000Z.dump")
    (directory.path / "a_pg_2019-01-03T120000Z.dump").symlink_to(directory.path / newest)
    directory.file("a_pg_2019-01-04T120000Z.pgdir")  # which would be a directory
    strange += [f"a_pg_2019-01-0{day}T120000Z.{extension}" for day, extension in ((2, "dump"), (3, "dump"), (4, "pgdir"))]
    done = directory.run("backup_rotate", keep_last=1)
    assert names(done["removed"]) == [oldest]
    assert names(done["ignored"]) == sorted(strange)
    assert set(strange) <= directory.names()


def test_series_that_begin_alike_are_two(directory: Directory) -> None:
    made = [directory.backup(directory.name(hour, series)) for series in ("a", "a_pg") for hour in (1, 2)]
    assert names(directory.run("backup_rotate", keep_last=1, series=["a"])["removed"]) == [made[1]]
    assert names(directory.run("backup_rotate", keep_last=1)["removed"]) == [made[3]]


def test_a_stamp_in_the_future_counts_for_nothing(directory: Directory) -> None:
    future = directory.backup("a_pg_2099-01-01T000000Z.pgdir")
    made = days(directory, 9)
    done = directory.run("backup_rotate", keep_last=9)
    assert (names(done["future"]), names(done["kept"]), done["removed"]) == ([future], made, [])
    assert "1 with a stamp in the future" in done["summary"]


def test_times_of_files_mean_nothing(directory: Directory) -> None:
    made = days(directory, 3)
    for age, name in enumerate(made):
        os.utime(directory.path / name, (1e9 + age, 1e9 + age))
    assert names(directory.run("backup_rotate", keep_within="2d", newest_max_age="2h")["removed"]) == made[2:]


def test_what_is_being_read_stays(directory: Directory) -> None:
    made = days(directory, 4)
    with locked(directory.path / made[2]):
        done = directory.run("backup_rotate", keep_last=1)
    assert (names(done["removed"]), names(done["protected"])) == ([made[3], made[1]], [made[2]])
    assert done["protected"][0]["reasons"] == ["it is being read"]
    assert names(directory.run("backup_rotate", keep_last=1)["removed"]) == [made[2]]


def test_what_an_unfinished_window_names_stays(directory: Directory) -> None:
    made = days(directory, 4)
    journal = directory.state / "production/nickapp/window.json"
    journal.parent.mkdir(parents=True)
    journal.write_text(json.dumps({"id": "w1", "restore": {"backup": made[2]}, "undo": [["rm", f"/somewhere/{made[3]}"]]}))
    done = directory.run("backup_rotate", keep_last=1)
    assert names(done["removed"]) == [made[1]]
    assert done["kept"][1]["reasons"] == ["window w1 names it"]
    journal.write_text("{")
    assert str(journal) in directory.refused("journal-unreadable", keep_last=1)
    journal.rename(journal.with_name("ended"))
    assert names(directory.run("backup_rotate", keep_last=1)["removed"]) == [made[3], made[2]]


def test_patterns_protect(directory: Directory) -> None:
    made = days(directory, 3)
    done = directory.run("backup_rotate", keep_last=1, protect=[f"*{made[2][5:15]}*"])
    assert (names(done["removed"]), names(done["protected"])) == ([made[1]], [made[2]])


@pytest.mark.faults
@pytest.mark.parametrize("part", ["", "/toc.dat", ".manifest.json"])
def test_what_may_not_be_deleted_stays_whole(directory: Directory, part: str) -> None:
    made = days(directory, 3)
    fixed = f"{directory.path / made[2]}{part}"
    if subprocess.run(["chattr", "+i", fixed], capture_output=True, check=False).returncode:
        pytest.skip("this file system knows no immutable files, or this user may not make them")
    try:
        for check in (True, False):
            done = directory.run("backup_rotate", keep_last=1, check=check)
            assert (names(done["removed"]), names(done["protected"])) == ([made[1]], [made[2]])
            assert "chattr" in done["protected"][0]["reasons"][0]
    finally:
        subprocess.run(["chattr", "-i", fixed], check=True)
    assert not directory.run("backup_rotate", keep_last=2)["invalid"], "it was touched"


@pytest.mark.faults
def test_what_may_not_be_deleted_stays_where_there_are_no_manifests(directory: Directory) -> None:
    made = [directory.file(directory.name(hour, extension=".dump")) for hour in (1, 2, 3)]
    if subprocess.run(["chattr", "+i", directory.path / made[1]], capture_output=True, check=False).returncode:
        pytest.skip("this file system knows no immutable files, or this user may not make them")
    try:
        for check in (True, False):
            done = directory.run("backup_rotate", keep_last=1, valid_when="nonempty", check=check)
            assert (names(done["removed"]), names(done["protected"])) == ([made[2]], [made[1]])
    finally:
        subprocess.run(["chattr", "-i", directory.path / made[1]], check=True)


@pytest.mark.faults
def test_a_leftover_that_is_in_the_way_is_named(directory: Directory) -> None:
    made = days(directory, 2)
    leftover = directory.file(f".{made[1]}.partial")
    for check in (True, False):
        done = directory.run("backup_rotate", keep_last=1, check=check)
        assert done["protected"][0]["reasons"] == [f"a leftover is in the way: {leftover}"]


@pytest.mark.faults
def test_a_backup_with_something_else_in_it_stays(directory: Directory) -> None:
    """A link in it has the size that the manifest says."""
    made = days(directory, 2)
    inside = directory.path / made[1] / "1.dat.zst"
    inside.unlink()
    inside.symlink_to("x" * len(f"data of {made[1]}"))
    done = directory.run("backup_rotate", keep_last=1)
    assert (done["removed"], names(done["invalid"])) == ([], [made[1]])


@pytest.mark.faults
def test_links_in_a_backup_are_not_followed(directory: Directory, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("precious")
    made = [directory.file(directory.name(hour, extension=".dump")) for hour in (1, 2)]
    target = directory.path / made[1]
    target.unlink()
    target.symlink_to(outside)
    done = directory.run("backup_rotate", keep_last=1, valid_when="nonempty")
    assert (done["removed"], names(done["ignored"])) == ([], [made[1]])
    (tmp_path / "link").symlink_to(directory.path)
    refused = directory.call("backup_rotate", path=str(tmp_path / "link"), keep_last=1, valid_when="nonempty")
    assert (refused["slug"], str(directory.path) in refused["msg"]) == ("backup-dir-link", True)
    assert outside.read_text() == "precious"


@pytest.mark.parametrize(
    ("slug", "options"),
    [
        ("policy-empty", {}),
        ("policy-empty", {"min_keep": 3}),
        ("policy-malformed", {"keep_last": 0}),
        ("policy-malformed", {"keep_daily": -2}),
        ("policy-malformed", {"keep_within": "2w"}),
        ("policy-malformed", {"keep_last": 1, "timezone": "Mars/Olympus"}),
        ("policy-malformed", {"keep_last": 1, "extensions": [".manifest.json"]}),
        ("policy-malformed", {"keep_last": 1, "extensions": ["dump"]}),
    ],
)
def test_a_wrong_policy_fails_before_anything_is_listed(directory: Directory, slug: str, options: dict[str, Any]) -> None:
    """The directory is not even there."""
    directory.path.rmdir()
    answer = directory.call("backup_rotate", **options)
    assert answer["slug"] == slug, answer


def test_unknown_rules_are_refused(directory: Directory) -> None:
    days(directory, 2)
    assert "keep_dayly" in directory.call("backup_rotate", keep_dayly=1)["msg"]
    assert len(directory.names()) == 6


def test_a_missing_directory_is_an_error(directory: Directory) -> None:
    directory.path.rmdir()
    assert directory.call("backup_rotate", keep_last=1)["slug"] == "backup-dir-missing"
    (directory.path.parent / "backups").write_text("")
    assert directory.call("backup_rotate", keep_last=1)["slug"] == "backup-dir-missing"


def test_nothing_goes_where_backups_have_stopped(directory: Directory) -> None:
    made = [directory.backup(directory.name(hour)) for hour in (30, 31, 32)]
    torn = directory.backup(directory.name(1))
    (directory.path / torn / "toc.dat").unlink()
    for check in (True, False):
        assert "Backups have stopped" in directory.refused("backups-stopped", keep_last=1, newest_max_age="26h", check=check)
    assert "no valid one" in directory.refused("backups-stopped", keep_last=1, newest_max_age="26h", series=["b_pg"])
    assert names(directory.run("backup_rotate", keep_last=1, newest_max_age="31h")["removed"]) == made[:0:-1]


def test_limits_of_deletion_are_checked_before_the_first(directory: Directory) -> None:
    days(directory, 10)
    for limit in ({"max_delete": 8}, {"max_delete_percent": 89}):
        for check in (True, False):
            assert "removes 9 of 10" in directory.refused("rotation-limit", keep_last=1, check=check, **limit)
    assert len(directory.run("backup_rotate", keep_last=1, max_delete=9, max_delete_percent=90)["removed"]) == 9


def test_nobody_rotates_while_a_backup_is_made(directory: Directory) -> None:
    days(directory, 3)
    with locked(directory.path, fcntl.LOCK_EX):
        directory.refused("backup-busy", keep_last=1)
        # Check mode waits for nobody, and keeps nobody waiting.
        assert len(directory.run("backup_rotate", keep_last=1, check=True)["removed"]) == 2


@pytest.mark.faults
def test_a_clock_that_was_set_back(directory: Directory, tmp_path: Path) -> None:
    """What was made since is of the future now: it stays, and nothing older goes in its stead."""
    library = faketime(tmp_path / "faketime")
    made = days(directory, 5)
    clock = {"LD_PRELOAD": library, "FAKETIME": f"{directory.now - timedelta(hours=60):@%Y-%m-%d %H:%M:%S}", "TZ": "UTC"}
    done = directory.run("backup_rotate", keep_last=1, environ=clock)
    assert (names(done["future"]), names(done["kept"]), names(done["removed"])) == (made[:3], made[3:4], made[4:])


@pytest.mark.faults
@pytest.mark.parametrize("extension", [".pgdir", ".dump"])
def test_a_rotation_that_is_killed_leaves_nothing_that_looks_complete(directory: Directory, extension: str) -> None:
    """Killed at every one of its system calls that change the directory; the next run finds each backup whole or not at all."""
    made = days(directory, 4, extension)
    step = 0
    while True:
        step += 1
        arguments = {"path": str(directory.path), "state_dir": str(directory.state), "keep_last": 1}
        done = subprocess.run(
            [sys.executable, "-m", "tests.integration.backup.killed"],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
            env={**os.environ, "PYTHONPATH": str(ROOT / "collections"), "KILLED_AT": str(step)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        seen = directory.run("backup_info")["series"][0]["backups"]
        assert {backup["state"] for backup in seen} == {"complete"}, seen
        assert names(seen)[0] == made[0]
        if done.returncode == 0:
            break
    assert step > 2
    assert names(seen) == made[:1]
