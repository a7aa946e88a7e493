# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Running drizzle-kit, and proving what it did: it says nothing of most failures and skips without a word."""

from __future__ import annotations

import os
import re
import secrets
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Callable

from . import _drizzle
from ._command import Answer, run, without_rows
from ._drizzle_config import addressed_by
from ._drizzle_env import environment, timeouts
from ._drizzle_look import compare, look
from ._errors import OperationError
from ._files import read_json
from ._job import Progress
from ._migration_lock import SESSIONS, MigrationLock, ending
from ._pg_log import Entry, ServerLog
from ._pg_login import require_same
from ._pg_url import PgUrl
from ._psql import Server
from ._release import Release
from ._seat import Seat
from ._seed_env import without_secrets
from ._stack import Stack

# npm's remarks on its own configuration, and drizzle-kit's on the file it read and on its patience.
_NOISE = re.compile(r"npm warn|npm notice|No config path provided|Reading config file|Using '|\[.\] applying migrations\.\.\.")
_TERMINAL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

DEFAULT_COMMAND = ["npx", "--no-install", "drizzle-kit", "migrate"]

TABLES_IN_PUBLIC = (
    "SELECT count(*) AS tables FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
)


REHEARSAL_VERSION = 1


def rehearsal_path(stack: Stack, image_id: str) -> str:
    """Where the last rehearsal of an image's migrations is kept."""
    return os.path.join(stack.directory, "rehearsals", f"migrations-{image_id.rpartition(':')[2][:24]}.json")


def rehearsed(stack: Stack, image_id: str, pending: list[str]) -> dict[str, Any]:
    """The last rehearsal of exactly these migrations of this very image; {} where there is none that passed."""
    record = read_json(rehearsal_path(stack, image_id)) or {}
    fits = record.get("version") == REHEARSAL_VERSION and record.get("passed") and record.get("migrated") == pending
    return record if fits else {}


@dataclass(frozen=True)
class Run:
    """One run of the migrations of a release.

    url: the secret PG_URL as the application gets it; lock_timeout, statement_timeout: seconds, for this run alone;
    expected_tables: how many there have to be in `public` afterwards, 0 where nobody counts them.
    judged: what may be applied, SHA-256 by name; None where nobody judged it.
    """

    release: Release
    path: str
    server: Server
    stack: Stack
    url: str = field(repr=False)
    command: list[str]
    timeout: float
    lock_timeout: float = 10
    statement_timeout: float = 3600
    expected_tables: int = 0
    judged: dict[str, str] | None = None

    @property
    def _lock(self) -> MigrationLock:
        return MigrationLock(self.server, str(self.stack))

    def predict(self) -> dict[str, Any]:
        self._lock.require_free()
        prediction = self._prediction(self._compare()[1])
        self._log_in()
        return prediction

    def _log_in(self) -> None:
        """As the migrator will, and from where it runs, since drizzle-kit says nothing of a login that is refused."""
        env = self._env("dbops login")
        variables = {name: env[name] for name in ("PGOPTIONS", "PGAPPNAME")}
        place = self.server.place
        seat = Seat.of_target(place) if self.release.is_directory else Seat.of_application(place)
        require_same(seat, PgUrl.parse(env["PG_URL"]), self.server, self._settings, **variables)

    @cached_property
    def _addressed_by(self) -> set[str]:
        return addressed_by(self.release, self.command, self.path)

    @property
    def _settings(self) -> dict[str, str]:
        return timeouts(self.lock_timeout, self.statement_timeout)

    def _env(self, name: str) -> dict[str, str]:
        return environment(self.url, name, self._settings, self._addressed_by)

    def _compare(self) -> tuple[_drizzle.Folder, dict[str, Any]]:
        folder, verdict = look(self.release, self.path, self.server)
        _drizzle.refuse(verdict)
        if self.judged is not None:
            _drizzle.require_judged(_drizzle.digests(folder, verdict), self.judged)
        return folder, verdict

    def _prediction(self, verdict: dict[str, Any]) -> dict[str, Any]:
        after = verdict["applied"] + verdict["pending"]
        return {
            "changed": bool(verdict["pending"]),
            "migrated": verdict["pending"],
            "layout": verdict["layout"],
            "tables": self.server.value(TABLES_IN_PUBLIC),
            "rehearsed": self._rehearsed(verdict["pending"]),
            "seconds": 0.0,
            "diff": {"before": "\n".join(verdict["applied"]) + "\n", "after": "\n".join(after) + "\n"},
        }

    def _rehearsed(self, pending: list[str]) -> dict[str, Any]:
        if self.release.is_directory or not pending:
            return {}
        record = rehearsed(self.stack, self.release.image()["id"], pending)
        return {key: record[key] for key in ("at", "backup", "seconds", "locks", "rewrites", "bytes_before", "bytes_after") if record}

    def prepare(self) -> Callable[[Progress], dict[str, Any]]:
        self.predict()
        return self._migrate

    def _migrate(self, progress: Progress) -> dict[str, Any]:
        with self._lock.held():
            folder, verdict = self._compare()  # only now nobody else migrates
            prediction = self._prediction(verdict)
            seconds = 0.0
            if prediction["changed"]:
                progress.say("migrating", now=True, pending=len(prediction["migrated"]))
                clock = time.monotonic()
                self._apply(folder, verdict)
                seconds = round(time.monotonic() - clock, 3)
        tables = self.server.value(TABLES_IN_PUBLIC)
        if self.expected_tables not in (0, tables):
            raise OperationError(
                "tables-unexpected",
                f"The schema public has {tables} tables, and {self.expected_tables} are expected of this release.",
                f"The run applied {', '.join(prediction['migrated']) or 'nothing'}.",
                "Look at the release's migrations, or correct dbops_expected_tables.",
            )
        return {**prediction, "tables": tables, "seconds": seconds}

    def _apply(self, folder: _drizzle.Folder, before: dict[str, Any]) -> None:
        predicted = before["pending"]
        name = f"{SESSIONS}{secrets.token_hex(6)}"
        log = ServerLog(self.server)
        answer = self._drizzle_kit(name)
        try:
            self._require_ended(name)
            verdict = compare(folder, self.server)
        except OperationError as error:
            raise OperationError(
                "migration-failed",
                f"After migrating {', '.join(predicted)} the database cannot be asked what was applied: {error.what}",
                "Whether the migrations were applied is not known.",
                "Look at the database server, then compare: ansible-playbook playbooks/migrate.yml --check",
            ) from None
        came = outcome(answer, before, verdict, self.url)
        if came.ok:
            return
        pending = [migration for migration in folder.migrations if migration.name in predicted]
        why = cause(log, name, pending, self.url)
        raise OperationError("migration-failed", f"Migrating {', '.join(predicted)} failed. {came.said} {why.words}", came.state, why.cure)

    def _drizzle_kit(self, name: str) -> Answer:
        try:
            return self._run(name, self._env(name))
        finally:
            # The server's session may outlive whoever asked for it.
            self.server.ask(ending(f"application_name = '{name}'"))

    def _require_ended(self, name: str) -> None:
        """Nothing of the run is under way any more, so that what is compared is what it came to."""
        if self.server.value(f"SELECT count(*) AS sessions FROM pg_stat_activity WHERE application_name = '{name}'"):
            raise OperationError("migration-failed", f"The run's session {name} does not end.")

    def _run(self, name: str, env: dict[str, str]) -> Answer:
        place = self.server.place
        if self.release.is_directory:
            return run(place.here(self.command, env), timeout=self.timeout, cwd=self.release.name, tied=True)
        image, network = self.release.image()["id"], place.engine.network(place.container)
        command = place.client(name, self.command, env, image=image, network=network, as_caller=False)
        try:
            return run(command, timeout=self.timeout, tied=True)
        finally:
            # Ending the engine's client does not end the container.
            place.engine.run("rm", "--force", "--volumes", name)


@dataclass(frozen=True)
class Outcome:
    """What a run came to: what went wrong, "" where nothing did, and what is true now."""

    said: str = ""
    state: str = ""

    @property
    def ok(self) -> bool:
        return not self.said


def outcome(answer: Answer, before: dict[str, Any], after: dict[str, Any], url: str) -> Outcome:
    """By what the database has seen before and afterwards, whatever drizzle-kit says. Pure."""
    done = [migration for migration in after["applied"] if migration not in before["applied"]]
    unknown = after["unknown_in_database"]
    edited = [migration for migration in after["edited_after_apply"] if migration in before["pending"]]
    if answer.ok and done == before["pending"] and not unknown and not edited:
        return Outcome()
    if done:
        state = f"Applied: {', '.join(done)}; still pending: {', '.join(after['pending']) or 'none'}."
    elif answer.ok:
        state = "This database has seen none of them. Whether another one was changed is not known."
    else:
        state = "None of the pending migrations was applied: they are one transaction, and it was rolled back."
    if not answer.ok:
        said = f"drizzle-kit ended with {answer.code}: {_last_words(answer, url)}."
    elif edited:
        said = f"The files of {', '.join(edited)} were not applied as they were when they were judged."
    elif done == before["pending"]:
        said = f"Meanwhile the database has seen {', '.join(unknown)}, which the release does not know."
    else:
        said = "drizzle-kit reported success, and the database has not seen what was foreseen."
    return Outcome(said, state)


@dataclass(frozen=True)
class Cause:
    """What the server's log says of a run, and the place in the migrations that it names, if any."""

    words: str
    where: str = ""

    @property
    def cure(self) -> str:
        if self.where:
            return "Correct the migration that is named, and build the release again; where a lock was waited for, end whoever holds it."
        return "Look what the server's log says of that minute, and where drizzle.config.* and the command of the release lead."


def cause(log: ServerLog, name: str, pending: list[_drizzle.Migration], url: str) -> Cause:
    """Neither its statements nor its details, which may hold anybody's data."""
    try:
        errors = [(entry, _drizzle.where(entry.statement, pending)) for entry in log.errors()]
    except OperationError as error:
        return Cause(error.what)
    ours = [(entry, where) for entry, where in errors if where or name in entry.application or "__drizzle_migrations" in entry.statement]
    if not ours:
        return Cause("The server's log names no statement of it.")
    entry, where = ours[0]  # whatever follows is its consequence
    return Cause(f"The server's log says: {_words(entry, url)}{f', at {where}' if where else ''}.", where)


def _words(entry: Entry, url: str) -> str:
    # Secrets first: of one that was cut in two the rest would not be known any more.
    message, hint = (without_secrets(" ".join(text.split()), {"PG_URL": url}) for text in (entry.message, entry.hint))
    message = without_rows(re.sub(r" at character \d+$", "", message))
    return f"{message[:300]}{f' ({hint})'[:300] if hint else ''}"


def _last_words(answer: Answer, url: str) -> str:
    """What drizzle-kit said of the failure, if anything: it writes to both streams, and often to none."""
    text = without_rows(without_secrets(_TERMINAL.sub("\n", f"{answer.out}\n{answer.err}"), {"PG_URL": url}))
    lines = [line.strip() for line in text.splitlines()]
    said = [line for line in lines if line and not _NOISE.match(line)]
    return " | ".join(said[-3:])[:600] or "it gave no reason"
