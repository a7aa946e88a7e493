# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stage holds what was backed up under the application's own names, reaches nothing, and is gone whatever ends it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Callable

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._stage import PASSWORD

from tests.integration.backup.conftest import Caller, Postgres
from tests.integration.backup.jobs import await_true
from tests.integration.plays import ROOT, engine, images
from tests.integration.seeds.staging import stage


def left() -> str:
    return engine("ps", "--all", "--quiet", "--filter", "name=dbops-stage-", "--filter", "label=amanat.dbops.stack=development/stage")


@pytest.fixture
def nothing_left() -> Iterator[None]:
    yield
    await_true(lambda: left() == "")


@pytest.mark.usefixtures("nothing_left")
def test_programs_on_a_stage(make_database: Callable[..., str], caller: Caller, postgres: Postgres) -> None:
    """They reach the data by the application's URL, and a Redis; no name, no address and no longer time than they are given."""
    database = make_database(name="the shop?")
    name = caller.backup(database)["name"]
    redis = images("redis")["redis"]
    state = str(caller.directory / "state")
    url = f"{postgres.url(database)}?sslmode=require&options=-c%20statement_timeout%3D7s"
    with stage(state, str(caller.backups), name, postgres.image, url, redis_image=redis) as made:
        assert made.server.value("SELECT count(*) FROM public.users") == 500
        ask = ["psql", made.url, "-Atc", "SELECT current_user || current_database() || current_setting('statement_timeout')"]
        answer = made.run(postgres.image, ask, {}, 30)
        assert (answer.code, answer.out) == (0, "amanatthe shop?7s\n"), answer.err
        assert made.redis_url == f"redis://:{PASSWORD}@127.0.0.1:6379"
        asked = made.run(redis, ["redis-cli", "-h", "127.0.0.1", "DBSIZE"], {"REDISCLI_AUTH": PASSWORD}, 30)
        assert asked.out == "0\n", asked.err
        out = made.run(postgres.image, ["bash", "-c", "cat < /dev/null > /dev/tcp/172.17.0.1/22"], {}, 30)
        assert "unreachable" in out.err
        slow = made.run(postgres.image, ["sh", "-c", "trap '' TERM; setsid sleep 600 & sleep 600"], {}, 1.0)
        assert slow.code == 124
        assert made.server.place.engine.run("top", made.server.place.container, "-eo", "pid,args").out.count("sleep 600") == 0
        where = made.run(postgres.image, ["pwd"], {}, 30, workdir="/usr/share")
        assert where.out == "/usr/share\n"


@pytest.mark.faults
@pytest.mark.usefixtures("nothing_left")
def test_a_stage_ends_with_whoever_made_it(make_database: Callable[..., str], caller: Caller, postgres: Postgres) -> None:
    """A program that ignores every polite request ends as well, and so does what it left running."""
    database = make_database()
    options = {
        "state": str(caller.directory / "state"),
        "backups": str(caller.backups),
        "name": caller.backup(database)["name"],
        "image": postgres.image,
        "url": postgres.url(database),
        "program": {
            "image": postgres.image,
            "argv": ["sh", "-c", "trap '' TERM HUP INT; setsid sleep 601 & sleep 600 & sleep 600 & wait"],
            "env": {},
            "timeout": 600,
        },
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.seeds.staging"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": "collections:."},
        stdin=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    process.stdin.write(json.dumps(options))
    process.stdin.close()
    await_true(lambda: process.poll() is not None or (left() and "sleep 601" in engine("top", left(), "-eo", "pid,args")))
    assert process.poll() is None
    process.kill()
    process.wait()
