# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The part of Redis in the end of a window: it has the data of before again, and its writers are let go."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ._backup_dir import require_complete
from ._errors import OperationError
from ._job import Unheard
from ._place import Engine, Place
from ._redis_cli import Redis, password_from
from ._redis_hold import DOWN, release
from ._redis_login import in_force
from ._redis_restore import Plan, Restore, known_of
from ._redis_target import service_for
from ._stack import Stack


def redis_at(stack: Stack, engine: Engine, server: dict[str, Any], secrets: dict[str, Any]) -> Redis:
    """server: how the journal says that it is reached."""
    place = Place(engine, server["container"], server["bin_dir"])
    known = in_force(stack, engine.inspect("container", place.container) or {}) if place.container else None
    user, password = known or (server["user"], secrets["redis_password"] or password_from(server["password_file"]))
    return Redis.of(place, secrets["redis_url"], password, user)


@dataclass(frozen=True)
class RedisEnding:
    """undo: what the journal says of it; snapshot: the name of the backup that is its rollback point, "" where there is none."""

    stack: Stack
    undo: dict[str, Any]
    snapshot: str
    moment: str
    by: dict[str, str]
    secrets: dict[str, Any] = field(repr=False)

    @property
    def _redis(self) -> Redis:
        return redis_at(self.stack, Engine(**self.undo["engine"]), self.undo, self.secrets)

    def ask(self) -> None:
        """Raises where the server does not answer, or reads its data."""
        self._redis.session(loading=0.0).close()

    def let_go(self, until: str) -> str:
        """What whoever writes to it has to know, "" where they were let go. A hold ends by itself: nothing stays stopped for it."""
        try:
            with self._redis.session(loading=0.0) as session:
                release(session)
        except OperationError as error:
            if error.slug in DOWN:
                return (
                    "Redis did not answer when its writers were to be let go. One that is stopped holds nobody;"
                    f" one that serves lets them go by itself at {until}."
                )
            return (
                f"Who writes to Redis could not be let go: [{error.slug}] {error.what}"
                f" Redis lets them go by itself at {until}, or by CLIENT UNPAUSE."
            )
        return ""

    def drop_copy(self) -> None:
        """What a restore copied beside its data, and never took their place."""
        if self.undo["restores"]:
            self._put_back()

    @property
    def leads_back(self) -> bool:
        """There is something to which it can be led back."""
        return bool(self.undo["restores"] or (self.undo["writes"] and self.snapshot))

    def go_back(self) -> tuple[str, list[str]]:
        """What the operation did to Redis is undone. Where its data of in between lie, "" where it did nothing; and what to tell."""
        if self.undo["restores"]:
            done = self._put_back()
            return done["failed_directory"], done["notes"]
        restore = self._restore(require_complete(self.undo["backup_dir"], self.snapshot))
        # Once it serves the application writes, and it holds what it held no more.
        done = restore.result() if restore.is_swapped() else restore.swap(Unheard())
        return done["old_directory"], done["notes"]

    def _put_back(self) -> dict[str, Any]:
        return self._restore({}).put_back(Unheard())

    def _restore(self, manifest: dict[str, Any]) -> Restore:
        redis = self._redis
        service = service_for(self.stack, redis, self.undo["service"])
        layout, policy, _told = known_of(self.stack, redis, service, self.moment)
        return Restore(
            Plan(
                stack=self.stack,
                redis=redis,
                layout=layout,
                service=service,
                restart_policy=policy,
                directory=self.undo["backup_dir"],
                moment=self.moment,
                run="recovery",
                manifest=manifest,
                by=self.by,
                returning=bool(manifest),
            )
        )
