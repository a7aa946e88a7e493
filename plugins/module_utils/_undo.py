# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What an interrupted window was, and by what it is undone, out of its journal and its secrets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from typing import Any

from . import _hook, _private, _window
from ._door_run import Door
from ._gate_beneath import Beneath, secrets_of
from ._pg_url import PgUrl
from ._place import Engine, Place
from ._psql import server_at
from ._recovery_redis import RedisEnding, redis_at
from ._rollback import Point
from ._services import Context, Service, services_of
from ._stack import Stack

Journal = _window.Journal

MOMENT = "%Y%m%dT%H%M%SZ"  # of the window's databases, see `_pg_clone.beside`


@dataclass
class Undo:
    """journal["undo"] is what `window_state` was told when the window was opened."""

    stack: Stack
    journal: Journal

    @property
    def undo(self) -> dict[str, Any]:
        return dict(self.journal.get("undo") or {})

    @property
    def guarded(self) -> bool:
        return bool(self.undo.get("guarded"))

    @property
    def returned(self) -> dict[str, Any]:
        """The rollback point, where the database has returned to it; else {}."""
        point = self.journal.get("rollback_point") or {}
        return dict(point) if point.get("state") == "returned" else {}

    @property
    def redis_returns(self) -> bool:
        """Redis is led back to its data of before, or was."""
        return "returned" in (self.journal.get("redis") or {})

    @property
    def leads_back(self) -> bool:
        """There is a rollback point; of Redis it is what a restore has set aside."""
        return self.guarded or bool((self.undo.get("redis") or {}).get("restores"))

    @property
    def operation(self) -> str:
        destructive = (self.journal.get("migrations") or {}).get("destructive")
        return "destructive" if destructive else str(self.journal["operation"])

    @cached_property
    def secrets(self) -> dict[str, Any]:
        """Not asked for by whoever needs none."""
        return _private.read(self.stack)

    @cached_property
    def services(self) -> list[Service]:
        return services_of(self.undo["services"], Context(Engine(**self.undo["engine"]), self.stack.directory))

    @cached_property
    def before(self) -> list[dict[str, Any]]:
        """What ran before the stop, as the services' own `look` says it, and what is to run if the window comes to its proper end."""
        return [
            {
                "name": facts["name"],
                "running": facts["running_before"],
                "wanted": facts.get("wanted", facts["running_before"]),
                "release": facts["release_before"],
                "image_id": facts["image_before"],
                "restart_policy": facts.get("restart_policy", ""),
            }
            for facts in self.journal.get("services") or []
        ]

    @cached_property
    def server(self) -> Any:
        place = Place(Engine(**self.undo["engine"]), self.undo["postgres_container"], self.undo["postgres_bin_dir"])
        place.running()
        url = PgUrl.parse(self.secrets["pg_url"])
        return server_at(place, url, self.secrets["login_user"], self.secrets["login_password"])

    @cached_property
    def door(self) -> Door:
        return Door.of(self.stack, self.server, PgUrl.parse(self.secrets["pg_url"]).user)

    @cached_property
    def redis(self) -> RedisEnding | None:
        """None where Redis takes no part."""
        if not self.undo["redis"]:
            return None
        undo = {**self.undo["redis"], "engine": self.undo["engine"]}
        snapshot = (self.journal.get("redis") or {}).get("snapshot", "")
        by = self.journal["taken_over"][-1]["by"]
        return RedisEnding(self.stack, undo, snapshot, self.undo["moment"], by, self.secrets)

    @property
    def health_login(self) -> str:
        """Of the health URL. Where the secrets are gone, somebody may be there who does not ask for it."""
        return str(_private.find(self.stack).get("health_login") or "")

    @property
    def beneath(self) -> Beneath:
        """What the health gate looks at besides the application."""
        server = self.undo.get("redis_server")
        redis = (lambda: redis_at(self.stack, Engine(**self.undo["engine"]), server, self.secrets)) if server else None
        running = [each for each in self.services if self.should_run(each.name)]
        return Beneath(lambda: self.server, redis, running, secrets_of(_private.find(self.stack)))

    @property
    def moment(self) -> datetime:
        return datetime.strptime(self.undo["moment"], MOMENT).replace(tzinfo=timezone.utc)

    def point(self) -> Point:
        return Point.of(self.stack, self.server, self.moment)

    @property
    def clients_are_held(self) -> bool:
        """Of a window that has failed nobody knows what a person did meanwhile: he may have let them in by hand."""
        failed = "error" in self.journal or any("error" in each for each in self.journal.get("taken_over") or [])
        return bool(self.journal.get("clients") == _hook.HELD and not failed)

    def should_run(self, name: str) -> bool:
        return any(facts["running"] for facts in self.before if facts["name"] == name)
