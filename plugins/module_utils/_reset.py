# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What may be emptied to begin anew: the directory that one container alone mounts for its data. Pure."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from typing import Any

from ._errors import refused
from ._mounts import is_below
from ._stack import Stack

Inspect = dict[str, Any]

# https://docs.docker.com/reference/compose-file/ has no word for them; Compose's own source: pkg/api/labels.go
_COMPOSE = "com.docker.compose."


def require_development(stack: Stack) -> None:
    if stack.environment != "development":
        raise refused(
            "reset-environment",
            f"{stack} is no development stack: only such a one is disposable.",
            "Restore a backup instead: ansible-playbook playbooks/restore.yml",
        )


def how(stack: Stack, container: Inspect) -> str:
    """Who can create the container again: `deploy`, or `compose`."""
    labels = container["Config"]["Labels"] or {}
    if labels.get("amanat.dbops.stack") == str(stack) and labels.get("amanat.dbops.service") == "postgres":
        return "deploy"
    if labels.get(f"{_COMPOSE}service") and labels.get(f"{_COMPOSE}project.config_files"):
        return "compose"
    raise refused(
        "reset-not-recreatable",
        f"Nobody could create the container {_name(container)} again: neither deploy of {stack} made it nor Compose.",
        "Reset it by hand, or let deploy make it: its README says how.",
    )


def compose_service(container: Inspect) -> dict[str, Any]:
    """The service that the container is, as an entry of dbops_services."""
    labels = container["Config"]["Labels"]
    return {
        "name": _name(container),
        "kind": "compose",
        "image": "",
        "project_src": labels[f"{_COMPOSE}project.working_dir"],
        "project_name": labels[f"{_COMPOSE}project"],
        "service": labels[f"{_COMPOSE}service"],
        "files": labels[f"{_COMPOSE}project.config_files"].split(","),
        "env_files": [path for path in labels.get(f"{_COMPOSE}project.environment_file", "").split(",") if path],
        "profiles": [],
    }


def compose_hash(container: Inspect) -> str:
    """Of the definition that the container was created from."""
    return str(container["Config"]["Labels"].get(f"{_COMPOSE}config-hash", ""))


def data_mount(container: Inspect, data_directory: str) -> dict[str, str]:
    """The mount that holds the data: where it is on the target (`source`), and what part of it they are (`below`)."""
    holding = [mount for mount in container["Mounts"] if is_below(data_directory, mount["Destination"])]
    if not holding:
        raise refused(
            "data-not-mounted",
            f"PostgreSQL in {_name(container)} keeps its data in {data_directory}, which is no mount: they are in the container itself.",
            "Reset it by hand: remove the container, create it again.",
        )
    mount = max(holding, key=lambda each: len(each["Destination"]))
    if mount["Type"] not in ("bind", "volume") or not os.path.isabs(mount.get("Source") or ""):
        raise refused("reset-path", f"{mount['Destination']} is a mount of type {mount['Type']}.", "Reset it by hand.")
    below = os.path.relpath(data_directory, mount["Destination"])
    return {"source": os.path.normpath(mount["Source"]), "volume": mount.get("Name", ""), "below": "" if below == "." else below}


def require_plain(volume: Inspect) -> None:
    """What is at a volume's path stays there when no container uses it."""
    options = " ".join(f"{key}={value}" for key, value in sorted((volume["Options"] or {}).items()))
    if volume["Driver"] != "local" or options:
        raise refused(
            "reset-path",
            f"The volume {volume['Name']} is of the driver {volume['Driver']}{f' with the options {options}' if options else ''}:"
            " its directory holds the data only as long as a container uses it.",
            "Mount the directory itself into the container, or reset it by hand.",
        )


def require_fit(path: str, kept: dict[str, str], locate: Callable[[str], str]) -> None:
    """The path is one that may be emptied. kept: directories that must not be in it, and what they are; locate: what tells two apart."""
    cure = "Give the data a directory of their own."
    if path.count("/") < 2:
        raise refused("reset-path", f"{path} is too near to the root of the file system to be emptied.", cure)
    for other, what in sorted(kept.items()):
        if is_below(locate(other), locate(path)):
            raise refused("reset-path", f"{path} would be emptied, and it holds {other}, {what}.", cure)


def require_nothing_within(path: str, points: Collection[str]) -> None:
    """Nothing is mounted in it, be it a directory of the same file system."""
    if points:
        raise refused("reset-shared", f"In {path} something else is mounted: {', '.join(points)}.", "Unmount it, then run it again.")


def require_unshared(container_id: str, source: str, located: str, volume: str, containers: Iterable[Inspect]) -> None:
    """No other container, running or not, mounts the directory, a part of it, or one that holds it.

    located: what tells the directory from others whatever path leads there; each mount has its own.
    """
    for other in containers:
        seen = [mount for mount in other["Mounts"] if _overlap(mount, located, volume)]
        if len(seen) > (other["Id"] == container_id):
            raise refused(
                "reset-shared",
                f"{source} is not this container's alone: {_name(other)} has {seen[-1].get('Name') or seen[-1]['Source']}"
                f" mounted at {seen[-1]['Destination']}.",
                "Remove that container or its mount, if what is in it may go.",
            )


def _overlap(mount: dict[str, Any], located: str, volume: str) -> bool:
    if volume and mount.get("Name") == volume:
        return True
    other = mount.get("Located", "")
    return other != "" and (is_below(other, located) or is_below(located, other))


def require_own(source: str, below: str, entries: Collection[str]) -> None:
    """There is nothing but clusters: what is in the way down to the data, and directories of other major versions beside it."""
    known = {below.partition("/")[0], "lost+found"}
    strange = sorted(name for name in entries if name not in known and not name.isdecimal()) if below else []
    if strange:
        raise refused(
            "reset-foreign-files",
            f"{source} would be emptied, and besides the data of PostgreSQL it holds {', '.join(strange[:5])}.",
            "Move it elsewhere, if it is to be kept; else remove it.",
        )


def require_alone(names: Collection[str], spaces: Collection[str]) -> None:
    """The server holds no database but the stack's own, and nothing outside of its directory."""
    if names:
        raise refused(
            "reset-other-databases",
            f"The server also holds {', '.join(sorted(names))}, which a reset would take along.",
            "Drop them, if they may go; else drop and deploy only the one database.",
        )
    if spaces:
        raise refused(
            "reset-tablespaces",
            f"The server has tablespaces elsewhere, which a reset would leave behind: {', '.join(sorted(spaces))}.",
            "Drop them first.",
        )


def _name(container: Inspect) -> str:
    return str(container["Name"]).lstrip("/")
