# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Which image reads or loads a backup of Redis."""

from __future__ import annotations

import re
from typing import Any

from ._command import run
from ._errors import OperationError
from ._place import Place
from ._redis_cli import Redis, program
from ._redis_files import beside_server


def image_for(place: Place, manifest: dict[str, Any], given: str = "") -> str:
    """The id of the image that is named, else of the one that wrote the backup, else of the server's; "" for the target's own programs."""
    engine = place.engine
    for name in [given] if given else [manifest["image_digest"], manifest["image_id"]]:
        found = engine.inspect("image", name) if name and (given or place.container) else None
        if found:
            return str(found["Id"])
    if given:
        raise OperationError(
            "throwaway-no-image",
            f"The engine has no image {given!r}.",
            "Nothing was changed.",
            f"Pull it: {' '.join(engine.argv('pull', given))}",
        )
    return str((engine.inspect("container", place.container) or {}).get("Image", "")) if place.container else ""


def product_of(redis: Redis) -> tuple[str, tuple[int, ...]] | None:
    """The same as `product` tells of a server, of one that cannot be asked: its image says it. None where it does not."""
    with beside_server(redis, "", {}) as client:
        told = run(client.command([*program("server"), "--version"], {}), tied=True).out
    return announced(told)


def announced(told: str) -> tuple[str, tuple[int, ...]] | None:
    """Of what a server prints when it is asked for its version. Pure."""
    found = re.match(r"(Redis|Valkey) server v=(\d+)\.(\d+)\.(\d+)", told)
    return (found[1].lower(), (int(found[2]), int(found[3]), int(found[4]))) if found else None


def require_major(manifest: dict[str, Any], product: str, version: tuple[int, ...]) -> None:
    """A server reads what an older one has written, and of another product what that one wrote before the two parted."""
    written, made = manifest["product"], tuple(int(part) for part in re.findall(r"\d+", manifest["server_version"])[:3])
    # Valkey is Redis 7.2, and what either has added since is its own.
    if written == product and made[0] <= version[0]:
        return
    if product == "valkey" and written == "redis" and made < (7, 3):
        return
    if product == "redis" and written == "valkey" and made[0] < 9:
        return
    raise OperationError(
        "backup-newer-major",
        f"{manifest['name']} was made with {written.title()} {manifest['server_version']}, and the server is {product.title()}"
        f" {'.'.join(map(str, version))}, which would not read it.",
        "Nothing was changed.",
        f"Upgrade the server to {written.title()} {made[0]}, or restore an older backup: playbooks/backup_info.yml",
    )
