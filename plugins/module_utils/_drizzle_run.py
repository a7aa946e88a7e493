# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Running drizzle-kit, and proving what it did: it says nothing of most failures and skips without a word."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import Any, Callable

from . import _drizzle
from ._command import Answer, run
from ._errors import OperationError
from ._job import Progress
from ._psql import Server
from ._release import Release

# npm's remarks on its own configuration, and drizzle-kit's on the file it read.
_NOISE = ("npm warn", "npm notice", "No config path provided", "Reading config file", "Using '")

DEFAULT_COMMAND = ["npx", "--no-install", "drizzle-kit", "migrate"]


def applied_rows(server: Server) -> list[dict[str, Any]]:
    """The rows of drizzle's table, none where it does not exist yet."""
    if server.value("SELECT to_regclass('drizzle.__drizzle_migrations') IS NULL AS missing"):
        return []
    return server.rows("SELECT hash, created_at FROM drizzle.__drizzle_migrations ORDER BY created_at, id")


@dataclass(frozen=True)
class Run:
    """One run of the migrations of a release. url: the secret PG_URL as the application gets it."""

    release: Release
    path: str
    server: Server
    url: str = field(repr=False)
    command: list[str]
    timeout: float

    def _compare(self) -> dict[str, list[str]]:
        migrations = _drizzle.read(self.release.folder(self.path))
        return _drizzle.compare(migrations, applied_rows(self.server), int(time.time() * 1000))

    def predict(self) -> dict[str, Any]:
        verdict = self._compare()
        _drizzle.refuse(verdict)
        after = verdict["applied"] + verdict["pending"]
        return {
            "changed": bool(verdict["pending"]),
            "migrated": verdict["pending"],
            "seconds": 0.0,
            "diff": {"before": "\n".join(verdict["applied"]) + "\n", "after": "\n".join(after) + "\n"},
        }

    def prepare(self) -> Callable[[Progress], dict[str, Any]]:
        prediction = self.predict()
        return lambda progress: self._migrate(prediction, progress)

    def _migrate(self, prediction: dict[str, Any], progress: Progress) -> dict[str, Any]:
        if not prediction["changed"]:
            return prediction
        progress.say("migrating", now=True, pending=len(prediction["migrated"]))
        clock = time.monotonic()
        answer = self._drizzle_kit()
        seconds = round(time.monotonic() - clock, 3)
        try:
            left = self._compare()["pending"]
        except OperationError as error:
            raise OperationError(
                "migration-failed",
                f"After migrating {', '.join(prediction['migrated'])} the database cannot be asked what was applied: {error.what}",
                "Whether the migrations were applied is not known.",
                "Look at the database server, then compare: ansible-playbook playbooks/maintenance.yml --check",
            ) from None
        if not answer.ok or left:
            raise self._failure(answer, prediction["migrated"], left)
        return {**prediction, "seconds": seconds}

    def _drizzle_kit(self) -> Answer:
        # It names the server's session, which may outlive whoever asked for it.
        name = f"dbops-migrate-{secrets.token_hex(6)}"
        env = {"PG_URL": self.url, "PGAPPNAME": name}
        try:
            return self._run(name, env)
        finally:
            self.server.ask(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{name}';")

    def _run(self, name: str, env: dict[str, str]) -> Answer:
        if self.release.is_directory:
            return run(self.server.place.here(self.command, env), timeout=self.timeout, cwd=self.release.name)
        place = self.server.place
        image, network = self.release.image()["id"], place.engine.network(place.container)
        command = place.client(name, self.command, env, image=image, network=network, as_caller=False)
        try:
            return run(command, timeout=self.timeout)
        finally:
            # Ending the engine's client does not end the container.
            place.engine.run("rm", "--force", "--volumes", name)

    def _failure(self, answer: Answer, predicted: list[str], left: list[str]) -> OperationError:
        said = "" if answer.ok else f"drizzle-kit ended with {answer.code}: {_last_words(answer).replace(self.url, 'PG_URL')}."
        if left == predicted:
            state = "None of the pending migrations was applied: they are one transaction, and it was rolled back."
        else:
            done = [name for name in predicted if name not in left]
            state = f"Applied: {', '.join(done) or 'all'}; still pending: {', '.join(left) or 'none'}."
        return OperationError(
            "migration-failed",
            f"Migrating {', '.join(predicted)} failed. {said}".strip(),
            state,
            "Read the database server's log for the statement that failed.",
        )


def _last_words(answer: Answer) -> str:
    """What drizzle-kit said of the failure, if anything: it writes to both streams, and often to none."""
    lines = [line.strip() for line in f"{answer.out}\n{answer.err}".splitlines()]
    said = [line for line in lines if line and not line.startswith(_NOISE)]
    return " | ".join(said[-3:])[:600] or "it gave no reason"
