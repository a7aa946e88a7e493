# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The health gate: the application has to answer well, several times in a row."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from ._errors import OperationError
from ._health import describe
from ._probe import ask


@dataclass(frozen=True)
class Gate:
    """What has to be true within `timeout` seconds: `successes` good answers of `url` in a row, `interval` seconds between them."""

    url: str
    timeout: float = 60.0
    request_timeout: float = 5.0
    successes: int = 3
    interval: float = 0.2

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise OperationError(
                "health-url-malformed",
                f"{self.url!r} is no URL of http or https.",
                "Nothing was changed.",
                "Correct dbops_health_url.",
            )

    def wait(self) -> tuple[bool, dict[str, Any]]:
        """Whether the gate passed, and the last answer."""
        until = time.monotonic() + self.timeout
        in_a_row = 0
        while True:
            answer = ask(self.url, self.request_timeout)
            in_a_row = in_a_row + 1 if answer["ok"] else 0
            if in_a_row >= self.successes:
                return True, answer
            if time.monotonic() >= until:
                return False, answer
            time.sleep(self.interval)

    def failure(self, answer: dict[str, Any]) -> OperationError:
        return OperationError(
            "health-gate",
            f"{self.url} is not healthy: {describe(answer)}, asked for {self.timeout:g} s.",
            "",
            "Read the application's log.",
        )
