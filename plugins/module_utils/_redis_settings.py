# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Settings of Redis: what the file says, what the server uses, what is wished, and what of it can be had while it serves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LIVE, RESTART, SWITCH = "live", "restart", "persistence"

# Redis 7 and 8 and Valkey 8 refuse CONFIG SET of these: immutable, or protected by default.
_AT_START = re.compile(
    r"aclfile|always-show-logo|appenddirname|appendfilename|(server|bio|aof[-_]rewrite|bgsave)[-_]cpulist"
    r"|cluster-(config-file|enabled|port)|daemonize|databases|dbfilename|dir|disable-thp"
    r"|enable-(debug-command|module-command|protected-configs)|io-threads|io-threads-do-reads|logfile|pidfile|rdbchecksum"
    r"|rdma-(completion-vector|rx-size)|set-proc-title|socket-mark-id|supervised|syslog-(enabled|facility|ident)"
    r"|tcp-backlog|unixsocket(group|perm)?"
)
# Directives of the file that are no settings: the server does not tell them.
_DIRECTIVES = frozenset({"include", "loadmodule", "rename-command", "user"})
# Switched on by a restart, it has the server start empty.
APPENDONLY = "appendonly"
# Never shown. A user's line holds hashes of passwords, and who knows what a command was renamed to may use it.
SECRET = frozenset({"requirepass", "masterauth", "primaryauth", "tls-key-file-pass", "tls-client-key-file-pass", "rename-command", "user"})
HIDDEN = "…"


def applies(name: str) -> str:
    """How a changed setting comes into force."""
    if name == APPENDONLY:
        return SWITCH
    return RESTART if _AT_START.fullmatch(name) or name in _DIRECTIVES else LIVE


def is_told(name: str) -> bool:
    """Whether CONFIG GET knows it."""
    return name not in _DIRECTIVES


def lines_of(value: Any) -> tuple[str, ...]:
    """A value from an inventory, as the lines of the file say it."""
    values = value if isinstance(value, (list, tuple)) else [value]
    return tuple(("yes" if one else "no") if isinstance(one, bool) else str(one) if str(one) else '""' for one in values)


def wishes(settings: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    return {name.lower(): lines_of(value) for name, value in settings.items()}


def parse(text: str) -> dict[str, tuple[str, ...]]:
    """The directives of a configuration file."""
    found: dict[str, tuple[str, ...]] = {}
    for line in map(str.strip, text.splitlines()):
        if line and not line.startswith("#"):
            name, *value = line.split(None, 1)
            found[name.lower()] = (*found.get(name.lower(), ()), *(value or [""]))
    return found


def render(header: str, settings: Mapping[str, tuple[str, ...]]) -> str:
    lines = [f"{name} {line}" for name in sorted(settings) for line in settings[name]]
    return "\n".join([f"# {header}", *lines]) + "\n"


def for_server(lines: tuple[str, ...]) -> str:
    """The same as one argument of CONFIG SET."""
    return " ".join(_unquoted(" ".join(lines)))


_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|\'([^\']*)\'|(\S+)')
_SIZE = re.compile(r"(\d+)(k|kb|m|mb|g|gb|b)", re.IGNORECASE)
_FACTOR = {"b": 1, "k": 1000, "kb": 1 << 10, "m": 1000**2, "mb": 1 << 20, "g": 1000**3, "gb": 1 << 30}


def _unquoted(text: str) -> list[str]:
    return [re.sub(r"\\(.)", r"\1", match[1]) if match[1] is not None else match[2] or match[3] or "" for match in _WORD.finditer(text)]


def size(text: str) -> int | None:
    """Bytes, as Redis reads `100mb`; None for what is no size."""
    match = _SIZE.fullmatch(text)
    if match:
        return int(match[1]) * _FACTOR[match[2].lower()]
    return int(text) if text.isdigit() else None


def _plain_word(word: str) -> str:
    found = size(word)
    if found is not None:
        return str(found)
    return word.lower() if word.lower() in ("yes", "no") else word


def _plain(name: str, text: str) -> Any:
    """A form in which two ways to write the same are equal."""
    words = [_plain_word(word) for word in " ".join(_unquoted(text)).split()]
    if name == "notify-keyspace-events":
        return frozenset("".join(words))
    if name == "client-output-buffer-limit":  # a class of clients and three limits, as often as there are classes
        named = [{"replica": "slave"}.get(word, word) for word in words]
        return {named[start]: tuple(named[start + 1 : start + 4]) for start in range(0, len(named), 4)}
    return words


def same(name: str, there: tuple[str, ...] | None, wish: tuple[str, ...] | None) -> bool:
    if there is None or wish is None:
        return there is wish
    found, wished = _plain(name, " ".join(there)), _plain(name, " ".join(wish))
    if isinstance(found, dict):  # what is not mentioned stays as it is
        return all(found.get(group) == limits for group, limits in wished.items())
    return bool(found == wished)


@dataclass(frozen=True)
class Setting:
    """One that differs somewhere. file, server: None where they say nothing of it; wish: None where it was taken out."""

    name: str
    file: tuple[str, ...] | None
    server: tuple[str, ...] | None
    wish: tuple[str, ...] | None

    @property
    def applies(self) -> str:
        # What a setting is without a line for it, the server alone knows, and only when it starts.
        return RESTART if self.wish is None and self.name != APPENDONLY else applies(self.name)

    def shown(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "applies": self.applies,
            **{where: show(self.name, lines) for where, lines in (("file", self.file), ("server", self.server), ("wish", self.wish))},
        }


def show(name: str, lines: tuple[str, ...] | None) -> str | None:
    if lines is None:
        return None
    return HIDDEN if name in SECRET else ", ".join(lines)


@dataclass(frozen=True)
class Plan:
    """differing: what is not as it is wished, in the file or in the server. set: what the server is told now.
    file: what the file holds afterwards. waiting: what comes into force by a restart, switching: by a switch of its own.
    """

    differing: list[Setting]
    set: dict[str, str]
    file: dict[str, tuple[str, ...]]
    waiting: list[str]
    switching: list[str]


def plan(
    wish: Mapping[str, tuple[str, ...]],
    file: Mapping[str, tuple[str, ...]],
    server: Mapping[str, str],
    *,
    only: frozenset[str] = frozenset(),
    force: bool = False,
) -> Plan:
    """What to do so that file and server become what is wished.

    only: the settings that are meant; without any, all, and those of the file that nobody wishes.
    force: a restart follows, so the file gets all of it. Without one it never holds what an unattended restart would bring.
    """
    differing, live, waiting, switching = [], {}, [], []
    after = dict(file)
    for name in sorted(only or {*wish, *file}):
        told = (server[name],) if name in server else None
        setting = Setting(name, file.get(name), told, wish.get(name))
        in_file = same(name, setting.file, setting.wish)
        in_server = told is None or setting.wish is None or same(name, told, setting.wish)
        if in_file and in_server:
            continue
        differing.append(setting)
        if setting.applies == SWITCH and told:
            # A server without append-only files must not find them wished for when it starts the next time.
            if told == ("no",):
                after[name] = told
            if told != ("no",) or not in_server:
                switching.append(name)
        elif setting.applies == RESTART:
            waiting.append(name)
            if force:
                _put(after, name, setting.wish)
        else:
            if not in_server and setting.wish is not None:
                live[name] = for_server(setting.wish)
            _put(after, name, setting.wish)
    return Plan(differing, live, after, waiting, switching)


def _put(settings: dict[str, tuple[str, ...]], name: str, lines: tuple[str, ...] | None) -> None:
    settings.pop(name, None)
    if lines is not None:
        settings[name] = lines


def hidden(text: str) -> str:
    """A configuration file without its secrets, for a difference that is shown."""
    kept = []
    for line in text.splitlines():
        name = line.split(None, 1)[0].lower() if line.strip() else ""
        kept.append(f"{name} {HIDDEN}" if name in SECRET else line)
    return "".join(f"{line}\n" for line in kept)
