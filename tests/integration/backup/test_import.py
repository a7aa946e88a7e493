# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A dump made by hand becomes a backup like any other, or is refused."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from tests.integration.backup.conftest import SOME_DATA, USER, Caller, Postgres
from tests.integration.plays import engine

MakeDatabase = Callable[..., str]

OF_ITS_OWN = """
CREATE ROLE "import'ed" LOGIN; CREATE ROLE importer;
GRANT CREATE ON DATABASE CURRENT_DB TO "import'ed"; ALTER DATABASE CURRENT_DB OWNER TO importer;
ALTER DATABASE CURRENT_DB SET work_mem TO '9MB'; ALTER DATABASE CURRENT_DB CONNECTION LIMIT 9;
ALTER TABLE users OWNER TO "import'ed"; GRANT SELECT ON payments TO "import'ed";
"""


def dump(postgres: Postgres, database: str, path: Path) -> Path:
    """As the runbook does it."""
    with path.open("wb") as stream:
        argv = ["docker", "exec", postgres.container, "pg_dump", "-U", USER, "-d", database, "--format=custom"]
        subprocess.run(argv, stdout=stream, check=True)
    return path


def take_in(caller: Caller, database: str, source: Path, **options: Any) -> dict[str, Any]:
    return caller.run("backup_import", database, **{"wait": 120.0, "source": str(source), **options})


@pytest.fixture
def imported(postgres: Postgres, make_database: MakeDatabase) -> Iterator[str]:
    """A database with roles and properties of its own."""
    database = make_database()
    postgres.sql(database, OF_ITS_OWN.replace("CURRENT_DB", database))
    yield database
    beside = postgres.sql("postgres", f"SELECT datname FROM pg_database WHERE datname ^@ '{database}'").splitlines()
    for name in beside:
        postgres.sql("postgres", f'DROP DATABASE "{name}" WITH (FORCE)')
    postgres.sql("postgres", """DROP ROLE "import'ed", importer""")


def test_a_dump_made_by_hand_becomes_a_backup(postgres: Postgres, caller: Caller, imported: str, tmp_path: Path) -> None:
    source = dump(postgres, imported, tmp_path / "amanat_dev_pg_2026-06-06.dump")
    done = take_in(caller, imported, source)
    assert re.fullmatch(rf"{imported}_pg_2026-\d\d-\d\dT\d{{6}}Z\.dump", done["name"])
    assert (done["tables"], done["rows"], done["stack"]) == (2, 2500, "development/backups")
    assert source.exists()
    manifest = caller.manifest(done["name"])
    assert manifest["roles"] == ["amanat", "import'ed", "importer"]
    assert [check["check"] for check in manifest["checks"]] == ["complete", "verified", "drilled"]
    made = caller.run("postgres_restore", imported, backup=done["name"], wait=120.0)
    acl = "(SELECT array_agg(item::text ORDER BY item::text) FROM unnest(datacl) item)"
    about = f"SELECT datdba::regrole::text, {acl}, datconnlimit FROM pg_database WHERE datname = current_database()"
    assert postgres.sql(made["database"], about) == postgres.sql(imported, about)
    assert postgres.sql(made["database"], "SHOW work_mem") == "9MB"

    again = take_in(caller, imported, source)
    assert (again["changed"], again["name"], again["sha256"]) == (False, done["name"], done["sha256"])


def test_the_time_can_be_told(postgres: Postgres, make_database: MakeDatabase, caller: Caller, tmp_path: Path) -> None:
    database = make_database()
    source = dump(postgres, database, tmp_path / "some.dump")
    told = caller.run("backup_import", database, check=True, source=str(source), time="2026-06-06T03:00:00Z", series="old")
    assert (told["changed"], told["name"]) == (True, "old_2026-06-06T030000Z.dump")
    assert caller.names() == []
    assert "2099" in caller.refused("backup_import", database, "import-time", source=str(source), time="2099-01-01T000000Z")


def test_an_image_that_lacks_an_extension_is_to_blame_itself(
    postgres: Postgres, make_database: MakeDatabase, caller: Caller, tmp_path: Path
) -> None:
    """Its files were put into the live container by hand."""
    add = "d=$(pg_config --sharedir)/extension; echo \"default_version = '1'\" > $d/dbops_foreign.control; touch $d/dbops_foreign--1.sql"
    engine("exec", "--user", "root", postgres.container, "bash", "-c", add)
    database = make_database("CREATE EXTENSION dbops_foreign; CREATE TABLE t (n) AS SELECT 1;")
    source = dump(postgres, database, tmp_path / "some.dump")
    message = caller.refused("backup_import", database, "throwaway-unfit", source=str(source), wait=120.0)
    assert "dbops_foreign" in message
    assert "postgres_throwaway_image" in message
    assert caller.names() == []
    assert source.exists()


@pytest.mark.parametrize("how", ["cut", "no dump", "missing"])
def test_what_cannot_be_read_is_not_imported(
    how: str, postgres: Postgres, make_database: MakeDatabase, caller: Caller, tmp_path: Path
) -> None:
    database = make_database()
    source = dump(postgres, database, tmp_path / "some.dump")
    if how == "cut":
        source.write_bytes(source.read_bytes()[: source.stat().st_size * 6 // 10])
    elif how == "no dump":
        source.write_text(SOME_DATA)
    else:
        source.unlink()
    slug = {"cut": "import-failed", "no dump": "import-unreadable", "missing": "import-source"}[how]
    caller.refused("backup_import", database, slug, source=str(source), wait=120.0)
    assert caller.names() == []
