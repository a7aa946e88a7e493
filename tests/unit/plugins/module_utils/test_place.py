# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command line that reaches a server, and no secret in any of them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._place import Engine, Place, cores
from hypothesis import given
from hypothesis import strategies as st

NAMES = st.from_regex(r"[A-Z_][A-Z0-9_]*", fullmatch=True)


@pytest.fixture
def engine(tmp_path: Path) -> Callable[[str], Engine]:
    """An engine's client that is a script."""

    def make(script: str) -> Engine:
        binary = tmp_path / "docker"
        binary.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        binary.chmod(0o755)
        return Engine(str(binary))

    return make


@pytest.mark.parametrize(
    ("engine", "argv"),
    [
        (Engine(), ["docker", "ps"]),
        (Engine("podman"), ["podman", "ps"]),
        (Engine("docker", "/run/user/1000/docker.sock"), ["docker", "--host", "unix:///run/user/1000/docker.sock", "ps"]),
        (Engine("docker", "unix:///run/docker.sock"), ["docker", "--host", "unix:///run/docker.sock", "ps"]),
    ],
)
def test_the_engine_and_its_socket(engine: Engine, argv: list[str]) -> None:
    assert engine.argv("ps") == argv


def test_a_short_command_runs_in_the_servers_own_container() -> None:
    command = Place(Engine(), "pg").short(["psql", "-l"], {"PGUSER": "u", "PGPASSWORD": "p"})
    assert command.argv == ["docker", "exec", "--interactive", "--env", "PGPASSWORD", "--env", "PGUSER", "pg", "psql", "-l"]
    assert command.env == {"PGUSER": "u", "PGPASSWORD": "p"}


def test_without_a_container_it_runs_here_with_the_servers_programs_first() -> None:
    command = Place(Engine(), bin_dir="/opt/pg/bin").short(["psql"], {"PGUSER": "u"})
    assert command.argv == ["psql"]
    assert command.env == {"PGUSER": "u", "PATH": f"/opt/pg/bin{os.pathsep}{os.environ['PATH']}"}


def test_a_client_container_never_pulls_and_removes_itself(engine: Callable[[str], Engine]) -> None:
    place = Place(engine("echo '[name=seccomp]'"), "pg")
    command = place.client(
        "client",
        ["pg_dump", "--version"],
        {"PGUSER": "u"},
        image="sha256:1",
        network="container:pg",
        mounts={"/srv/b": "/backup"},
        labels={"run": "r"},
    )
    assert command.argv[1:] == [
        *("run", "--rm", "--interactive", "--init", "--pull", "never", "--name", "client", "--network", "container:pg"),
        *("--user", f"{os.getuid()}:{os.getgid()}", "--mount", "type=bind,source=/srv/b,destination=/backup"),
        *("--label", "amanat.dbops.run=r", "--env", "PGUSER", "--entrypoint", "pg_dump", "sha256:1", "--version"),
    ]


@pytest.mark.parametrize(
    ("uid", "answer", "user"),
    [(1000, "echo '[name=seccomp name=rootless]'", "0:0"), (1000, "echo '[]'", "1000:1000"), (0, "echo it was asked >&2; exit 1", "0:0")],
)
def test_files_get_the_owner_of_the_caller_in_a_rootless_engine_too(
    engine: Callable[[str], Engine], monkeypatch: pytest.MonkeyPatch, uid: int, answer: str, user: str
) -> None:
    monkeypatch.setattr("os.getuid", lambda: uid)
    monkeypatch.setattr("os.getgid", lambda: uid)
    argv = Place(engine(answer)).client("c", ["true"], {}, image="i", network="none").argv
    assert argv[argv.index("--user") + 1] == user


@given(env=st.dictionaries(NAMES, st.text(min_size=1).map(lambda text: f"s3cret{text}")), container=st.sampled_from(["", "pg"]))
def test_no_value_of_the_environment_stands_in_an_argument_vector(env: dict[str, str], container: str) -> None:
    place = Place(Engine(), container)
    commands = [
        place.here(["psql"], env),
        place.short(["psql"], env),
        place.inside("c", ["psql"], env),
        place.client("c", ["psql"], env, image="i", network="none", as_caller=False),
    ]
    for command in commands:
        assert not [argument for argument in command.argv if "s3cret" in argument]
        assert command.env.items() >= env.items()


def test_a_running_container(engine: Callable[[str], Engine]) -> None:
    facts = {"Id": "1", "State": {"Running": True, "Status": "running"}}
    assert engine(f"echo '{json.dumps([facts])}'").container("pg") == facts


@pytest.mark.parametrize(
    ("script", "slug"),
    [
        ("echo 'Error response from daemon: No such container: pg' >&2; exit 1", "container-unknown"),
        ("""echo '[{"State": {"Running": false, "Status": "exited"}}]'""", "container-stopped"),
        ("echo 'Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?' >&2; exit 1", "engine-unreachable"),
        # A file that is missing is not a container that is missing.
        ("echo 'dial unix /x: connect: no such file or directory' >&2; exit 1", "engine-unreachable"),
    ],
)
def test_a_container_that_cannot_be_used(engine: Callable[[str], Engine], script: str, slug: str) -> None:
    with pytest.raises(OperationError) as caught:
        engine(script).container("pg")
    assert caught.value.slug == slug


def test_an_engine_that_is_not_installed() -> None:
    with pytest.raises(OperationError) as caught:
        Engine("/no/such/docker").inspect("image", "x")
    assert caught.value.slug == "engine-unreachable"


def test_an_unknown_image_is_no_failure(engine: Callable[[str], Engine]) -> None:
    assert engine("echo 'Error response from daemon: no such image: x: No such image: x:latest' >&2; exit 1").inspect("image", "x") is None


def test_a_comma_in_a_directory_is_no_end_of_a_field() -> None:
    command = Place(Engine(), "pg").client("name", ["true"], {}, image="i", network="n", mounts={'/srv/a,"b': "/backup"})
    assert command.argv[command.argv.index("--mount") + 1] == 'type=bind,"source=/srv/a,""b",destination=/backup'


@pytest.mark.parametrize(
    ("networks", "expected"),
    [('{"b": {}, "a": {}}', "a"), ('{"host": {}}', "host"), ("{}", "container:c0ffee")],
)
def test_the_network_on_which_a_name_means_the_server(engine: Callable[[str], Engine], networks: str, expected: str) -> None:
    facts = f'[{{"Id": "c0ffee", "State": {{"Running": true}}, "NetworkSettings": {{"Networks": {networks}}}}}]'
    assert engine(f"echo '{facts}'").network("pg") == expected


@pytest.mark.parametrize(
    ("host", "limits", "jobs"),
    [
        (8, {}, 8),
        (8, {"NanoCpus": 0, "CpuQuota": 0, "CpusetCpus": ""}, 8),
        (8, {"NanoCpus": 2_500_000_000}, 3),
        (8, {"NanoCpus": 100_000_000}, 1),
        (8, {"CpuQuota": 400_000, "CpuPeriod": 200_000}, 2),
        (8, {"CpuQuota": 300_000, "CpuPeriod": 0}, 3),
        (8, {"CpuQuota": -1}, 8),
        (8, {"CpusetCpus": "0-2,5"}, 4),
        (8, {"CpusetCpus": "1", "NanoCpus": 4_000_000_000}, 1),
        (2, {"NanoCpus": 4_000_000_000}, 2),
    ],
)
def test_a_dump_uses_the_processors_that_the_server_may_use(host: int, limits: dict[str, Any], jobs: int) -> None:
    assert cores(host, limits) == jobs
