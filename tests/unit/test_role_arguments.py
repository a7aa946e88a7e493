# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A role's defaults and its argument specs say the same, every entry point that anyone uses has a spec, and no name means two things."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
# Options of playbooks that a role speaks of, and does not read.
MENTIONED = {"dbops_swap", "dbops_pattern", "dbops_max_keys"}
INCLUDES = ("ansible.builtin.include_role", "ansible.builtin.import_role")


class Loader(yaml.SafeLoader):
    """Reads `!vault` and `!unsafe` values as the text that they carry."""


Loader.add_multi_constructor("!", lambda loader, _tag, node: loader.construct_scalar(node))


def read(path: Path) -> Any:
    return (yaml.load(path.read_text(encoding="utf-8"), Loader) or {}) if path.exists() else {}  # noqa: S506 - a SafeLoader


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_no_module_lies_on_the_target_with_its_secrets(role: Path) -> None:
    assert read(role / "vars/main.yml")["ansible_pipelining"] is True


def specs(role: Path) -> dict[str, Any]:
    return read(role / "meta/argument_specs.yml").get("argument_specs", {})


def includes(data: Any) -> Iterator[tuple[str, str]]:
    """The roles of the collection that a piece of YAML includes, and from which task file."""
    for value in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        yield from includes(value)
    for key in INCLUDES:
        if isinstance(data, dict) and key in data:
            yield data[key]["name"].removeprefix("amanat.dbops."), data[key].get("tasks_from", "main")


@pytest.fixture(params=ROLES, ids=lambda role: role.name)
def role(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_defaults_are_prefixed_with_the_role(role: Path) -> None:
    """`dbops_…` is what people type; its one default stands with the modules."""
    prefixes = (f"{role.name}_", f"__{role.name}_")
    assert [name for name in read(role / "defaults/main.yml") if not name.startswith(prefixes)] == []


def test_entry_points_have_specs_and_specs_entry_points() -> None:
    """With its extension a task file is found as well, but then Ansible validates no argument."""
    files = [*ROOT.glob("playbooks/*.yml"), *ROOT.glob("roles/*/tasks/**/*.yml"), *ROOT.glob("molecule/*/*.yml")]
    used = {included for file in files for included in includes(read(file)) if "{{" not in "".join(included)}
    stated = {(role.name, entry) for role in ROLES for entry in specs(role)}
    assert used <= stated, "used without an argument spec"
    assert {(name, entry) for name, entry in stated if not (ROOT / "roles" / name / "tasks" / f"{entry}.yml").exists()} == set()


def test_specs_and_defaults_agree(role: Path) -> None:
    """In key and in value, for every entry point."""
    defaults = read(role / "defaults/main.yml")
    known = set()
    for entry, spec in specs(role).items():
        options = spec.get("options", {})
        known |= set(options)
        stated = {name: option["default"] for name, option in options.items() if "default" in option}
        assert stated == {name: defaults[name] for name in options if name in defaults}, entry
        required = {name for name, option in options.items() if option.get("required")}
        assert not required & set(defaults), f"{entry}: required, and yet with a default"
    assert set(defaults) <= known, "defaults that no argument spec knows"


def test_what_a_role_reads_of_the_inventory_is_in_a_spec(role: Path) -> None:
    described = {name for spec in specs(role).values() for name in spec.get("options", {})}
    files = [*role.glob("tasks/**/*.yml"), *role.glob("vars/*.yml")]
    assert {name for file in files for name in re.findall(r"\bdbops_[a-z]\w*", file.read_text(encoding="utf-8"))} <= described | MENTIONED


def parts(data: Any) -> Iterator[dict[str, Any]]:
    """Every task and block, and whatever else of a piece of YAML has keys."""
    if isinstance(data, dict):
        yield data
    for value in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        yield from parts(value)


def facts(tasks: Any) -> set[str]:
    """What tasks leave behind for whatever the play runs on the same host after them."""
    return {name for part in parts(tasks) for name in (*part.get("ansible.builtin.set_fact", ()), part.get("register")) if name}


def test_no_fact_has_the_name_of_a_variable_of_a_task(role: Path) -> None:
    """It is the stronger one, in whatever runs after it."""
    files = [read(file) for file in role.glob("tasks/**/*.yml")]
    variables = {name for file in files for part in parts(file) if "name" in part for name in part.get("vars", ())}
    assert facts(files) & {*variables, *read(role / "vars/main.yml")} == set()


def test_a_window_knows_nothing_of_the_one_before_it_in_the_same_play() -> None:
    """What the role asks with `default` or `is defined` may not have been set yet; where it was, then perhaps by that one."""
    role = ROOT / "roles/maintenance_window"
    files = [*role.glob("tasks/**/*.yml"), role / "vars/main.yml"]
    asked = [re.findall(r"\b\w+(?= ?\| ?default\b| is (?:not )?defined)", file.read_text(encoding="utf-8")) for file in files]
    forgotten = read(role / "tasks/preflight.yml")[0]["ansible.builtin.set_fact"]
    assert {name for names in asked for name in names} & facts([read(file) for file in files]) <= set(forgotten)
