# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The health gate: the application has to answer well, several times in a row, and what it stands on has to be well."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from . import _gate_beneath
from ._errors import OperationError, refused
from ._gate_beneath import Beneath, Flaw
from ._health import describe, flaw, require_expression
from ._probe import ask


class Look(NamedTuple):
    """What one look found. excused: flaws that are waived; log: the kinds of errors in the services' logs, None where nobody read them."""

    answer: dict[str, Any]
    flaws: list[Flaw]
    log: dict[str, list[str]] | None = None
    excused: tuple[Flaw, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.flaws

    @property
    def told(self) -> dict[str, Any]:
        """What journal and report say of it."""
        flaws = [each.what for each in (*self.flaws, *self.excused)]
        return {**self.answer, "ok": not flaws, "flaws": flaws}

    @property
    def words(self) -> str:
        return "; ".join(each.what for each in self.flaws)


@dataclass(frozen=True)
class Gate:
    """What has to be true within `timeout` seconds. It is data, which the journal keeps for whoever ends the window.

    url: `successes` good answers of it in a row, `interval` seconds between them, which span `steady` seconds at least, each with a
    status out of `status` and a body in which every one of `json` holds. Then PostgreSQL and Redis serve, and take writes; the tables
    are there; and no log has a kind of error that is not in `known`, where that is given. Each of these has `server_timeout` seconds.
    waived: names of demands that were not met before the window either; they are waited for, and not insisted on.
    url_login: `user:password` of the URL, which the journal does not keep.
    """

    url: str
    timeout: float = 60.0
    request_timeout: float = 5.0
    server_timeout: float = 10.0
    successes: int = 3
    interval: float = 0.2
    steady: float = 0.0
    status: Sequence[int] = (200,)
    json: Sequence[dict[str, Any]] = ()
    tables: Sequence[str] = ()
    log: bool = False
    ignore: Sequence[str] = ()
    known: Mapping[str, Sequence[str]] | None = None
    waived: Sequence[str] = ()
    url_login: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise refused(
                "health-url-malformed", f"{self.url.rpartition('@')[2]!r} is no URL of http or https.", "Correct dbops_health_url."
            )
        for expression in self.json:
            require_expression(expression)
        for pattern in self.ignore:
            try:
                re.compile(pattern)
            except re.error as error:
                raise refused(
                    "health-malformed", f"{pattern!r} is no regular expression: {error}.", "Correct maintenance_window_health_ignore."
                ) from None

    def wait(self, beneath: Beneath) -> Look:
        """The last look: one that found nothing, or what it found when the time was over."""
        until = time.monotonic() + self.timeout
        in_a_row, since = 0, 0.0
        while True:
            look = self._front()
            in_a_row, since = (in_a_row + 1, since or time.monotonic()) if look.passed else (0, 0.0)
            if in_a_row >= self.successes and time.monotonic() - since >= self.steady:
                look = self._below(look, beneath)
                if look.passed:
                    return look
                in_a_row, since = 0, 0.0
            if time.monotonic() >= until or any(each.lasting and each.name not in self.waived for each in look.flaws):
                # Whoever reads why it failed wants all of it, and so does whoever goes on all the same.
                return self._settled(look if look.log is not None else self._below(look, beneath))
            time.sleep(self.interval)

    def failure(self, look: Look) -> OperationError:
        return OperationError(
            "health-gate",
            f"The application is not healthy: {look.words} (asked for {self.timeout:g} s).",
            "",
            "Read the application's log.",
        )

    # -- one look ------------------------------------------------------------------------------------------------------

    def _settled(self, look: Look) -> Look:
        excused = tuple(each for each in look.flaws if each.name in self.waived)
        return look._replace(flaws=[each for each in look.flaws if each not in excused], excused=excused)

    def _front(self) -> Look:
        answer = ask(self.url, self.request_timeout, self.status, self.url_login)
        return Look(answer, list(self._of_answer(answer)))

    def _of_answer(self, answer: dict[str, Any]) -> Iterator[Flaw]:
        if not answer["ok"]:
            yield Flaw("http", f"{answer['url']}: {describe(answer)}")
        if answer["status"]:
            for expression in self.json:
                if found := flaw(answer["body"], expression):
                    yield Flaw(f"json {expression['path']}", f"{answer['url']}: {found}")

    def _below(self, look: Look, beneath: Beneath) -> Look:
        log = _gate_beneath.kinds_of(beneath, self.server_timeout) if self.log else {}
        below = _gate_beneath.flaws(beneath, self.tables, self.server_timeout)
        new = () if self.known is None else _gate_beneath.new_kinds(log, self.known, self.ignore)
        return Look(look.answer, [*look.flaws, *below, *new], log)
