# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What deploy makes of a stamp and of the application's role, and what a reset makes of what deploy made."""

from __future__ import annotations

import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.plays import engine, images

from .project import DATA, PASSWORD, Project

OPERATOR = {"dbops_postgres_user": "operator", "dbops_postgres_password": "secret-of-operator"}


@pytest.fixture
def deployed() -> Iterator[Project]:
    """A stack for deploy, in a directory whose name leaves room for that of a socket."""
    with tempfile.TemporaryDirectory(prefix="dbops-") as directory:
        made = Project(Path(directory), f"reset-{secrets.token_hex(3)}", images("postgres")["postgres"])
        yield made
        subprocess.run(["docker", "rm", "--force", made.name], capture_output=True, check=False)
        subprocess.run(["docker", "network", "rm", made.key.replace("/", "-")], capture_output=True, check=False)


def ask(project: Project, user: str, sql: str) -> str:
    return engine("exec", "--interactive", project.name, "psql", "-U", user, "-Atq", "-d", "amanat_dev", stdin=sql)


@pytest.mark.slow
def test_what_deploy_made_is_deployed_again(deployed: Project) -> None:
    variables = {"postgres_image": deployed.image, **OPERATOR}
    first = deployed.play("deploy", **variables)
    assert first.code == 0, first.out
    assert "[WARNING]" not in first.out, "the application is no superuser"
    ask(deployed, "operator", DATA)
    refused = deployed.play("reset", "-e", f"dbops_confirm={deployed.key}x", **variables)
    assert "refused: [confirm-mismatch]" in refused.last_line
    done = deployed.play("reset", "-e", f"dbops_confirm={deployed.key}", **variables)
    assert done.code == 0, done.out
    about = "SELECT to_regclass('users') IS NULL, (SELECT name FROM dbops.environment), pg_get_userbyid(datdba) FROM pg_database"
    assert ask(deployed, "operator", f"{about} WHERE datname = current_database()") == f"t|{deployed.name}|amanat"
    assert [line["event"] for line in deployed.audit()] == ["stamped", "refused", "reset", "stamped"]


MUCH = """
CREATE EXTENSION pg_trgm; CREATE SCHEMA shop; CREATE SCHEMA drizzle; CREATE TYPE shop.mood AS ENUM ('glad');
CREATE DOMAIN shop.name AS text;
CREATE TABLE shop.users (id serial PRIMARY KEY, mood shop.mood, called shop.name); CREATE VIEW shop.glad AS SELECT * FROM shop.users;
CREATE MATERIALIZED VIEW shop.counted AS SELECT count(*) FROM shop.users; CREATE SEQUENCE shop.numbers; SELECT lo_create(4711);
CREATE FUNCTION shop.one(int) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE TABLE drizzle.migrations (id int) PARTITION BY LIST (id);
CREATE TABLE "odd ""name"" %" (); INSERT INTO shop.users (mood) VALUES ('glad');
"""


@pytest.mark.slow
def test_the_way_out_of_an_application_that_is_a_superuser(deployed: Project) -> None:
    image = {"postgres_image": deployed.image}
    first = deployed.play("deploy", **image)
    assert first.code == 0, first.out
    assert "is a superuser, so it can write the environment stamp" in " ".join(first.out.split())
    ask(deployed, "amanat", MUCH)
    refused = deployed.play("deploy", postgres_application_owner=True, **image)
    assert "refused: [application-operates]" in refused.last_line
    operated = {
        "dbops_postgres_user": "amanat",
        "dbops_postgres_password": PASSWORD,
        "dbops_pg_url": "postgres://shop_app:secret-of-app@postgres/amanat_dev",
        "postgres_application_owner": True,
        **image,
    }
    changed = deployed.play("deploy", **operated)
    assert changed.code == 0, changed.out
    assert "[WARNING]" not in changed.out
    again = deployed.play("deploy", **operated)
    assert f"dbops deploy {deployed.key} ok" in again.last_line
    # The application does with its own what it likes, and with the stamp nothing.
    ask(deployed, "shop_app", "ALTER TABLE shop.users ADD note text; DROP VIEW shop.glad; CREATE TABLE public.more ()")
    assert ask(deployed, "shop_app", "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == "f"
    with pytest.raises(subprocess.CalledProcessError):
        engine("exec", deployed.name, "psql", "-U", "shop_app", "-d", "amanat_dev", "-c", "DROP TABLE dbops.environment")
    assert ask(deployed, "amanat", "SELECT tableowner FROM pg_tables WHERE schemaname = 'dbops'") == "dbops_owner"
