# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""From where a client reaches a server: a host's name means one server on one network, and may mean another on the next."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from ._command import Command
from ._place import Place

_HOST = "host"  # the engine's name for the network of the machine itself


@dataclass(frozen=True)
class Seat:
    """A short-lived container of an image on these networks; without an image the target itself."""

    place: Place
    image: str = ""
    networks: tuple[str, ...] = ()

    @classmethod
    def of_application(cls, place: Place) -> Seat:
        """Beside the server, in its own image: where its clients are, as far as anybody knows."""
        return cls._of_server(place, place.engine.network(place.container) if place.container else "")

    @classmethod
    def of_target(cls, place: Place) -> Seat:
        """On the target itself, with its resolver, by the programs of the server's image."""
        return cls._of_server(place, _HOST)

    @classmethod
    def _of_server(cls, place: Place, network: str) -> Seat:
        if not place.container:
            return cls(place)
        return cls(place, str(place.engine.container(place.container)["Image"]), (network,))

    @property
    def where(self) -> str:
        """How a sentence begins that names a server: the same name may mean another one elsewhere."""
        if self.networks == (_HOST,):
            return "On the target "
        return f"On the network {' and '.join(map(repr, self.networks))} " if self.networks else ""

    def command(self, argv: list[str], env: dict[str, str]) -> Command:
        if not self.image:
            return self.place.here(argv, env)
        name = f"dbops-login-{secrets.token_hex(4)}"
        further = tuple(part for network in self.networks[1:] for part in ("--network", network))
        return self.place.client(name, argv, env, image=self.image, network=self.networks[0], options=further)
