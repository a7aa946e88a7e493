# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a dump is made, and why one failed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _pg_backup
from ansible_collections.amanat.dbops.plugins.module_utils._command import Answer
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._module import backup_dir_of
from ansible_collections.amanat.dbops.plugins.module_utils._pg_backup import Plan
from ansible_collections.amanat.dbops.plugins.module_utils._place import Engine, Place
from ansible_collections.amanat.dbops.plugins.module_utils._psql import Server
from ansible_collections.amanat.dbops.plugins.module_utils._stack import Stack


def plan_for(directory: str, container: str = "") -> Plan:
    env = {"PGUSER": "u", "PGPASSWORD": "s3cret", "PGHOST": "db", "PGDATABASE": "amanat"}
    return Plan(
        stack=Stack.parse("staging/nickapp", "/var/lib/dbops"),
        server=Server(Place(Engine(), container), env),
        image="sha256:1",
        container=container,
        directory=directory,
        series="amanat_pg",
        format="directory",
        jobs=2,
        run="w1",
    )


@pytest.mark.parametrize("directory", ["", "backups"])
def test_a_relative_directory_is_refused(directory: str) -> None:
    with pytest.raises(OperationError) as caught:
        backup_dir_of(SimpleNamespace(params={"backup_dir": directory}))
    assert caught.value.slug == "path-relative"


def test_from_a_client_container_the_server_is_on_the_loopback() -> None:
    assert plan_for("/b", "pg").environ()["PGHOST"] == "127.0.0.1"
    assert plan_for("/b").environ()["PGHOST"] == "db"
    assert plan_for("/b").environ()["PGAPPNAME"] == "amanat.dbops w1"
    options = plan_for("/b").environ()["PGOPTIONS"]
    assert "-c client_connection_check_interval=1s " in options
    assert "-c statement_timeout=0 -c transaction_timeout=0" in options


@pytest.mark.parametrize(
    ("done", "figures"),
    [
        ((0, 100, 5.0, 0, 3), {"mib": 0, "of_about_mib": 100}),
        ((50, 100, 10.0, 2, 3), {"mib": 50, "of_about_mib": 100, "tables": "2/3", "seconds_left": 10}),
        ((50, 100, 0.5, 9, 3), {"mib": 50, "of_about_mib": 100, "tables": "3/3"}),
        ((120, 100, 10.0, 3, 3), {"mib": 120, "of_about_mib": 100, "tables": "3/3"}),
    ],
)
def test_progress_has_an_estimate_where_there_is_one(done: tuple[int, int, float, int, int], figures: dict[str, Any]) -> None:
    written, expected, seconds, files, tables = done
    assert _pg_backup._figures(written << 20, expected << 20, seconds, files, tables) == figures


@pytest.mark.parametrize(
    ("said", "slug"),
    [
        ("pg_dump: error: could not write to file: No space left on device", "backup-no-space"),
        ('pg_dump: error: could not obtain lock on relation "public.users"', "backup-ddl"),
        ("pg_dump: error: query failed: ERROR:  canceling statement due to statement timeout", "backup-ddl"),
        ("pg_dump: error: connection to server was lost", "backup-failed"),
    ],
)
def test_why_a_dump_failed(said: str, slug: str) -> None:
    error = _pg_backup._failed(Answer(1, "", said))
    assert error.slug == slug
    assert said in error.message
