# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of the settings is had at once, what waits, and what the file holds meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _redis_settings as settings
from hypothesis import given
from hypothesis import strategies as st

SERVER = {"maxmemory": "0", "save": "3600 1 300 100", "databases": "16", "appendonly": "no", "maxmemory-policy": "noeviction"}
WISH = {"maxmemory": "100mb", "save": "3600 1 300 100", "databases": 4, "appendonly": False}
FILE = settings.wishes({"maxmemory": 0, "save": ["3600 1", "300 100"], "databases": 16, "appendonly": False})


def plan(wish: dict[str, Any], file: Any = FILE, server: Any = SERVER, **how: Any) -> settings.Plan:
    return settings.plan(settings.wishes(wish), file, server, **how)


def test_live_ones_are_set_and_written_and_the_others_wait() -> None:
    planned = plan(WISH)
    assert planned.set == {"maxmemory": "100mb"}
    assert planned.waiting == ["databases"]
    assert planned.file == {**FILE, "maxmemory": ("100mb",)}
    assert [setting.name for setting in planned.differing] == ["databases", "maxmemory"]
    forced = plan(WISH, force=True)
    assert forced.file["databases"] == ("4",)
    assert forced.waiting == ["databases"]


def test_what_was_written_is_not_written_again() -> None:
    planned = plan(WISH, force=True)
    again = plan(WISH, file=planned.file, server={**SERVER, "maxmemory": "104857600", "databases": "4"})
    assert (again.differing, again.set, again.waiting, again.file) == ([], {}, [], planned.file)


def test_a_file_that_the_server_has_not_read_waits() -> None:
    assert plan(WISH, file=plan(WISH, force=True).file).waiting == ["databases"]


def test_what_nobody_wishes_for_any_more_goes_by_a_restart() -> None:
    file = {**FILE, "maxmemory-policy": ("allkeys-lru",)}
    assert plan(WISH, file=file).waiting == ["databases", "maxmemory-policy"]
    assert plan(WISH, file=file).file["maxmemory-policy"] == ("allkeys-lru",)
    assert "maxmemory-policy" not in plan(WISH, file=file, force=True).file
    assert plan(WISH, file=file, only=frozenset(["maxmemory"])).waiting == []


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    ("file", "server", "wish", "switching", "after"),
    [
        ("no", "no", True, ["appendonly"], "no"),
        ("yes", "no", True, ["appendonly"], "no"),
        ("yes", "no", False, [], "no"),
        ("no", "yes", True, ["appendonly"], "no"),
        ("no", "yes", False, ["appendonly"], "no"),
        ("yes", "yes", False, ["appendonly"], "yes"),
        ("yes", "yes", True, [], "yes"),
    ],
)
def test_no_file_wishes_for_an_empty_start(force: bool, file: str, server: str, wish: bool, switching: list[str], after: str) -> None:
    planned = plan({"appendonly": wish}, {"appendonly": (file,)}, {"appendonly": server}, force=force)
    assert (planned.switching, planned.file["appendonly"], planned.set, planned.waiting) == (switching, (after,), {}, [])


def test_without_a_server_the_file_gets_it_all() -> None:
    planned = plan({**WISH, "appendonly": True}, file={"maxmemory": ("1",)}, server={}, force=True)
    assert planned.file == settings.wishes({**WISH, "appendonly": True})
    assert planned.set == {}


@pytest.mark.parametrize(
    ("name", "there", "wish", "expected"),
    [
        ("maxmemory", "268435456", "256mb", True),
        ("maxmemory", "256000000", "256M", True),
        ("maxmemory", "1073741824", "1gb", True),
        ("maxmemory", "1", "1kb", False),
        ("appendfsync", "everysec", "always", False),
        ("lazyfree-lazy-user-del", "yes", True, True),
        ("lazyfree-lazy-user-del", "no", True, False),
        ("save", "3600 1 300 100", ["3600 1", "300 100"], True),
        ("save", "", "", True),
        ("save", "3600 1", "", False),
        ("bind", "* -::*", '"*" "-::*"', True),
        ("notify-keyspace-events", "AKE", "KEA", True),
        ("client-output-buffer-limit", "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60", "pubsub 32mb 8mb 60", True),
        ("client-output-buffer-limit", "normal 0 0 0 slave 1 1 60", ["replica 1 1 60", "normal 1 0 0"], False),
        ("proc-title-template", "{title} {listen-addr}", '"{title} {listen-addr}"', True),
    ],
)
def test_two_ways_to_write_the_same(name: str, there: str, wish: Any, expected: bool) -> None:
    assert settings.same(name, (there,), settings.lines_of(wish)) is expected


@pytest.mark.parametrize(
    ("wish", "expected"),
    [("256mb", "256mb"), (True, "yes"), ("", ""), (["3600 1", "300 100"], "3600 1 300 100"), ('"a b" c', "a b c"), (0, "0")],
)
def test_what_the_server_is_told(wish: Any, expected: str) -> None:
    assert settings.for_server(settings.lines_of(wish)) == expected


def test_the_file_is_read_as_it_was_written() -> None:
    wish = settings.wishes({"Save": ["3600 1", "300 100"], "appendonly": True, "bind": "* -::*", "logfile": ""})
    text = settings.render("Whose it is.", wish)
    assert text == '# Whose it is.\nappendonly yes\nbind * -::*\nlogfile ""\nsave 3600 1\nsave 300 100\n'
    assert settings.parse(text) == wish
    assert settings.parse("  # a comment\n\nSAVE 60 1\n") == {"save": ("60 1",)}


names = st.sampled_from(["maxmemory", "save", "databases", "appendonly", "maxmemory-policy", "maxclients"])
values = st.sampled_from(["0", "1", "yes", "no", "100mb", "noeviction"])


@given(st.dictionaries(names, values), st.dictionaries(names, values), st.dictionaries(names, values))
def test_a_second_run_finds_nothing_more_to_do(wish: dict[str, str], file: dict[str, str], server: dict[str, str]) -> None:
    wished, server = settings.wishes(wish), {**server, **{name: server.get(name, "0") for name in wish}}
    first = settings.plan(wished, settings.wishes(file), server)
    again = settings.plan(wished, first.file, {**server, **first.set})
    assert (again.set, again.file) == ({}, first.file)
    assert (again.waiting, again.switching) == (first.waiting, first.switching)


def test_secrets_are_not_shown() -> None:
    text = "requirepass hush\nuser ann on #hush ~*\nrename-command CONFIG hush\nmaxmemory 1\n\n"
    assert "hush" not in settings.hidden(text)
    assert "maxmemory 1" in settings.hidden(text)
    assert settings.Setting("masterauth", ("hush",), ("hush",), ("hush2",)).shown()["wish"] == settings.HIDDEN
