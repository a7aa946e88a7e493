# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script on the target: it is whole, it needs nothing but Python, and it takes no window from who may be at work."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _calls, _clock, _fence, _journal, _private, _script, _window
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._files import make_private_directory, write_json
from ansible_collections.amanat.dbops.plugins.module_utils._job import Job, Progress
from ansible_collections.amanat.dbops.plugins.module_utils._stack import Stack

from tests.gates import pythons

NOW = datetime(2026, 11, 22, 17, 1, 2, 0, timezone.utc)


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    stack = Stack.parse("production/shop", str(tmp_path))
    make_private_directory(stack.directory)
    _script.install(stack)
    return stack


def open_window(stack: Stack, age: float = 0.0, **record: object) -> None:
    """A window of an hour that was opened `age` seconds ago."""
    clock = _clock.read()
    clock = _window.Clock(clock.boot, clock.seconds - age)
    _journal.put(stack, _window.new("w1", str(stack), "none", {"user": "mo"}, 60, "", NOW, clock, record))


def script(stack: Stack, *arguments: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    # Isolated, without site-packages: what is not in the script or in the standard library is not there.
    return subprocess.run([python, "-I", "-S", stack.script, *arguments], capture_output=True, text=True, check=False)


def test_it_holds_whatever_it_imports() -> None:
    files = _script.needed("_script")
    assert {"_recovery", "_door_run", "_rollback", "_services_run"} <= files.keys()
    assert not [name for name, text in files.items() if "from ansible" in text or "import ansible" in text]
    assert _script.archive() == _script.archive(), "the same files make the same script"


@pytest.mark.parametrize("version", [(3, 9), sys.version_info[:2]], ids=str)
def test_it_runs_on_a_bare_python(stack: Stack, version: tuple[int, int]) -> None:
    python = pythons.find(version)
    assert python, f"Python {version} is not here"
    none = script(stack, "status", python=python)
    assert (none.returncode, none.stdout) == (0, "no window is open on production/shop\n"), none.stderr
    open_window(stack)
    some = script(stack, "status", python=python)
    assert "window w1 (none) on production/shop, open in phase opened" in some.stdout


def test_its_status_says_how_a_window_is_ended_that_nobody_ends(stack: Stack) -> None:
    """Before the stop no switch is armed: whoever looks has to be told."""
    open_window(stack, age=3700)
    assert "next: Nobody brings it to its end. Do that: ansible-playbook playbooks/recover.yml" in script(stack, "status").stdout
    with _fence.held(stack, "w1/1"):
        assert "playbooks/abort.yml -e dbops_window=w1" in script(stack, "status").stdout


@pytest.mark.parametrize("verb", ["recover", "abort"])
def test_a_window_that_has_ended_is_left_as_it_is(stack: Stack, verb: str) -> None:
    open_window(stack)
    assert script(stack, "abort", "w1").returncode == 0
    again = script(stack, verb, "w1")
    assert (again.returncode, again.stdout) == (0, "window w1 has ended as aborted already: nothing was changed.\n"), again.stderr
    # Not so to whoever holds it in an epoch: it was taken from him.
    told = {"by": {}, "why": "", "error": {}, "record": {}, "epoch": 1}
    lost = subprocess.run([stack.script, verb, "w1", "--told"], input=json.dumps(told), capture_output=True, text=True, check=False)
    assert (lost.returncode, lost.stderr[:13]) == (2, "[window-lost]")


def test_attempts_that_came_to_nothing_do_not_pile_up(stack: Stack) -> None:
    for number in range(60):
        Path(f"{stack.jobs}/w1-recovery-{number:02}").mkdir(parents=True)
    open_window(stack)
    assert script(stack, "abort", "w1").returncode == 0
    assert len(list(Path(stack.jobs).iterdir())) < 60


@pytest.mark.parametrize("verb", ["recover", "abort"])
def test_another_window_is_not_ended(stack: Stack, verb: str) -> None:
    open_window(stack)
    outcome = script(stack, verb, "w2")
    assert (outcome.returncode, outcome.stderr[:13]) == (2, "[window-lost]")
    assert _journal.read(stack.journal)["epoch"] == 1


def test_a_window_whose_time_is_not_over_is_not_recovered(stack: Stack) -> None:
    open_window(stack, age=3500)
    outcome = script(stack, "recover", "w1")
    assert outcome.stderr.startswith("[window-alive]")
    assert "abort.yml -e dbops_window=w1" in outcome.stderr
    assert _journal.read(stack.journal)["epoch"] == 1


def test_a_window_that_is_at_work_is_not_recovered(stack: Stack) -> None:
    open_window(stack, age=3700)
    _script.require_stale(stack, "w1")
    with _fence.held(stack, "w1/1"), subprocess.Popen(["sleep", "60"], pass_fds=[]) as sleeper:
        outcome = script(stack, "recover", "w1")
        sleeper.kill()
    assert outcome.stderr.startswith("[window-alive]")
    assert "is at work" in outcome.stderr


UNDO = {
    "engine": {"binary": "docker", "socket": ""},
    "postgres_container": "",
    "postgres_bin_dir": "",
    "services": [],
    "guarded": True,
    "moment": "20261122T170102Z",
    "redis": {},
    "health": {"url": "http://127.0.0.1:1/"},
}


def test_a_window_that_was_killed_when_it_was_opened_is_ended_without_its_secrets(stack: Stack) -> None:
    open_window(stack, age=3700, undo=UNDO)
    outcome = script(stack, "recover", "w1")
    assert outcome.returncode == 0, outcome.stderr
    ended = _journal.last(stack)
    assert (ended["state"], ended["epoch"]) == ("aborted", 2)
    assert "window.private.json is missing" in ended["warnings"][0]


def in_phase(stack: Stack, phase: str, **more: Any) -> None:
    with _journal.alone(stack):
        _journal.put(stack, {**_journal.read(stack.journal), "phase": phase, **more})


def test_a_recovery_without_its_secrets_fails_and_can_be_acknowledged(stack: Stack) -> None:
    open_window(stack, age=3700)
    in_phase(stack, "operated", undo=UNDO)
    outcome = script(stack, "recover", "w1")
    assert outcome.returncode == 2
    journal = _journal.read(stack.journal)
    assert (journal["state"], journal["epoch"]) == ("failed", 2)
    assert "window.private.json is missing: without it nobody can log in to the database" in journal["error"]["state"]
    _journal.change(stack, "w1", lambda held: _window.acknowledge(held, {}, NOW))
    assert not Path(stack.journal).exists()


def test_a_window_that_needs_no_secrets_is_recovered_without(stack: Stack) -> None:
    open_window(stack, age=3700)
    undo = {"guarded": False, "engine": {}, "services": [], "redis": {}, "postgres_container": "", "postgres_bin_dir": ""}
    in_phase(stack, "opened", undo=undo)
    outcome = script(stack, "recover", "w1")
    assert (outcome.returncode, outcome.stdout.split()[-3:]) == (0, ["Nothing", "was", "stopped."]), outcome.stderr


@pytest.mark.parametrize(("phase", "state"), [("backed_up", "aborted"), ("stopped", "failed"), ("started", "failed")])
def test_a_window_of_the_first_release_comes_to_an_end(stack: Stack, phase: str, state: str) -> None:
    """Its journal as that release wrote it: no clock, and no undo."""
    open_window(stack)
    journal = json.loads(Path(stack.journal).read_text(encoding="utf-8"))
    services = [{"name": "backend", "kind": "compose", "running_before": True, "release_before": "nickapp:1", "image_before": "sha256:1f"}]
    journal = {key: value for key, value in journal.items() if key not in ("clock", "seconds", "seal")}
    Path(stack.journal.replace(".json", ".copy.json")).unlink()
    Path(stack.journal).write_text(json.dumps({**journal, "version": 1, "phase": phase, "services": services}), encoding="utf-8")
    assert "window w1" in script(stack, "status").stdout
    assert script(stack, "switch").returncode == 0
    ended = _journal.read(stack.journal) or _journal.last(stack)
    assert (ended["state"], ended["version"]) == (state, 2)
    if state == "failed":
        assert "Before its stop backend ran nickapp:1 (sha256:1f)" in ended["error"]["state"]
        _journal.change(stack, "w1", lambda held: _window.acknowledge(held, {}, NOW))
    assert not Path(stack.journal).exists()


def test_a_journal_whose_window_has_ended_frees_the_lock_though_its_writer_was_killed(stack: Stack) -> None:
    open_window(stack)
    secrets = Path(stack.directory) / "window.private.json"
    secrets.write_text("{}", encoding="utf-8")
    Path(f"{secrets}.4711.1f.tmp").write_text("{", encoding="utf-8")
    write_json(stack.journal, {**_journal.read(stack.journal), "state": "closed"})
    assert script(stack, "switch").returncode == 0
    assert not Path(stack.journal).exists()
    assert _journal.last(stack)["state"] == "closed"
    assert not list(Path(stack.directory).glob("window.private*"))


def test_secrets_of_no_window_go(stack: Stack) -> None:
    secrets = Path(stack.directory) / "window.private.json"
    secrets.write_text("{}", encoding="utf-8")
    script(stack, "switch")
    assert not secrets.exists()


def test_a_recovery_that_died_does_not_bar_the_next(stack: Stack) -> None:
    open_window(stack, age=3700)
    died = Job(f"{stack.jobs}/w1-recovery-1")
    died.start(lambda _progress: os._exit(9))
    assert died.wait(10)["slug"] == "job-died"
    assert "ended as aborted" in script(stack, "abort", "w1").stdout


def test_one_whose_work_is_done_and_that_is_about_to_end_is_not_asked_again(stack: Stack) -> None:
    """Its answer is that of another try, whatever has become of the window since."""
    open_window(stack, age=3700)
    done = Job(f"{stack.jobs}/w1-recovery-1")
    done.start(lambda _progress: {"failed": True, "slug": "x", "what": "", "state_now": "", "next_step": ""})
    done.wait(10)
    lock = os.open(f"{done.directory}/lock", os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)  # as its process holds it while it ends
    assert "ended as aborted" in script(stack, "abort", "w1").stdout
    os.close(lock)


def test_who_asks_for_the_same_attaches_to_what_is_at_work(stack: Stack, tmp_path: Path) -> None:
    open_window(stack)
    at_work = Job(f"{stack.jobs}/w1-recovery-3fa9")

    def work(progress: Progress) -> dict[str, Any]:
        progress.say("returning", now=True)
        while not (tmp_path / "end").exists():
            time.sleep(0.01)
        return {"journal": {"state": "rolled_back"}}

    at_work.start(work)
    with subprocess.Popen([sys.executable, stack.script, "abort", "w1"], stdout=subprocess.PIPE, text=True) as person:
        assert person.stdout
        assert person.stdout.readline() == "returning\n"
        (tmp_path / "end").touch()
        assert "window w1 ended as rolled_back" in person.communicate(timeout=30)[0]
    assert _journal.read(stack.journal)["epoch"] == 1


class Told(ThreadingHTTPServer):
    """Whoever is told: `said` is what was said, `status` what is answered."""

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []
        self.status = 200
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def private(self) -> dict[str, str]:
        senders = [{"kind": "webhook", "url": f"http://127.0.0.1:{self.server_address[1]}/"}]
        return {"announce": json.dumps({"senders": senders, "timeout": 5})}


class _Handler(BaseHTTPRequestHandler):
    server: Told

    def do_POST(self) -> None:
        self.server.said.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.status)
        self.end_headers()

    def do_GET(self) -> None:
        """Where an Alertmanager is looked for."""
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def people() -> Iterator[Told]:
    with Told() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def switch(stack: Stack) -> int:
    """As the dead man's switch calls it, in this very process."""
    return _script.main([stack.script, "switch"])


def test_people_are_reached_by_the_proxy_that_led_to_them_when_the_window_was_opened(
    stack: Stack, people: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manager that starts the switch knows of none."""
    open_window(stack, age=3700)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{people.server_address[1]}")
    senders = [{"kind": "webhook", "url": "http://status.invalid/hook"}]
    _private.write(stack, {"announce": json.dumps({"senders": senders, "timeout": 5})})
    monkeypatch.delenv("http_proxy")
    done = script(stack, "switch")
    assert done.returncode == 0, done.stderr
    assert [said["event"] for said in people.said] == ["failed"]


FAILURES = [
    OperationError("window-stuck", "A step of the window is at work and does not end."),
    OperationError("job-stays", "The job was told to end, and is at work."),
    OSError(30, "Read-only file system"),
    TypeError("nobody foresaw it"),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__ + getattr(failure, "slug", ""))
def test_a_window_that_nobody_can_end_calls_for_a_person_until_one_has_heard(
    stack: Stack, people: Told, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    open_window(stack, age=3700)
    _private.write(stack, people.private)

    @contextlib.contextmanager
    def broken(*_: object, **_more: object) -> Iterator[None]:
        raise failure
        yield

    monkeypatch.setattr(_fence, "taken_over", broken)
    for status in (503, 503, 200, 200, 200):
        people.status = status
        assert switch(stack) == 2
    assert [said["event"] for said in people.said] == ["needs_a_person"] * 3
    assert (_calls.is_heard(stack, "w1"), _calls.is_heard(stack, "w2")) == (True, False)
    assert "It is not brought to its end: [" in people.said[0]["text"]
    told = _journal.read(stack.journal)["announcements"]
    assert [(each["event"], each["ok"]) for each in told] == [("needs_a_person", False), ("needs_a_person", True)]
    # Another reason is another call.
    failure = OperationError("journal-unreadable", "It cannot be read.")
    assert switch(stack) == 2
    assert len(people.said) == 4


def test_a_damaged_journal_calls_for_a_person(stack: Stack, people: Told) -> None:
    open_window(stack, age=3700)
    _private.write(stack, people.private)
    both = [Path(stack.journal), Path(stack.journal.replace(".json", ".copy.json"))]
    for path in both:
        path.write_text(path.read_text(encoding="utf-8")[:-20], encoding="utf-8")
    for _ in range(2):
        assert switch(stack) == 2
    (said,) = people.said
    assert said["text"].startswith("Maintenance of production/shop needs a person NOW. It is not brought to its end: [journal-unreadable]")


@pytest.mark.parametrize("slug", ["window-alive", "window-attended", "window-busy", "window-ended", "window-lost"])
def test_nobody_is_called_for_a_window_that_is_in_hand(stack: Stack, people: Told, monkeypatch: pytest.MonkeyPatch, slug: str) -> None:
    open_window(stack, age=3700)
    _private.write(stack, people.private)

    @contextlib.contextmanager
    def refused(*_: object, **_more: object) -> Iterator[None]:
        raise OperationError(slug, "Somebody else has it.")
        yield

    monkeypatch.setattr(_fence, "taken_over", refused)
    assert switch(stack) == 2
    assert people.said == []


def test_a_window_that_failed_unheard_is_told_until_somebody_hears(stack: Stack, people: Told) -> None:
    """As at a start of the machine whose network is not up yet."""
    open_window(stack, age=3700)
    in_phase(stack, "operated", undo=UNDO)
    _private.write(stack, {"pg_url": "no URL", **people.private})
    people.status = 503
    assert [switch(stack), switch(stack)] == [2, 2]
    assert _journal.read(stack.journal)["state"] == "failed"
    people.status = 200
    assert [switch(stack), switch(stack)] == [0, 0]
    assert [said["event"] for said in people.said] == ["needs_a_person"] * 3
    assert (
        people.said[2]["text"].rpartition("It did not come to its end")[2]
        == people.said[0]["text"].rpartition("It did not come to its end")[2]
    )
    told = _journal.read(stack.journal)["announcements"]
    assert [each["ok"] for each in told] == [False, True]


def test_what_answers_in_an_alertmanagers_place_keeps_no_window_open(stack: Stack, people: Told) -> None:
    open_window(stack)
    alertmanager = {"url": f"http://127.0.0.1:{people.server_address[1]}", "matchers": ['stack="shop"']}
    _private.write(stack, {**people.private, "alertmanager": json.dumps(alertmanager)})
    outcome = script(stack, "abort", "w1")
    assert outcome.returncode == 0, outcome.stderr
    ended = _journal.last(stack)
    assert (ended["state"], ended["epoch"]) == ("aborted", 2)
    assert any("what answers is no Alertmanager" in warning for warning in ended["warnings"])
    assert [said["event"] for said in people.said] == ["failed"]


def test_who_ends_his_own_window_may_be_gone_when_people_are_told(stack: Stack, people: Told) -> None:
    """A failed step of the controller, which has told people by its own senders so far."""
    open_window(stack)
    _private.write(stack, people.private)
    planned = {"event": "planned", "at": "2026-11-22T17:01:03.000Z", "sender": "webhook", "ok": True, "answer": "taken"}
    error = {"slug": "backup-failed", "message": "The disk is full.", "state": "", "next": ""}
    told = {"by": {"user": "mo"}, "why": "a step failed", "error": error, "record": {"announcements": [planned]}, "epoch": 1}
    ended = subprocess.run([stack.script, "abort", "w1", "--told"], input=json.dumps(told), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    (said,) = people.said
    assert said["text"].endswith("before anything was stopped. [backup-failed] The disk is full. Nothing was stopped.")
    journal = _journal.last(stack)
    assert [(each["event"], each["ok"]) for each in journal["announcements"]] == [("planned", True), ("failed", True)]
    assert _window.is_heard(journal, "failed")


def test_who_is_called_for_is_forgotten_with_the_window(stack: Stack) -> None:
    open_window(stack)
    Path(stack.called).write_text("{}", encoding="utf-8")
    assert script(stack, "abort", "w1").returncode == 0
    assert not Path(stack.called).exists()


def test_the_switch_lets_a_window_be_whose_phase_has_time(stack: Stack) -> None:
    open_window(stack)
    assert script(stack, "switch").returncode == 0
    assert _journal.read(stack.journal)["epoch"] == 1


def test_a_step_of_an_older_epoch_does_not_begin(stack: Stack) -> None:
    open_window(stack)
    with _fence.held(stack, "w1/1"):
        pass
    with _fence.taken_over(stack, "w1", {"user": "switch"}, "it took too long", NOW) as journal:
        assert journal["epoch"] == 2
        with pytest.raises(OperationError) as caught, _fence.held(stack, "w1/1"):
            pass
    assert caught.value.slug == "window-lost"
    assert "taken over at 2026-11-22T17:01:02.000Z by switch: it took too long" in caught.value.what
    assert json.loads(Path(stack.journal).read_text(encoding="utf-8"))["epoch"] == 2
    with _fence.held(stack, "w1/2"):
        pass
