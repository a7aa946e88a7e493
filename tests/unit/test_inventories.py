# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventories that come with the collection say what the roles understand, and `deploy` can begin with each of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.manager import VariableManager

ROOT = Path(__file__).parents[2]
IMAGES = {"postgres_image": r"postgres:18\.\d+-[a-z0-9.]+", "redis_image": r"redis:8\.\d+\.\d+(-[a-z0-9.]+)?"}


@pytest.fixture(params=["development", "staging", "production"])
def inventory(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The variables of its one host, as Ansible reads them; templates stay text."""
    loader = DataLoader()
    inventory = InventoryManager(loader=loader, sources=[str(ROOT / "inventories" / request.param)])
    (host,) = inventory.get_hosts()
    return {"folder": request.param, **VariableManager(loader=loader, inventory=inventory).get_vars(host=host)}


def options() -> set[str]:
    """Every variable that some entry point of a role describes."""
    specs = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in ROOT.glob("roles/*/meta/argument_specs.yml")]
    return {name for spec in specs for entry in spec["argument_specs"].values() for name in entry.get("options", {})}


def test_it_is_of_the_environment_that_its_folder_names(inventory: dict[str, Any]) -> None:
    assert inventory["dbops_environment"] == inventory["folder"]


def test_it_says_only_what_the_roles_understand(inventory: dict[str, Any]) -> None:
    said = {name for name in inventory if name.startswith(("dbops_", "postgres_", "redis_", "maintenance_window_"))}
    assert said - options() == set()


@pytest.mark.parametrize("image", IMAGES)
def test_images_are_pinned(inventory: dict[str, Any], image: str) -> None:
    assert re.fullmatch(IMAGES[image], inventory[image])


def test_redis_has_a_password_or_means_to_have_none(inventory: dict[str, Any]) -> None:
    """Without either, `deploy` refuses to make a server that answers nobody."""
    means_none = inventory.get("redis_settings", {}).get("protected-mode") is False
    assert ("dbops_redis_password" in inventory) != means_none
