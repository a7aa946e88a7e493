# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be emptied: a directory of one container alone, which can be created again, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _reset
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._reset_files import empty, opened
from ansible_collections.amanat.dbops.plugins.module_utils._stack import Stack
from hypothesis import given
from hypothesis import strategies as st

STACK = Stack.parse("development/nickapp", "/var/lib/dbops")
INSIDE = "/var/lib/postgresql/18/docker"


def refused(slug: str, question: Callable[[], Any]) -> str:
    with pytest.raises(OperationError) as caught:
        question()
    assert caught.value.slug == slug
    assert caught.value.next_step
    return caught.value.what


def bind(source: str, destination: str = "/var/lib/postgresql", **more: str) -> dict[str, str]:
    return {"Type": "bind", "Source": source, "Destination": destination, **more}


def container(*mounts: dict[str, str], identity: str = "1", **labels: str) -> dict[str, Any]:
    return {"Id": identity, "Name": f"/c{identity}", "Mounts": list(mounts), "Config": {"Labels": labels}}


COMPOSE = {
    "com.docker.compose.project": "amanat",
    "com.docker.compose.service": "postgres",
    "com.docker.compose.project.working_dir": "/srv/amanat",
    "com.docker.compose.project.config_files": "/srv/amanat/a.yml,/srv/amanat/b.yml",
    "com.docker.compose.project.environment_file": "/srv/amanat/.env",
    "com.docker.compose.config-hash": "abc",
}


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_only_development_is_disposable(environment: str) -> None:
    refused("reset-environment", lambda: _reset.require_development(Stack.parse(f"{environment}/a", "/x")))
    _reset.require_development(STACK)


def test_who_can_create_it_again() -> None:
    ours = {"amanat.dbops.stack": "development/nickapp", "amanat.dbops.service": "postgres"}
    assert _reset.how(STACK, container(**ours)) == "deploy"
    assert _reset.how(STACK, container(**COMPOSE)) == "compose"
    for labels in ({}, {**ours, "amanat.dbops.stack": "development/other"}, {**ours, "amanat.dbops.service": "redis"}):
        refused("reset-not-recreatable", lambda labels=labels: _reset.how(STACK, container(**labels)))  # type: ignore[misc]
    assert _reset.compose_service(container(**COMPOSE)) == {
        "name": "c1",
        "kind": "compose",
        "image": "",
        "project_src": "/srv/amanat",
        "project_name": "amanat",
        "service": "postgres",
        "files": ["/srv/amanat/a.yml", "/srv/amanat/b.yml"],
        "env_files": ["/srv/amanat/.env"],
        "profiles": [],
    }
    assert _reset.compose_hash(container(**COMPOSE)) == "abc"


@pytest.mark.parametrize(
    ("mounts", "source", "below"),
    [
        ([bind("/data/pg")], "/data/pg", "18/docker"),
        ([bind("/data/pg/")], "/data/pg", "18/docker"),
        ([bind("/data", "/var/lib"), bind("/data/pg")], "/data/pg", "18/docker"),
        ([bind("/data/pg", INSIDE)], "/data/pg", ""),
        ([bind("/etc/pg", "/etc/postgresql"), bind("/v/x/_data", Type="volume", Name="x")], "/v/x/_data", "18/docker"),
    ],
)
def test_the_mount_that_holds_the_data(mounts: list[dict[str, str]], source: str, below: str) -> None:
    found = _reset.data_mount(container(*mounts), INSIDE)
    assert (found["source"], found["below"]) == (source, below)


@pytest.mark.parametrize(
    ("mounts", "slug"),
    [
        ([], "data-not-mounted"),
        ([bind("/data", "/var/lib/postgresql2")], "data-not-mounted"),
        ([{"Type": "tmpfs", "Source": "", "Destination": "/var/lib/postgresql"}], "reset-path"),
    ],
)
def test_data_that_are_in_no_directory_are_refused(mounts: list[dict[str, str]], slug: str) -> None:
    refused(slug, lambda: _reset.data_mount(container(*mounts), INSIDE))


@pytest.mark.parametrize(
    ("path", "kept", "passes"),
    [
        ("/", {}, False),
        ("/var", {}, False),
        ("/var/data", {}, True),
        ("/home/ann", {"/home/ann": "a home"}, False),
        ("/home/ann/pg", {"/home/ann": "a home"}, True),
        ("/data/pg", {"/data/pg/backups": "the backups"}, False),
        ("/data/pg", {"/data/pg2": "something else"}, True),
    ],
)
def test_a_path_may_be_emptied_or_not(path: str, kept: dict[str, str], passes: bool) -> None:
    if passes:
        _reset.require_fit(path, kept, str)
    else:
        refused("reset-path", lambda: _reset.require_fit(path, kept, str))


def test_what_is_kept_is_found_by_another_path_too() -> None:
    def locate(path: str) -> str:
        return path.replace("/alias", "/data/pg/18")

    refused("reset-path", lambda: _reset.require_fit("/data/pg", {"/alias/backups": "the backups"}, locate))
    refused("reset-shared", lambda: _reset.require_nothing_within("/data/pg", ["/data/pg/18/x"]))
    _reset.require_nothing_within("/data/pg", [])


@pytest.mark.parametrize(
    ("driver", "options", "passes"),
    [
        ("local", None, True),
        ("local", {}, True),
        ("local", {"type": "none", "o": "bind", "device": "/srv/pg"}, False),
        ("local", {"type": "tmpfs", "device": "tmpfs"}, False),
        ("nfs", None, False),
    ],
)
def test_a_volume_that_is_elsewhere_is_not_emptied(driver: str, options: dict[str, str] | None, passes: bool) -> None:
    volume = {"Name": "pg", "Driver": driver, "Options": options}
    if passes:
        _reset.require_plain(volume)
    else:
        assert "pg" in refused("reset-path", lambda: _reset.require_plain(volume))


@pytest.mark.parametrize(
    ("other", "passes"),
    [
        (bind("/data/pg2"), True),
        (bind("/data/redis"), True),
        ({"Type": "tmpfs", "Source": "", "Destination": "/tmp"}, True),
        (bind("/data/pg"), False),
        (bind("/data/pg/18"), False),
        (bind("/data"), False),
        (bind("/"), False),
        (bind("/alias/18"), False),
        (bind("/elsewhere", Name="volume"), False),
    ],
)
def test_nobody_else_may_mount_it(other: dict[str, str], passes: bool) -> None:
    own, others = container(bind("/data/pg", Name="volume")), container(other, identity="2")
    for mount in (*own["Mounts"], *others["Mounts"]):
        mount["Located"] = mount["Source"].replace("/alias", "/data/pg")

    def question() -> None:
        _reset.require_unshared("1", "/data/pg", "/data/pg", "volume", [own, others])

    if passes:
        question()
        # Neither may the container itself mount it twice, nor be there at all once it was removed.
        refused("reset-shared", lambda: _reset.require_unshared("1", "/data/pg", "/data/pg", "volume", [container(*own["Mounts"] * 2)]))
        refused("reset-shared", lambda: _reset.require_unshared("", "/data/pg", "/data/pg", "volume", [own]))
    else:
        assert "c2" in refused("reset-shared", question)


@pytest.mark.parametrize(
    ("entries", "below", "passes"),
    [
        (["18"], "18/docker", True),
        (["17", "18", "lost+found"], "18/docker", True),
        (["data"], "data", True),
        (["base", "PG_VERSION"], "", True),
        (["18", "photos"], "18/docker", False),
        (["18", ".ssh"], "18/docker", False),
    ],
)
def test_it_holds_clusters_and_nothing_else(entries: list[str], below: str, passes: bool) -> None:
    if passes:
        _reset.require_own("/data/pg", below, entries)
    else:
        refused("reset-foreign-files", lambda: _reset.require_own("/data/pg", below, entries))


def test_the_server_is_this_stacks_alone() -> None:
    _reset.require_alone([], [])
    assert "other" in refused("reset-other-databases", lambda: _reset.require_alone(["other"], []))
    assert "fast" in refused("reset-tablespaces", lambda: _reset.require_alone([], ["fast"]))


# -- emptying --------------------------------------------------------------------------------------------------------

NAMES = st.lists(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=8), max_size=4)


@given(names=NAMES)
def test_whatever_is_in_it_goes_and_nothing_beside_it(names: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("home").resolve()
    (home / "kept").mkdir()
    (home / "kept" / "file").write_text("kept", encoding="utf-8")
    data = home / "data"
    (data / "18" / "docker").mkdir(parents=True)
    (data / "link").symlink_to(home / "kept")
    (data / "18" / "dangling").symlink_to("nowhere")
    for name in {name for name in names if name not in (".", "..", "18", "link")}:
        if len(os.fsencode(name)) < 255:
            (data / "18" / "docker" / name).write_text("x", encoding="utf-8")
    with opened(str(data)) as descriptor:
        empty(descriptor, str(data))
        empty(descriptor, str(data))
    assert list(data.iterdir()) == []
    assert (home / "kept" / "file").read_text(encoding="utf-8") == "kept"


@pytest.mark.parametrize("where", ["data", "data/18"])
def test_a_link_on_the_way_is_not_followed(tmp_path: Path, where: str) -> None:
    (tmp_path / "real" / "18").mkdir(parents=True)
    (tmp_path / "data").symlink_to(tmp_path / "real")

    def reach() -> None:
        with opened(str(tmp_path.resolve() / where)):
            pass

    assert str(tmp_path.resolve() / "data") in refused("reset-symlink", reach)


def test_a_directory_that_is_not_there_is_an_error_of_the_file_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"), opened(str(tmp_path.resolve() / "nowhere")):
        pass
