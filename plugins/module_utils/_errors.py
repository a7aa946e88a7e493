# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The one shape of every failure this collection raises."""

from __future__ import annotations

import re
import traceback
from typing import Any

_MESSAGE = re.compile(r"\[([a-z0-9-]+)\] (.*?)(?: State: (.*?))?(?: Next: (.*))?", re.DOTALL)


class OperationError(Exception):
    """A refusal or a failure, told to an operator.

    slug: stable name of the failure, listed in the operator's guide.
    what: what happened, one sentence.
    state: what is true now, so that nobody has to guess.
    next_step: the command to type or the thing to change.
    """

    def __init__(self, slug: str, what: str, state: str = "", next_step: str = "") -> None:
        super().__init__(what)
        self.slug = slug
        self.what = what
        self.state = state
        self.next_step = next_step
        self.warnings: list[str] = []  # what went wrong beside it, and must not hide it
        self.recorded = False  # whether the stack's audit log was told of it

    @property
    def message(self) -> str:
        parts = [f"[{self.slug}] {self.what}"]
        if self.state:
            parts.append(f"State: {self.state}")
        if self.next_step:
            parts.append(f"Next: {self.next_step}")
        return " ".join(parts)

    def as_result(self) -> dict[str, Any]:
        """The keys that every failed module returns."""
        return {
            "msg": self.message,
            "slug": self.slug,
            "what": self.what,
            "state_now": self.state,
            "next_step": self.next_step,
            **({"warnings": self.warnings} if self.warnings else {}),
        }

    def __str__(self) -> str:
        return self.message


def why(error: Exception) -> str:
    """What happened, in words that may be published.

    Of an error that nobody foresaw not its text, which may hold a token or a URL; where it happened goes to the log.
    """
    if isinstance(error, OperationError):
        return error.what
    traceback.print_tb(error.__traceback__)
    return f"an unforeseen {type(error).__name__}."


def refused(slug: str, what: str, next_step: str) -> OperationError:
    """What is found wrong before anything was done."""
    return OperationError(slug, what, "Nothing was changed.", next_step)


def take_apart(message: str, task: str = "") -> dict[str, str]:
    """Slug, message, state and next step of any failure's message; foreign ones get the slug `step-failed`
    and the name of the task.

    Ansible puts its own words before a module's, and knows nothing of what they mean for the operator.
    """
    text = " ".join(message.split())
    text = re.sub(r"^(?:Task failed: |Module failed: |Action failed: )+", "", text)
    match = _MESSAGE.fullmatch(text)
    if match:
        slug, what, state, next_step = (part or "" for part in match.groups())
        return {"slug": slug, "message": what, "state": state, "next": next_step}
    if re.search(r"undecryptable|decrypt.*vault|vault.*decrypt", text, re.IGNORECASE):
        return {
            "slug": "vault-password",
            "message": "A secret cannot be decrypted: no Vault password, or a wrong one, was given.",
            "state": "",
            "next": "Run it again with --ask-vault-pass, or with the right --vault-id.",
        }
    said = text or "A step failed without a word."
    return {"slug": "step-failed", "message": f"Task {task!r}: {said}" if task else said, "state": "", "next": "Read the output above."}
