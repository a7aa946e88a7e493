# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Redis holds of rows that a restored database does not have, on real servers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.integration.backup.conftest import Postgres, make_database, postgres

from .conftest import STACK, Server, audit

__all__ = ["make_database", "postgres"]

ENTRIES = [
    {"prefix": "auth:refresh:"},
    {"prefix": "payment:idem:", "query": "SELECT idempotency_key FROM payments WHERE amount > 0 -- all of them\n;"},
]


def test_what_the_database_does_not_know_is_listed_and_removed_when_it_is_named(
    redis: Server, postgres: Postgres, make_database: Callable[..., str], tmp_path: Path
) -> None:
    database = make_database("CREATE TABLE payments (idempotency_key text, amount int); INSERT INTO payments VALUES ('1', 5), ('it''s', 1)")
    redis.ask("MSET", "payment:idem:2", "x", "payment:idem:it's", "x", "payment:idem:", "x", "payment:idem", "x", "payment:idemX1", "x")
    redis.ask("EVAL", "redis.call('SET', 'payment:idem:\\0', 'x') redis.call('SET', 'payment:idem:\\255', 'x')", "0")
    options = {"postgres_container": postgres.container, "pg_url": postgres.url(database), "entries": ENTRIES}

    def found(**more: object) -> dict[str, tuple[int, bool]]:
        result = redis.run("redis_stale", state_dir=str(tmp_path), **options, **more)
        assert result["changed"] == any(each["removed"] for each in result["stale"])
        return {each["prefix"]: (each["keys"], each["removed"]) for each in result["stale"]}

    assert found() == {"auth:refresh:": (1, False), "payment:idem:": (4, False)}
    refused = {**options, "state_dir": str(tmp_path), "remove": ["payment:idem:"]}
    for stamp, slug in (("", "stamp-missing"), ("staging/other", "stamp-mismatch")):
        redis.ask("DEL" if not stamp else "SET", "dbops:environment", *filter(None, [stamp]))
        redis.refused("redis_stale", slug, **refused)
        assert audit(tmp_path)[-1]["slug"] == slug
        assert found()["payment:idem:"] == (4, False)
    redis.ask("SET", "dbops:environment", STACK)
    assert found(check=True, remove=["payment:idem:"]) == {"auth:refresh:": (1, False), "payment:idem:": (4, True)}
    broken = [*ENTRIES, {"prefix": "cache:", "query": "SELECT nothing FROM nowhere"}]
    redis.refused("redis_stale", "sql-failed", **{**refused, "entries": broken, "remove": ["payment:idem:", "auth:refresh:"]})
    assert audit(tmp_path)[-1]["event"] == "refused", "nothing was removed"
    assert found(remove=["payment:idem:"])["payment:idem:"] == (4, True)
    assert {key: audit(tmp_path)[-1][key] for key in ("event", "prefix", "removed")} == {
        "event": "stale-removed",
        "prefix": "payment:idem:",
        "removed": 4,
    }
    assert redis.ask("EXISTS", "payment:idem:1", "payment:idem:it's", "payment:idem", "payment:idemX1", "auth:refresh:1") == "5"
    assert found(remove=["payment:idem:"]) == {"auth:refresh:": (1, False), "payment:idem:": (0, False)}
    assert found(remove=["auth:refresh:"])["auth:refresh:"] == (1, True)
    assert redis.ask("EXISTS", "auth:refresh:1") == "0"
    redis.refused("redis_stale", "stale-unknown", **options, remove=["session:"])
