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
from ._drilling import Plan
from ._errors import OperationError
from ._globals import create_roles, plain_roles, roles_in
from ._job import Progress
from ._module import backup_dir_of, place_of, series_of, stack_of
from ._pg_digest import major
from ._pg_load import Copy, Target, globals_text
from ._pg_verify import reader
from ._place import Place
from ._psql import Server, quote_identifier
from ._throwaway import USER, Limits, Throwaway, image_here, is_of_image, limits_of, unfit


@dataclass(frozen=True)
class Rebuilding(Plan):
    """Which dump is rebuilt, and in what. jobs: connections at the same time."""

    jobs: int

    def throwaway(self, **settings: str) -> Throwaway:
        """The server, not yet started; settings: on top of those of its limits."""
        limits = Limits(self.limits.memory, self.limits.cpus, (*self.limits.settings, *settings.items()))
        return Throwaway(self.place.engine, self.image, self.directory, limits, {"stack": str(self.stack), "run": self.run})

    def copy(self, throwaway: Throwaway, name: str, progress: Progress) -> Copy:
        return Copy(Target(throwaway.server, throwaway, self.jobs, run=self.run), self.manifest, name, progress)


def rebuilding_of(module: AnsibleModule) -> dict[str, Any]:
    """The fields of a Rebuilding, out of the options of the fragments `_backups` and `_throwaway`, and `backup`."""
    params, place, stack, directory = module.params, place_of(module), stack_of(module), backup_dir_of(module)
    manifest = choose(directory, series_of(module), params["backup"], stack)
    return {
        "stack": stack,
        "place": place,
        "directory": directory,
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


_SERVER = """
SELECT current_setting('server_version') AS server_version, (SELECT json_agg(name) FROM pg_available_extensions) AS extensions
"""


def require_fit(manifest: dict[str, Any], server: dict[str, Any]) -> None:
    """The throw-away server can hold what is in the backup; where it cannot, its image is to blame."""
    needed, found = major(manifest["server_version"]), major(server["server_version"])
    if found < needed:
        raise _unfit_for(manifest, f"the backup is of PostgreSQL {needed}, and the image holds PostgreSQL {found}")
    extensions = sorted({extension["name"] for extension in manifest["properties"]["extensions"]} - set(server["extensions"]))
    if extensions:
        raise _unfit_for(manifest, f"the image does not hold the extensions {', '.join(extensions)}")


def _unfit_for(manifest: dict[str, Any], why: str) -> OperationError:
    return unfit(manifest["name"], why, "Nothing was found out about the backup, and its manifest is as it was.")


@dataclass(frozen=True)
class Rebuilt:
    """How it went. wrong: in what the database is not the one that was dumped; a rebuilt one has its name and its statistics."""

    load_seconds: float
    facts: dict[str, Any]
    wrong: list[str]


def rebuild(copy: Copy, directory: str, name: str) -> Rebuilt:
    """All that a restore does, in a server that has nothing yet; the database gets that name at the end."""
    text = globals_text(directory, copy.manifest)
    require_fit(copy.manifest, copy.target.server.rows(_SERVER)[0])
    furnish(copy.target.server, copy.manifest, text)
    clock = time.monotonic()
    try:
        copy.create()
        copy.load(copy.manifest["name"])
    except OperationError as error:
        if is_of_image(error):
            raise _unfit_for(copy.manifest, error.what.rstrip(".")) from None
        raise
    load_seconds = round(time.monotonic() - clock, 3)
    facts = copy.facts()
    wrong = copy.differences(facts)
    if not wrong:
        copy.analyze()
        wrong = copy.publish(name)
    return Rebuilt(load_seconds, facts, wrong)
