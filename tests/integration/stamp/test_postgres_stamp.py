# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventory, stamp, server and confirmation agree, or nothing destructive happens: on real servers."""

from __future__ import annotations

import dataclasses
import json
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils import _audit
from ansible_collections.amanat.dbops.plugins.module_utils._stack import Stack

from tests.integration.backup.conftest import STACK, Caller, Postgres
from tests.integration.plays import play

from .conftest import audit

MakeDatabase = Callable[..., str]
PRODUCTION = "production/backups"
EVERYWHERE = ["development", "staging", "production"]

# Everything of the database that a refusal could have changed.
CONTENT = """
SELECT md5(string_agg(line, E'\\n' ORDER BY line)) FROM (
  SELECT format('%s %s %s %s', oid, relname, relacl, relowner) AS line FROM pg_class WHERE relnamespace::regnamespace::text !~ '^pg_'
  UNION ALL SELECT rolname FROM pg_roles UNION ALL SELECT xmin || users::text FROM users) t
"""


@pytest.fixture
def stamped(make_database: MakeDatabase, caller: Caller) -> str:
    """A database with data, stamped by hand as one that exists is."""
    database = make_database()
    set_stamp(caller, database, confirm=STACK)
    return database


def set_stamp(caller: Caller, database: str, *, check: bool = False, **options: Any) -> dict[str, Any]:
    return caller.run("environment_stamp", database, check=check, backup_dir=None, state="present", **options)


def refuse(caller: Caller, database: str, slug: str, state: str = "checked", **options: Any) -> str:
    """Refused for one reason, with a line in the audit log, and nothing changed."""
    stack = options.get("stack", STACK)
    lines, content = audit(caller, stack), caller.server.sql(database, CONTENT)
    message = caller.refused("environment_stamp", database, slug, backup_dir=None, state=state, **options)
    assert "State: Nothing was changed" in message
    assert "Next: " in message
    new = audit(caller, stack)[len(lines) :]
    assert [(line["event"], line["slug"], line["state"], line["stack"]) for line in new] == [("refused", slug, state, stack)]
    assert caller.server.sql(database, CONTENT) == content
    return message


# -- setting it --------------------------------------------------------------------------------------------------------


def test_a_database_that_exists_is_stamped_by_its_name_typed(postgres: Postgres, make_database: MakeDatabase, caller: Caller) -> None:
    database = make_database()
    refuse(caller, database, "stamp-missing")
    refuse(caller, database, "confirm-missing", state="present")
    refuse(caller, database, "confirm-mismatch", state="present", confirm="development/other")
    seen = len(audit(caller))
    foreseen = set_stamp(caller, database, check=True, confirm=STACK)
    assert foreseen["changed"]
    assert (foreseen["old"], foreseen["stamp"]) == ("", STACK)
    assert foreseen["diff"]["after"].startswith(f"{STACK} on ")
    assert len(audit(caller)) == seen, "check mode records nothing"
    refuse(caller, database, "stamp-missing")

    who = {"user": "ann", "controller": "laptop", "job_id": "", "revision": None}
    made = set_stamp(caller, database, confirm=STACK, by=who)
    assert made["changed"]
    assert "is a superuser" in str(made["warnings"])
    assert "postgres_application_owner" in str(made["warnings"])
    line = audit(caller)[-1]
    assert (line["event"], line["old"], line["new"], line["database"]) == ("stamped", "", STACK, database)
    assert line["by"]["user"] == "ann"
    assert set(line["by"]) == {"login", "user", "controller"}
    again = set_stamp(caller, database)
    assert not again["changed"]
    assert audit(caller)[-1] == line

    checked = caller.run("environment_stamp", database, backup_dir=None, state="checked")
    assert checked["stamp"] == STACK
    assert postgres.sql(database, "SELECT tableowner FROM pg_tables WHERE schemaname = 'dbops'") == "dbops_owner"
    assert postgres.sql("postgres", "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'dbops_owner'") == "f"


def test_a_new_database_needs_no_word(make_database: MakeDatabase, caller: Caller) -> None:
    database = make_database("SELECT")
    checked = caller.run("environment_stamp", database, backup_dir=None, state="checked")
    assert (checked["stamp"], checked["empty"]) == ("", True)
    assert set_stamp(caller, database)["changed"]
    assert not caller.run("environment_stamp", database, backup_dir=None, state="read")["empty"]


@pytest.mark.slow
def test_a_database_of_large_objects_alone_is_not_new(make_database: MakeDatabase, caller: Caller) -> None:
    database = make_database("SELECT lo_create(0)")
    caller.refused("environment_stamp", database, "stamp-missing", backup_dir=None, state="checked")


def test_a_missing_database_is_new_on_no_other_server_than_was_recorded(postgres: Postgres, caller: Caller) -> None:
    """A restore would give the backup's data, and the name, to whatever server answers there."""
    record = caller.directory / "state" / STACK / "server.json"
    record.parent.mkdir(parents=True)
    record.write_text('{"version": 1, "system_identifier": "7000000000000000000", "recorded": "2026-11-22T21:04:11Z"}', encoding="utf-8")
    own = postgres.sql("postgres", "SELECT system_identifier FROM pg_control_system()")
    message = caller.refused("environment_stamp", "nowhere", "server-changed", backup_dir=None, state="checked")
    assert f"""-e '{{"dbops_allowed_servers": ["{own}"]}}'""" in message
    caller.run("environment_stamp", "nowhere", backup_dir=None, state="checked", allowed_servers=[own])
    assert "7000000000000000000" in record.read_text(encoding="utf-8")


def test_a_new_database_is_stamped_on_another_server_only_when_that_is_typed(
    postgres: Postgres, make_database: MakeDatabase, caller: Caller
) -> None:
    """The name, or a mount, may lead elsewhere than to the data."""
    database, record = make_database("SELECT"), caller.directory / "state" / STACK / "server.json"
    record.parent.mkdir(parents=True)
    text = '{"version": 1, "system_identifier": "7000000000000000000", "recorded": "2026-11-22T21:04:11Z"}'
    record.write_text(text, encoding="utf-8")
    options = {"backup_dir": None, "state": "present"}
    message = caller.refused("environment_stamp", database, "confirm-missing", **options)
    assert "The database is new; its server, 7" in message
    assert "instead of 7000000000000000000, would be recorded" in message
    assert (record.read_text(encoding="utf-8"), audit(caller)[-1]["slug"]) == (text, "confirm-missing")
    assert postgres.sql(database, "SELECT to_regnamespace('dbops') IS NULL") == "t"
    assert set_stamp(caller, database, confirm=STACK)["recorded_server"] in record.read_text(encoding="utf-8")
    assert audit(caller)[-1]["old_system_identifier"] == "7000000000000000000"


@pytest.mark.slow
def test_a_missing_database_counts_as_new_but_cannot_be_stamped(postgres: Postgres, caller: Caller) -> None:
    checked = caller.run("environment_stamp", "nowhere", backup_dir=None, state="checked")
    assert (checked["stamp"], checked["empty"]) == ("", True)
    assert checked["system_identifier"] == postgres.sql("postgres", "SELECT system_identifier FROM pg_control_system()")
    caller.refused("environment_stamp", "nowhere", "database-missing", backup_dir=None, state="present", confirm=STACK)
    caller.refused("environment_stamp", "nowhere", "confirm-missing", backup_dir=None, state="checked", confirm_in=EVERYWHERE)


def test_another_stamp_is_changed_only_by_who_names_it(stamped: str, caller: Caller) -> None:
    refuse(caller, stamped, "stamp-mismatch", state="present", stack=PRODUCTION, confirm=PRODUCTION)
    refuse(caller, stamped, "stamp-mismatch", state="present", stack=PRODUCTION, confirm=PRODUCTION, old="staging/backups")
    refuse(caller, stamped, "confirm-missing", state="present", stack=PRODUCTION, old=STACK)
    made = set_stamp(caller, stamped, stack=PRODUCTION, confirm=PRODUCTION, old=STACK)
    assert (made["changed"], made["old"], made["stamp"]) == (True, STACK, PRODUCTION)
    assert audit(caller, PRODUCTION)[-1]["old"] == STACK
    refuse(caller, stamped, "stamp-mismatch")


# -- what has to agree -------------------------------------------------------------------------------------------------


def test_production_and_development_are_not_mistaken_for_each_other(stamped: str, caller: Caller) -> None:
    refuse(caller, stamped, "stamp-mismatch", stack=PRODUCTION, confirm=PRODUCTION)
    set_stamp(caller, stamped, stack=PRODUCTION, confirm=PRODUCTION, old=STACK)
    refuse(caller, stamped, "stamp-mismatch", confirm=STACK)
    refuse(caller, stamped, "stamp-mismatch", confirm=PRODUCTION)


def test_the_confirmation_is_that_of_this_stack(stamped: str, caller: Caller) -> None:
    refuse(caller, stamped, "confirm-missing", confirm_in=EVERYWHERE)
    for typed in ("development/other", "yes", STACK.upper(), f"{STACK} "):
        refuse(caller, stamped, "confirm-mismatch", confirm_in=EVERYWHERE, confirm=typed)
    caller.run("environment_stamp", stamped, backup_dir=None, state="checked", confirm_in=EVERYWHERE, confirm=STACK)


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param(
            "ALTER TABLE dbops.environment DROP CONSTRAINT environment_pkey, DROP CONSTRAINT environment_the_only_row_check;"
            " INSERT INTO dbops.environment (the_only_row, environment, name) VALUES (false, 'production', 'backups')",
            id="two rows",
        ),
        pytest.param("DELETE FROM dbops.environment", id="no row", marks=pytest.mark.slow),
        pytest.param("UPDATE dbops.environment SET environment = 'live'", id="an unknown environment", marks=pytest.mark.slow),
        pytest.param("ALTER TABLE dbops.environment ALTER environment TYPE bytea USING environment::bytea", id="another type"),
        pytest.param("ALTER TABLE dbops.environment DROP COLUMN name", id="a column is missing", marks=pytest.mark.slow),
        pytest.param("ALTER TABLE dbops.environment ENABLE ROW LEVEL SECURITY", id="rows that policies may hide", marks=pytest.mark.slow),
        pytest.param(
            "DROP TABLE dbops.environment;"
            " CREATE VIEW dbops.environment AS SELECT 'development'::text AS environment, 'backups'::text AS name",
            id="a view",
        ),
    ],
)
def test_a_stamp_that_is_not_ours_counts_as_a_no(postgres: Postgres, stamped: str, caller: Caller, sql: str) -> None:
    postgres.sql(stamped, sql)
    refuse(caller, stamped, "stamp-unreadable")
    refuse(caller, stamped, "stamp-unreadable", state="present", confirm=STACK, old=STACK)


# -- whose server ------------------------------------------------------------------------------------------------------


@pytest.fixture
def moved(stamped: str, caller: Caller, other_server: Postgres) -> Iterator[Caller]:
    """The same database, stamp and all, on another server that has taken over the name."""
    other_server.sql("postgres", f"CREATE DATABASE {stamped}")
    dump = caller.server.program(stamped, "pg_dump", "--create", "--no-owner")
    text = subprocess.run(dump, capture_output=True, text=True, check=True).stdout
    other_server.sql("postgres", "DO $$ BEGIN CREATE ROLE dbops_owner; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    subprocess.run(other_server.psql("postgres"), input=text.replace("CREATE DATABASE", "-- "), text=True, capture_output=True, check=False)
    yield dataclasses.replace(caller, server=other_server)
    other_server.sql("postgres", f"DROP DATABASE IF EXISTS {stamped} WITH (FORCE)")


def test_another_server_behind_the_same_name_is_refused_until_it_is_accepted(stamped: str, caller: Caller, moved: Caller) -> None:
    assert moved.server.sql(stamped, "SELECT name FROM dbops.environment") == "backups"
    message = refuse(moved, stamped, "server-changed", confirm=STACK)
    assert "playbooks/stamp.yml" in message
    refuse(moved, stamped, "confirm-missing", state="present")
    accepted = set_stamp(moved, stamped, confirm=STACK)
    assert (accepted["changed"], accepted["old"], accepted["stamp"]) == (True, STACK, STACK)
    line = audit(moved)[-1]
    assert line["system_identifier"] == accepted["system_identifier"] != line["old_system_identifier"]
    moved.run("environment_stamp", stamped, backup_dir=None, state="checked", confirm=STACK)
    refuse(caller, stamped, "server-changed")


def test_a_server_that_nobody_recorded_is_unknown(stamped: str, caller: Caller) -> None:
    record = caller.directory / "state" / STACK / "server.json"
    record.unlink()
    refuse(caller, stamped, "server-unknown")
    record.write_text("{}", encoding="utf-8")
    refuse(caller, stamped, "server-unknown")
    record.unlink()
    set_stamp(caller, stamped, confirm=STACK)
    caller.run("environment_stamp", stamped, backup_dir=None, state="checked")


@pytest.mark.slow
def test_the_inventory_may_name_the_servers(postgres: Postgres, stamped: str, caller: Caller) -> None:
    own = postgres.sql("postgres", "SELECT system_identifier FROM pg_control_system()")
    (caller.directory / "state" / STACK / "server.json").unlink()
    options = {"backup_dir": None, "state": "checked"}
    caller.run("environment_stamp", stamped, **options, allowed_servers=[own, "postgres:5432"])
    refuse(caller, stamped, "server-unknown", allowed_servers=["postgres"])
    refuse(caller, stamped, "server-not-allowed", allowed_servers=["7000000000000000000"])
    refuse(caller, stamped, "server-not-allowed", state="present", confirm=STACK, allowed_servers=["7000000000000000000"])
    # Nor is a lost database restored there, although no server is recorded.
    caller.refused("environment_stamp", "nowhere", "server-not-allowed", **options, allowed_servers=["7000000000000000000"])
    assert caller.run("environment_stamp", "nowhere", **options, allowed_servers=[own])["empty"]
    # A host that is not on the list is not even connected to, by no module.
    refuse(caller, stamped, "server-not-allowed", allowed_servers=["db.example"])
    seen = len(audit(caller))
    caller.refused("postgres_backup", stamped, "server-not-allowed", allowed_servers=["db.example", own])
    ann = {"user": "ann"}
    caller.refused("postgres_target_info", stamped, "server-not-allowed", backup_dir=None, allowed_servers=["db.example"], by=ann)
    assert [(line["slug"], line["by"].get("user", "")) for line in audit(caller)[seen:]] == [
        ("server-not-allowed", ""),
        ("server-not-allowed", "ann"),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("servers", ["db.example", "7000000000000000000"])
def test_a_lost_database_is_restored_on_no_server_that_the_inventory_does_not_name(
    postgres: Postgres, stamped: str, caller: Caller, servers: str
) -> None:
    """Nor is anything of it loaded there; and the log says so, although the first task that sees it only looks ahead."""
    caller.run("postgres_backup", stamped, wait=120.0)
    postgres.sql("postgres", f"DROP DATABASE {stamped}")
    (caller.directory / "state" / STACK / "server.json").unlink()
    seen, databases = len(audit(caller)), postgres.sql("postgres", "SELECT string_agg(datname, ' ' ORDER BY 1) FROM pg_database")
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "dbops_environment": "development",
        "dbops_name": "backups",
        "dbops_state_dir": str(caller.directory / "state"),
        "dbops_backup_dir": str(caller.backups),
        "dbops_postgres_container": postgres.container,
        "dbops_pg_url": postgres.url(stamped),
        "dbops_allowed_servers": [servers],
        "dbops_swap": True,
    }
    inventory = caller.directory / "hosts.json"
    inventory.write_text(json.dumps({"all": {"hosts": {"here": variables}}}), encoding="utf-8")
    for options, recorded in (["--check"], 0), (["-e", f"dbops_confirm={STACK}"], 1):
        outcome = play("restore", "--inventory", str(inventory), *options)
        assert "refused: [server-not-allowed]" in outcome.last_line, outcome.out
        assert [line["slug"] for line in audit(caller)[seen:]] == ["server-not-allowed"] * recorded
    assert audit(caller)[-1]["by"]["user"]
    assert postgres.sql("postgres", "SELECT string_agg(datname, ' ' ORDER BY 1) FROM pg_database") == databases


# -- what is left over -------------------------------------------------------------------------------------------------


def clean_up(caller: Caller, database: str, name: str, **options: Any) -> dict[str, Any]:
    return caller.run("postgres_cleanup", database, backup_dir=None, names=[name], confirm=[name], **options)


def keep(caller: Caller, database: str, name: str, slug: str) -> str:
    """A leftover that is not dropped, and is as open or shut as it was."""
    about = f"SELECT datname, datallowconn, datconnlimit FROM pg_database WHERE datname = '{name}'"
    before, seen = caller.server.sql("postgres", about), len(audit(caller))
    message = caller.refused("postgres_cleanup", database, slug, backup_dir=None, names=[name], confirm=[name])
    assert name in message
    assert [line["slug"] for line in audit(caller)[seen:]] == [slug]
    assert caller.server.sql("postgres", about) == before
    return message


@pytest.mark.parametrize("shut", ["", "ALLOW_CONNECTIONS false", pytest.param("CONNECTION LIMIT 0", marks=pytest.mark.slow)])
def test_a_leftover_of_another_stack_is_not_dropped(
    postgres: Postgres, stamped: str, make_database: MakeDatabase, caller: Caller, shut: str
) -> None:
    old = make_database(name=f"{stamped}__old_20261101T120000Z")
    set_stamp(caller, old, stack=PRODUCTION, confirm=PRODUCTION)
    if shut:
        postgres.sql("postgres", f'ALTER DATABASE "{old}" {shut}')
    assert "the stamp says production/backups" in keep(caller, stamped, old, "stamp-mismatch")
    postgres.sql("postgres", f'ALTER DATABASE "{old}" ALLOW_CONNECTIONS true')
    postgres.sql(old, "DROP SCHEMA dbops CASCADE")
    assert clean_up(caller, stamped, old)["removed"] == [old], "the database beside it says whose it is"


def test_where_the_database_is_lost_its_leftovers_are_not_taken_for_waste(
    postgres: Postgres, stamped: str, make_database: MakeDatabase, caller: Caller
) -> None:
    old, unstamped = (make_database(name=f"{stamped}__{kind}_20261101T120000Z") for kind in ("old", "failed"))
    set_stamp(caller, old, confirm=STACK)
    record = caller.directory / "state" / STACK / "server.json"
    known = record.read_text(encoding="utf-8")
    postgres.sql("postgres", f"DROP DATABASE {stamped}")
    record.unlink()
    named = {"backup_dir": None, "names": [old], "confirm": [old]}
    assert "dbops_allowed_servers" in caller.refused("postgres_cleanup", stamped, "server-unknown", **named)
    record.write_text(known, encoding="utf-8")
    keep(caller, stamped, unstamped, "stamp-missing")
    assert clean_up(caller, stamped, old, check=True)["changed"]
    assert clean_up(caller, stamped, old)["removed"] == [old]


# -- who can write it --------------------------------------------------------------------------------------------------


@pytest.fixture
def plain_role(postgres: Postgres) -> Iterator[str]:
    role = f"app_{secrets.token_hex(3)}"
    postgres.sql("postgres", f"CREATE ROLE {role} LOGIN PASSWORD 'app'")
    yield role
    for database in postgres.sql("postgres", "SELECT datname FROM pg_database WHERE datallowconn").split():
        postgres.sql(database, f"REASSIGN OWNED BY {role} TO amanat; DROP OWNED BY {role}")
    postgres.sql("postgres", f"DROP ROLE {role}")


def as_application(caller: Caller, database: str, role: str) -> dict[str, Any]:
    """PG_URL is of an ordinary role, the image's superuser operates."""
    url = caller.server.url(database).replace("amanat:secret-of-pg", f"{role}:app")
    return {"pg_url": url, "login_user": "amanat"}


def test_a_plain_application_can_read_the_stamp_and_not_write_it(
    postgres: Postgres, make_database: MakeDatabase, caller: Caller, plain_role: str
) -> None:
    database = make_database()
    postgres.sql("postgres", f"ALTER DATABASE {database} OWNER TO {plain_role}")
    made = set_stamp(caller, database, confirm=STACK, **as_application(caller, database, plain_role))
    assert "warnings" not in made
    assert postgres.sql(database, f"SET ROLE {plain_role}; SELECT name FROM dbops.environment") == "backups"
    for attempt in (
        "UPDATE dbops.environment SET environment = 'production'",
        "DROP TABLE dbops.environment",
        "DROP SCHEMA dbops CASCADE",
        "ALTER TABLE dbops.environment OWNER TO CURRENT_USER",
        "CREATE TABLE dbops.other ()",
    ):
        with pytest.raises(AssertionError, match=r"must be owner|permission denied"):
            postgres.sql(database, f"SET ROLE {plain_role}; {attempt}")
    # By itself, the application can check the stamp, but is told that it cannot set it.
    alone = {"pg_url": as_application(caller, database, plain_role)["pg_url"]}
    assert caller.run("environment_stamp", database, backup_dir=None, state="checked", **alone)["stamp"] == STACK


@pytest.mark.slow
def test_no_function_of_the_applications_is_taken_for_the_servers(
    postgres: Postgres, stamped: str, caller: Caller, plain_role: str
) -> None:
    """Whoever owns a database may create in `public` what a superuser then calls without meaning to (CVE-2018-1058)."""
    postgres.sql(stamped, f'ALTER SCHEMA public OWNER TO "{plain_role}"')
    postgres.sql(
        stamped,
        f"""SET ROLE "{plain_role}";
        CREATE FUNCTION public.lie(found jsonb, one jsonb) RETURNS jsonb LANGUAGE sql AS
          $$ SELECT coalesce(found, '[]') || jsonb_build_array(one || '{{"environment": "production"}}') $$;
        CREATE AGGREGATE public.jsonb_agg(jsonb) (SFUNC = public.lie, STYPE = jsonb);""",
    )
    assert caller.run("environment_stamp", stamped, backup_dir=None, state="read")["stamp"] == STACK


def test_an_operator_who_is_no_superuser_is_told_what_that_means(
    postgres: Postgres, make_database: MakeDatabase, caller: Caller, plain_role: str
) -> None:
    database = make_database("SELECT")
    postgres.sql("postgres", f"ALTER DATABASE {database} OWNER TO {plain_role}")
    url = as_application(caller, database, plain_role)["pg_url"]
    made = set_stamp(caller, database, pg_url=url)
    assert "can write it" in str(made["warnings"])
    # A superuser takes it from the application.
    taken = set_stamp(caller, database, pg_url=url, login_user="amanat")
    assert taken["changed"]
    assert "warnings" not in taken
    assert postgres.sql(database, "SELECT tableowner FROM pg_tables WHERE schemaname = 'dbops'") == "dbops_owner"


OTHERWISE = [
    ("GRANT UPDATE ON dbops.environment TO {role}", "REVOKE UPDATE ON dbops.environment FROM {role}", "by a grant"),
    ("GRANT UPDATE (name) ON dbops.environment TO PUBLIC", "REVOKE UPDATE (name) ON dbops.environment FROM PUBLIC", "by a grant"),
    ("GRANT dbops_owner TO {role}", "REVOKE dbops_owner FROM {role}", 'is a member of "dbops_owner"'),
    ("GRANT amanat TO {role}", "REVOKE amanat FROM {role}", 'is a member of "amanat"'),
]


@pytest.mark.parametrize(
    ("grant", "undo", "said"), [OTHERWISE[0], *(pytest.param(*each, marks=pytest.mark.slow) for each in OTHERWISE[1:])]
)
def test_an_application_that_may_write_the_stamp_otherwise_is_told_of(
    postgres: Postgres, stamped: str, caller: Caller, plain_role: str, grant: str, undo: str, said: str
) -> None:
    def told() -> str:
        read = caller.run("environment_stamp", stamped, backup_dir=None, state="read", **as_application(caller, stamped, plain_role))
        return " ".join(map(str, read.get("warnings", [])))

    assert told() == ""
    postgres.sql(stamped, grant.format(role=plain_role))
    assert said in told()
    # It is no false alarm.
    postgres.sql(
        stamped, f"SET ROLE {plain_role}; {'SET ROLE amanat;' if 'amanat' in grant else ''} UPDATE dbops.environment SET name = name"
    )
    postgres.sql(stamped, undo.format(role=plain_role))
    assert told() == ""


def test_without_the_privilege_to_read_it_is_a_no(postgres: Postgres, stamped: str, caller: Caller, plain_role: str) -> None:
    postgres.sql(stamped, "REVOKE ALL ON dbops.environment FROM PUBLIC")
    message = refuse(caller, stamped, "stamp-unreadable", pg_url=as_application(caller, stamped, plain_role)["pg_url"])
    assert "permission denied" in message


@pytest.mark.parametrize("what", ["ALL TABLES", pytest.param("TABLES IN SCHEMA dbops", marks=pytest.mark.slow)])
def test_a_publication_that_would_take_it_in_wants_consent(
    postgres: Postgres, make_database: MakeDatabase, caller: Caller, what: str
) -> None:
    database = make_database()
    postgres.sql(database, f"CREATE SCHEMA dbops; CREATE PUBLICATION everything FOR {what}")
    message = refuse(caller, database, "stamp-published", state="present", confirm=STACK)
    assert "'everything'" in message
    assert "dbops_publish_stamp" in message
    assert set_stamp(caller, database, confirm=STACK, publish=True)["changed"]
    # It is in now: nothing more to consent to.
    assert not set_stamp(caller, database, confirm=STACK)["changed"]


def test_what_cannot_be_recorded_is_not_stamped_and_refused_all_the_same(
    postgres: Postgres, make_database: MakeDatabase, caller: Caller, tmp_path: Path
) -> None:
    database = make_database()
    log = caller.directory / "state" / STACK / "audit.jsonl"
    log.parent.mkdir(parents=True)
    log.symlink_to(tmp_path / "elsewhere")
    refused = caller.call("environment_stamp", caller.arguments(database, backup_dir=None, state="checked"))
    assert refused["slug"] == "stamp-missing"
    assert str(log) in str(refused["warnings"])
    caller.refused("environment_stamp", database, "target-file", backup_dir=None, state="present", confirm=STACK)
    assert postgres.sql(database, "SELECT to_regclass('dbops.environment') IS NULL") == "t"
    assert not (log.parent / "server.json").exists()


def test_a_stamp_that_says_something_else_is_no_success(postgres: Postgres, stamped: str, caller: Caller) -> None:
    postgres.sql(
        stamped,
        """CREATE FUNCTION public.other() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name := 'other'; RETURN NEW; END $$;
        CREATE TRIGGER other BEFORE INSERT ON dbops.environment FOR EACH ROW EXECUTE FUNCTION public.other()""",
    )
    options = {"state": "present", "stack": PRODUCTION, "confirm": PRODUCTION, "old": STACK}
    message = caller.refused("environment_stamp", stamped, "stamp-not-written", backup_dir=None, **options)
    assert "production/other" in message
    # Nor is its server accepted.
    record = caller.directory / "state" / PRODUCTION / "server.json"
    assert not record.exists()
    text = '{"version": 1, "system_identifier": "7000000000000000000", "recorded": "2026-11-22T21:04:11Z"}'
    record.write_text(text, encoding="utf-8")
    caller.refused("environment_stamp", stamped, "stamp-not-written", backup_dir=None, **{**options, "old": "production/other"})
    assert json.loads(record.read_text(encoding="utf-8")) == json.loads(text)
    assert {line["event"] for line in audit(caller, PRODUCTION)} == {"refused"}


@pytest.mark.slow
def test_a_restore_that_stamps_anew_is_recorded(stamped: str, caller: Caller) -> None:
    backup = caller.run("postgres_backup", stamped, wait=120.0)["name"]
    transform = [{"name": "forget.sql", "sql": "DELETE FROM payments"}]
    options = {"stack": "staging/backups", "series": f"{stamped}_pg", "backup": backup, "transform": transform, "by": {"user": "ann"}}
    caller.refused("postgres_restore", stamped, "restore-environment", **{**options, "transform": None})
    line = audit(caller, "staging/backups")[-1]
    assert (line["event"], line["slug"], line["by"]["user"]) == ("refused", "restore-environment", "ann")
    made = caller.run("postgres_restore", stamped, wait=120.0, **options)
    try:
        assert made["stamped"]
        line = audit(caller, "staging/backups")[-1]
        assert (line["event"], line["old"], line["new"], line["by"]["user"]) == ("stamped", STACK, "staging/backups", "ann")
        assert line["transform"] == ["forget.sql"]
        assert line["backup"] == made["backup"]
    finally:
        caller.server.sql("postgres", f'DROP DATABASE "{made["database"]}"')


@pytest.mark.slow
def test_a_stamped_backup_is_restored_on_a_server_without_the_owner_of_the_stamp(
    stamped: str, caller: Caller, other_server: Postgres
) -> None:
    """Disaster recovery is not refused for a role that this collection made itself."""
    caller.run("postgres_backup", stamped, wait=120.0)
    other_server.sql("postgres", "DROP ROLE IF EXISTS dbops_owner")
    there = dataclasses.replace(caller, server=other_server)
    made = there.run("postgres_restore", stamped, wait=120.0)
    assert made["created_roles"] == ["dbops_owner"]
    assert other_server.sql(made["database"], "SELECT tableowner FROM pg_tables WHERE schemaname = 'dbops'") == "dbops_owner"
    other_server.sql("postgres", f'DROP DATABASE "{made["database"]}"')


def test_the_audit_log_is_whole_under_many_writers(tmp_path: Path) -> None:
    stack = Stack.parse(STACK, str(tmp_path))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: _audit.record(stack, "refused", number=n, text=quote("é" * 2000)), range(200)))
    assert sorted(line["number"] for line in _audit.lines(stack)) == list(range(200))
