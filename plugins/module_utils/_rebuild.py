# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""A backup rebuilt in a throw-away server: what a drill and a stage share."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ._choice import choose
from ._globals import create_roles, plain_roles, roles_in
from ._job import Progress
from ._module import place_of, series_of, stack_of
from ._pg_load import Copy, Target, globals_text
from ._pg_verify import reader
from ._place import Place
from ._psql import Server, quote_identifier
from ._stack import Stack
from ._throwaway import USER, Limits, Throwaway, image_here, limits_of


@dataclass(frozen=True)
class Rebuilding:
    """Which backup is rebuilt, and in what."""

    stack: Stack
    place: Place
    directory: str
    manifest: dict[str, Any]
    image: str
    limits: Limits
    jobs: int
    run: str

    def throwaway(self, **settings: str) -> Throwaway:
        """The server, not yet started; settings: on top of those of its limits."""
        limits = Limits(self.limits.memory, self.limits.cpus, (*self.limits.settings, *settings.items()))
        return Throwaway(self.place.engine, self.image, self.directory, limits, {"stack": str(self.stack), "run": self.run})

    def copy(self, throwaway: Throwaway, name: str, progress: Progress) -> Copy:
        return Copy(Target(throwaway.server, throwaway, self.jobs, run=self.run), self.manifest, name, progress)


def rebuilding_of(module: AnsibleModule) -> dict[str, Any]:
    """The fields of a Rebuilding, out of the options of the fragments `_backups` and `_throwaway`, and `backup`."""
    params, place, stack = module.params, place_of(module), stack_of(module)
    manifest = choose(params["backup_dir"], series_of(module), params["backup"], stack)
    return {
        "stack": stack,
        "place": place,
        "directory": params["backup_dir"],
        "manifest": manifest,
        "image": image_for(place, manifest, params["image"]),
        "limits": limits_of(params),
        "jobs": params.get("jobs") or math.ceil(params["cpus"]),
        "run": params["job"] or "rehearsal",
    }


def image_for(place: Place, manifest: dict[str, Any], given: str) -> str:
    """The image of the throw-away server: the one that is named, else the one that wrote the backup, else the server's."""
    if not given and manifest["image_digest"]:
        found = place.engine.inspect("image", manifest["image_digest"])
        if found:
            return str(found["Id"])
    return image_here(place, given or reader(place, manifest))


def furnish(server: Server, manifest: dict[str, Any], text: str) -> None:
    """Give a new server the roles and tablespaces that a dump needs. text: all globals, "" where nobody knows them."""
    needed = set(manifest["roles"]) - {USER}
    roles = [*plain_roles(needed - roles_in(text)), *create_roles(text, needed, [USER])]
    server.execute("\n".join(["BEGIN;", *roles, "COMMIT;"]))
    # In the directory of its data: where they are on the server that was dumped is of no meaning here.
    spaces = [f"CREATE TABLESPACE {quote_identifier(name)} LOCATION '';" for name in manifest["tablespaces"]]
    server.execute("\n".join(["SET allow_in_place_tablespaces = on;", *spaces]))


@dataclass(frozen=True)
class Rebuilt:
    """How it went. wrong: in what the database is not the one that was dumped; a rebuilt one has its name and its statistics."""

    load_seconds: float
    facts: dict[str, Any]
    wrong: list[str]


def rebuild(copy: Copy, directory: str, name: str) -> Rebuilt:
    """All that a restore does, in a server that has nothing yet; the database gets that name at the end."""
    furnish(copy.target.server, copy.manifest, globals_text(directory, copy.manifest))
    clock = time.monotonic()
    copy.create()
    copy.load(copy.manifest["name"])
    load_seconds = round(time.monotonic() - clock, 3)
    facts = copy.facts()
    wrong = copy.differences(facts)
    if not wrong:
        copy.analyze()
        wrong = copy.publish(name)
    return Rebuilt(load_seconds, facts, wrong)
