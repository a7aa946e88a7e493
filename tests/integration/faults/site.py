# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack on which windows are interrupted, and the invariants that hold afterwards, whatever happened."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ansible_runner
import psycopg2
from ansible_collections.amanat.dbops.plugins.module_utils import _announce, _ending, _journal
from ansible_collections.amanat.dbops.plugins.module_utils._job import Job
from ansible_collections.amanat.dbops.plugins.module_utils._stack import Stack as Key

from tests.integration.announce.alertmanager import Alertmanager
from tests.integration.machine import faketime
from tests.integration.plays import ROOT, Outcome
from tests.integration.report import schema
from tests.integration.window.conftest import Stack
from tests.integration.window.guarded import password, url
from tests.integration.window.receiver import Receiver

from .census import Sampler, census, files_with, given, processes
from .gates import LONG, POLL, Gates
from .servers import Embedded
from .writer import Keeper, Writer, ask

PYTHONPATH = f"{ROOT / 'collections'}:{ROOT}"

# What the operation of a window does.
OPERATION = "CREATE TABLE half_done ()"

# Makes the application unhealthy: a column of its release is not there; and how that is mended.
BREAK = "ALTER TABLE users RENAME COLUMN google_id TO gone"
MEND = """
DO $$ BEGIN ALTER TABLE users RENAME COLUMN gone TO google_id; EXCEPTION WHEN undefined_column THEN NULL; END $$
"""

# The library of `faked` fails a sleep until a moment of a clock that it leaves alone, which is how Python sleeps since 3.11.
SLEEP = """
import select, time
time.sleep = lambda seconds: select.select([], [], [], seconds) and None
"""

# What an operation of a window, and all that it starts, has in its environment.
MARK = "DBOPS_WINDOW"

# What an operation writes to Redis that goes on when it should have been ended, and the seconds that it is given for it.
LATE, LET_GO = "faults:late", 3.0

ENDED = ("closed", "rolled_back", "aborted")

# How it ends when its controller is struck before there is a window.
NEVER = "never opened"

# What nobody may see of the URLs of those who are told.
HOOK, ALERTS = "hook-s3cret", "alerts-s3cret"


def faked(directory: Path) -> dict[str, str]:
    """The environment of a program whose time of day is what the file `faketime` says, at every look."""
    (directory / "faketime").write_text("+0\n", encoding="utf-8")
    (directory / "sitecustomize.py").write_text(SLEEP, encoding="utf-8")
    library = {"LD_PRELOAD": faketime(directory), "FAKETIME_TIMESTAMP_FILE": str(directory / "faketime")}
    return {**library, "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "PYTHONPATH": f"{PYTHONPATH}:{directory}"}


def until(is_true: Callable[[], Any], what: str, seconds: float = LONG) -> None:
    end = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(POLL)


@dataclass
class Site:
    stack: Stack
    directory: Path
    gates: Gates
    keeper: Keeper
    writer: Writer
    alerts: Alertmanager
    receiver: Receiver
    outputs: list[str] = field(default_factory=list)  # of every program that belonged to a window
    logs: list[str] = field(default_factory=list)  # files of controllers, which may be killed before anybody has read them
    controller: subprocess.Popen[str] | None = None
    log: str = ""  # of the controller
    before: dict[str, Any] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list, repr=False)
    told: int = 0  # how often people had been told of something before
    window: str = ""  # the one that is interrupted
    struck: str = ""  # in which phase
    kind: str = ""  # of controller
    final: dict[str, Any] = field(default_factory=dict)  # its journal when it had ended
    by: str = ""  # whom it was brought to its end by
    end: str = ""
    shell: list[str] = field(default_factory=list)  # how a command is run on a target that is not this machine
    host: dict[str, Any] = field(default_factory=dict)  # variables of such a target
    clock: dict[str, str] = field(default_factory=dict)  # variables by which programs of the target see another time of day
    elsewhere: dict[str, str] = field(default_factory=dict)  # `state_dir` and `backup_dir` of a test that has them on a disk of its own

    # -- what it is --------------------------------------------------------------------------------------------------------

    @classmethod
    def of(cls, stack: Stack, directory: Path, alerts: Alertmanager, receiver: Receiver) -> Site:
        redis = json.loads(Path(stack.state["secrets_file"]).read_text(encoding="utf-8"))["redis_password"]
        keeper = Keeper(stack.state["redis"]["port"], redis)
        writer = Writer(url(stack), keeper)
        writer.prepare()
        secrets = [password(stack), redis, HOOK, ALERTS]
        return cls(stack, directory, Gates(directory / "gates"), keeper, writer, alerts, receiver, secrets=secrets)

    @property
    def key(self) -> Key:
        return Key.parse(self.stack.key, self.elsewhere.get("state_dir", str(self.stack.directory / "dbops")))

    @property
    def services(self) -> list[dict[str, Any]]:
        """The backend, whose start and stop can be made to wait."""
        verbs = {verb: self.stack.state["backend"][verb] for verb in ("start", "stop", "status")}
        gated = {verb: self.gates.command(f"{verb} the backend", *verbs[verb]) for verb in ("start", "stop")}
        return [{"name": "backend", "kind": "command", "status": verbs["status"], **gated}]

    @property
    def target(self) -> dict[str, str]:
        return {"stack": self.stack.key, "state_dir": self.key.state_dir}

    @property
    def postgres(self) -> dict[str, str]:
        return {"pg_url": url(self.stack), "postgres_bin_dir": self.stack.state["postgres"]["bin"]}

    @property
    def psql(self) -> list[str]:
        return [f"{self.stack.state['postgres']['bin']}/psql"]

    @property
    def redis(self) -> dict[str, str]:
        server = self.stack.state["redis"]
        return {
            "redis_url": f"redis://127.0.0.1:{server['port']}",
            "redis_bin_dir": str(Path(server["cli"]).parent),
            "redis_password": self.secrets[1],
        }

    @property
    def runner(self) -> Path:
        """What ansible-runner works in, and keeps what it has seen."""
        return self.directory / "runner"

    @property
    def sent(self) -> Path:
        """Where Ansible leaves modules on the target that it does not send by standard input."""
        return self.directory / "sent"

    @property
    def announce(self) -> list[dict[str, str]]:
        return [{"kind": "webhook", "url": self.receiver.url(HOOK)}]

    @property
    def alertmanager(self) -> dict[str, Any]:
        return {"url": self.alerts.url.replace("//", f"//dbops:{ALERTS}@"), "matchers": ['stack="faults"']}

    def operation(self, sql: str, after: str) -> list[str]:
        """A command that runs SQL by the URL on its standard input, passes the gate "operating", and then does what `after` says.

        The window's own password is in a file, so that one sees where else it is.
        """
        psql, gate = shlex.join(self.psql), " ".join(self.gates.command("operating"))
        login = 'read -r url; rest="${url#*//*:}"; PGPASSWORD="${rest%%@*}"; export PGPASSWORD; url="${url%%:"$PGPASSWORD"@*}@${url#*@}"'
        known = f'umask 077; printf %s "$PGPASSWORD" > {self._own_password}'
        return ["sh", "-ec", f'{login}; {known}; {psql} -XAtq -v ON_ERROR_STOP=1 -c "{sql}" "$url"; {gate}; {after}']

    @property
    def _own_password(self) -> Path:
        return self.gates.directory / "window.password"

    def known_secrets(self) -> list[str]:
        """And the password of the window's own role from when there is one."""
        path = self._own_password
        return [*self.secrets, *([path.read_text(encoding="utf-8")] if path.exists() and path.stat().st_size else [])]

    @property
    def journal(self) -> dict[str, Any]:
        return _journal.read(self.key.journal)

    @property
    def last(self) -> dict[str, Any]:
        return _journal.last(self.key)

    def ended(self) -> dict[str, Any]:
        """The journal of the window, wherever it is by now."""
        held = self.journal  # first: in between it may go where the others are
        return held if held.get("id") == self.window else _journal.read(f"{self.key.windows}/{self.window}.json")

    def said(self) -> list[str]:
        """What people were told of the window, in its order."""
        return [told["event"] for told in self.receiver.told if told["window"] == self.window]

    # -- a window ------------------------------------------------------------------------------------------------------------

    def begin(self, *, sql: str = OPERATION, after: str = "true", clock: Path | None = None) -> None:
        """A window by the modules alone, see `steps`."""
        self.kind = "modules"
        settings = {
            "target": self.target,
            "postgres": self.postgres,
            "redis": self.redis,
            "announce": {"senders": self.announce, "timeout": 5.0},
            "alertmanager": self.alertmanager,
            "report_dir": str(self.stack.reports),
            "backup_dir": self.elsewhere.get("backup_dir", str(self.stack.backups)),
            "services": self.services,
            "health": {"url": self.stack.state["health_url"], "timeout": 8.0, "successes": 2},
            "operation": self.operation(sql, after),
            "password_file": str(self._own_password),
        }
        self.clock = faked(clock) if clock else {}
        argv = [sys.executable, "-m", "tests.integration.faults.steps", self._private("settings.json", settings)]
        self._spawn(argv, {**self.environ(), **self.clock})

    def variables(self, after: str = "true", **more: Any) -> str:
        """A file of variables for the playbook, whose operation is the same where `more` names no other."""
        command = {"argv": self.operation(OPERATION, after), "stdin": "{{ maintenance_window_pg_url }}"}
        task = {"name": "Operate", "ansible.builtin.command": command, "changed_when": True, "no_log": True}
        tasks = self.directory / "tasks.yml"
        tasks.write_text(json.dumps([task]), encoding="utf-8")
        extra = {
            "demo_name": self.stack.name,
            "dbops_report_dir": str(self.stack.reports),
            "dbops_operation": "custom",
            "dbops_tasks": str(tasks),
            "dbops_services": self.services,
            "dbops_announce": self.announce,
            "dbops_alertmanager": self.alertmanager,
            "maintenance_window_health_timeout": 8,
            "ansible_remote_tmp": str(self.sent),
            **{f"dbops_{key}": value for key, value in self.redis.items()},
            **self.host,
            **more,
        }
        return self._private("variables.json", extra)

    def _private(self, name: str, content: dict[str, Any]) -> str:
        path = self.directory / name
        path.touch(mode=0o600)
        path.write_text(json.dumps(content), encoding="utf-8")
        return str(path)

    def environ(self) -> dict[str, str]:
        """What has a controller wait at gates."""
        return {
            **os.environ,
            "GATES": str(self.gates.directory),
            "PYTHONPATH": PYTHONPATH,
            "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).with_name("callbacks")),
            "ANSIBLE_CALLBACKS_ENABLED": "gated",
            "ANSIBLE_NOCOLOR": "1",
        }

    def _spawn(self, argv: list[str], environ: dict[str, str]) -> None:
        descriptor, self.log = tempfile.mkstemp(suffix=".log", dir=self.directory)
        self.logs.append(self.log)
        with os.fdopen(descriptor, "w") as log:
            self.controller = subprocess.Popen(
                argv, cwd=ROOT, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log, text=True, start_new_session=True
            )

    def begin_until(self, place: str, **more: Any) -> None:
        """A window by the modules alone that waits at a place, where it is struck."""
        self.gates.shut(place)
        self.begin(**more)
        self.await_gate()

    @contextmanager
    def locked(self, table: str) -> Iterator[Callable[[], bool]]:
        """Nobody reads a table meanwhile. Yields whether somebody waits for it."""
        with contextlib.closing(psycopg2.connect(url(self.stack))) as connection, connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield lambda: ask(url(self.stack, "postgres"), "SELECT count(*) FROM pg_locks WHERE NOT granted") != ["0"]

    @contextmanager
    def in_tablespace(self, directory: Path) -> Iterator[None]:
        """The database, and so its copies, lie on a disk of their own."""
        home = directory / "tablespace"
        Embedded(self.stack.state).account.make_directory(home)
        ask(url(self.stack, "postgres"), f"CREATE TABLESPACE small LOCATION '{home}'")
        try:
            self._move("small")
            yield
        finally:
            self.drop_copies()
            self._move("pg_default")
            ask(url(self.stack, "postgres"), "DROP TABLESPACE small")

    def _move(self, tablespace: str) -> None:
        database = self.stack.state["postgres"]["database"]
        end_all = f"SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE datname = '{database}'"

        def is_moved() -> bool:
            server = url(self.stack, "postgres")
            ask(server, end_all)
            try:
                ask(server, f"ALTER DATABASE {database} SET TABLESPACE {tablespace}")
            except psycopg2.Error:
                return False
            return True

        with self.writer.held():
            until(is_moved, "nobody is in the database")

    def play_until(self, place: str, **more: Any) -> None:
        """The same by ansible-playbook."""
        self.gates.shut(place)
        self.play(**more)
        self.await_gate()

    def play(self, **more: Any) -> None:
        self.kind = "ansible-playbook"
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        options = ["-i", "inventories/demo", "--limit", self.stack.kind, "playbooks/maintenance.yml"]
        self._spawn([program, *options, "-e", f"@{self.variables(**more)}"], self.environ())

    def of_redis(self) -> list[str]:
        """Options of a playbook that is to know Redis."""
        return ["-e", f"@{self._private('redis.json', {f'dbops_{key}': value for key, value in self.redis.items()})}"]

    def acknowledge(self, window: str, *arguments: str) -> Outcome:
        done = self.stack.play("acknowledge", *self.of_redis(), *arguments, dbops_window=window)
        self.outputs.append(done.out)
        return done

    def acknowledge_until(self, place: str) -> None:
        """Somebody acknowledges the window, and is slow."""
        self.gates.open()
        self.gates.shut(place)
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        options = ["-i", "inventories/demo", "--limit", self.stack.kind, "playbooks/acknowledge.yml"]
        extra = json.dumps({"demo_name": self.stack.name, "dbops_window": self.window})
        self._spawn([program, *options, "-e", extra, *self.of_redis()], self.environ())
        until(lambda: self.gates.is_reached() or self.controller.poll() is not None, "the gate is reached")
        assert self.gates.is_reached(), Path(self.log).read_text(encoding="utf-8")

    @contextmanager
    def runner_until(self, place: str) -> Iterator[Callable[[], None]]:
        """The same by ansible-runner; yields what cancels it."""
        self.kind = "ansible-runner"
        self.gates.shut(place)
        cancelled = threading.Event()
        self.runner.mkdir(exist_ok=True)
        run = {
            "private_data_dir": str(self.runner),
            "project_dir": str(ROOT),
            "playbook": "playbooks/maintenance.yml",
            "inventory": str(ROOT / "inventories/demo"),
            "limit": self.stack.kind,
            "cmdline": f"-e @{self.variables()}",
            "envvars": self.environ(),
            "quiet": True,
            "cancel_callback": cancelled.is_set,
        }
        thread = threading.Thread(target=lambda: ansible_runner.run(**run))
        thread.start()

        def cancel() -> None:
            cancelled.set()
            thread.join(LONG)

        try:
            until(lambda: self.gates.is_reached() or not thread.is_alive(), "the gate is reached")
            self._note_at_gate()
            yield cancel
        finally:
            cancel()

    def note(self) -> None:
        """Where the fault strikes."""
        journal = self.journal
        self.window, self.struck = journal.get("id", ""), journal.get("phase", "preflight")

    def await_gate(self) -> None:
        assert self.controller
        until(lambda: self.gates.is_reached() or self.controller.poll() is not None, "the gate is reached")
        self._note_at_gate()

    def _note_at_gate(self) -> None:
        assert self.gates.is_reached(), Path(self.log).read_text(encoding="utf-8") if self.log else ""
        self.note()
        assert not self.window or self.alerts.silences()

    def signal(self, number: signal.Signals) -> None:
        """To the controller alone; what it started on the target goes on as it would there."""
        assert self.controller
        self.controller.send_signal(number)
        self.controller.wait(LONG)

    def goes_on(self) -> bool:
        """Whether a step of a controller is at work that was killed."""
        return any(str(self.directory / "settings.json") in argv for _pid, argv in processes())

    def await_controller(self) -> str:
        assert self.controller
        self.controller.wait(LONG)
        return Path(self.log).read_text(encoding="utf-8")

    # -- how it is ended -----------------------------------------------------------------------------------------------------

    def let_time_pass(self) -> None:
        """As if the window had been opened so long ago that its time is over."""

        def older(journal: dict[str, Any]) -> dict[str, Any]:
            clock = journal["clock"]
            return {**journal, "clock": {**clock, "seconds": clock["seconds"] - journal["seconds"]}}

        _journal.change(self.key, self.window, older)

    def kill_the_switch(self) -> None:
        Job(f"{self.key.jobs}/{self.window}-switch").end()

    def script(self, verb: str) -> subprocess.CompletedProcess[str]:
        """From a shell of the target that knows nothing."""
        argv = [*self.shell, self.key.script, verb, self.window]
        environ = {**self.clock, "PATH": "/usr/bin:/bin"}
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environ, timeout=LONG)
        self.outputs.append(done.stdout + done.stderr)
        return done

    def end_by(self, how: str) -> None:
        """switch, recover, abort: who ends a window whose controller is gone; nobody, where there is none."""
        if how == "abort":
            self.script("abort")
        elif how == "recover":
            self.kill_the_switch()
            self.let_time_pass()
            # What the controller had begun is at work, and nobody recovers the window before that has ended.
            self.gates.open()
            until(lambda: "[window-alive]" not in self.script("recover").stderr, "nothing of the window is at work")
        elif how == "switch":
            self.let_time_pass()
            until(lambda: self.ended()["state"] != "open", "the switch has brought the window to an end")

    # -- the invariants ------------------------------------------------------------------------------------------------------

    def expect_end(self, state: str) -> dict[str, Any]:
        """The journal, which says what is true, and people know of it."""
        if state == NEVER:
            return self._expect_none()
        journal = self.final = self.ended()
        self.by, self.end = (journal.get("taken_over") or [{"why": "its controller"}])[-1]["why"], journal["state"]
        assert journal["state"] == state, (self.outputs, journal)
        assert not (flaws := schema.flaws(journal)), flaws
        assert self.said()[-1:] == [_announce.OF_END[state]], (self.said(), journal)
        if state in ENDED:
            self._expect_service()
        else:
            self._expect_held(journal)
        return journal

    def _serves(self) -> bool:
        return subprocess.run(self.stack.state["backend"]["status"], capture_output=True, check=False).returncode == 0

    def _expect_service(self) -> None:
        assert self._serves()
        assert self.stack.health()["status"] == "ok"
        assert not Path(self.key.journal).exists()

    def _expect_none(self) -> dict[str, Any]:
        """There was no window, and nobody was told of one."""
        self._expect_service()
        assert not self.window
        assert len(self.receiver.told) == self.told
        self.by, self.end = "", NEVER
        return {}

    def _expect_held(self, journal: dict[str, Any]) -> None:
        """A window that failed says whether the services run, and they do or do not; and so it is with the door."""
        said, serves = journal["error"]["state"], self._serves()
        assert ("stopped" in said.lower()) is not serves, said
        assert serves or _ending.LEFT not in said, said
        rules = Path(self.stack.state["postgres"]["data"], "pg_hba.conf").read_text(encoding="utf-8")
        is_shut, said_shut = "dbops_window" in rules, (journal["door"] or {}).get("state") == "shut"
        # It counts as shut where it could not be looked at.
        assert is_shut == said_shut or (said_shut and "a person has to decide" not in said), (said, rules)

    @property
    def writing(self) -> str:
        """A command that writes to Redis, as `expect_nothing_goes_on` sees. Variables of a task stand in an argument vector."""
        server, path = self.stack.state["redis"], self.directory / "redis.password"
        path.touch(mode=0o600)
        path.write_text(self.secrets[1], encoding="utf-8")
        return f"REDISCLI_AUTH=$(cat {path}) {server['cli']} -p {server['port']} SET {LATE} 1"

    def expect_nothing_goes_on(self) -> None:
        """The window has ended; whoever of it may still wait at the gate is let go, and acts no more."""
        self.gates.open()
        time.sleep(LET_GO)
        self.expect_end(self.final["state"])
        assert self.keeper.ask("EXISTS", LATE) == "0"

    def expect_no_secret(self, sampler: Sampler) -> None:
        assert sampler.looks
        assert not sampler.seen
        secrets = self.known_secrets()
        told = json.dumps([*self.receiver.told, self.alerts.ask("GET", "silences")])
        texts = [*self.outputs, *(Path(log).read_text(encoding="utf-8") for log in self.logs), told]
        assert not [text for text in texts if any(secret in text for secret in secrets)]
        assert not files_with(secrets, Path(self.key.directory), self.stack.reports, self.stack.backups, self.runner, self.sent)

    def result(self) -> dict[str, str]:
        """For the table of the docs."""
        return {"phase": self.struck, "controller": self.kind, "by": self.by, "end": self.end}

    def look(self) -> dict[str, Any]:
        silences = self.alerts.silences("active") + self.alerts.silences("pending")
        return {**census(self.stack, self.keeper, Path(self.key.directory)), "silences": silences, "operation": given(MARK, self.window)}

    def expect_nothing_left(self, journal: dict[str, Any]) -> None:
        """But for what the journal names, and the copy from which an operation could be undone after it was finished."""
        named = json.dumps(journal)

        def is_as_before() -> bool:
            now = self.look()
            now["databases"] = [name for name in now["databases"] if name in self.before["databases"] or name not in named]
            self.now = now
            return now == self.before

        # A probe and a switch end by themselves when they see that the window has ended.
        end = time.monotonic() + 10
        while not is_as_before() and time.monotonic() < end:
            time.sleep(0.2)
        assert self.now == self.before, {key: (was, self.now[key]) for key, was in self.before.items() if was != self.now[key]}

    def drop_copies(self) -> None:
        """The databases that windows made."""
        server = url(self.stack, "postgres")
        for database in ask(server, "SELECT datname FROM pg_database WHERE datname ~ '__[a-z]+_[0-9TZ]+$'"):
            ask(server, f'DROP DATABASE "{database}" WITH (FORCE)')

    def tidy(self) -> None:
        """What windows kept for a person goes, and the database is as at the beginning."""
        self.drop_copies()
        ask(url(self.stack), "DROP TABLE IF EXISTS half_done")
        self.mend()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """A window is interrupted within; the invariants are looked at afterwards."""
        self.writer.await_writes()
        self.window, self.outputs, self.logs, self.told = "", [], [], len(self.receiver.told)
        self.controller, self.struck, self.final, self.by, self.end = None, "", {}, "", ""
        self.before = self.look()
        self._own_password.unlink(missing_ok=True)
        sampler = Sampler(self.known_secrets)
        sampler.start()
        try:
            yield
            sampler.stop()
            self.writer.await_writes()
            assert not self.writer.lost()
            self.expect_no_secret(sampler)
            self.expect_nothing_left(self.final)
        finally:
            sampler.stop()
            self.clear()

    def mend(self) -> None:
        """What BREAK broke."""
        ask(url(self.stack), MEND)

    def clear(self) -> None:
        """The next window finds the stack as this one did, however this one ended."""
        self.gates.open()
        self.elsewhere, self.clock = {}, {}
        if self.controller and self.controller.poll() is None:
            self.controller.kill()
        with contextlib.suppress(psycopg2.Error):  # behind a door that is shut
            self.mend()
        if Path(self.key.journal).exists():
            self.window = self.journal["id"]
            self.script("abort")
        subprocess.run(self.stack.state["backend"]["start"], check=True)
        self.shell, self.host = [], {}
        self.tidy()
