# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows that are interrupted in every phase: by what happens to their controller, their servers, their files and their clock.

Whatever holds after each of them is looked at by the fixture `site`. A test's docstring begins with the fault as the docs name it.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.machine import require_root

from .servers import BACKEND, POSTGRES, REDIS, kill, start
from .site import BREAK, LET_GO, NEVER, Site, until

# A place in every phase where a window waits for the test, and how it ends when it is given up there.
PLACES = {
    "opened": ("Measure what clients see", "aborted"),
    "backed_up": ("Make room and a checkpoint for the rollback point", "aborted"),
    "stopped": ("Take the rollback point", "rolled_back"),
    "operated": ("operating", "rolled_back"),
    "started": ("start the backend", "closed"),
    "verified": ("Wait until the application is healthy", "closed"),
    "closed": ("Drop the rollback point", "closed"),
}
PHASES = tuple(PLACES)

# And one before the first of them, where there is no journal yet: there are controllers with such a phase, and servers as ever.
BEFORE = {"preflight": ("Compare inventory, stamp, server and confirmation", NEVER)}


def some(*quick: str, phases: Iterable[str] = PHASES) -> list[object]:
    """All phases, of which a few are seen whenever the tests are run."""
    return [pytest.param(phase, marks=pytest.mark.dozen if phase in quick else pytest.mark.faults) for phase in phases]


# Before the stop there is no switch: nothing is down.
ENDERS = {
    "preflight": "nobody",
    "opened": "recover",
    "backed_up": "abort",
    "stopped": "switch",
    "operated": "recover",
    "started": "switch",
    "verified": "abort",
    "closed": "switch",
}


# -- the controller ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", some("backed_up", "stopped", "operated", "started"))
def test_killed(site: Site, phase: str) -> None:
    """Controller killed by SIGKILL between two steps"""
    place, end = PLACES[phase]
    site.begin_until(place)
    site.signal(signal.SIGKILL)
    site.end_by(ENDERS[phase])
    site.expect_end(end)


@pytest.mark.parametrize(
    ("step", "end"), [("stop the backend", "rolled_back"), ("operating", "rolled_back"), ("start the backend", "closed")]
)
@pytest.mark.faults
def test_killed_and_its_step_goes_on(site: Site, step: str, end: str) -> None:
    """Controller killed by SIGKILL, its step on the target goes on"""
    site.begin_until(step)
    site.signal(signal.SIGKILL)
    site.end_by("abort")
    site.expect_end(end)


@pytest.mark.dozen
def test_killed_and_its_operation_goes_on(site: Site) -> None:
    """Controller killed by SIGKILL, its operation goes on, and would write to Redis"""
    site.begin_until("operating", after=site.writing)
    site.signal(signal.SIGKILL)
    site.end_by("abort")
    site.expect_end("rolled_back")
    site.expect_nothing_goes_on()


@pytest.mark.faults
@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
def test_ansible_killed_and_its_operation_goes_on(site: Site, how: str) -> None:
    """ansible-playbook ended by a signal, its operation goes on, and would write to Redis"""
    site.play_until("operating", after=site.writing)
    site.signal(signal.Signals[how])
    site.end_by("abort")
    site.expect_end("rolled_back")
    site.expect_nothing_goes_on()


@pytest.mark.faults
@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_ansible_killed_while_a_service_is_stopped(site: Site, how: str) -> None:
    """ansible-playbook ended by a signal while the command that stops a service works"""
    site.play_until("stop the backend")
    site.signal(signal.Signals[how])
    site.end_by("abort")
    site.expect_end("rolled_back")
    site.expect_nothing_goes_on()


@pytest.mark.faults
def test_killed_while_the_backup_is_made(site: Site) -> None:
    """Controller killed by SIGKILL while a backup is made"""
    with site.locked("users") as awaited:
        site.begin()
        until(awaited, "the backup waits for the table")
        site.note()
        site.signal(signal.SIGKILL)
        site.end_by("abort")
    site.expect_end("aborted")


@pytest.mark.faults
@pytest.mark.parametrize("phase", BEFORE | PLACES)
@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_ansible_killed(site: Site, how: str, phase: str) -> None:
    """ansible-playbook ended by a signal"""
    place, end = (BEFORE | PLACES)[phase]
    site.play_until(place)
    site.signal(signal.Signals[how])
    site.end_by(ENDERS[phase])
    site.expect_end(end)


@pytest.mark.faults
@pytest.mark.parametrize("phase", BEFORE | PLACES)
def test_runner_cancelled(site: Site, phase: str) -> None:
    """ansible-runner cancelled"""
    place, end = (BEFORE | PLACES)[phase]
    with site.runner_until(place) as cancel:
        cancel()
    site.end_by(ENDERS[phase])
    site.expect_end(end)


@pytest.mark.parametrize("phase", some("operated"))
def test_the_switch_fires_while_the_controller_works(site: Site, phase: str) -> None:
    """The switch fires, or somebody aborts, while the controller works"""
    place, end = PLACES[phase]
    site.begin_until(place)
    site.end_by("abort" if phase in ("opened", "backed_up") else "switch")
    site.expect_end(end)
    site.gates.open()
    assert '"slug": "window-lost"' in site.await_controller()
    site.expect_end(end)


@pytest.mark.faults
def test_the_switch_ends_a_step_of_ansible(site: Site) -> None:
    """The switch fires while a step of ansible-playbook works, and ends it"""
    site.play_until("start the backend")
    site.end_by("switch")
    assert "[window-lost]" in site.await_controller()
    site.expect_end("closed")
    assert "needs_a_person" not in site.said()


@pytest.mark.dozen
def test_two_controllers(site: Site) -> None:
    """A second controller while the first works"""
    site.begin_until("operating")
    first, journal = (site.controller, site.log), site.journal
    site.begin()
    assert '"slug": "window-open"' in site.await_controller()
    assert site.journal == journal
    site.controller, site.log = first
    site.gates.open()
    assert site.await_controller() == ""
    site.expect_end("closed")


# -- the servers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", some("stopped", "started"))
def test_postgres_killed(site: Site, phase: str) -> None:
    """PostgreSQL killed, and back at once"""
    site.begin_until(PLACES[phase][0])
    start(site.stack, kill(site.stack, POSTGRES))
    site.gates.open()
    site.await_controller()
    site.expect_end("closed")


@pytest.mark.parametrize("phase", some())
def test_postgres_gone(site: Site, phase: str) -> None:
    """PostgreSQL killed, and back when the window has given up"""
    site.begin_until(PLACES[phase][0])
    gone = kill(site.stack, POSTGRES)
    site.gates.open()
    site.await_controller()
    if held := site.ended()["state"] == "failed":
        site.expect_end("failed")
    start(site.stack, gone)
    if held:
        site.script("recover")
    # The operation had been done: it is the next step that failed.
    site.expect_end("closed" if phase == "operated" else PLACES[phase][1])


@pytest.mark.parametrize("phase", some())
def test_redis_killed(site: Site, phase: str) -> None:
    """Redis killed, and back at once"""
    site.begin_until(PLACES[phase][0])
    with site.writer.held():  # what it had acknowledged since its last save, Redis may forget
        site.keeper.ask("SAVE")
        gone = kill(site.stack, REDIS)
    start(site.stack, gone)
    site.gates.open()
    site.await_controller()
    site.expect_end("closed")


@pytest.mark.faults
@pytest.mark.parametrize("phase", ["backed_up", "started", "verified"])
def test_redis_killed_that_appends_to_a_file(site: Site, phase: str) -> None:
    """Redis killed that has appended each write to a file before it acknowledges it, and back at once"""
    with site.keeper.appending():
        site.begin_until(PLACES[phase][0])
        start(site.stack, kill(site.stack, REDIS))
        until(site.keeper.answers, "Redis has read its file")
        assert not site.writer.lost()
        site.gates.open()
        site.await_controller()
        site.expect_end("closed")


# Between stop and start it is down, and before its start command still.
RUNS = {phase: place for phase, (place, _end) in PLACES.items() if phase not in ("stopped", "operated")} | {"started": "Begin to verify"}


@pytest.mark.parametrize("phase", some("verified", phases=RUNS))
def test_backend_killed(site: Site, phase: str) -> None:
    """The application killed"""
    site.begin_until(RUNS[phase])
    gone = kill(site.stack, BACKEND)
    site.gates.open()
    site.await_controller()
    if phase == "closed":  # its gate had passed: whoever watches the application has to see that
        start(site.stack, gone)
    site.expect_end("closed")


# -- the operation -------------------------------------------------------------------------------------------------------


@pytest.mark.dozen
def test_the_operation_fails(site: Site) -> None:
    """The operation fails"""
    site.begin_until("operating", after="exit 1")
    site.gates.open()
    site.await_controller()
    site.expect_end("rolled_back")


@pytest.mark.faults
def test_the_operation_hangs(site: Site) -> None:
    """The operation hangs, and the switch fires"""
    site.begin_until("operating")
    site.end_by("switch")
    site.expect_end("rolled_back")


@pytest.mark.dozen
def test_the_operation_breaks_the_application_that_has_written_nothing(site: Site) -> None:
    """The operation breaks the application, which has written nothing since its start"""
    with site.writer.held():
        site.begin_until("operating", sql=BREAK)
        site.gates.open()
        site.await_controller()
        site.expect_end("rolled_back")


@pytest.mark.faults
def test_the_operation_breaks_the_application_that_has_written(site: Site) -> None:
    """The operation breaks the application, which has written since its start"""
    site.begin_until("Wait until the application is healthy", sql=BREAK)
    site.writer.await_writes()
    site.gates.open()
    site.await_controller()
    journal = site.expect_end("failed")
    assert "a person has to decide" in journal["error"]["state"]
    site.mend()
    site.script("recover")
    site.expect_end("closed")


# -- other operations ----------------------------------------------------------------------------------------------------


@pytest.mark.faults
def test_killed_while_a_release_migrates(site: Site) -> None:
    """ansible-playbook ended by a signal when a release's migrations are applied (operation migrate): SIGKILL"""
    release = site.stack.release("2")
    brings = {"dbops_operation": "migrate", "dbops_release_image": release, "dbops_services": [{**site.services[0], "image": release}]}
    site.play_until("Open the door, and start the services", dbops_expected_tables=33, **brings)  # and the writer's own is one of them
    site.signal(signal.SIGKILL)
    site.end_by("switch")
    journal = site.expect_end("rolled_back")
    assert (site.struck, journal["rollback_point"]["state"]) == ("operated", "returned")
    assert site.stack.health()["migrations"]["applied"] == journal["migrations"]["applied_before"]


@pytest.mark.faults
def test_killed_while_a_backup_takes_the_place_of_the_database(site: Site) -> None:
    """ansible-playbook ended by a signal when a backup has taken the place of the database (operation restore): SIGKILL"""
    assert site.stack.play("backup").code == 0
    swap = {"dbops_operation": "restore", "dbops_backup": "newest", "dbops_confirm": site.stack.key}
    site.play_until("Open the door, and start the services", **swap)
    site.signal(signal.SIGKILL)
    site.end_by("switch")
    journal = site.expect_end("rolled_back")
    assert (site.struck, journal["rollback_point"]["state"]) == ("operated", "returned")


@pytest.mark.faults
@pytest.mark.parametrize("phase", ["operated", "verified"])
def test_killed_while_clients_are_held_off(site: Site, tmp_path: Path, phase: str) -> None:
    """ansible-playbook ended by a signal while clients are held off (dbops_hold): SIGKILL"""
    page = tmp_path / "maintenance"
    place, end = PLACES[phase]
    site.play_until(place, dbops_hold=["touch", str(page)], dbops_release=["rm", "-f", str(page)])
    assert page.exists()
    site.signal(signal.SIGKILL)
    site.end_by("switch")
    assert site.expect_end(end)["clients"] == "released"
    assert not page.exists()


@contextmanager
def disk(path: Path, size: str) -> Iterator[Path]:
    """A disk of its own, on which one can run out of room."""
    require_root("A disk is mounted.")
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0777", "faults", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)
        path.rmdir()


def fill(path: Path) -> None:
    """Not a byte is left."""
    with contextlib.suppress(OSError), (path / "filler").open("wb", buffering=0) as stream:
        while stream.write(b"\0" * 4096):
            pass


# -- files and clocks ----------------------------------------------------------------------------------------------------


@pytest.mark.faults
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("damage", ["truncated", "edited"])
def test_journal_damaged(site: Site, damage: str, phase: str) -> None:
    """The journal damaged, and the controller killed"""
    place, end = PLACES[phase]
    site.begin_until(place)
    path = Path(site.key.journal)
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: len(text) // 2] if damage == "truncated" else text.replace('"custom"', '"none"'))
    site.signal(signal.SIGKILL)
    site.end_by(ENDERS[phase])
    site.expect_end(end)


@pytest.mark.faults
def test_disk_full_at_the_backup(site: Site, tmp_path: Path) -> None:
    """The disk full at the backup"""
    with disk(tmp_path / "disk", "512k") as backups:
        # An earlier, tiny backup makes the forecast small, so the dump itself meets the end of the disk.
        (backups / "amanat_dev_pg_2026-01-01T000000Z.pgdir.manifest.json").write_text('{"bytes": 1000}', encoding="utf-8")
        site.elsewhere = {"backup_dir": str(backups)}
        site.begin_until("Back up and read the backup through")
        site.gates.open()
        site.await_controller()
        assert [path.name for path in backups.iterdir()] == ["amanat_dev_pg_2026-01-01T000000Z.pgdir.manifest.json"]
    site.elsewhere = {}
    site.expect_end("aborted")


@pytest.mark.faults
def test_disk_full_at_the_rollback_point(site: Site) -> None:
    """The disk full at the rollback point"""
    # Where the server's account may go.
    with disk(site.stack.directory / "disk", "256m") as room, site.in_tablespace(room):
        site.begin_until("Take the rollback point")
        fill(room)
        site.gates.open()
        site.await_controller()
        (room / "filler").unlink()
    site.expect_end("rolled_back")


@pytest.fixture
def state_disk(place: Site, tmp_path: Path) -> Iterator[Path]:
    """The state directory on a disk of its own, which is there until everybody has looked at it."""
    with disk(tmp_path / "disk", "8m") as state:
        place.elsewhere = {"state_dir": str(state)}
        yield state


@pytest.mark.faults
@pytest.mark.parametrize("phase", PHASES)
def test_disk_full_at_the_journal(state_disk: Path, site: Site, phase: str) -> None:
    """The disk of the journal full"""
    place, end = PLACES[phase]
    site.begin_until(place)
    fill(state_disk)
    site.gates.open()
    site.await_controller()
    site.expect_end(end)


@pytest.mark.faults
@pytest.mark.parametrize("by", ["+1h", "-1h"])
def test_clock_moved(site: Site, by: str, tmp_path: Path) -> None:
    """The clock moved by an hour in mid-window"""
    site.begin_until("Make room and a checkpoint for the rollback point", clock=tmp_path)
    (tmp_path / "faketime").write_text(f"{by}\n", encoding="utf-8")
    site.gates.open()
    site.await_controller()
    assert site.expect_end("closed")["epoch"] == 1


@pytest.mark.faults
@pytest.mark.parametrize("by", ["+1h", "-1h"])
def test_clock_moved_and_killed(site: Site, by: str, tmp_path: Path) -> None:
    """The clock moved by an hour in mid-window, and the controller killed"""
    site.begin_until("Begin to start", clock=tmp_path)  # nothing of it is at work then: its time alone decides
    site.signal(signal.SIGKILL)
    (tmp_path / "faketime").write_text(f"{by}\n", encoding="utf-8")
    refused = site.script("recover")
    assert "its time ends in" in refused.stderr, refused
    time.sleep(LET_GO)  # the switch looks as well
    assert (site.journal["state"], site.journal["epoch"]) == ("open", 1)
    site.end_by("switch")
    site.expect_end("rolled_back")
