# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program that stays from one statement to the next. A shell echoes as psql does."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._command import Answer, Command
from ansible_collections.amanat.dbops.plugins.module_utils._kept import Kept

SHELL = Command(["sh"], {"WHO": "somebody"})


@pytest.fixture
def kept() -> Iterator[Kept]:
    with Kept() as kept:
        yield kept


def test_the_next_statement_finds_what_the_last_one_left(kept: Kept) -> None:
    assert kept.ask(SHELL, "here=1; echo $WHO", 5) == Answer(0, "somebody\n", "")
    assert kept.ask(SHELL, "echo $here; echo ü\necho two >&2", 5) == Answer(0, "1\nü\n", "two\n")
    assert kept.ask(SHELL, "", 5) == Answer(0, "", "")
    assert kept.ask(Command(["sh"]), "echo $here", 5).out == "\n", "another environment, another program"


def test_one_that_fails_says_why_and_is_followed_by_another(kept: Kept) -> None:
    assert kept.ask(SHELL, "echo before >&2; here=1", 5).err == "before\n"
    assert kept.ask(SHELL, "echo half; echo why >&2; exit 3", 5) == Answer(3, "half\n", "why\n")
    assert kept.ask(SHELL, "echo $here", 5) == Answer(0, "\n", "")
    assert kept.ask(Command(["/no/such/program"]), "", 5) == Answer(127, "", "/no/such/program: No such file or directory")


def test_more_than_a_pipe_holds_comes_whole(kept: Kept) -> None:
    assert len(kept.ask(SHELL, "head -c 3000000 /dev/zero | tr '\\0' x", 30).out) == 3_000_000
    echoes = [f"echo {number:0100}" for number in range(20000)]
    assert kept.ask(SHELL, "\n".join(echoes), 60).out.count("\n") == 20000
    assert kept.ask(SHELL, "exec sleep 60\n" + "\n".join(echoes), 0.5).code == 124


def test_one_that_takes_too_long_is_ended(kept: Kept) -> None:
    begun = time.monotonic()
    assert kept.ask(SHELL, "exec sleep 60", 0.2) == Answer(124, "", "no answer within 0.2 s")
    assert kept.ask(SHELL, "echo again", 5).out == "again\n"
    assert time.monotonic() - begun < 10


def test_one_that_ended_while_nobody_asked_is_a_failure_of_the_next_statement(kept: Kept) -> None:
    kept.ask(SHELL, "(sleep 0.1; kill -9 $$) &", 5)
    time.sleep(0.5)
    assert kept.ask(SHELL, "echo lost", 5).code == -9
    assert kept.ask(SHELL, "echo found", 5).out == "found\n"


def test_one_that_ended_long_after_it_was_asked_is_replaced(kept: Kept) -> None:
    kept.ask(SHELL, "(sleep 0.1; kill -9 $$) &", 5)
    time.sleep(1.2)
    assert kept.ask(SHELL, "echo found", 5) == Answer(0, "found\n", "")


def test_one_that_was_idle_is_asked_first_whether_all_is_well(kept: Kept) -> None:
    kept.ask(SHELL, "here=1", 5, "exit 1")
    time.sleep(1.2)
    assert kept.ask(SHELL, "echo ${here-gone}", 5, "test $here || exit 1").out == "1\n"
    time.sleep(1.2)
    assert kept.ask(SHELL, "echo ${here-gone}", 5, "exit 1").out == "gone\n"


def test_one_that_ends_as_if_all_were_well_has_not_answered(kept: Kept) -> None:
    """So does the client of an engine that has lost the connection."""
    assert kept.ask(SHELL, "exit 0", 5).code == 1


def test_one_is_there_before_it_is_asked(kept: Kept) -> None:
    kept.start(Command(["sh", "-c", "sleep 0.5; exec sh"]))
    time.sleep(1)
    begun = time.monotonic()
    assert kept.ask(Command(["sh", "-c", "sleep 0.5; exec sh"]), "echo ready", 5).out == "ready\n"
    assert time.monotonic() - begun < 0.4
    kept.start(Command(["/no/such/program"]))  # whoever asks it is told
