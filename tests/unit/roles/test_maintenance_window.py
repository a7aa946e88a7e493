# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role makes of its variables, as Ansible does: whatever is typed with `-e name=value` is text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLE = Path(__file__).parents[3] / "roles/maintenance_window"


def read(file: str) -> Any:
    return DataLoader().load_from_file(str(ROLE / file), trusted_as_template=True)


def resolved(template: Any, **variables: Any) -> Any:
    """In the role; variables are stronger than its own."""
    stack = {"dbops_environment": "staging", "dbops_name": "shop"}
    known = {**read("defaults/main.yml"), **read("vars/main.yml"), **stack, **variables}
    return Templar(DataLoader(), variables=known).template(trust_as_template(template) if isinstance(template, str) else template)


def task(file: str, name: str) -> dict[str, Any]:
    """The task of a file that has this name, however deep it lies in blocks."""

    def found(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for each in tasks:
            yield each
            for part in ("block", "rescue", "always"):
                yield from found(each.get(part, []))

    return next(each for each in found(read(file)) if each["name"] == name)


def test_the_target_is_left_a_time_and_no_text() -> None:
    announce = task("tasks/open.yml", "Open the window")["amanat.dbops.window_state"]["private"]["announce"]
    left = json.loads(resolved(announce, dbops_announce=[], maintenance_window_sender_timeout="8"))
    assert left == {"senders": [], "timeout": 8.0}


@pytest.mark.parametrize(
    ("last", "line"),
    [
        ({}, "ok: no window is open, and there was none yet · next: nothing"),
        ({"clients": "released", "state": "closed"}, "ok: no window is open, the last one, w1, ended as closed · next: nothing"),
        # What of these is still held off, `failed` and acknowledged, a person has been told of.
        ({"clients": "releasing", "state": "failed"}, "ok: no window is open, the last one, w1, ended as failed · next: nothing"),
        (
            {"clients": "held", "state": "rolled_back"},
            (
                "needs_a_person: no window is open, the last one, w1, ended as rolled_back, "
                "and clients may be held off, as its run was cut off · next: recover.yml -e dbops_window=w1"
            ),
        ),
    ],
)
def test_status_tells_of_clients_who_were_never_let_in(last: dict[str, Any], line: str) -> None:
    said = task("tasks/status.yml", "Say that none is open")
    history = {"journal": {}, "last": {"id": "w1", **last} if last else {}}
    known = {"__maintenance_window_history": history, "__maintenance_window_unreported": False, **said["vars"]}
    assert resolved(said["ansible.builtin.debug"]["msg"], **known) == f"dbops status staging/shop {line}"


@pytest.mark.parametrize("given", [["users", "app.payments"], "users, app.payments"])
def test_a_list_is_one_also_where_it_is_typed_as_text(given: Any) -> None:
    """The target reads it in the journal, and would take a text for its characters."""
    names = ("maintenance_window_health_tables", "maintenance_window_health_ignore", "maintenance_window_cache_patterns")
    known = {"dbops_health_url": "http://127.0.0.1/", "maintenance_window_health_status": "200,204", **dict.fromkeys(names, given)}
    gate = resolved("{{ __maintenance_window_gate }}", **known)
    assert gate["tables"] == gate["ignore"] == ["users", "app.payments"]
    assert gate["status"] == [200, 204]
    assert resolved(task("tasks/settle.yml", "Flush it")["loop"], **known) == ["users", "app.payments"]


@pytest.mark.parametrize(
    ("left", "facts", "record"),
    [
        (
            {"door": {"state": "shut", "seconds": 1}, "redis": {"held": True, "moment": "m"}},
            {"let_in": {"role": "r"}, "redis_held": False, "clients": "released"},
            {"door": {"state": "open", "seconds": 1}, "redis": {"held": False, "moment": "m"}, "clients": "released"},
        ),
        (
            {"door": {"state": "shut"}, "redis": {"held": True}},
            {"let_in": {"failed": True}, "redis_held": True, "clients": "held"},
            {"door": {"state": "shut"}, "redis": {"held": True}, "clients": "held"},
        ),
        ({}, {"let_in": {"role": "r"}, "redis_held": False, "clients": ""}, {"door": {}, "redis": {}, "clients": ""}),
    ],
)
def test_whom_a_person_lets_in_the_journal_does_not_keep_out(left: dict[str, Any], facts: dict[str, Any], record: dict[str, Any]) -> None:
    known = {"warnings": [], "kept": {}, "": {"journal": left}, **facts}
    end = {f"__maintenance_window_{name}".rstrip("_"): value for name, value in known.items()}
    said = task("tasks/attend.yml", "Free the lock of the failed window")["amanat.dbops.window_state"]["record"]
    assert resolved(said, **task("tasks/attend.yml", "The end")["vars"], **end) == {**record, "warnings": []}


def test_downtime_is_measured_by_what_counts_as_healthy() -> None:
    known = {
        "dbops_health_url": "http://127.0.0.1/",
        "maintenance_window_health_status": "204",
        "maintenance_window_health_request_timeout": 9,
    }
    measure = task("tasks/open.yml", "Measure what clients see")["amanat.dbops.availability_probe"]
    probe = resolved(measure, __maintenance_window={"journal": {"id": "w1"}}, **known)
    gate = resolved("{{ __maintenance_window_gate }}", **known)
    assert {key: value for key, value in probe.items() if key in gate} == {key: gate[key] for key in ("url", "status", "request_timeout")}


@pytest.mark.parametrize(("still", "warned"), [([], []), (["mailer does not run"], ["As before the window: mailer does not run."])])
def test_a_service_that_could_not_be_started_is_told_also_where_it_runs_by_now(still: list[str], warned: list[str]) -> None:
    warn = task("tasks/verify.yml", "Warn of what is not well, as it was not before")
    assert "when" not in warn
    known = {"__maintenance_window_warnings": [], "__maintenance_window_started": {"missed": ["mailer was down before"]}}
    told = resolved(warn["ansible.builtin.set_fact"], __maintenance_window_still=still, **known)
    assert told["__maintenance_window_warnings"] == ["mailer was down before", *warned]


def test_of_a_window_whose_clients_are_held_off_it_is_said_why_it_was_rolled_back() -> None:
    say = task("tasks/conclude.yml", "Say that clients are held off")
    error = {"slug": "health-gate", "message": "It is not healthy."}
    held = {"__maintenance_window_held_off": "No proxy.", "__maintenance_window_report_words": "report", "dbops_release": ["true"]}
    known = {"__maintenance_window_error": error, **held, **say["vars"]}
    for state, cause in (("rolled_back", " Before that, [health-gate] It is not healthy. State: "), ("closed", "  State: ")):
        told = resolved(say["ansible.builtin.fail"]["msg"], __maintenance_window={"journal": {"id": "w1", "state": state}}, **known)
        assert f" ended as {state}, and clients are held off: No proxy.{cause}" in told
