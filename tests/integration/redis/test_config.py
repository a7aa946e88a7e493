# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings in the server and in its file, on real servers of three kinds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration import modules

from .conftest import SECRET, Server

Own = Callable[..., Server]
BASE = {"save": "3600 1 300 100", "maxmemory": 0, "databases": 16, "appendonly": False}


def text(settings: dict[str, Any]) -> str:
    return "".join(f"{name} {'no' if value is False else value}\n" for name, value in settings.items())


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A directory that the server may write, with its configuration file."""
    directory = tmp_path / "config"
    directory.mkdir()
    directory.chmod(0o777)
    (directory / "redis.conf").write_text(text(BASE), encoding="utf-8")
    return directory / "redis.conf"


@pytest.fixture(params=["valkey", pytest.param("redis", marks=pytest.mark.slow), pytest.param("redis7", marks=pytest.mark.slow)])
def configured(request: pytest.FixtureRequest, own: Own, config: Path) -> Server:
    if request.param == "valkey":
        return own("valkey", config=str(config))
    return own(request.param, config="/config/redis.conf", options=("--volume", f"{config.parent}:/config"))


def get(server: Server, name: str) -> str:
    return server.ask("CONFIG", "GET", name).partition("\n")[2]


def test_file_and_server_are_one(configured: Server, config: Path) -> None:
    wish = {**BASE, "maxmemory": "100mb", "maxmemory-policy": "volatile-lru", "save": ["3600 1", "60 10000"], "databases": 4}
    told = {"settings": wish, "path": str(config)}
    before = config.read_text(encoding="utf-8")
    foreseen = configured.run("redis_config", check=True, diff=True, **told)
    assert foreseen["set"] == ["maxmemory", "maxmemory-policy", "save"]
    assert (get(configured, "maxmemory"), config.read_text(encoding="utf-8")) == ("0", before)
    # The file, the server and the wish stand beside each other.
    [databases] = [setting for setting in foreseen["settings"] if setting["name"] == "databases"]
    assert databases == {"name": "databases", "applies": "restart", "file": "16", "server": "16", "wish": "4"}
    file, server = foreseen["diff"]
    assert "maxmemory 100mb\n" in file["after"]
    assert "databases 16\n" in file["after"]
    assert "maxmemory 0\n" in server["before"]
    assert "databases 16 # by a restart: 4\n" in server["after"]

    done = configured.run("redis_config", **told)
    assert {name: done[name] for name in ("changed", "set", "written", "waiting")} == {
        "changed": True,
        "set": foreseen["set"],
        "written": True,
        "waiting": ["databases"],
    }
    assert (get(configured, "maxmemory"), get(configured, "save")) == ("104857600", "3600 1 60 10000")
    assert not configured.run("redis_config", **told)["changed"]
    forced = configured.run("redis_config", **told, force=True)
    assert (forced["set"], forced["waiting"], "databases 4\n" in config.read_text(encoding="utf-8")) == ([], ["databases"], True)


def test_a_change_that_was_cut_off_is_made_good(configured: Server, config: Path) -> None:
    assert configured.ask("CONFIG", "SET", "maxmemory", "50mb") == "OK"
    done = configured.run("redis_config", settings={**BASE, "maxmemory": "50mb"}, path=str(config))
    assert (done["set"], done["written"]) == ([], True)


def test_what_is_wrong_changes_nothing(configured: Server, config: Path) -> None:
    before = config.read_text(encoding="utf-8")
    for wrong in ({"maxmemory-policy": "all"}, {"no-such-setting": 1}, {"save": "every minute"}):
        message = configured.refused("redis_config", "settings-invalid", settings={**BASE, "maxmemory": "1gb", **wrong}, path=str(config))
        assert next(iter(wrong)) in message
    configured.fill()
    assert "bytes" in configured.refused("redis_config", "maxmemory-too-small", settings={**BASE, "maxmemory": "100kb"}, path=str(config))
    assert (get(configured, "maxmemory"), config.read_text(encoding="utf-8")) == ("0", before)


def test_a_database_that_is_used_is_not_taken_away(configured: Server, config: Path) -> None:
    assert configured.ask("-n", "4", "SET", "auth:refresh:1", "token") == "OK"
    told = {"path": str(config), "force": True}
    message = configured.refused("redis_config", "databases-too-few", settings={**BASE, "databases": 4}, **told)
    assert "Set databases to 5 at least" in message
    assert "databases 16\n" in config.read_text(encoding="utf-8")
    assert configured.run("redis_config", settings={**BASE, "databases": 5}, **told)["waiting"] == ["databases"]


def test_secrets_are_no_settings_and_are_not_shown(redis: Server) -> None:
    for name in ("requirepass", "masterauth", "Tls-Key-File-Pass"):
        result, printed = modules.call("redis_config", redis.arguments(settings={name: "of nobody else"}, keep=False))
        assert result["msg"].startswith("[setting-reserved] "), result
        assert "of nobody else" not in printed
    assert redis.ask("PING") == "PONG"


def test_append_only_files_are_no_matter_of_a_restart(configured: Server, config: Path) -> None:
    """Somebody has written it to the file, and would restart the server next: it would start empty."""
    configured.fill()
    config.write_text(text({**BASE, "appendonly": "yes"}), encoding="utf-8")
    done = configured.run("redis_config", settings={**BASE, "appendonly": True}, path=str(config), force=True)
    assert done["switching"] == ["appendonly"]
    assert "appendonly no\n" in config.read_text(encoding="utf-8")
    assert get(configured, "appendonly") == "no"


def test_a_server_with_a_file_of_its_own(configured: Server, config: Path) -> None:
    before = config.read_text(encoding="utf-8")
    settings = {"maxmemory": "100mb", "databases": 4}
    foreseen = configured.run("redis_config", check=True, settings=settings)
    assert (foreseen["set"], foreseen["waiting"], config.read_text(encoding="utf-8")) == (["maxmemory"], ["databases"], before)
    done = configured.run("redis_config", settings=settings)
    assert (done["set"], done["written"]) == (["maxmemory"], True)
    assert "maxmemory 100mb\n" in config.read_text(encoding="utf-8")
    assert SECRET not in str(done)
    assert not configured.run("redis_config", settings=settings)["changed"]


def test_a_server_without_a_file(redis: Server) -> None:
    settings = {"maxmemory-samples": 7}
    assert "without a configuration file" in redis.refused("redis_config", "settings-not-kept", settings=settings)
    assert get(redis, "maxmemory-samples") == "5"
    done = redis.run("redis_config", settings=settings, keep=False)
    assert (done["set"], "maxmemory-samples" in str(done["warnings"])) == (["maxmemory-samples"], True)
    redis.ask("CONFIG", "SET", "maxmemory-samples", "5")


def test_a_file_that_is_mounted_alone_cannot_be_written(own: Own, config: Path) -> None:
    config.chmod(0o666)
    server = own("redis", config="/data/redis.conf", options=("--volume", f"{config}:/data/redis.conf"))
    assert "busy" in server.refused("redis_config", "settings-not-kept", settings={"maxmemory": "100mb"})
    assert get(server, "maxmemory") == "0"


def test_without_a_server_the_file_gets_it_all(redis: Server, config: Path) -> None:
    done = redis.run("redis_config", settings={**BASE, "databases": 4}, path=str(config), serves=False, uid=999, force=True)
    assert (done["written"], done["set"]) == (True, [])
    assert (config.stat().st_uid, config.stat().st_mode & 0o777) == (999, 0o600)


def test_a_user_without_the_right_is_told_so(redis: Server) -> None:
    redis.ask("ACL", "SETUSER", "reader", "on", ">" + SECRET, "~*", "+ping", "+config|get", "+info", "+select", "+type", "+get")
    message = redis.refused(
        "redis_config", "redis-forbidden", redis_url="redis://reader@redis", settings={"maxmemory": "100mb"}, keep=False
    )
    assert "config" in message
    redis.ask("ACL", "DELUSER", "reader")
