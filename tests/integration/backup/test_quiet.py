# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever ends a window finds its server quiet: no task of its operation, and no copy whose client is gone, goes on in it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any, Callable

from ansible_collections.amanat.dbops.plugins.module_utils import _clock, _private, _undo, _window
from ansible_collections.amanat.dbops.plugins.module_utils._files import make_private_directory
from ansible_collections.amanat.dbops.plugins.module_utils._interrupted import Interrupted
from ansible_collections.amanat.dbops.plugins.module_utils._migration_lock import SESSIONS
from ansible_collections.amanat.dbops.plugins.module_utils._rollback import session_name
from ansible_collections.amanat.dbops.plugins.module_utils._stack import Stack

from tests.integration.backup.conftest import PASSWORD, USER, WINDOW, WINDOW_PASSWORD, Caller, Postgres

MOMENT = datetime(2026, 11, 22, 17, 1, 2, 0, timezone.utc)


@contextmanager
def session(server: Postgres, application: str, user: str, password: str, database: str) -> Iterator[None]:
    """One that sleeps in the server, whatever becomes of its client."""
    argv = ["docker", "exec", "--env", "PGPASSWORD", "--env", "PGAPPNAME", server.container, "psql", "-X", "--host", "127.0.0.1"]
    env = {"PGPASSWORD": password, "PGAPPNAME": application, "PATH": "/usr/bin:/bin"}
    with subprocess.Popen([*argv, "--username", user, "--dbname", database, "--command", "SELECT pg_sleep(600)"], env=env) as client:
        try:
            server.await_sql("postgres", f"EXISTS (SELECT FROM pg_stat_activity WHERE application_name = '{application}')", seconds=60)
            client.kill()
            yield
        finally:
            client.kill()


def ending(caller: Caller, database: str, operation: str = "custom", *, guarded: bool = True) -> Any:
    """Whoever ends a window in mid-operation."""
    stack = Stack.parse(caller.arguments(database)["stack"], str(caller.directory / "state"))
    make_private_directory(stack.directory)
    _private.write(stack, {"pg_url": caller.server.url(database), "login_user": "", "login_password": ""})
    undo = {"engine": {}, "postgres_container": caller.server.container, "postgres_bin_dir": "", "services": [], "redis": {}}
    record = {"undo": {**undo, "guarded": guarded, "moment": MOMENT.strftime(_undo.MOMENT)}, "phase": "operated"}
    journal = {**_window.new("w1", str(stack), operation, {}, 60, "", MOMENT, _clock.read(), {}), **record}
    return Interrupted(stack, journal)


def test_what_goes_on_in_the_server_is_ended_before_anybody_judges(
    caller: Caller, postgres: Postgres, make_database: Callable[..., str]
) -> None:
    database, other = make_database(), make_database()
    copying, task, elsewhere = session_name(database, MOMENT), "a task", session_name(other, MOMENT)
    caller.run("postgres_door", database, backup_dir=None, state="shut", password=WINDOW_PASSWORD)
    try:
        with (
            session(postgres, copying, USER, PASSWORD, "postgres"),
            session(postgres, elsewhere, USER, PASSWORD, "postgres"),
            session(postgres, task, WINDOW, WINDOW_PASSWORD, database),
        ):
            one = ending(caller, database)
            one.make_quiet()
            left = postgres.sql(
                "postgres", "SELECT application_name FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()"
            )
            assert left == elsewhere
            assert postgres.sql("postgres", f"SELECT rolcanlogin FROM pg_roles WHERE rolname = '{WINDOW}'") == "f"
            version = f"SELECT xmin FROM pg_authid WHERE rolname = '{WINDOW}'"
            first = postgres.sql("postgres", version)
            one.make_quiet()
            assert postgres.sql("postgres", version) == first, "the second time it writes nothing"
            postgres.sql("postgres", f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{elsewhere}'")
    finally:
        caller.run("postgres_door", database, backup_dir=None, state="open")


def test_a_migration_that_goes_on_is_ended_and_none_of_a_stack_beside(
    caller: Caller, postgres: Postgres, make_database: Callable[..., str]
) -> None:
    database, other = make_database(), make_database()
    ours, theirs = f"{SESSIONS}0123", f"{SESSIONS}4567"
    with session(postgres, ours, USER, PASSWORD, database), session(postgres, theirs, USER, PASSWORD, other):
        ending(caller, database, "migrate", guarded=False).make_quiet()
        left = f"SELECT application_name FROM pg_stat_activity WHERE application_name LIKE '{SESSIONS}%'"
        assert postgres.sql("postgres", left) == theirs
        postgres.sql("postgres", f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{theirs}'")
