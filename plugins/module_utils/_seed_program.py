# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""A seed found in its image: the command, the environment of the service, and the files that decide what it does."""

from __future__ import annotations

import hashlib
import json
import posixpath
from dataclasses import dataclass, field
from typing import Any

from ._errors import OperationError
from ._image_files import files_of, opened
from ._pg_url import with_settings
from ._place import Engine
from ._seed import Seed, hints
from ._seed_env import addresses, open_part
from ._services import ContainerService, Context, service_of

# Settings of a seed's sessions, as the server shows them.
GUARDING = {"client_connection_check_interval": "1000ms"}


@dataclass(frozen=True)
class Program:
    """sha256: of its files, command and environment less secrets; networks: those of the service; env: its environment;
    inherited: that of its image.
    """

    seed: Seed
    image: str
    sha256: str
    hints: list[str]
    networks: tuple[str, ...]
    workdir: str
    user: str
    env: dict[str, str] = field(repr=False)
    inherited: dict[str, str] = field(repr=False)

    @property
    def argv(self) -> list[str]:
        return list(self.seed.argv)

    def given(self, env: dict[str, str]) -> dict[str, str]:
        """What the image does not say already, and that the server is to end the statement of a client that is gone."""
        told = {**env, "PGOPTIONS": with_settings(env.get("PGOPTIONS", ""), GUARDING)}
        return {name: value for name, value in told.items() if self.inherited.get(name) != value}


def program_of(seed: Seed, specs: list[dict[str, Any]], context: Context) -> Program:
    """Read from the service's container, which need not run."""
    service = _service(seed, specs, context)
    facts = service.look()
    container = context.engine.inspect("container", facts["containers"][0]) or {}
    image = context.engine.inspect("image", container["Image"])
    if image is None:
        raise OperationError(
            "seed-no-image",
            f"The engine no longer has the image that {service.name!r} runs.",
            "Nothing was changed.",
            "Bring the service to an image that is there.",
        )
    config = container["Config"]
    workdir = config.get("WorkingDir") or "/"
    env, user = _env(config), config.get("User") or ""
    if not addresses(env):
        raise OperationError(
            "seed-no-url",
            f"The environment of {service.name!r} has no URL of PostgreSQL, so {seed.name} cannot be led to the database that is meant.",
            "Nothing was changed.",
            "Give the service its PG_URL.",
        )
    digest = hashlib.sha256(json.dumps([seed.argv, workdir, user, sorted(open_part(env).items())]).encode())
    texts = []
    for path, content in _files(context.engine, str(image["Id"]), workdir, seed):
        digest.update(f"\0{path}\0{hashlib.sha256(content).hexdigest()}".encode())
        texts.append(content.decode("utf-8", "replace"))
    return Program(
        seed=seed,
        image=str(image["Id"]),
        sha256=digest.hexdigest(),
        hints=sorted({hint for text in texts for hint in hints(text)}),
        networks=tuple(sorted(container["NetworkSettings"]["Networks"])) or (f"container:{container['Id']}",),
        workdir=workdir,
        user=user,
        env=env,
        inherited=_env(image["Config"]),
    )


def _env(config: dict[str, Any]) -> dict[str, str]:
    return dict(entry.partition("=")[::2] for entry in config.get("Env") or [])


def _service(seed: Seed, specs: list[dict[str, Any]], context: Context) -> ContainerService:
    for spec in specs:
        service = service_of(spec, context)
        if isinstance(service, ContainerService) and seed.service in ("", service.name):
            return service
    raise OperationError(
        "seed-no-image",
        f"{seed.name} runs in the image of a service, and {f'{seed.service!r}' if seed.service else 'no service of dbops_services'}"
        f"{' is none' if seed.service else ' is one'} of kind compose or container: what has no image cannot be shut in for a rehearsal.",
        "Nothing was changed.",
        "Name the service in dbops_seeds, or run the service in a container.",
    )


def _files(engine: Engine, image: str, workdir: str, seed: Seed) -> list[tuple[str, bytes]]:
    """What the image itself holds, whatever was done to a container of it."""
    found = []
    with opened(engine, image) as container:
        for path in sorted(seed.files):
            files = files_of(engine, container, posixpath.join(workdir, path))
            if not files:
                raise OperationError(
                    "seed-unknown",
                    f"The image of the service has no {path}, which {seed.name} is.",
                    "Nothing was changed.",
                    "Correct dbops_seed, or describe the seed in dbops_seeds: argv, files, tables.",
                )
            found += [(posixpath.join(path, name).rstrip("/"), content) for name, content in sorted(files.items())]
    return found
