# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task file leads to is read beforehand; whatever a rescue would not see is a problem."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.amanat.dbops.plugins.plugin_utils._task_files import Walk


def walk(root: Path, files: dict[str, str]) -> Walk:
    """Read custom.yml of an inventory whose roles lie beside it; Ansible would look in `first` first."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")

    def load(path: str) -> object:
        try:
            return yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError) as error:
            raise ValueError(str(error)) from error

    def find_role(name: str) -> str:
        return str(root / "roles" / name) if name and (root / "roles" / name).is_dir() else ""

    walked = Walk(str(root), [str(root / "first")], load, find_role)
    walked.task_file(str(root / "custom.yml"))
    return walked


ENDS = "- ansible.builtin.meta: end_host\n"


@pytest.mark.parametrize(
    ("files", "told"),
    [
        pytest.param({}, "cannot be read", id="no file"),
        pytest.param({"custom.yml": "- name: 'unfinished\n"}, "cannot be read", id="no YAML"),
        pytest.param({"custom.yml": "just words\n"}, "is no list of tasks", id="no tasks"),
        pytest.param({"custom.yml": "meta: noop\n"}, "is no list of tasks", id="a mapping"),
        pytest.param({"custom.yml": ""}, "is no list of tasks", id="nothing"),
        pytest.param({"custom.yml": "- meta: end_play\n"}, "ends the play (meta: end_play)", id="an end"),
        pytest.param({"custom.yml": "- action: meta end_batch\n"}, "ends the play", id="an end, written as an action"),
        pytest.param({"custom.yml": "- action: {module: meta, _raw_params: end_role}\n"}, "ends the play", id="as a mapping"),
        pytest.param({"custom.yml": "- block:\n  - always:\n    - meta: end_host\n"}, "ends the play", id="an end in a block"),
        pytest.param({"custom.yml": "- debug:\n  any_errors_fatal: true\n"}, "says any_errors_fatal", id="fatal for all"),
        pytest.param({"custom.yml": "- block: []\n  any_errors_fatal: '{{ x }}'\n"}, "says any_errors_fatal", id="perhaps fatal for all"),
        pytest.param(
            {"custom.yml": "- include_tasks: {file: a.yml, apply: {any_errors_fatal: yes}}\n", "a.yml": "[]"}, "says any", id="applied"
        ),
        pytest.param({"custom.yml": "- command: id\n  run_once: true\n"}, "says run_once", id="run once"),
        pytest.param({"custom.yml": "- include_tasks: a.yml\n", "a.yml": ENDS}, "a.yml ends the play", id="an end in an include"),
        pytest.param({"custom.yml": "- import_tasks: a.yml\n", "a.yml": ENDS}, "a.yml ends the play", id="an end in an import"),
        pytest.param({"custom.yml": "- action: include_tasks a.yml\n", "a.yml": ENDS}, "a.yml ends the play", id="as an action"),
        pytest.param(
            {"custom.yml": "- include_tasks: d/a.yml\n", "d/a.yml": "- include_tasks: {file: b.yml}\n", "d/b.yml": "- 'x\n"},
            "d/b.yml cannot be read",
            id="no YAML, two includes deep",
        ),
        pytest.param({"custom.yml": "- include_tasks: gone.yml\n"}, "gone.yml cannot be read", id="a missing include"),
        pytest.param({"custom.yml": "- include_tasks: '{{ x }}.yml'\n"}, "not known beforehand", id="a templated include"),
        pytest.param({"custom.yml": "- include_tasks:\n"}, "not known beforehand", id="an include of nothing"),
        pytest.param(
            {"custom.yml": "- include_tasks: open.yml\n", "open.yml": "[]", "first/open.yml": "[]"}, "would take", id="another file first"
        ),
        pytest.param({"custom.yml": "- include_tasks: a.yml\n", "a.yml": "[]", "tasks/a.yml": "[]"}, "would take", id="one in tasks/"),
        pytest.param({"custom.yml": "- include_role: {name: gone}\n"}, "'gone', which is not found", id="a missing role"),
        pytest.param({"custom.yml": "- include_role: {name: '{{ x }}'}\n"}, "not found beforehand", id="a templated role"),
        pytest.param({"custom.yml": "- import_role: {role: r}\n", "roles/r/tasks/x/y.yml": ENDS}, "ends the play", id="an end in a role"),
        pytest.param({"custom.yml": "- include_role: name=r\n", "roles/r/tasks/main.yml": ENDS}, "role ''", id="an old way"),
        pytest.param({"custom.yml": "- include_role: {name: r}\n", "roles/r/handlers/main.yml": "- 'x\n"}, "cannot be read", id="handler"),
        pytest.param(
            {
                "custom.yml": "- include_role: {name: r}\n",
                "roles/r/meta/main.yml": "dependencies: [{role: s}]\n",
                "roles/s/tasks/main.yml": ENDS,
            },
            "s/tasks/main.yml ends the play",
            id="an end in a dependency",
        ),
        pytest.param({"custom.yml": "- include_role: {name: r}\n", "roles/r/meta/main.yml": "- 'x\n"}, "cannot be read", id="its meta"),
    ],
)
def test_what_a_rescue_would_not_see_is_a_problem(tmp_path: Path, files: dict[str, str], told: str) -> None:
    problems = walk(tmp_path, files).problems
    assert len(problems) == 1
    assert told in problems[0]


@pytest.mark.parametrize(
    ("files", "reached"),
    [
        pytest.param({"custom.yml": "- debug: {msg: never end_play}\n"}, [], id="words are no deeds"),
        pytest.param({"custom.yml": "- debug:\n  any_errors_fatal: false\n"}, [], id="not fatal"),
        pytest.param({"custom.yml": "- meta: flush_handlers # not end_play\n"}, [], id="another meta"),
        pytest.param({"custom.yml": "- include_tasks: a.yml\n", "a.yml": "- include_tasks: custom.yml\n"}, ["a.yml"], id="a circle"),
        pytest.param(
            {"custom.yml": "- include_tasks: '{{ inventory_dir }}/open.yml'\n", "open.yml": "[]", "first/open.yml": "[]"},
            ["open.yml"],
            id="of the inventory, whatever lies elsewhere",
        ),
        pytest.param(
            {
                "custom.yml": "- include_role: {name: r}\n",
                "roles/r/tasks/main.yml": "- include_tasks: '{{ ansible_os_family }}.yml'\n- include_role: {name: r}\n",
                "roles/r/tasks/Debian.yml": "",
                "roles/r/meta/main.yml": "",
            },
            [],
            id="a role chooses among its own files",
        ),
    ],
)
def test_what_can_be_known_is_followed(tmp_path: Path, files: dict[str, str], reached: list[str]) -> None:
    walked = walk(tmp_path, files)
    assert walked.problems == []
    assert walked.files == [str(tmp_path / name) for name in ["custom.yml", *reached]]
