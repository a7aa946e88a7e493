# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a name may forbid, what a rehearsal proves, and that nothing unknown counts as a yes."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._seed import ALLOWED, NEVER, find, hints, is_one_of, plain
from ansible_collections.amanat.dbops.plugins.module_utils._seed_guard import counts, decide, judge
from hypothesis import given
from hypothesis import strategies as st


def run(*changes: dict[str, Any], **other: Any) -> dict[str, Any]:
    nothing: dict[str, Any] = {"complaint": "", "attempts": 0, "beyond": [], "beside": [], "sequences": []}
    return {"code": 0, "timeout": 600.0, **nothing, "changes": list(changes), **other}


def rows(table: str, *, added: int = 0, changed: int = 0, deleted: int = 0) -> dict[str, Any]:
    return {"table": table, "added": added, "changed": changed, "deleted": deleted}


def sequence(before: int, after: int | None) -> dict[str, Any]:
    return {"sequence": "public.s", "before": before, "after": after, "backwards": after is None or after < before}


def record(*runs: dict[str, Any], newest: bool = True, of: str = "x") -> dict[str, Any]:
    backup = {"backup": "amanat_pg", "backup_is_newest": newest, "backup_stack": of}
    return {"runs": list(runs), "stack": "x", **backup, "report": "/report.json"}


PASSED = record(run(rows("public.categories", added=12)), run())
FAILED = record(run(rows("public.users", deleted=3)), run())
OLDER = record(run(), run(), newest=False)
OF_ANOTHER = record(run(), run(), of="y")


@pytest.mark.parametrize(
    ("seed", "stack", "stamp", "rehearsed", "expected"),
    [
        # environment of inventory, stamp, record: verdict, slug, whether a rehearsal is all that is missing
        ("seedCategories", "production/shop", "production/shop", PASSED, (True, "", False)),
        ("seedCategories", "production/shop", "production/shop", FAILED, (False, "seed-unsafe", False)),
        ("seedCategories", "production/shop", "production/shop", None, (False, "seed-not-rehearsed", True)),
        # A rehearsal on a backup that somebody chose is none.
        ("seedCategories", "production/shop", "production/shop", OLDER, (False, "seed-not-rehearsed", True)),
        ("seedCategories", "production/shop", "production/shop", OF_ANOTHER, (False, "seed-not-rehearsed", True)),
        ("seedCities", "production/shop", "production/shop", OLDER, (False, "seed-not-rehearsed", False)),
        ("seedCities", "production/shop", "production/shop", None, (False, "seed-not-rehearsed", False)),
        ("seedCities", "staging/shop", "staging/shop", None, (False, "seed-not-rehearsed", False)),
        ("seedCities", "development/shop", "development/shop", None, (False, "seed-not-rehearsed", True)),
        ("seedCategories", "development/shop", "development/shop", FAILED, (False, "seed-unsafe", False)),
        ("seed:users", "development/shop", "development/shop", None, (True, "", False)),
        ("seed:users", "development/shop", "production/shop", None, (False, "stamp-mismatch", False)),
        ("seed:users", "development/shop", "", None, (False, "stamp-missing", False)),
        ("seed:all", "staging/shop", "staging/shop", PASSED, (False, "seed-never", False)),
        ("seedAll", "production/shop", "production/shop", PASSED, (False, "seed-never", False)),
    ],
)
def test_verdicts(seed: str, stack: str, stamp: str, rehearsed: Any, expected: tuple[bool, str, bool]) -> None:
    verdict = decide(find(seed, []), stack=stack, stamp=stamp, record=rehearsed, allowed=ALLOWED, never=[])
    assert (verdict.allow, verdict.slug, verdict.rehearse) == expected
    assert verdict.reasons


names = st.sampled_from(["seed:all", "seedAll", "seed_users", "seedUsers", "seedCategories", "seedLevels", "seedCities", "x"])
stacks = st.sampled_from(["development/shop", "staging/shop", "production/shop", "production/other", ""])
numbers = st.integers(0, 2)
changes = st.builds(rows, st.sampled_from(["public.categories", "public.users"]), added=numbers, changed=numbers, deleted=numbers)
runs = st.builds(run, changes, code=st.sampled_from([0, 1, 124]), attempts=numbers, beside=st.sampled_from([[], ["the schema"]]))
records = st.none() | st.just(PASSED) | st.builds(record, runs, runs, newest=st.booleans()) | st.builds(record, runs)
lists = st.lists(names, max_size=3)


@given(names, stacks, stacks, records, lists, lists)
def test_nothing_unknown_counts_as_a_yes(name: str, stack: str, stamp: str, rehearsed: Any, allowed: list[str], more: list[str]) -> None:
    seed = find(name, [])
    verdict = decide(seed, stack=stack, stamp=stamp, record=rehearsed, allowed=allowed, never=more)
    if verdict.allow:
        assert stack == stamp
        assert not verdict.rehearse
        destroys = is_one_of(seed, [*NEVER, *more])
        assert stack == "development/shop" if destroys else rehearsed and counts(rehearsed) and not judge(rehearsed, seed)
    else:
        assert verdict.slug
        assert verdict.next


@given(records)
def test_what_a_proof_is(rehearsed: Any) -> None:
    """Two runs that ended well; the first deleted nothing and wrote to no other table; the second changed nothing."""
    if rehearsed is None or judge(rehearsed, find("seedCategories", [])):
        return  # no proof
    first, second = rehearsed["runs"]
    assert [first["code"], second["code"], first["attempts"], second["attempts"]] == [0, 0, 0, 0]
    assert all(change["deleted"] == 0 for change in first["changes"])
    assert all(change["table"] == "public.categories" for change in first["changes"] if change["added"] or change["changed"])
    assert not second["changes"]
    assert not first["beside"] + second["beside"]


@pytest.mark.parametrize(
    ("runs", "reason"),
    [
        ([run(code=124, timeout=5.0)], "run 1: it did not end within 5 s and was ended"),
        ([run(), run(code=3)], "run 2: it ended with 3"),
        ([run(), run(complaint="Error: no")], "run 2: it ended with 0 and yet said: Error: no"),
        ([run(attempts=2), run()], "run 1: it tried to reach another host"),
        ([run(beyond=["FLUSHALL in Redis"]), run()], "run 1: it reaches beyond its database: FLUSHALL in Redis"),
        ([run(), run(sequences=[sequence(500, 1)])], "run 2: the sequence public.s went back from 500 to 1"),
        ([run(sequences=[sequence(500, None)]), run()], "run 1: the sequence public.s went back from 500 to its start"),
        ([run()], "its rehearsal did not run twice"),
        ([run(rows("public.categories", deleted=1)), run()], "1 row of public.categories were deleted"),
        ([run(rows("public.users", added=2)), run()], "2 rows of public.users, which is none of its own tables, were added"),
        ([run(beside=["the schema"]), run()], "the schema changed"),
        ([run(), run(rows("public.categories", added=1))], "its second run was to change nothing: public.categories: 1 row added"),
    ],
)
def test_reasons(runs: list[dict[str, Any]], reason: str) -> None:
    assert reason in judge(record(*runs), find("seedCategories", []))


@pytest.mark.parametrize("name", ["seed:users", "seedUsers", "SEED_USERS", "dist/seeds/seedUsers.js", "./seed-users.ts"])
def test_one_name_is_as_good_as_another(name: str) -> None:
    assert plain(name) == "seedusers"


def test_how_seeds_are_found() -> None:
    seed = find("seedCategories", [])
    assert seed.argv == ("node", "-e", "require('./dist/seeds/seedCategories.js')")
    assert (seed.files, seed.tables) == (("dist/seeds/seedCategories.js",), ("public.categories",))
    script = find("seed:users", [])
    assert (script.argv, script.files, script.tables) == (
        ("npm", "run", "--silent", "--no-update-notifier", "seed:users"),
        ("package.json",),
        (),
    )
    own = find("cities", [{"name": "cities", "argv": ["bin/seed"], "files": ["bin/seed", "data"], "tables": ["geo.cities"]}])
    assert (own.argv, own.files, own.tables) == (("bin/seed",), ("bin/seed", "data"), ("geo.cities",))
    disguised = find("cities", [{"name": "cities", "argv": ["sh", "-c", "node dist/seeds/seedUsers.js"]}])
    assert is_one_of(disguised, NEVER)


@pytest.mark.parametrize("name", ["", "../x", "a b", "-e", "seed'"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(OperationError, match="seed-malformed"):
        find(name, [])


def test_tables_that_are_none() -> None:
    with pytest.raises(OperationError, match="seed-malformed"):
        find("cities", [{"name": "cities", "tables": ["cities"]}])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("execute(sql`truncate table ${users} cascade`)", ["TRUNCATE"]),
        ('query("DELETE FROM users;")', ["DELETE without WHERE"]),
        ("delete from users where id = 1", []),
        ("drop table users", ["DROP"]),
        ("the value is truncated", []),
    ],
)
def test_hints(text: str, found: list[str]) -> None:
    assert hints(text) == found
