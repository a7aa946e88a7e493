# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every failure has one shape, and an operator gets back what a module said, whatever Ansible puts around it."""

from __future__ import annotations

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError, take_apart
from hypothesis import given
from hypothesis import strategies as st

SLUGS = st.from_regex(r"[a-z0-9]+(-[a-z0-9]+)*", fullmatch=True)
# Ansible's own output is folded to single blanks, so that is all a part may hold between its words.
WORDS = st.lists(st.from_regex(r"[^\s]+", fullmatch=True), min_size=1, max_size=8).map(" ".join)
PARTS = WORDS.filter(lambda text: not any(mark in f" {text} " for mark in (" State: ", " Next: ")))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (("no-slack", "It is gone."), "[no-slack] It is gone."),
        (("no-slack", "It is gone.", "Nothing changed."), "[no-slack] It is gone. State: Nothing changed."),
        (("no-slack", "It is gone.", "", "Look."), "[no-slack] It is gone. Next: Look."),
        (("no-slack", "It is gone.", "Nothing changed.", "Look."), "[no-slack] It is gone. State: Nothing changed. Next: Look."),
    ],
)
def test_the_message_names_slug_state_and_next_step(parts: tuple[str, ...], message: str) -> None:
    error = OperationError(*parts)
    assert error.message == str(error) == message
    assert error.as_result()["msg"] == message
    assert error.as_result()["slug"] == parts[0]


@given(
    slug=SLUGS,
    what=PARTS,
    state=st.just("") | PARTS,
    next_step=st.just("") | PARTS,
    prefix=st.lists(st.sampled_from(["Task failed: ", "Module failed: ", "Action failed: "])),
)
def test_what_was_put_together_is_taken_apart(slug: str, what: str, state: str, next_step: str, prefix: list[str]) -> None:
    message = "".join(prefix) + OperationError(slug, what, state, next_step).message
    assert take_apart(message) == {"slug": slug, "message": what, "state": state, "next": next_step}


@given(st.text())
def test_any_text_can_be_taken_apart(text: str) -> None:
    parts = take_apart(text)
    assert set(parts) == {"slug", "message", "state", "next"}
    assert parts["slug"]


@pytest.mark.parametrize(
    ("message", "slug"),
    [
        ("Attempt to use undecryptable variable: Attempting to decrypt but no vault secrets found.", "vault-password"),
        ("Task failed: Decryption failed (no vault secrets were found that could decrypt).", "vault-password"),
        # A word that sounds like it hides nothing else.
        ("Module failed: [Errno 13] Permission denied: '/srv/vault/backups'", "step-failed"),
        ("", "step-failed"),
    ],
)
def test_a_foreign_message_gets_a_slug(message: str, slug: str) -> None:
    assert take_apart(message)["slug"] == slug


def test_a_foreign_message_is_kept() -> None:
    assert take_apart("Task failed: No such\n  file")["message"] == "No such file"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Task failed: No such file", "Task 'Copy it': No such file"),
        ("", "Task 'Copy it': A step failed without a word."),
        # What is ours says by itself what it is about.
        ("[no-slack] It is gone.", "It is gone."),
    ],
)
def test_a_foreign_message_is_told_with_its_task(message: str, expected: str) -> None:
    assert take_apart(message, "Copy it")["message"] == expected
