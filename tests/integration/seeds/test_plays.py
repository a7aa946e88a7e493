# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""seed.yml and rehearse.yml, as an operator types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.plays import Outcome, play
from tests.integration.seeds.conftest import Shop, report


@pytest.fixture
def type_in(tmp_path: Path) -> Any:
    """A function that runs a playbook on a shop's own inventory."""

    def run(verb: str, shop: Shop, *options: str) -> Outcome:
        caller = shop.caller.arguments(shop.database)
        environment, _slash, name = shop.stack.partition("/")
        variables = {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "dbops_environment": environment,
            "dbops_name": name,
            "dbops_state_dir": caller["state_dir"],
            "dbops_backup_dir": caller["backup_dir"],
            "dbops_postgres_container": caller["postgres_container"],
            "dbops_pg_url": caller["pg_url"],
            "dbops_services": [{"name": "backend", "kind": "container", "container": shop.backend}],
            "dbops_seeds": [{"name": "repeats", "tables": ["public.categories"]}],
            "dbops_report_dir": str(tmp_path / "fetched"),
            "postgres_throwaway_memory": "512m",
            "postgres_backup_verify": False,
        }
        inventory = tmp_path / "hosts.json"
        inventory.write_text(json.dumps({"all": {"hosts": {"shop": variables}}}))
        return play(verb, "-i", str(inventory), *options)

    return run


@pytest.mark.slow
def test_a_seed_from_the_first_word_to_the_last(make_shop: Any, type_in: Any, tmp_path: Path) -> None:
    """Nothing without its confirmation; then rehearsed, backed up and run; the second time nothing changes."""
    shop = make_shop("production/shop")
    line = "dbops seed production/shop"
    chosen = ["-e", "dbops_seed=seedCategories"]
    meant = [*chosen, "-e", "dbops_confirm=production/shop"]
    before = shop.content()
    done = type_in("seed", shop, *chosen)
    assert (done.code, done.last_line.startswith(f"{line} refused: [confirm-missing]")) == (2, True), done.out
    done = type_in("seed", shop, *chosen, "--check")
    assert (done.code, done.last_line) == (0, f"{line} ok: would rehearse seedCategories · next: nothing"), done.out
    assert shop.content() == before
    done = type_in("seed", shop, *meant)
    assert done.last_line == f"{line} changed: public.categories from 0 to 12 rows · next: nothing", done.out
    assert [report(str(path))["seed"] for path in (tmp_path / "fetched").iterdir()] == ["seedCategories"] * 2
    made = [name for name in shop.caller.names() if name.endswith(".manifest.json")]
    assert len(made) == 2, "one backup before, one by the run"
    checks = json.loads((shop.caller.backups / made[-1]).read_text(encoding="utf-8"))["checks"]
    assert [check["check"] for check in checks] == ["complete", "verified"], "whatever a backup of every day may leave out"
    before = shop.content()
    done = type_in("seed", shop, *meant)
    assert done.last_line == f"{line} ok: seedCategories changed no row · next: nothing", done.out
    assert shop.content() == before


@pytest.mark.slow
def test_what_is_refused_is_told(make_shop: Any, type_in: Any) -> None:
    shop = make_shop("production/shop")
    meant = ["-e", "dbops_confirm=production/shop"]
    before = shop.content()
    done = type_in("rehearse", shop, *meant, "-e", "dbops_seed=seedLevels", "--check")
    assert done.last_line.startswith("dbops rehearse production/shop ok: would run seedLevels twice on a copy of"), done.out
    done = type_in("rehearse", shop, *meant, "-e", "dbops_seed=seedLevels")
    said = "dbops rehearse production/shop changed: ran seedLevels twice on a copy of"
    assert done.last_line.startswith(said), done.out
    done = type_in("rehearse", shop, *meant, "-e", "dbops_seed=repeats")
    assert done.code == 2
    assert done.last_line.startswith("dbops rehearse production/shop failed: [seed-unsafe] repeats did not come through"), done.out
    done = type_in("rehearse", shop, *meant, "-e", "dbops_seed=seed:all")
    assert "another host" not in done.last_line
    assert "rows of public.users were deleted" in done.last_line, done.out
    for check in ((), ("--check",)):
        done = type_in("seed", shop, *meant, "-e", "dbops_seed=seed:all", *check)
        assert done.code == 2
        assert done.last_line.startswith("dbops seed production/shop refused: [seed-never] seed:all is refused"), done.out
    assert [(line["seed"], line["slug"]) for line in shop.audit()] == [("seed:all", "seed-never")], "check mode writes none"
    assert shop.content() == before
