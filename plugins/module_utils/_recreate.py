# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Giving a plain container another image: the same container again, as the engine's API describes it.

The command line client has no such verb, and flags cannot say all that a container may be.
https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerCreate
"""

from __future__ import annotations

import os
from typing import Any

Inspect = dict[str, Any]

# What a container inherits from its image unless it says otherwise.
_INHERITED = ("Cmd", "Entrypoint", "WorkingDir", "User", "ExposedPorts", "Volumes", "Healthcheck", "StopSignal", "Shell")


def policy_of(container: Inspect) -> str:
    """The restart policy, as the engine's client takes it."""
    policy = container["HostConfig"]["RestartPolicy"]
    times = policy.get("MaximumRetryCount")
    return f"{policy['Name']}:{times}" if times else str(policy["Name"])


def brings_back(policy: str) -> bool:
    """Whether an engine that is started anew starts a container that somebody had stopped; by `on-failure` where that ended it badly."""
    return policy.partition(":")[0] in ("always", "on-failure")


def _without(value: Any, inherited: Any) -> Any:
    """Only what the container itself added to a list or a mapping of its image."""
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if (inherited or {}).get(key) != item}
    return [item for item in value or [] if item not in (inherited or [])]


def creation(container: Inspect, old_image: Inspect, release: str, restart_policy: str) -> dict[str, Any]:
    """The request that creates the same container with another image. Pure.

    What the old container had only from its old image is left out, so that the new image's own values hold.
    """
    old = old_image["Config"] or {}
    config = {**container["Config"], "Image": release}
    for key in _INHERITED:
        if config.get(key) == old.get(key):
            config.pop(key, None)
    config["Env"] = _without(config.get("Env"), old.get("Env"))
    config["Labels"] = _without(config.get("Labels") or {}, old.get("Labels"))
    host = dict(container["HostConfig"])
    # The engine names a container after its id, or after the container whose network it shares.
    if container["Id"].startswith(config.get("Hostname", "")) or host["NetworkMode"].startswith("container:"):
        config.pop("Hostname", None)
    if restart_policy:
        name, _colon, times = restart_policy.partition(":")
        host["RestartPolicy"] = {"Name": name, "MaximumRetryCount": int(times or 0)}
    host["Binds"] = (host.get("Binds") or []) + _anonymous_volumes(container)
    host["Mounts"] = _named_mounts(container)
    return {**config, "HostConfig": host, "NetworkingConfig": {"EndpointsConfig": _endpoints(container)}}


def _anonymous_volumes(container: Inspect) -> list[str]:
    """Volumes that nobody named: without this the new container would get new, empty ones."""
    host = container["HostConfig"]
    targets = [bind.split(":")[1] for bind in host.get("Binds") or []] + [mount["Target"] for mount in host.get("Mounts") or []]
    named = {os.path.normpath(target) for target in targets}
    return [
        f"{mount['Name']}:{mount['Destination']}"
        for mount in container["Mounts"]
        if mount["Type"] == "volume" and mount["Destination"] not in named
    ]


def _named_mounts(container: Inspect) -> list[dict[str, Any]]:
    """The mounts that were asked for, with the names of the volumes that the engine chose for them."""
    chosen = {mount["Destination"]: mount["Name"] for mount in container["Mounts"] if mount["Type"] == "volume"}
    return [
        {**mount, "Source": mount.get("Source") or chosen[os.path.normpath(mount["Target"])]} if mount["Type"] == "volume" else mount
        for mount in container["HostConfig"].get("Mounts") or []
    ]


def _endpoints(container: Inspect) -> dict[str, Any]:
    """The networks it is on, with its aliases less the one that the engine makes of its id."""
    if container["HostConfig"]["NetworkMode"].startswith(("container:", "host", "none")):
        return {}
    short = container["Id"][:12]
    primary = container["HostConfig"]["NetworkMode"]
    networks = container["NetworkSettings"]["Networks"]
    return {
        name: {
            "Aliases": [alias for alias in network.get("Aliases") or [] if alias != short],
            "IPAMConfig": network.get("IPAMConfig"),
            "Links": network.get("Links"),
            "DriverOpts": network.get("DriverOpts"),
        }
        for name, network in sorted(networks.items(), key=lambda item: item[0] != primary)
    }
