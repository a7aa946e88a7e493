# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server with a standby that lags, slots that nobody reads, an archive that takes nothing, and ids that were used."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.backup.conftest import PASSWORD, USER, Caller, Postgres, remove, run_postgres
from tests.integration.health.conftest import DATABASE, holding
from tests.integration.plays import engine, images

pytestmark = pytest.mark.slow

# pg_hba.conf's `all` does not mean replication.
ADMIT = 'echo "host replication all all scram-sha-256" >> "$PGDATA/pg_hba.conf"'
FOLLOW = """pg_basebackup --host=primary --username="$POSTGRES_USER" --pgdata="$PGDATA" --write-recovery-conf --checkpoint=fast
exec postgres -c cluster_name=standby -c wal_receiver_status_interval=1s"""


@pytest.fixture(scope="module")
def primary() -> Iterator[Postgres]:
    network = f"dbops-health-{secrets.token_hex(4)}"
    engine("network", "create", network)
    settings = ("-c", "archive_mode=on", "-c", "archive_command=false", "-c", "autovacuum_naptime=1h")
    server = run_postgres(images("postgres")["postgres"], *settings, options=["--network", network, "--network-alias", "primary"])
    engine("exec", server.container, "sh", "-c", ADMIT)
    server.sql("postgres", f"SELECT pg_reload_conf(); CREATE DATABASE {DATABASE}")
    server.sql(DATABASE, "CREATE TABLE users (id int PRIMARY KEY)")
    server.sql(DATABASE, "INSERT INTO users SELECT generate_series(1, 10)")
    yield server
    remove(server)
    engine("network", "rm", network)


@pytest.fixture
def standby(primary: Postgres) -> Iterator[Postgres]:
    network = engine("inspect", "--format", "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}", primary.container)
    server = Postgres(f"{primary.container}-standby", primary.image)
    variables = [f"--env=POSTGRES_USER={USER}", f"--env=PGPASSWORD={PASSWORD}"]
    options = ["--detach", "--name", server.container, "--network", network, "--user=postgres", *variables]
    engine("run", *options, primary.image, "sh", "-ec", FOLLOW)
    server.await_ready()
    yield server
    remove(server)


def ask(server: Postgres, directory: Path, check: str, **options: Any) -> dict[str, dict[str, Any]]:
    """The findings of one check, by what they are about."""
    health = Caller(server, directory).run("postgres_health_info", DATABASE, **options)
    assert [note["about"] for note in health["notes"]] == ["slow queries"], "of which this server keeps no statistics"
    return {finding["object"]: finding for finding in health["findings"] if finding["check"] == check}


def write_a_segment(primary: Postgres) -> None:
    primary.sql(DATABASE, "INSERT INTO users SELECT max(id) + 1 FROM users")
    primary.sql(DATABASE, "SELECT pg_switch_wal()")


def test_a_standby_that_lags_is_found_on_both_servers(primary: Postgres, standby: Postgres, tmp_path: Path) -> None:
    limits = {"thresholds": {"replication_lag": {"warning": 1}}}
    primary.sql(DATABASE, "INSERT INTO users VALUES (1001)")
    standby.await_sql(DATABASE, "EXISTS (SELECT FROM users WHERE id = 1001)")
    assert ask(primary, tmp_path, "replication_lag", **limits) == ask(standby, tmp_path, "replication_lag", **limits) == {}
    standby.sql(DATABASE, "SELECT pg_wal_replay_pause()")
    primary.sql(DATABASE, "INSERT INTO users VALUES (1002)")
    primary.await_sql("postgres", "EXISTS (SELECT FROM pg_stat_replication WHERE replay_lag > '1.5 s')")
    (behind,) = ask(primary, tmp_path, "replication_lag", **limits).items()
    assert (behind[0], behind[1]["severity"]) == ("standby", "warning")
    assert 1.5 < behind[1]["value"] < 20
    assert behind[1]["detail"].startswith("streaming, ")
    (itself,) = ask(standby, tmp_path, "replication_lag", **limits).items()
    assert itself[0] == "this standby"
    assert 1.5 < itself[1]["value"] < 20


def test_a_slot_that_nobody_reads_keeps_wal_until_it_loses_it(primary: Postgres, tmp_path: Path) -> None:
    primary.sql("postgres", "SELECT pg_create_physical_replication_slot('gone', true)")
    write_a_segment(primary)
    limits = {"thresholds": {"slot_bytes": {"warning": 2**20}}}
    kept = ask(primary, tmp_path, "slot_bytes", **limits)["gone"]
    told = primary.sql("postgres", "SELECT pg_current_wal_lsn() - restart_lsn FROM pg_replication_slots")
    assert 2**20 < kept["value"] <= int(told)
    assert ask(primary, tmp_path, "slots_lost") == {}
    primary.sql("postgres", "ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
    primary.sql("postgres", "SELECT pg_reload_conf()")
    write_a_segment(primary)
    primary.sql("postgres", "CHECKPOINT")
    lost = ask(primary, tmp_path, "slots_lost")["gone"]
    assert lost["severity"] == "critical"
    assert lost["detail"].endswith(", wal_status lost, wal_removed")
    primary.sql("postgres", lost["next"])
    assert ask(primary, tmp_path, "slots_lost") == {}


def test_an_archive_that_takes_nothing_is_critical(primary: Postgres, tmp_path: Path) -> None:
    write_a_segment(primary)
    primary.await_sql("postgres", "failed_count > 0 FROM pg_stat_archiver")
    (finding,) = ask(primary, tmp_path, "archiver").values()
    assert finding["severity"] == "critical"
    assert finding["detail"].startswith("last archived never, last failed 2")


def test_how_far_ids_are_used_is_what_the_server_says(primary: Postgres, tmp_path: Path) -> None:
    """Of transactions, and of the ids that rows get which several transactions lock."""
    with holding(primary, "SELECT FROM users WHERE id = 1 FOR SHARE;"):
        primary.sql(DATABASE, "SELECT FROM users WHERE id = 1 FOR SHARE")
    for check, age in (("wraparound_xid", "age(datfrozenxid)"), ("wraparound_multixact", "mxid_age(datminmxid)")):
        found = ask(primary, tmp_path, check, thresholds={check: {"warning": 1e-12}})
        told = primary.sql("postgres", f"SELECT datname || ' ' || {age} FROM pg_database WHERE {age} > 0")
        ages = {name: int(used) for name, used in (line.split() for line in told.splitlines())}
        assert DATABASE in ages
        assert {name: finding["value"] * 2**31 for name, finding in found.items()} == pytest.approx(ages)
